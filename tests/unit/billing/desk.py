"""One contract's billing told in few words, for tests of single rules."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from contracts.billing import account
from contracts.billing.account import BillingState, Composition, Read, ReadKind
from contracts.billing.expenses import Expense
from contracts.billing.lines import InvoiceProposal
from contracts.billing.terms import is_read
from contracts.billing.time import TimeEntry
from contracts.billing.usage import UsageRecord
from contracts.model import Contract
from contracts.money import Money
from contracts.problems import Problem
from tests.unit.billing.made import contract, euros, holds_in_odoo

Row = tuple[str, str, str, str]


def rows(proposal: InvoiceProposal) -> list[Row]:
    """The lines as people read them: text, quantity, price and amount."""
    return [
        (line.description, f"{line.quantity}", f"{line.unit_price}", f"{line.amount.amount}")
        for line in proposal.lines
    ]


class Desk:
    """Plays Odoo and finance for one contract of 2026 in EUR."""

    def __init__(self, agreed: Contract | None = None, **terms: Any) -> None:
        self.contract = agreed or contract(**terms)
        self.today = self.contract.first_day
        self.billing: BillingState = account.begin(self.contract, self.today)
        self.entries: dict[int, TimeEntry] = {}
        self.expenses: dict[int, Expense] = {}
        self.proposals: list[InvoiceProposal] = []
        self.warnings: list[str] = []

    # Facts.

    def works(
        self,
        line: int,
        on: str,
        hours: str,
        plan: str = "dev",
        role: str = "",
        person: str = "Petra",
        email: str = "",
    ) -> None:
        """A timesheet line as Odoo has it from now on."""
        self.entries[line] = TimeEntry(
            line_id=line,
            plan=plan,
            on=date.fromisoformat(on),
            hours=Decimal(hours),
            person=person,
            email=email,
            role=role,
        )

    def spends(self, number: int, on: str, cost: str, plan: str = "travel") -> None:
        self.expenses[number] = Expense(
            expense_id=number,
            plan=plan,
            on=date.fromisoformat(on),
            description="Train",
            employee="",
            cost=euros(cost),
        )

    def meters(self, record: str, on: str, quantity: str, plan: str = "calls") -> None:
        found = UsageRecord(
            id=record, plan=plan, on=date.fromisoformat(on), quantity=Decimal(quantity)
        )
        self.billing = account.record_usage(self.billing, [found]).billing

    def reaches(self, milestone: str) -> None:
        self.billing = account.reach(self.billing, milestone, self.today)

    def unreaches(self, milestone: str) -> None:
        self.billing = account.unreach(self.billing, milestone)

    def owes(self, reference: str, amount: str, plan: str = "care") -> None:
        self.billing, _ = account.credit_service(
            self.billing, plan, reference, "outage", euros(amount), self.today
        )

    def adopts(self, **changes: Any) -> None:
        """A change order with these fields of the contract."""
        self.contract = contract(**{**_fields(self.contract), **changes})
        self.billing = account.adopt(self.billing, self.contract, self.today)

    def ends(self, on: str, *, fee: bool = False) -> None:
        """The contract ends early, by amended terms."""
        self.adopts(ends_on=on)
        self.billing = account.end_early(self.billing, date.fromisoformat(on), fee=fee)

    # Days and invoices.

    def on(self, day: str) -> Desk:
        self.today = date.fromisoformat(day)
        return self

    def reads(self) -> None:
        """Read all that billing asks for."""
        for read in account.reads(self.billing, self.today):
            self._reads(read)

    def looks_once_more(self) -> None:
        """Read what was approved too late, as a contract does before it closes."""
        for plan in filter(is_read, self.contract.plans):
            self._reads(Read.of(plan, self.today))

    def _reads(self, read: Read) -> None:
        if read.kind is ReadKind.TIME:
            found = [e for e in self.entries.values() if e.on <= read.until]
            known = account.known_lines(self.billing, read.plan)
            here = {k for k, e in self.entries.items() if e.plan == read.plan}
            gone = [line for line in known if line not in here]
            self.billing = account.take_time(self.billing, read.plan, found, gone, read.until)
        else:
            spent = [e for e in self.expenses.values() if e.on <= read.until]
            lost = [n for n in account.known_expenses(self.billing) if n not in self.expenses]
            self.billing = account.take_expenses(self.billing, read.plan, spent, lost, read.until)

    def due(self) -> list[str]:
        self.reads()
        return [item.key for item in account.occasions(self.billing, self.today)]

    def proposes(self, occasion: str = "") -> InvoiceProposal:
        """Propose an occasion: the only one there is, if none is named."""
        found = self.due()
        key = occasion or (found[0] if found else "nothing")
        assert not account.check(self.billing, self.today)
        composed = self.composes(key)
        assert isinstance(composed, Composition), composed
        assert composed.proposal is not None
        self._enters(composed)
        self.proposals.append(composed.proposal)
        assert all(holds_in_odoo(line) for line in composed.proposal.lines)
        return composed.proposal

    def composes(self, occasion: str) -> Composition | tuple[Problem, ...]:
        return account.compose(self.billing, occasion, len(self.proposals) + 1, self.today)

    def settles(self, occasion: str = "") -> None:
        """Enter what comes to nothing: there is no invoice."""
        composed = self.composes(occasion or self.due()[0])
        assert isinstance(composed, Composition), composed
        assert composed.proposal is None
        self._enters(composed)

    def _enters(self, composed: Composition) -> None:
        self.billing = account.propose(self.billing, composed)
        self.warnings += composed.warnings
        assert not account.check(self.billing, self.today)

    def bills(self, occasion: str = "") -> InvoiceProposal:
        proposal = self.proposes(occasion)
        self.billing = account.issued(self.billing, proposal.number)
        assert not account.check(self.billing, self.today)
        return proposal

    def bills_all(self) -> Money:
        """Bill until nothing is due; returns what is billed in all."""
        while due := self.due():
            composed = self.composes(due[0])
            assert isinstance(composed, Composition), composed
            if composed.proposal is None:
                self.settles(due[0])
            else:
                self.bills(due[0])
        return self.billed

    def rejects(self, number: int) -> None:
        self.billing = account.rejected(self.billing, number)

    def retries(self, number: int) -> None:
        self.billing = account.retry_rejected(self.billing, number)

    def waives(self, number: int) -> None:
        self.billing = account.waive_rejected(self.billing, number, "ana", "goodwill", self.today)

    def gives_up(self, occasion: str = "") -> InvoiceProposal:
        """Propose an occasion; finance rejects it and waives it."""
        proposal = self.proposes(occasion)
        self.rejects(proposal.number)
        self.waives(proposal.number)
        return proposal

    def credits(
        self, number: int, amount: str | None = None, *, reinvoice: bool = False
    ) -> InvoiceProposal:
        return self.bills(self.asks_credit(number, amount, reinvoice=reinvoice))

    def asks_credit(
        self, number: int, amount: str | None = None, *, reinvoice: bool = False
    ) -> str:
        """Ask for a credit; returns its occasion."""
        self.billing = account.request_credit(
            self.billing,
            number,
            self.today,
            "agreed",
            "ana",
            euros(amount) if amount else None,
            reinvoice=reinvoice,
        )
        return next(item for item in self.due() if item.startswith(f"credit:{number}:"))

    def creditable(self, number: int) -> Money:
        return account.creditable(self.billing, number)

    def releases(self, reason: str = "") -> None:
        self.billing = account.release_retainage(self.billing, self.today, reason)

    def lets_cap_pass(self, plan: str = "dev") -> None:
        self.billing = account.allow_cap(self.billing, plan, self.today, "ana", "agreed")

    @property
    def sums(self) -> account.Sums:
        return account.sums(self.billing, self.today)

    @property
    def billed(self) -> Money:
        return self.sums.billed

    @property
    def unbilled(self) -> list[tuple[str, Money]]:
        return [(item.what, item.amount) for item in account.unbilled(self.billing, self.today)]

    @property
    def open_ends(self) -> list[str]:
        return account.open_ends(self.billing, self.today)

    def quantity(self, order_line: str) -> Decimal:
        """What all invoices that stand show on a line of the order."""
        standing = (item for item in self.billing.invoices.values() if item.counts)
        lines = (line for item in standing for line in item.lines)
        return sum((line.quantity for line in lines if line.order_line == order_line), Decimal(0))

    @property
    def is_over(self) -> bool:
        return account.is_over(self.billing, self.today)


def _fields(agreed: Contract) -> dict[str, Any]:
    return agreed.model_dump(mode="json", exclude_none=True)
