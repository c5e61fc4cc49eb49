"""How people name contracts and invoices, turned into workflow ids.

    contract   C-1001      northwind/C-1001      contract/northwind/C-1001
    invoice    C-1001/1    northwind/C-1001/1    contract/northwind/C-1001/invoice/1

The short forms take the legal entity from `Entities`; the full ones need no configuration.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from contracts.identifiers import BANK_PREFIX, KEY, contract_workflow_id, invoice_workflow_id

_CONTRACT = "contract"
_HASH, SHOWN_HASH = 64, 12
"""Letters of the hash of a bank's file, and how many of them are shown."""
_INVOICE = "invoice"
_NUMBER = re.compile(r"^[1-9][0-9]{0,5}$")
_FORMS = "C-1001, northwind/C-1001 or contract/northwind/C-1001"
_FULL_FORMS = "northwind/C-1001, an invoice as northwind/C-1001/1"
_INVOICE_FORMS = "C-1001/1, northwind/C-1001/1 or contract/northwind/C-1001/invoice/1"


class BadReference(ValueError):
    """A text that names nothing: no contract, invoice or legal entity; the message says what
    would."""


@dataclass(frozen=True)
class Entities:
    """The legal entity that is meant where none is stated, and those that are known.

    Both are functions: a full reference must not need the configuration to be read. `default`
    raises BadReference where there is no single answer.
    """

    default: Callable[[], str]
    known: Callable[[], frozenset[str]] = frozenset

    @classmethod
    def of(cls, legal_entity: str, *others: str) -> Entities:
        """The first is meant where none is stated."""
        names = frozenset({legal_entity, *others})
        return cls(default=lambda: legal_entity, known=lambda: names)


def _none_is_meant() -> str:
    raise BadReference(f"which legal entity? write it as {_FULL_FORMS}")


NO_ENTITIES = Entities(default=_none_is_meant)
"""Every reference has to name its legal entity."""


def contract_id(text: str, entities: Entities) -> str:
    """The workflow id of a contract. Raises BadReference."""
    parts, is_full = _parts(text, _FORMS)
    if is_full and len(parts) != 2:
        raise BadReference(f"{text!r} names no contract; write it as {_FORMS}")
    match parts:
        case [contract]:
            return contract_workflow_id(entities.default(), contract)
        case [entity, contract]:
            if not is_full and _names_invoice(parts, entities) and entities.known():
                raise BadReference(f"{text!r} is an invoice; write its contract as {_FORMS}")
            return contract_workflow_id(entity, contract)
    raise BadReference(f"{text!r} names no contract; write it as {_FORMS}")


def invoice_id(text: str, entities: Entities) -> str:
    """The workflow id of an invoice. Raises BadReference."""
    parts, is_full = _parts(text, _INVOICE_FORMS)
    names_contract = len(parts) == 2 and (is_full or parts[0] in entities.known())
    if names_contract or len(parts) < 2 or not _NUMBER.match(parts[-1]):
        raise BadReference(
            f"{text!r} does not say which invoice of the contract; write it as {_INVOICE_FORMS}"
        )
    *contract, number = parts
    if is_full and len(contract) != 2:
        raise BadReference(f"{text!r} names no invoice; write it as {_INVOICE_FORMS}")
    return invoice_workflow_id(contract_id("/".join(contract), entities), int(number))


def any_id(text: str, entities: Entities) -> str:
    """The workflow id of a contract or an invoice. Raises BadReference.

    `A/1` is invoice 1 of contract A, unless A is a legal entity.
    """
    parts, is_full = _parts(text, f"{_FORMS}; an invoice as {_INVOICE_FORMS}")
    is_invoice = len(parts) == 3 or (not is_full and _names_invoice(parts, entities))
    return invoice_id(text, entities) if is_invoice else contract_id(text, entities)


def _names_invoice(parts: list[str], entities: Entities) -> bool:
    """Whether `A/1` is invoice 1 of contract A: A is no legal entity."""
    is_numbered = len(parts) == 2 and _NUMBER.match(parts[1]) is not None
    return is_numbered and parts[0] not in entities.known()


def short(workflow_id: str) -> str:
    """A workflow id as people write it: `northwind/C-1001` or `northwind/C-1001/1`; of a bank's
    file `bank/northwind/3f2a9c0d1e2f`."""
    head, _, rest = workflow_id.partition("/")
    if workflow_id.startswith(BANK_PREFIX):
        return workflow_id[: len(workflow_id) - _HASH + SHOWN_HASH]
    return rest.replace(f"/{_INVOICE}/", "/") if head == _CONTRACT and rest else workflow_id


def _parts(text: str, forms: str) -> tuple[list[str], bool]:
    """The reference's parts without the fixed words, and whether it was written in full."""
    parts = text.strip().strip("/").split("/")
    is_full = parts[0] == _CONTRACT and len(parts) > 2
    if is_full:
        parts = parts[1:]
    if len(parts) >= 3 and parts[-2] == _INVOICE:
        parts = [*parts[:-2], parts[-1]]
    if not 1 <= len(parts) <= 3 or not all(KEY.match(part) for part in parts):
        raise BadReference(f"{text!r} is no reference; write it as {forms}")
    return parts, is_full
