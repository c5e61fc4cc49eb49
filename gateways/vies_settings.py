"""Whether VIES is asked: apart from what asks it, because every command reads the configuration."""

from __future__ import annotations

from pydantic import field_validator
from stdnum.eu.vat import MEMBER_STATES

from contracts import vat
from gateways.settings import Address, Section

DEFAULT_URL = "https://ec.europa.eu/taxation_customs/vies/rest-api"
COUNTRIES = frozenset({*(code.upper() for code in MEMBER_STATES), "GR"})
"""Whose numbers VIES knows."""


class ViesSettings(Section):
    """Whether VIES is asked. With the firm's own number as `requester` it gives a consultation
    number."""

    enabled: bool = False
    requester: str = ""
    url: Address = DEFAULT_URL

    @field_validator("requester")
    @classmethod
    def _own_number(cls, number: str) -> str:
        if number and vat.read(number, "").country not in COUNTRIES:
            raise ValueError("requester is a valid VAT number with its country's prefix")
        return number
