"""The worked examples of docs/billing.md, billed by difference: every number comes out."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from contracts.billing import account
from contracts.billing.account import BillingState, Composition
from contracts.billing.expenses import Expense
from contracts.billing.lines import InvoiceKind
from contracts.billing.periods import billing_periods, life
from contracts.billing.retainers import count_hours
from contracts.billing.time import TimeEntry
from contracts.billing.usage import UsageRecord
from contracts.model import Contract
from contracts.money import Money
from contracts.validation import validate

PAGE = (Path(__file__).parents[3] / "docs" / "billing.md").read_text(encoding="utf-8")
DAY = timedelta(days=1)
WHAT_HAPPENS = "| day | what happens |"
HOURS = "| period | included | carried in | used | beyond | carried out |"
WHAT_IS_BILLED = "| invoice | day | line | quantity | unit price | amount |"

Row = tuple[str, ...]


# --- reading the page -----------------------------------------------------------------------


@dataclass(frozen=True)
class Example:
    """A section of the page with a contract, what happens to it, and what is billed."""

    title: str
    text: str

    @property
    def contract(self) -> Contract:
        found = re.search(r"^```toml\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)
        assert found, f"{self.title}: no contract"
        contract_data = tomllib.loads(found[1])
        source = {"system": "file", "id": contract_data["contract_id"]}
        return validate({"legal_entity": "northwind", "source": source, **contract_data})

    @property
    def happenings(self) -> list[tuple[date, str]]:
        return [(date.fromisoformat(day), text) for day, text in self.table(WHAT_HAPPENS)]

    @property
    def billed(self) -> list[Row]:
        return list(self.table(WHAT_IS_BILLED))

    def table(self, head: str) -> Iterator[Row]:
        _, found, rest = self.text.partition(f"{head}\n")
        assert found, f"{self.title}: no table {head}"
        for line in rest.splitlines()[1:]:
            if not line.startswith("|"):
                return
            yield tuple(cell.strip() for cell in line.strip().strip("|").split("|"))

    @property
    def figures(self) -> tuple[set[str], set[str]]:
        """Amounts named in the text, and those of the contract and the tables."""
        code = "".join(re.findall(r"^```.*?^```$", self.text, re.MULTILINE | re.DOTALL))
        rest = self.text.replace(code, "").splitlines()
        tables = [line for line in rest if line.startswith("|")]
        prose = [line for line in rest if not line.startswith("|")]
        return amounts_in(*prose), amounts_in(code, *tables)


def amounts_in(*texts: str) -> set[str]:
    return set(re.findall(r"\d+\.\d\d\b", "\n".join(texts)))


def examples() -> list[Example]:
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    return [
        Example(title=section.partition("\n")[0], text=section)
        for section in sections
        if WHAT_HAPPENS in section
    ]


# --- billing it ------------------------------------------------------------------------------


class Teller:
    """Plays the contract's agenda: bills each day as it comes, and approves every invoice."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.state: BillingState | None = None
        self.entries: dict[int, TimeEntry] = {}
        self.gone: list[int] = []
        self.expenses: dict[int, Expense] = {}
        self.rows: list[Row] = []
        self.invoices = 0
        self.parked: set[str] = set()

    @property
    def billing(self) -> BillingState:
        if self.state is None:
            self.state = account.begin(self.contract, self.contract.first_day)
        return self.state

    # The phrases a table of happenings is written in.

    def starts(self, day: date) -> None:
        assert self.billing.started_on == day

    def reaches(self, day: date, key: str) -> None:
        self.state = account.reach(self.billing, key, day)

    def works(
        self, _: date, line: str, person: str, role: str, on: str, hours: str, plan: str
    ) -> None:
        self.entries[int(line)] = TimeEntry(
            line_id=int(line),
            plan=plan,
            on=date.fromisoformat(on),
            hours=Decimal(hours),
            person=person,
            email="",
            role=role,
        )

    def corrects(self, _: date, line: str, hours: str) -> None:
        entry = self.entries[int(line)]
        self.entries[int(line)] = entry.model_copy(update={"hours": Decimal(hours)})

    def deletes(self, _: date, line: str) -> None:
        del self.entries[int(line)]
        self.gone.append(int(line))

    def spends(
        self, _: date, number: str, what: str, who: str, on: str, cost: str, plan: str
    ) -> None:
        self.expenses[int(number)] = Expense(
            expense_id=int(number),
            plan=plan,
            on=date.fromisoformat(on),
            description=what,
            employee=who,
            cost=Money(cost, self.contract.currency),
        )

    def corrects_cost(self, _: date, number: str, cost: str) -> None:
        changed = {"cost": Money(cost, self.contract.currency)}
        self.expenses[int(number)] = self.expenses[int(number)].model_copy(update=changed)

    def uses(self, _: date, record: str, quantity: str, on: str, plan: str) -> None:
        day = date.fromisoformat(on)
        found = UsageRecord(id=record, plan=plan, on=day, quantity=Decimal(quantity))
        recorded = account.record_usage(self.billing, [found])
        assert recorded.taken
        self.state = recorded.billing

    def owes_credit(self, day: date, plan: str, amount: str, reason: str) -> None:
        credit = Money.parse(amount)
        self.state, changed = account.credit_service(
            self.billing, plan, f"{day}", reason, credit, day
        )
        assert changed

    def bills_up_to_cap(self, day: date) -> None:
        for plan in self.contract.plans:
            if getattr(plan, "cap", None):
                self.state = account.allow_cap(self.billing, plan.key, day, "finance", "agreed")
        self.parked.clear()
        self.bill(day, day)

    def releases(self, day: date) -> None:
        self.happens_last = None
        self.state = account.release_retainage(self.billing, day, "")

    def ends_early(self, day: date, last: str) -> None:
        on = date.fromisoformat(last)
        self.contract = self.contract.model_copy(update={"ends_on": on})
        self.state = account.adopt(self.billing, self.contract, day)
        self.state = account.end_early(self.state, on, fee=False)

    def settles(self, day: date) -> None:
        self.happens_last = None
        self.bill(day, day)

    # Billing.

    def tell(self, happenings: Iterable[tuple[date, str]]) -> list[Row]:
        last = self.contract.first_day
        for day, text in happenings:
            assert day >= last, f"{text}: the table is not in the order of days"
            # What is due on a day is billed in the night before it, with what was known then.
            for night in range((day - last).days):
                self.bill(last + DAY * (night + 1), last + DAY * (night + 1))
            action, words = understood(text)
            action(self, day, *words)
            self.bill(day, day)
            last = day
        return self.rows

    def bill(self, today: date, on: date) -> None:
        """Everything that is due by a day becomes an invoice; finance is quick in examples."""
        for read in account.reads(self.billing, today):
            known = [item for item in self.entries.values() if item.on <= read.until]
            spent = [item for item in self.expenses.values() if item.on <= read.until]
            if read.kind is account.ReadKind.TIME:
                self.state = account.take_time(
                    self.billing, read.plan, known, self.gone, read.until
                )
            else:
                self.state = account.take_expenses(self.billing, read.plan, spent, (), read.until)
        while True:
            found = account.occasions(self.billing, today)
            due = [item for item in found if item.key not in self.parked]
            due = [item for item in due if not self.waits_to_settle(item, today)]
            if not due:
                return
            self.propose(due[0], on)

    def waits_to_settle(self, occasion: account.Occasion, today: date) -> bool:
        """The tables say on which day it is settled or released."""
        last = self.happens_last
        kinds = (account.OccasionKind.SETTLEMENT, account.OccasionKind.RETAINAGE)
        return occasion.kind in kinds and last is not None and today <= last

    happens_last: date | None = None

    def propose(self, occasion: account.Occasion, on: date) -> None:
        assert not account.check(self.billing, on)
        composed = account.compose(self.billing, occasion.key, self.invoices + 1, on)
        if not isinstance(composed, Composition):
            for problem in composed:
                text = f"{problem.code}: {problem.value}"
                self.rows.append(("parked", f"{occasion.due_on}", text, "", "", ""))
            # What will be known to people once it is let pass.
            allowed = account.allow_cap(
                self.billing, occasion.plans[0], occasion.due_on, "finance", "agreed"
            )
            [passed] = account.occasions(allowed, on)
            later = account.compose(allowed, passed.key, self.invoices + 1, on)
            assert isinstance(later, Composition)
            self.warn(later, occasion)
            self.parked.add(occasion.key)
            return
        proposal = composed.proposal
        assert proposal is not None
        self.invoices += 1
        self.state = account.propose(self.billing, composed)
        self.state = account.issued(self.state, self.invoices)
        kind = "invoice" if proposal.kind is InvoiceKind.INVOICE else "credit note"
        head = (f"{kind} {self.invoices}", f"{on}")
        for line in proposal.lines:
            figures = (f"{line.quantity:f}", priced(line.unit_price), bare(line.amount))
            self.rows.append((*head, line.description, *figures))
            head = ("", "")
        self.rows.append(("", "", "**total**", "", "", f"**{bare(proposal.amount)}**"))

    def warn(self, composed: Composition, occasion: account.Occasion) -> None:
        day = f"{occasion.due_on}"
        self.rows += [("warning", day, text, "", "", "") for text in composed.warnings]


