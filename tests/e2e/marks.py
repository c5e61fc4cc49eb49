"""Marks: names, addresses, accounts and secrets of a run, and the search for them in what it left
behind."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload

from contracts.contract.state import ContractState

SEALED = b"binary/encrypted"
_SHORTEST = 6
"""A shorter text comes by chance."""


class Kind(StrEnum):
    """What a mark stands for."""

    CUSTOMER = "customer"
    ADDRESS = "address"
    VAT = "VAT number"
    MAIL = "customer's e-mail address"
    IBAN = "IBAN"
    PERSON = "person of the firm"
    WORDS = "what somebody wrote"
    SECRET = "key or password"
    ASKED = "what the asker sent"


Marks = Mapping[str, Kind]


def of_contract(state: ContractState) -> dict[str, Kind]:
    """Whatever a contract knows of its customer and of people."""
    contract = state.contract
    if contract is None:
        return {}
    customer = contract.customer
    found: dict[str | None, Kind] = {
        customer.name: Kind.CUSTOMER,
        customer.street: Kind.ADDRESS,
        customer.city: Kind.ADDRESS,
        customer.zip: Kind.ADDRESS,
        customer.vat_number: Kind.VAT,
        customer.billing_email: Kind.MAIL,
        contract.title: Kind.WORDS,
        contract.requested_by: Kind.PERSON,
    }
    return {text: kind for text, kind in found.items() if text}


def checked(marks: Marks) -> Marks:
    """The marks, none of which is so short that it comes by chance."""
    short = [text for text in marks if len(text) < _SHORTEST]
    assert short == [], "marks must be longer"
    return marks


def found_in(content: bytes, marks: Marks) -> dict[str, Kind]:
    """The marks that can be read in it: in any case, and as addresses, pages and Base64 have
    them."""
    low = content.lower()
    return {
        text: kind
        for text, kind in marks.items()
        if any(form in low for form in _written(text))
        or any(form in content for form in _in_base64(text))
    }


def _written(text: str) -> set[bytes]:
    low = text.lower()
    forms = (low, quote(low).lower(), quote(low, safe="").lower(), html.escape(low))
    return {form.encode() for form in forms}


def _in_base64(text: str) -> Iterator[bytes]:
    """What of the text is in Base64 wherever it begins in a group of three bytes."""
    for before in range(3):
        written = base64.b64encode(b"\0" * before + text.encode())
        begins, ends = (0, 2, 3)[before], len(written) - (4 if written.endswith(b"=") else 0)
        yield written[begins:ends]


def clear_fields(message: Message, path: str = "") -> Iterator[tuple[str, bytes]]:
    """The texts and bytes of a message that are not sealed, by the names of their fields."""
    for at, item in _leaves(message, path):
        if not isinstance(item, Payload):
            yield at, item
        elif item.metadata.get("encoding") != SEALED:
            yield at, item.data


def sealed_payloads(message: Message) -> Iterator[Payload]:
    """Its payloads that are sealed."""
    for _, item in _leaves(message, ""):
        if isinstance(item, Payload) and item.metadata.get("encoding") == SEALED:
            yield item


def _leaves(message: Message, path: str) -> Iterator[tuple[str, bytes | Payload]]:
    if isinstance(message, Payload):
        yield path, message
        return
    for field, value in message.ListFields():
        at = f"{path}.{field.name}" if path else field.name
        for name, item in _items(value):
            inner = f"{at}[{name}]" if name else at
            if isinstance(item, Message):
                yield from _leaves(item, inner)
            elif isinstance(item, str | bytes):
                yield inner, item.encode() if isinstance(item, str) else item


def _items(value: Any) -> Iterable[tuple[str, Any]]:
    """What a field holds, each with its key where it is a map."""
    if isinstance(value, str | bytes | Message | int | float):
        return [("", value)]
    return list(value.items()) if hasattr(value, "items") else [("", item) for item in value]
