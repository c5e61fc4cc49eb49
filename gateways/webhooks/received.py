"""What a connector makes events of: a request whose sender is verified."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NoReturn

from contracts.events import InboundEvent, Task
from contracts.problems import InvalidContract, Problem

_PLAIN_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


@dataclass(frozen=True)
class Received:
    """A verified request of one configured sender; `headers` have names in lower case.

    `legal_entity` is the one that the sender's contracts belong to; empty if it names it itself.
    """

    source: str
    legal_entity: str
    headers: dict[str, str]
    body: bytes
    at: datetime

    def json(self) -> Any:
        """The body as JSON, numbers exact. Raises InvalidContract."""
        try:
            return json.loads(self.body, parse_float=Decimal, parse_constant=_no_number)
        except (ValueError, RecursionError):
            raise invalid("file_malformed", "", "a JSON document in UTF-8") from None

    def event(self, key: str, kind: str, task: Task) -> InboundEvent:
        """An event of this request under its key, which may be any text."""
        safe = key if _PLAIN_KEY.fullmatch(key) else hashlib.sha256(_bytes(key)).hexdigest()
        return InboundEvent(
            source=self.source,
            key=safe,
            kind=kind[:100],
            received_at=self.at,
            sha256=self.sha256,
            size=len(self.body),
            task=task,
        )

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


def invalid(code: str, field: str, expected: str, value: str = "") -> InvalidContract:
    """The refusal of a payload for one thing that is wrong with it."""
    return InvalidContract([Problem(code=code, field=field, value=value, expected=expected)])


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