def bare(amount: Money) -> str:
    return f"{amount.amount:f}"


def priced(price: Decimal) -> str:
    """With the cents, even if they are none, and as many decimals more as there are."""
    whole, _, decimals = f"{price:f}".partition(".")
    return f"{whole}.{decimals:0<2}"


PHRASES: dict[str, Callable[..., None]] = {
    r"the contract starts": Teller.starts,
    r"milestone `([\w-]+)` is reached": Teller.reaches,
    r"hours approved: line (\d+), (.+) \((.+)\), on ([\d-]+), ([\d.]+) h for `([\w-]+)`": (
        Teller.works
    ),
    r"line (\d+) is corrected to ([\d.]+) h": Teller.corrects,
    r"line (\d+) is deleted": Teller.deletes,
    r"expense approved: number (\d+), (.+), (.+), on ([\d-]+), ([\d.]+) for `([\w-]+)`": (
        Teller.spends
    ),
    r"expense (\d+) is corrected to ([\d.]+)": Teller.corrects_cost,
    r"metered: record (\w+), ([\d.]+) on ([\d-]+) for `([\w-]+)`": Teller.uses,
    r"service credit for `([\w-]+)`: ([\d.]+ [A-Z]+), (.+)": Teller.owes_credit,
    r"finance has it billed up to the cap": Teller.bills_up_to_cap,
    r"the retainage is released": Teller.releases,
    r"the contract is ended early, its last day is ([\d-]+)": Teller.ends_early,
    r"all is billed: the contract is settled": Teller.settles,
    r"all is billed": lambda teller, day: None,
}


