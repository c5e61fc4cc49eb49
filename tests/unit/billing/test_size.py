"""The state of billing stays small: packed, and folded once periods are long over."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from random import Random

import pytest

from contracts.billing import account
from contracts.billing.account import BillingState, Composition, NotPossible
from contracts.billing.lines import total
from contracts.billing.time import TimeEntry
from contracts.billing.usage import UsageRecord
from contracts.money import Money
from tests.unit.billing.lives import Life
from tests.unit.billing.made import contract

PEOPLE, MONTHS = 10, 60
FIVE_YEARS = {"starts_on": "2026-01-01", "ends_on": "2030-12-31"}
PLAN = {"key": "dev", "service": "work", "rates": [{"price": "100.00"}]}
HOURS = ("8", "7.5", "7.75", "6", "4.25")


def worked() -> list[TimeEntry]:
    """13,050 timesheet lines: ten people on every working day of five years."""
    entries, line = [], 40_000
    random = Random(7)  # noqa: S311 - to repeat
    day = date(2026, 1, 1)
    while day <= date(2030, 12, 31):
        for person in range(PEOPLE if day.weekday() < 5 else 0):
            line += random.randint(1, 4)
            entries.append(
                TimeEntry(
                    line_id=line,
                    plan="dev",
                    on=day,
                    hours=Decimal(random.choice(HOURS)),
                    person=f"Person {person}",
                    email=f"person{person}@northwind.example",
                    role="Developer",
                )
            )
        day += timedelta(days=1)
    return entries


@pytest.fixture(scope="module")
def five_years() -> BillingState:
    billing = account.begin(contract(**FIVE_YEARS, time=[PLAN]), date(2026, 1, 1))
    entries = worked()
    assert len(entries) == 13_040
    for month in range(1, MONTHS + 1):
        today = date(2026 + month // 12, month % 12 + 1, 1)
        [read] = account.reads(billing, today)
        known = [e for e in entries if today - timedelta(days=40) < e.on <= read.until]
        billing = account.take_time(billing, "dev", known, (), read.until)
        [occasion] = account.occasions(billing, today)
        composed = account.compose(billing, occasion.key, month, today)
        assert isinstance(composed, Composition)
        billing = account.issued(account.propose(billing, composed), month)
    return billing


@pytest.mark.long
def test_thirteen_thousand_timesheet_lines_fit_into_two_hundred_kilobytes(
    five_years: BillingState,
) -> None:
    assert len(five_years.hours) > 13_000
    text = five_years.model_dump_json()
    assert len(text) <= 200_000
    again = BillingState.model_validate_json(text)
    assert again == five_years
    assert account.check(again, date(2031, 1, 1)) == []


@pytest.mark.long
def test_folded_it_is_small_and_every_sum_stays(five_years: BillingState) -> None:
    today = date(2031, 1, 1)
    small = account.fold(five_years, today)
    assert len(small.model_dump_json()) <= 110_000
    assert account.sums(small, today) == account.sums(five_years, today)
    assert account.delivered(small) == account.delivered(five_years)
    assert account.check(small, today) == []
    for billing in (small, five_years):
        with pytest.raises(NotPossible, match="of invoice 3 can still be credited") as refusal:
            account.request_credit(billing, 3, today, "", "ana", Money("9999999.00", "EUR"))
        assert str(refusal.value).startswith(str(total(five_years.invoices[3].lines, "EUR")))
    assert account.fold(small, today) is small
    assert BillingState.model_validate_json(small.model_dump_json()) == small
    # A folded line is dealt with for good, wherever it is dated now.
    moved = worked()[0].model_copy(update={"on": date(2030, 12, 30)})
    recent = worked()[-1]
    assert account.too_late(small, [moved, recent]) == (moved,)
    assert account.take_time(small, "dev", [moved], (), today).hours == small.hours
    with pytest.raises(NotPossible):
        account.request_credit(small, 3, today, "agreed", "ana", reinvoice=True)
    credited = account.request_credit(small, 3, today, "agreed", "ana", Money("50.00", "EUR"))
    [occasion] = account.occasions(credited, today)
    composed = account.compose(credited, occasion.key, MONTHS + 1, today)
    assert isinstance(composed, Composition)
    credited = account.issued(account.propose(credited, composed), MONTHS + 1)
    assert account.check(credited, today) == []
    assert account.is_over(credited, today)


def test_usage_of_a_folded_period_is_refused_and_counts_towards_the_commitment() -> None:
    calls = {"key": "calls", "service": "work", "unit": "calls", "tiers": [{"price": "1.00"}]}
    terms = contract(**FIVE_YEARS, usage=[{**calls, "commitment": "100.00"}])
    billing = account.begin(terms, date(2026, 1, 1))

    def record(name: str, on: str) -> UsageRecord:
        return UsageRecord(id=name, plan="calls", on=date.fromisoformat(on), quantity=Decimal(30))

    billing = account.record_usage(billing, [record("a", "2026-01-10")]).billing
    composed = account.compose(billing, "period:2026-02-01", 1, date(2026, 2, 1))
    assert isinstance(composed, Composition)
    billing = account.issued(account.propose(billing, composed), 1)
    billing = account.fold(billing, date(2027, 4, 1))
    assert billing.usage == {"calls": {}}
    assert account.record_usage(billing, [record("b", "2026-01-11")]).refused
    assert account.check(billing, date(2027, 4, 1)) == []
    end = account.compose(billing, "settlement", 2, date(2031, 1, 1))
    assert isinstance(end, Composition)
    assert end.proposal is not None
    assert end.proposal.amount == Money("70.00", "EUR")


@pytest.mark.parametrize("seed", range(8))
def test_folded_and_carried_along_as_text_a_life_goes_on(seed: int) -> None:
    life = Life(Random(seed))  # noqa: S311 - to repeat
    for _ in range(50):
        life.step()
        life.today += timedelta(days=5)
        before = account.sums(life.billing, life.today)
        life.billing = account.fold(life.billing, life.today)
        again = BillingState.model_validate_json(life.billing.model_dump_json())
        assert again == life.billing
        life.billing = again
        assert account.sums(life.billing, life.today) == before
        assert account.check(life.billing, life.today) == []
    life.to_the_end()


@pytest.mark.parametrize("seed", range(6))
def test_a_life_that_is_loaded_again_goes_on_as_one_that_is_not(seed: int) -> None:
    one, other = (Life(Random(seed)) for _ in range(2))  # noqa: S311 - to repeat
    for _ in range(50):
        one.step()
        other.step()
        other.billing = BillingState.model_validate_json(other.billing.model_dump_json())
        assert one.billing.model_dump_json() == other.billing.model_dump_json()
