"""VIES, the European Commission's register of VAT numbers: asked once a contract, and never waited
for.

A number that VIES knows, with the consultation number of the question, is what a firm shows its
tax office. Written from the Commission's documentation, and not yet run against the live service.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property

import httpx
from pydantic import BaseModel

from contracts import vat
from gateways.http import json_object, pooled_client
from gateways.vies_settings import COUNTRIES, ViesSettings

TIMEOUT_SECONDS = 5.0
_PATH = "/check-vat-number"
_PREFIX = {"GR": "EL", "GB": "XI"}
_MOST_TEXT = 60


class Verdict(StrEnum):
    """`UNAVAILABLE`: VIES, or the country's own register, did not say; that is no verdict."""

    VALID = "valid"
    INVALID = "invalid"
    UNAVAILABLE = "unavailable"


class VatCheck(BaseModel):
    """What VIES said of a number; `consultation` is its number for the question, `reason` why it
    said nothing."""

    number: str
    verdict: Verdict
    on: str = ""
    consultation: str = ""
    reason: str = ""

    def __str__(self) -> str:
        if self.verdict is Verdict.UNAVAILABLE:
            return f"VIES did not answer about {self.number} ({self.reason})"
        on = f" on {self.on}" if self.on else ""
        consulted = f", consultation {self.consultation}" if self.consultation else ""
        return f"VIES: {self.number} is {self.verdict}{on}{consulted}"


class Vies:
    """Thread-safe; connects when it is first asked. Nothing it does raises a GatewayError."""

    def __init__(
        self, settings: ViesSettings, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._settings = settings
        self._transport = transport

    def check(self, number: str | None, country: str) -> VatCheck | None:
        """What VIES says now; None where it is not its to say: no number of a member state."""
        known = vat.read(number, country)
        if known.country not in COUNTRIES:
            return None
        try:
            response = self._http.post(_PATH, json=self._question(known))
        except httpx.HTTPError as error:
            return _unavailable(known, type(error).__name__)
        return _read(known, response)

    @cached_property
    def _http(self) -> httpx.Client:
        return pooled_client(
            self._settings.url,
            connect_timeout_seconds=TIMEOUT_SECONDS,
            read_timeout_seconds=TIMEOUT_SECONDS,
            max_connections=2,
            transport=self._transport,
        )

    def _question(self, number: vat.VatNumber) -> dict[str, str]:
        question = {"countryCode": _code(number), "vatNumber": number.text[2:]}
        own = vat.read(self._settings.requester, "")
        if not own.is_valid:
            return question
        return question | {
            "requesterMemberStateCode": _code(own),
            "requesterNumber": own.text[2:],
        }


def _read(number: vat.VatNumber, response: httpx.Response) -> VatCheck:
    answer = json_object(response) or {}
    valid = answer.get("valid", answer.get("isValid"))
    is_verdict = answer.get("userError") in (None, "", "VALID", "INVALID")
    if response.status_code != httpx.codes.OK or not isinstance(valid, bool) or not is_verdict:
        return _unavailable(number, _reason(answer) or f"HTTP {response.status_code}")
    return VatCheck(
        number=number.text,
        verdict=Verdict.VALID if valid else Verdict.INVALID,
        on=_text(answer.get("requestDate"))[:10],
        consultation=_text(answer.get("requestIdentifier")),
    )


def _reason(answer: dict[str, object]) -> str:
    """VIES's own code, such as MS_UNAVAILABLE."""
    errors = answer.get("errorWrappers")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return _text(errors[0].get("error"))
    return _text(answer.get("userError"))


def _unavailable(number: vat.VatNumber, reason: str) -> VatCheck:
    return VatCheck(number=number.text, verdict=Verdict.UNAVAILABLE, reason=reason)


def _code(number: vat.VatNumber) -> str:
    return _PREFIX.get(number.country, number.country)


def _text(value: object) -> str:
    return value[:_MOST_TEXT] if isinstance(value, str) else ""