def understood(text: str) -> tuple[Callable[..., None], tuple[str, ...]]:
    for phrase, action in PHRASES.items():
        found = re.fullmatch(phrase, text)
        if found:
            return action, found.groups()
    raise AssertionError(f"what happens is not understood: {text}")


def printed(rows: list[Row]) -> str:
    return "\n".join(re.sub(r" +", " ", f"| {' | '.join(row)} |") for row in rows)


def told(example: Example) -> Teller:
    teller = Teller(example.contract)
    teller.happens_last = example.happenings[-1][0]
    teller.tell(example.happenings)
    return teller


# --- the tests ------------------------------------------------------------------------------

ANY_EXAMPLE = pytest.mark.parametrize("example", examples(), ids=lambda example: example.title)


def test_every_way_to_bill_has_its_example() -> None:
    shown = [example.contract for example in examples()]
    for name in ("milestones", "time", "retainers", "usage", "expenses", "deposit", "retainage"):
        assert any(getattr(item, name) for item in shown), name


@ANY_EXAMPLE
def test_what_is_billed_is_what_the_page_says(example: Example) -> None:
    billed = told(example).rows
    assert billed == example.billed, f"billing says:\n{printed(billed)}"


@ANY_EXAMPLE
def test_each_example_is_told_to_its_end(example: Example) -> None:
    teller = told(example)
    today = example.happenings[-1][0]
    assert account.open_ends(teller.billing, today) == []
    assert account.is_over(teller.billing, today)
    sums = account.sums(teller.billing, today)
    assert sums.billed == sums.committed == sums.value


@ANY_EXAMPLE
def test_the_text_names_no_amount_that_its_tables_do_not(example: Example) -> None:
    named, known = example.figures
    assert named - known == set()


def test_the_hours_of_a_retainer_are_what_the_page_says() -> None:
    (example,) = [example for example in examples() if HOURS in example.text]
    teller = told(example)
    assert list(example.table(HOURS)) == hours_of(teller)


def hours_of(teller: Teller) -> list[Row]:
    (plan,) = teller.contract.retainers
    carried = Decimal(0)
    found: list[Row] = []
    for period in billing_periods(plan.every, *life(teller.contract, plan)):
        worked = [e.hours for e in teller.entries.values() if period.period.contains(e.on)]
        used = sum(worked, Decimal(0))
        bill = count_hours(plan, period, used, carried)
        figures = (bill.included, bill.carried_in, bill.used, bill.overage, bill.carried_out)
        found.append((period.note, *(f"{figure:f}" for figure in figures)))
        carried = bill.carried_out
    return found
