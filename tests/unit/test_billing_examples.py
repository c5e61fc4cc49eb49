"""The worked examples of docs/billing.md: each is told to the book, and every number comes out."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from contracts.billing.book import Book, Due, Findings, Part, PeriodBill
from contracts.billing.charges import total
from contracts.billing.expenses import Expense
from contracts.billing.lines import InvoiceKind
from contracts.billing.periods import billing_periods, life
from contracts.billing.retainers import bill_hours
from contracts.billing.time import TimeEntry
from contracts.billing.usage import UsageRecord
from contracts.model import Contract
from contracts.money import Money
from contracts.validation import validate

PAGE = (Path(__file__).parents[2] / "docs" / "billing.md").read_text(encoding="utf-8")
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


# --- telling it to the book -----------------------------------------------------------------


@dataclass
class Teller:
    """Plays the contract's workflow: bills each day as it comes, and approves every invoice."""

    contract: Contract
    book: Book = field(default_factory=Book)
    entries: dict[int, TimeEntry] = field(default_factory=dict)
    gone: list[int] = field(default_factory=list)
    expenses: dict[int, Expense] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    invoices: int = 0
    parked: set[date] = field(default_factory=set)

    # The phrases a table of happenings is written in.

    def starts(self, day: date) -> None:
        self.book.start(self.contract, day)

    def reaches(self, day: date, key: str) -> None:
        self.book.reach(self.contract, key, day)

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
        assert self.book.record_usage(self.contract, found)

    def owes_credit(self, day: date, plan: str, amount: str, reason: str) -> None:
        credit = Money.parse(amount)
        assert self.book.credit_service(self.contract, plan, f"{day}", reason, credit)

    def bills_up_to_cap(self, day: date) -> None:
        self.bill_due(day, day, up_to_cap=True)

    def releases(self, day: date) -> None:
        assert self.book.release_retainage(self.contract, day, "")

    def ends_early(self, _: date, last: str) -> None:
        on = date.fromisoformat(last)
        self.contract = self.contract.model_copy(update={"ends_on": on})
        self.book.end_early(self.contract, on, fee=False)

    def settles(self, day: date) -> None:
        assert self.book.finish(self.contract, day)

    # Billing.

    def tell(self, happenings: Iterable[tuple[date, str]]) -> list[Row]:
        last = date.min
        for day, text in happenings:
            assert day >= last, f"{text}: the table is not in the order of days"
            # What is due on a day is billed in the night before it.
            self.bill_due(day, day)
            action, words = understood(text)
            action(self, day, *words)
            self.issue(day)
            last = day
        return self.rows

    def bill_due(self, until: date, today: date, *, up_to_cap: bool = False) -> None:
        """Bill the days that have come, each with what was known then."""
        while due := self.book.due_now(self.contract, until):
            on = due[0].on
            if on in self.parked and not up_to_cap:
                return
            bill = self.book.bill_period(
                self.contract, due, self.findings(due), up_to_cap=up_to_cap
            )
            self.report(bill, on)
            if bill.problems:
                self.parked.add(on)
                return
            self.issue(today if up_to_cap else on)

    def findings(self, dues: list[Due]) -> Findings:
        """What the firm's Odoo has of the plans that are due, up to their period's end."""
        until = {due.plan: due.period.period.last for due in dues if due.part is not Part.FEE}

        def known(plan: str, on: date) -> bool:
            return plan in until and on <= until[plan]

        return Findings(
            entries=tuple(item for item in self.entries.values() if known(item.plan, item.on)),
            gone=tuple(self.gone),
            expenses=tuple(item for item in self.expenses.values() if known(item.plan, item.on)),
        )

    def report(self, bill: PeriodBill, on: date) -> None:
        for problem in bill.problems:
            self.rows.append(("parked", f"{on}", f"{problem.code}: {problem.value}", "", "", ""))
        if not bill.problems:
            self.rows += [("warning", f"{on}", text, "", "", "") for text in bill.warnings]

    def issue(self, day: date) -> None:
        """Every ready event becomes an invoice at once: finance is quick in examples."""
        for event in self.book.ready():
            self.invoices += 1
            proposal = self.book.propose(self.contract, event.key, self.invoices, day)
            self.book.issued(self.invoices)
            kind = "invoice" if proposal.kind is InvoiceKind.INVOICE else "credit note"
            head = (f"{kind} {self.invoices}", f"{day}")
            for line in proposal.lines:
                figures = (f"{line.quantity:f}", priced(line.unit_price), bare(line.amount))
                self.rows.append((*head, line.description, *figures))
                head = ("", "")
            self.rows.append(("", "", "**total**", "", "", f"**{bare(proposal.amount)}**"))


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


# --- the tests ------------------------------------------------------------------------------

ANY_EXAMPLE = pytest.mark.parametrize("example", examples(), ids=lambda example: example.title)


def test_every_way_to_bill_has_its_example() -> None:
    shown = [example.contract for example in examples()]
    for name in ("milestones", "time", "retainers", "usage", "expenses", "deposit", "retainage"):
        assert any(getattr(item, name) for item in shown), name


@ANY_EXAMPLE
def test_what_is_billed_is_what_the_page_says(example: Example) -> None:
    billed = Teller(example.contract).tell(example.happenings)
    assert billed == example.billed, f"the book says:\n{printed(billed)}"


@ANY_EXAMPLE
def test_each_example_is_told_to_its_end(example: Example) -> None:
    teller = Teller(example.contract)
    teller.tell(example.happenings)
    assert teller.book.open_ends(teller.contract) == []
    billed = total(list(teller.book.charges()), teller.contract.currency)
    assert billed == teller.book.billed(teller.contract) == teller.book.value(teller.contract)


@ANY_EXAMPLE
def test_the_text_names_no_amount_that_its_tables_do_not(example: Example) -> None:
    named, known = example.figures
    assert named - known == set()


def test_the_hours_of_a_retainer_are_what_the_page_says() -> None:
    (example,) = [example for example in examples() if HOURS in example.text]
    teller = Teller(example.contract)
    teller.tell(example.happenings)
    assert list(example.table(HOURS)) == hours_of(teller)


def hours_of(teller: Teller) -> list[Row]:
    (plan,) = teller.contract.retainers
    carried = Decimal(0)
    found: list[Row] = []
    for period in billing_periods(plan.every, *life(teller.contract, plan)):
        worked = [e.hours for e in teller.entries.values() if period.period.contains(e.on)]
        used = sum(worked, Decimal(0))
        bill = bill_hours(teller.contract, plan, period, used, carried)
        figures = (bill.included, bill.carried_in, bill.used, bill.overage, bill.carried_out)
        found.append((period.note, *(f"{figure:f}" for figure in figures)))
        carried = bill.carried_out
    return found
