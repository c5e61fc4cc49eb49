"""What differs between a contract's workflow and Odoo, after one of them was restored.

Each is restored to a moment of its own. What Odoo has and the workflow does not know was made after
the workflow's moment, and what the workflow knows and Odoo does not have, after Odoo's. Nothing is
changed here; what to do about each difference is in docs/restore.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from contracts.billing.lines import InvoiceKind
from contracts.contract.state import ENDED, ContractState
from contracts.invoice.state import PENDING, InvoiceReport, InvoiceStage
from contracts.model import Value
from contracts.money import Money

LOOKED_AHEAD = 20
"""So many invoices behind the last that a workflow knows are looked for in Odoo."""
_UNPOSTED = PENDING | {InvoiceStage.APPROVED}


class Kind(StrEnum):
    """What can differ. Those of `HEAL` are put right by the workflow's own next step."""

    ORDER_MISSING = "order_missing"
    ORDER_UNKNOWN = "order_unknown"
    ORDER_IS_ANOTHER = "order_is_another"
    PROJECT_MISSING = "project_missing"
    INVOICE_MISSING = "invoice_missing"
    INVOICE_UNKNOWN = "invoice_unknown"
    INVOICE_IS_ANOTHER = "invoice_is_another"
    INVOICE_POSTED = "invoice_posted"
    INVOICE_NOT_POSTED = "invoice_not_posted"
    INVOICE_DOUBLED = "invoice_doubled"
    AMOUNT_DIFFERS = "amount_differs"
    CONTRACT_UNKNOWN = "contract_unknown"

    @property
    def words(self) -> str:
        """What to do about it, in a sentence."""
        return _WORDS[self]


_WORDS = {
    Kind.ORDER_MISSING: "Odoo is older than the contract: restore a newer copy, or cancel the "
    "contract and start it again under another id",
    Kind.ORDER_UNKNOWN: "the contract takes it over by itself, at its next step",
    Kind.ORDER_IS_ANOTHER: "Odoo is older, and something made the order again: let nothing be "
    "billed, and have an engineer look",
    Kind.PROJECT_MISSING: "Odoo is older than the contract: restore a newer copy, or give the "
    "order another project by hand",
    Kind.INVOICE_MISSING: "Odoo is older than the invoice, which the customer may have: book it "
    "again in Odoo under the same number, and put billing on hold until then",
    Kind.INVOICE_UNKNOWN: "the workflow is older: have the contract bill the same again before "
    "anything else; its approval shows the document of Odoo, and is to be rejected where that "
    "bills something else",
    Kind.INVOICE_IS_ANOTHER: "Odoo is older, and another document has the invoice's key: let "
    "nothing be billed, and have an engineer look",
    Kind.INVOICE_POSTED: "the workflow is older than the posting: approve the same content again, "
    "and it goes on from the posted invoice",
    Kind.INVOICE_NOT_POSTED: "Odoo is older than the posting: post the draft by hand under the "
    "number that the customer has",
    Kind.INVOICE_DOUBLED: "cancel in Odoo the one that the customer does not have",
    Kind.AMOUNT_DIFFERS: "compare both with what the customer has; correct the draft, or credit "
    "and bill again",
    Kind.CONTRACT_UNKNOWN: "the contract's workflow is lost: start it again from the same data; "
    "it takes over what is in Odoo",
}
HEAL = frozenset({Kind.ORDER_UNKNOWN})


class OdooInvoice(Value):
    """An invoice or credit note of a contract in Odoo: by the number of its proposal, with its
    state there (`draft`, `posted` or `cancel`) and its amount without tax, never negative. What
    people make there to take an invoice back has the invoice's number."""

    invoice_id: int
    number: int
    is_credit_note: bool = False
    name: str
    state: str
    untaxed: Money


class OdooContract(Value):
    """What Odoo has of a contract: all orders that name it as their origin (their copies do, too),
    whether one of them has the project that the contract knows, and invoices."""

    order_ids: tuple[int, ...] = ()
    has_project: bool = False
    invoices: tuple[OdooInvoice, ...] = ()


