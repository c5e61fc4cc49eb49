"""A stand-in for DocuSign Connect: it posts what happened to an envelope to the web gateway."""

from __future__ import annotations

import time
from dataclasses import dataclass

import httpx

from sandbox.docusign import signed

_TRIES = 60
_PAUSE_SECONDS = 0.5
_TIMEOUT_SECONDS = 10


class NotTaken(Exception):
    """The gateway did not take a message; the text says what it answered last."""


@dataclass(frozen=True)
class Connect:
    """One configuration of Connect: where it posts to, and the key that it signs with."""

    url: str
    key: str

    def post(self, message: bytes) -> None:
        """Post a message, again and again until it is answered with 200, as Connect does where
        acknowledgement is required. Raises NotTaken."""
        last = ""
        with httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=False) as http:
            for _ in range(_TRIES):
                try:
                    answer = http.post(self.url, content=message, headers=signed(message, self.key))
                    last = f"HTTP {answer.status_code}"
                except httpx.HTTPError as error:
                    last = type(error).__name__
                if last == "HTTP 200":
                    return
                time.sleep(_PAUSE_SECONDS)
        raise NotTaken(f"{self.url} did not take an envelope's message: {last}")
