"""How both protocols send a call: one pool, one throttle, typed errors."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import httpx

from gateways.http import unanswered
from gateways.odoo import errors
from gateways.throttle import Throttle


class Poster:
    """Posts JSON and returns the answer's JSON. Thread-safe."""

    def __init__(self, http: httpx.Client, throttle: Throttle) -> None:
        self._http = http
        self._throttle = throttle

    def post(self, url: str, body: Any, headers: Mapping[str, str] | None = None) -> Any:
        """Raises GatewayError for whatever is no success."""
        self._throttle.wait()
        try:
            response = self._http.post(url, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise unanswered(error, errors.SYSTEM, "Odoo") from error
        if response.status_code == HTTPStatus.OK:
            return _json(response)
        refusal = errors.from_response(response)
        if response.status_code == HTTPStatus.TOO_MANY_REQUESTS and refusal.retry_after:
            self._throttle.pause(refusal.retry_after)
        raise refusal

    def close(self) -> None:
        self._http.close()


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        raise errors.unexpected("The answer is no JSON: is this Odoo's own address?") from None
