"""A contract's statement: where its money stands, line by line, adding up to its value."""

from __future__ import annotations

from contracts.billing.book import Book, EventStatus, Unbilled, milestone_event
from contracts.billing.charges import total
from contracts.billing.order import order_lines
from contracts.billing.lines import InvoiceKind
from contracts.model import Contract, Frozen
from contracts.money import Money


class Position(Frozen):
    """One line of the order. `planned` is a fixed price that nobody has reached yet, `earned` what
    is on no issued invoice yet, `billed` what was invoiced less what was credited."""

    key: str
    name: str
    planned: Money
    earned: Money
    billed: Money


class Statement(Frozen):
    """Where a contract's money stands; all amounts without tax.

    `ready` waits to be proposed, `proposed` for its invoice to be issued; both are net of what
    they deduct and hold back. `pending` are deductions (negative) that no invoice has come for
    yet. `value` is the contract's, as amended. `not_billed` is no part of it.
    """

    contract_id: str
    version: int
    positions: tuple[Position, ...]
    planned: Money
    ready: Money
    proposed: Money
    invoiced: Money
    credited: Money
    pending: Money
    retained: Money
    deposit_left: Money
    value: Money
    not_billed: tuple[Unbilled, ...] = ()

    @property
    def difference(self) -> Money:
        """By how much the parts miss the value: zero, or the books are wrong."""
        billed = self.invoiced - self.credited
        earned = self.ready + self.proposed + self.pending
        return self.planned + earned + billed + self.retained - self.deposit_left - self.value


def statement(contract: Contract, book: Book) -> Statement:
    """The statement of a contract by its book, as of now."""

    def charged(*statuses: EventStatus) -> Money:
        return total(list(book.charges(*statuses)), contract.currency)

    notes = _credited(contract, book)
    return Statement(
        contract_id=contract.contract_id,
        version=contract.version,
        positions=_positions(contract, book),
        planned=book.planned(contract),
        ready=charged(EventStatus.READY),
        proposed=charged(EventStatus.PROPOSED),
        invoiced=book.billed(contract) + notes,
        credited=notes,
        pending=total(book.pending, contract.currency),
        retained=book.retained(contract),
        deposit_left=book.deposit_left(contract),
        value=book.value(contract),
        not_billed=tuple(book.unbilled),
    )


def _credited(contract: Contract, book: Book) -> Money:
    """The sum of the issued credit notes, as a positive amount."""
    issued = (item for item in book.events.values() if item.status is EventStatus.BILLED)
    notes = (item for item in issued if item.kind is InvoiceKind.CREDIT_NOTE)
    return -Money.total(
        (charge.amount for item in notes for charge in item.charges), contract.currency
    )


def _positions(contract: Contract, book: Book) -> tuple[Position, ...]:
    names = {line.key: line.name for line in order_lines(contract)}
    # A line may be billed and gone from the order since: it is listed all the same.
    names |= {c.order_line: c.order_line for c in book.charges() if c.order_line not in names}
    planned = {
        item.key: item.amount
        for item in contract.milestones
        if milestone_event(item.key) not in book.events
    }
    zero = Money.zero(contract.currency)

    def charged(key: str, *statuses: EventStatus) -> Money:
        found = [c for c in book.charges(*statuses) if c.order_line == key]
        return total(found, contract.currency)

    return tuple(
        Position(
            key=key,
            name=name,
            planned=planned.get(key, zero),
            earned=charged(key, EventStatus.READY, EventStatus.PROPOSED),
            billed=charged(key, EventStatus.BILLED),
        )
        for key, name in names.items()
    )