class Difference(Value):
    """One thing that differs: `record` says of what, `here` what the workflow knows, `there` what
    Odoo has."""

    contract: str
    kind: Kind
    record: str
    here: str
    there: str


def invoice_numbers(state: ContractState) -> range:
    """The numbers under which invoices of a contract are looked for in Odoo."""
    return range(1, max([0, *state.invoices, *state.starting]) + LOOKED_AHEAD + 1)


def differences(workflow_id: str, state: ContractState, odoo: OdooContract) -> list[Difference]:
    """What differs between the state of a contract and what Odoo has of it."""

    def found() -> Iterator[tuple[Kind, str, str, str]]:
        yield from _of_order(state, odoo)
        for number, report in sorted(state.invoices.items()):
            is_credit_note = report.kind is InvoiceKind.CREDIT_NOTE
            live = [
                item
                for item in odoo.invoices
                if _is_live(item) and (item.number, item.is_credit_note) == (number, is_credit_note)
            ]
            yield from _of_invoice(report, live)
        known = state.invoices.keys() | state.starting.keys()
        for item in odoo.invoices:
            if item.number not in known and _is_live(item):
                yield Kind.INVOICE_UNKNOWN, f"invoice {item.number}", "nothing", _seen(item)

    return [
        Difference(contract=workflow_id, kind=kind, record=record, here=here, there=there)
        for kind, record, here, there in found()
    ]


def _of_order(state: ContractState, odoo: OdooContract) -> Iterator[tuple[Kind, str, str, str]]:
    known, project = state.odoo.order_id, state.odoo.project_id
    there = ", ".join(f"order {order_id}" for order_id in odoo.order_ids)
    if known is not None and known not in odoo.order_ids:
        kind = Kind.ORDER_IS_ANOTHER if odoo.order_ids else Kind.ORDER_MISSING
        yield kind, "order", f"order {known}", there or "nothing"
    if known is None and odoo.order_ids and state.stage not in ENDED:
        yield Kind.ORDER_UNKNOWN, "order", "nothing", there
    if project is not None and not odoo.has_project:
        yield Kind.PROJECT_MISSING, "project", f"project {project}", "nothing"


def _of_invoice(
    report: InvoiceReport, live: list[OdooInvoice]
) -> Iterator[tuple[Kind, str, str, str]]:
    record, here = f"invoice {report.number}", f"{report.stage}, {_amount(report)}"
    there = "; ".join(map(_seen, live)) or "nothing"
    posted = [item for item in live if item.state == "posted"]
    if len(live) > 1:
        yield Kind.INVOICE_DOUBLED, record, here, there
    elif report.stage is InvoiceStage.REJECTED or report.stage in _UNPOSTED:
        if posted:
            yield Kind.INVOICE_POSTED, record, here, there
        elif report.invoice_id is not None and not live and report.stage in _UNPOSTED:
            yield Kind.INVOICE_MISSING, record, here, there
    elif report.invoice_id is None:
        return
    elif not live:
        yield Kind.INVOICE_MISSING, record, here, there
    elif live[0].invoice_id != report.invoice_id:
        yield Kind.INVOICE_IS_ANOTHER, record, f"document {report.invoice_id}, {here}", there
    elif not posted:
        yield Kind.INVOICE_NOT_POSTED, record, here, there
    elif report.untaxed is not None and report.untaxed != posted[0].untaxed:
        yield Kind.AMOUNT_DIFFERS, record, here, there


def _is_live(item: OdooInvoice) -> bool:
    return item.state != "cancel"


def _amount(report: InvoiceReport) -> str:
    return str(report.untaxed if report.untaxed is not None else report.amount)


def _seen(item: OdooInvoice) -> str:
    return f"{item.name or 'draft'} (document {item.invoice_id}), {item.state}, {item.untaxed}"
