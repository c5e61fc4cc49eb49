"""One contract's billing told in few words, for tests of single rules."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from contracts.billing import account
from contracts.billing.account import BillingState, Composition, ReadKind
from contracts.billing.expenses import Expense
from contracts.billing.lines import InvoiceProposal
from contracts.billing.time import TimeEntry
from contracts.billing.usage import UsageRecord
from contracts.model import Contract
from contracts.money import Money
from tests.unit.billing.made import contract, euros


class Desk:
    """Plays Odoo and finance for one contract of 2026 in EUR."""

    def __init__(self, agreed: Contract | None = None, **terms: Any) -> None:
        self.contract = agreed or contract(**terms)
        self.today = self.contract.first_day
        self.billing: BillingState = account.begin(self.contract, self.today)
        self.entries: dict[int, TimeEntry] = {}
        self.expenses: dict[int, Expense] = {}
        self.proposals: list[InvoiceProposal] = []

    # Facts.

    def works(self, line: int, on: str, hours: str, plan: str = "dev", role: str = "") -> None:
        """A timesheet line as Odoo has it from now on."""
        self.entries[line] = TimeEntry(
            line_id=line,
            plan=plan,
            on=date.fromisoformat(on),
            hours=Decimal(hours),
            person="Petra",
            email="",
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
        self.billing, _ = account.record_usage(self.billing, found)

    def reaches(self, milestone: str) -> None:
        self.billing = account.reach(self.billing, milestone, self.today)

    def owes(self, reference: str, amount: str, plan: str = "care") -> None:
        self.billing, _ = account.credit_service(
            self.billing, plan, reference, "outage", euros(amount), self.today
        )

    def adopts(self, **changes: Any) -> None:
        """A change order with these fields of the contract."""
        self.contract = contract(**{**_fields(self.contract), **changes})
        self.billing = account.adopt(self.billing, self.contract, self.today)

    # Days and invoices.

    def on(self, day: str) -> Desk:
        self.today = date.fromisoformat(day)
        return self

    def reads(self, *, closing: bool = False) -> None:
        for read in account.reads(self.billing, self.today, closing=closing):
            if read.kind is ReadKind.TIME:
                found = [e for e in self.entries.values() if e.on <= read.until]
                known = account.known_lines(self.billing, [read.plan])
                here = {k for k, e in self.entries.items() if e.plan == read.plan}
                gone = [line for line in known if line not in here]
                self.billing = account.take_time(self.billing, [read.plan], found, gone, read.until)
            else:
                spent = [e for e in self.expenses.values() if e.on <= read.until]
                lost = [n for n in account.known_expenses(self.billing) if n not in self.expenses]
                self.billing = account.take_expenses(
                    self.billing, read.plan, spent, lost, read.until
                )

    def due(self) -> list[str]:
        self.reads()
        return [item.key for item in account.occasions(self.billing, self.today)]

    def proposes(self, occasion: str = "") -> InvoiceProposal:
        """Propose an occasion: the only one there is, if none is named."""
        found = self.due()
        key = occasion or (found[0] if found else "nothing")
        assert not account.check(self.billing, self.today)
        number = len(self.proposals) + 1
        composed = account.compose(self.billing, key, number, self.today)
        assert isinstance(composed, Composition), composed
        assert composed.proposal is not None
        self.billing = account.propose(self.billing, composed)
        self.proposals.append(composed.proposal)
        assert not account.check(self.billing, self.today)
        return composed.proposal

    def bills(self, occasion: str = "") -> InvoiceProposal:
        proposal = self.proposes(occasion)
        self.billing = account.issued(self.billing, proposal.number)
        assert not account.check(self.billing, self.today)
        return proposal

    def bills_all(self) -> Money:
        """Bill until nothing is due; returns what is billed in all."""
        while self.due():
            self.bills()
        return self.billed

    def rejects(self, number: int) -> None:
        self.billing = account.rejected(self.billing, number)

    def retries(self, number: int) -> None:
        self.billing = account.retry_rejected(self.billing, number)

    def waives(self, number: int) -> None:
        self.billing = account.waive_rejected(self.billing, number, "ana", "goodwill", self.today)

    def credits(
        self, number: int, amount: str | None = None, *, reinvoice: bool = False
    ) -> InvoiceProposal:
        self.billing = account.request_credit(
            self.billing,
            number,
            self.today,
            "agreed",
            "ana",
            euros(amount) if amount else None,
            reinvoice=reinvoice,
        )
        [key] = [item for item in self.due() if item.startswith(f"credit:{number}:")]
        return self.bills(key)

    def lets_cap_pass(self, plan: str = "dev") -> None:
        self.billing = account.allow_cap(self.billing, plan, self.today, "ana", "agreed")

    @property
    def billed(self) -> Money:
        return account.sums(self.billing, self.today).billed

    @property
    def is_over(self) -> bool:
        return account.is_over(self.billing, self.today)


def _fields(agreed: Contract) -> dict[str, Any]:
    return agreed.model_dump(mode="json", exclude_none=True)
