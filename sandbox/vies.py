"""A stand-in for VIES: numbers it knows are valid, others are not, and countries can be away."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from typing import Any

import httpx

REQUEST_DATE = "2026-03-02T10:15:00.000Z"


@dataclass
class Vies:
    """Answers as the register does. `valid` are numbers with their prefix, `away` the countries
    whose own register is not available; `down` says that nothing answers at all."""

    valid: set[str] = field(default_factory=set)
    away: set[str] = field(default_factory=set)
    down: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectTimeout("nobody answers", request=request)
        if not request.url.path.endswith("/check-vat-number"):
            return httpx.Response(404)
        asked = json.loads(request.content)
        self.asked.append(asked)
        country, number = asked["countryCode"], asked["vatNumber"]
        if country in self.away:
            errors = [{"error": "MS_UNAVAILABLE"}]
            return httpx.Response(400, json={"actionSucceed": False, "errorWrappers": errors})
        consulted = f"WAPIAAAA{next(self._numbers):08}" if "requesterNumber" in asked else ""
        answer = {
            "countryCode": country,
            "vatNumber": number,
            "requestDate": REQUEST_DATE,
            "valid": f"{country}{number}" in self.valid,
            "requestIdentifier": consulted,
            "name": "---",
            "address": "---",
        }
        return httpx.Response(200, json=answer)
