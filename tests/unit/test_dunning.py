"""How far to remind is a function of balance, due date, policy and calendar, and of no more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.calendar import BusinessCalendar
from contracts.dunning import (
    Act,
    Dispute,
    DunningDecision,
    DunningHold,
    DunningPolicy,
    DunningState,
    DunningStep,
    Promise,
    decide,
)
from contracts.money import Money
from tests.unit.examples import MINOR_UNITS, dunning_policy, euros, weekdays

OWED = euros("1000.00")
DUE = date(2026, 4, 1)
"""A Wednesday; the levels are due on Saturday the 4th, Wednesday the 15th and Friday 1 May."""

MAY = date(2026, 5, 4)

easter = BusinessCalendar(holidays=(date(2026, 4, 6), date(2026, 5, 1)))


def policy_of(days: list[int], days_between: int = 5, tolerance: str = "0") -> DunningPolicy:
    steps = tuple(DunningStep(days_after_due=day, subject="", text="") for day in days)
    return DunningPolicy(steps=steps, days_between=days_between, tolerance=Decimal(tolerance))


def look(
    today: date,
    *,
    level: int = 0,
    sent_on: date | None = None,
    residual: Money = OWED,
    calendar: BusinessCalendar = weekdays,
    policy: DunningPolicy = dunning_policy,
    due_on: date = DUE,
    disputed: Money | None = None,
    holds: Iterable[DunningHold] = (),
    promise: Promise | None = None,
) -> DunningDecision:
    """The decision on the example invoice, looked at on that day."""
    return decide(
        policy,
        calendar,
        residual=residual,
        due_on=due_on,
        sent=DunningState(level=level, sent_on=sent_on),
        today=today,
        disputed=disputed,
        holds=holds,
        promise=promise,
    )


def send(level: int, today: date) -> DunningDecision:
    return DunningDecision(act=Act.SEND, level=level, next_on=today)


def wait(level: int, until: date) -> DunningDecision:
    return DunningDecision(act=Act.WAIT, level=level, next_on=until)


# --- one invoice, day by day ----------------------------------------------------------------


def test_the_story_of_one_invoice_nobody_pays() -> None:
    assert look(DUE) == wait(0, date(2026, 4, 6))  # the 4th is a Saturday
    assert look(date(2026, 4, 6)) == send(1, date(2026, 4, 6))
    first = date(2026, 4, 6)
    assert look(date(2026, 4, 14), level=1, sent_on=first) == wait(1, date(2026, 4, 15))
    assert look(date(2026, 4, 15), level=1, sent_on=first) == send(2, date(2026, 4, 15))
    second = date(2026, 4, 15)
    assert look(date(2026, 5, 1), level=2, sent_on=second) == send(3, date(2026, 5, 1))
    assert look(date(2026, 5, 2), level=3, sent_on=date(2026, 5, 1)).act is Act.EXHAUSTED


def test_a_reminder_waits_for_the_end_of_the_holidays() -> None:
    tuesday = date(2026, 4, 7)
    assert look(date(2026, 4, 6), calendar=easter) == wait(0, tuesday)
    assert look(tuesday, calendar=easter) == send(1, tuesday)
    late = date(2026, 5, 1)
    assert look(late, level=2, sent_on=DUE, calendar=easter) == wait(2, date(2026, 5, 4))


def test_a_look_on_a_holiday_long_after_the_day_still_waits_for_a_business_day() -> None:
    assert look(date(2026, 4, 25)) == wait(0, date(2026, 4, 27))


def test_before_anything_was_sent_the_first_level_is_next() -> None:
    decision = decide(
        dunning_policy, weekdays, residual=OWED, due_on=DUE, sent=DunningState(), today=MAY
    )
    assert decision == send(1, MAY)


def test_an_invoice_is_not_late_on_the_day_it_falls_due() -> None:
    at_once = policy_of([0])
    assert look(DUE, policy=at_once) == wait(0, date(2026, 4, 2))
    assert look(date(2026, 4, 2), policy=at_once) == send(1, date(2026, 4, 2))


def test_after_a_late_first_level_the_second_keeps_its_distance_and_is_not_skipped() -> None:
    """Nobody looked until 4 May, when the third level's day was past."""
    assert look(MAY) == send(1, MAY)
    assert look(MAY, level=1, sent_on=MAY) == wait(1, date(2026, 5, 11))  # the 9th: a Saturday
    assert look(date(2026, 5, 11), level=1, sent_on=MAY) == send(2, date(2026, 5, 11))


def test_after_the_last_level_a_person_takes_over() -> None:
    for day in (DUE, MAY, date(2027, 1, 1)):
        decision = look(day, level=3, sent_on=DUE)
        assert decision == DunningDecision(act=Act.EXHAUSTED, level=3, next_on=None)


def test_levels_beyond_a_policy_that_has_been_shortened_are_exhausted_too() -> None:
    assert look(MAY, level=3, policy=policy_of([3, 14])).act is Act.EXHAUSTED


@pytest.mark.parametrize("level", [0, 1, 3])
@pytest.mark.parametrize("residual", ["0", "0.01", "1.00", "-50.00"])
def test_nothing_worth_a_reminder_clears_whatever_was_sent(level: int, residual: str) -> None:
    decision = look(date(2026, 6, 1), level=level, sent_on=DUE, residual=euros(residual))
    assert decision == DunningDecision(act=Act.CLEAR, level=0, next_on=None)


def test_a_cent_above_the_tolerance_is_reminded_of() -> None:
    assert look(date(2026, 4, 7), residual=euros("1.01")).act is Act.SEND


def test_a_tolerance_is_in_units_of_whatever_currency() -> None:
    policy = policy_of([3], tolerance="1")
    for text, act in (("1 JPY", Act.CLEAR), ("2 JPY", Act.SEND), ("1.001 KWD", Act.SEND)):
        assert look(date(2026, 4, 7), policy=policy, residual=Money.parse(text)).act is act


def test_a_payment_undone_starts_the_levels_anew() -> None:
    """Cleared at level two, then a chargeback: what was cleared does not count any more."""
    cleared = look(date(2026, 4, 20), level=2, sent_on=date(2026, 4, 15), residual=euros("0"))
    assert look(date(2026, 6, 1), level=cleared.level) == send(1, date(2026, 6, 1))


def test_a_part_payment_neither_skips_a_level_nor_starts_anew() -> None:
    whole = look(date(2026, 4, 15), level=1, sent_on=date(2026, 4, 6))
    part = look(date(2026, 4, 15), level=1, sent_on=date(2026, 4, 6), residual=euros("400.00"))
    assert part == whole == send(2, date(2026, 4, 15))


# --- what was agreed with the customer -------------------------------------------------------

FIRST, SECOND = date(2026, 4, 6), date(2026, 4, 15)
"""When the first two levels of the example invoice are sent."""

CLARA = "clara@northwind.example"


def hold(until: date | None = None) -> DunningHold:
    return DunningHold(by=CLARA, reason="talks", since=DUE, until=until)


def promise(on: date, amount: str = "1000.00", paid_before: str = "0") -> Promise:
    return Promise(
        on=on, amount=euros(amount), by=CLARA, made_on=DUE, paid_before=euros(paid_before)
    )


def dispute(amount: str, **changes: Money) -> Dispute:
    return Dispute(amount=euros(amount), reason="half done", by=CLARA, opened_on=DUE, **changes)


def test_a_hold_without_an_end_stops_reminders_until_it_is_released() -> None:
    for today in (SECOND, date(2026, 6, 1), date(2027, 1, 1)):
        held = look(today, level=1, sent_on=FIRST, holds=[hold()])
        assert held == DunningDecision(act=Act.WAIT, level=1, next_on=None)
    released = look(date(2026, 6, 1), level=1, sent_on=FIRST)
    assert released == send(2, date(2026, 6, 1))


def test_after_a_holds_last_day_the_next_level_follows_and_none_is_skipped() -> None:
    friday, monday = date(2026, 5, 15), date(2026, 5, 18)
    assert look(SECOND, level=1, sent_on=FIRST, holds=[hold(friday)]) == wait(1, monday)
    assert look(friday, level=1, sent_on=FIRST, holds=[hold(friday)]) == wait(1, monday)
    assert look(monday, level=1, sent_on=FIRST, holds=[hold(friday)]) == send(2, monday)


def test_the_longer_of_two_holds_counts() -> None:
    both = [hold(date(2026, 4, 20)), hold(date(2026, 4, 27))]
    assert look(SECOND, level=1, sent_on=FIRST, holds=both) == wait(1, date(2026, 4, 28))
    assert look(SECOND, level=1, sent_on=FIRST, holds=[*both, hold()]).next_on is None


def test_a_promise_pauses_until_its_day_has_passed_then_the_level_it_had_goes_on() -> None:
    thursday, friday = date(2026, 4, 23), date(2026, 4, 24)
    for today in (FIRST, SECOND, thursday):
        paused = look(today, level=1, sent_on=FIRST, promise=promise(thursday))
        assert paused == wait(1, friday)
    assert look(friday, level=1, sent_on=FIRST, promise=promise(thursday)) == send(2, friday)


def test_a_promise_before_the_next_level_is_due_changes_nothing() -> None:
    promised = look(date(2026, 4, 7), level=1, sent_on=FIRST, promise=promise(date(2026, 4, 9)))
    assert promised == look(date(2026, 4, 7), level=1, sent_on=FIRST) == wait(1, SECOND)


def test_a_promise_after_the_last_level_holds_the_collector_back_too() -> None:
    friday, monday = date(2026, 5, 8), date(2026, 5, 11)
    paused = look(MAY, level=3, sent_on=date(2026, 5, 1), promise=promise(friday))
    assert paused == wait(3, monday)
    after = look(monday, level=3, sent_on=date(2026, 5, 1), promise=promise(friday))
    assert after.act is Act.EXHAUSTED


def test_a_promise_is_kept_by_money_that_came_after_it() -> None:
    given = promise(date(2026, 4, 23), amount="500.00", paid_before="100.00")
    assert not given.is_kept(euros("100.00"), euros("900.00"))
    assert not given.is_kept(euros("599.99"), euros("400.01"))
    assert given.is_kept(euros("600.00"), euros("400.00"))


def test_a_promise_is_kept_when_nothing_is_owed_any_more() -> None:
    assert promise(date(2026, 4, 23)).is_kept(euros("200.00"), euros("0"))


def test_only_the_undisputed_rest_is_dunned() -> None:
    part = look(SECOND, level=1, sent_on=FIRST, disputed=euros("400.00"))
    assert part == send(2, SECOND)


@pytest.mark.parametrize("disputed", ["1000.00", "999.50"])
def test_where_no_more_than_the_tolerance_is_undisputed_the_level_stays(disputed: str) -> None:
    whole = look(SECOND, level=1, sent_on=FIRST, disputed=euros(disputed))
    assert whole == DunningDecision(act=Act.WAIT, level=1, next_on=None)


def test_a_rejected_dispute_is_dunned_again_at_once_at_the_level_it_had() -> None:
    june = date(2026, 6, 1)
    assert look(june, level=1, sent_on=FIRST, disputed=euros("1000.00")).act is Act.WAIT
    assert look(june, level=1, sent_on=FIRST) == send(2, june)


def test_a_due_date_revised_to_a_later_day_starts_the_levels_anew_from_there() -> None:
    revised = date(2026, 6, 10)
    waiting = look(date(2026, 6, 1), level=2, sent_on=SECOND, due_on=revised)
    assert waiting == wait(0, date(2026, 6, 15))  # the 13th is a Saturday
    assert look(date(2026, 6, 15), level=2, sent_on=SECOND, due_on=revised) == send(
        1, date(2026, 6, 15)
    )


def test_a_due_date_revised_to_before_the_last_reminder_keeps_the_level() -> None:
    decision = look(date(2026, 5, 4), level=2, sent_on=SECOND, due_on=date(2026, 4, 10))
    assert decision == wait(2, date(2026, 5, 11))  # 30 days later is a Sunday


def test_what_is_disputed_is_never_more_than_is_owed_nor_below_zero() -> None:
    assert dispute("400.00").part_of(euros("1000.00")) == euros("400.00")
    assert dispute("400.00").part_of(euros("150.00")) == euros("150.00")
    assert dispute("400.00").part_of(euros("-10.00")) == euros("0")


def test_once_a_part_is_accepted_only_that_part_stays_disputed() -> None:
    accepted = dispute("400.00", accepted=euros("100.00"))
    assert accepted.part_of(euros("1000.00")) == euros("100.00")


# --- whatever the policy, the calendar and the habits of whoever looks ----------------------


@dataclass
class Invoice:
    """An unpaid invoice and the days somebody looks at it."""

    policy: DunningPolicy
    calendar: BusinessCalendar
    due_on: date
    looks: list[date]
    sent: list[date] = field(default_factory=list)

    def look(self, today: date, residual: Money = OWED) -> DunningDecision:
        return decide(
            self.policy,
            self.calendar,
            residual=residual,
            due_on=self.due_on,
            sent=DunningState(level=len(self.sent), sent_on=self.sent[-1] if self.sent else None),
            today=today,
        )

    def live(self) -> list[DunningDecision]:
        """Look on every day there is a look; what is to be sent is sent."""
        decisions = []
        for today in self.looks:
            decisions.append(self.look(today))
            if decisions[-1].act is Act.SEND:
                self.sent.append(today)
        return decisions


@st.composite
def invoices(draw: st.DrawFn) -> Invoice:
    due_on = draw(st.dates(date(2024, 1, 1), date(2028, 12, 31)))
    days = sorted(draw(st.sets(st.integers(0, 60), min_size=1, max_size=5)))
    holidays = draw(st.lists(st.integers(-10, 200), max_size=40))
    looks = [due_on - timedelta(days=draw(st.integers(0, 9)))]
    for gap in draw(st.lists(st.integers(0, 25), max_size=25)):
        looks.append(looks[-1] + timedelta(days=gap))
    return Invoice(
        policy=policy_of(days, draw(st.integers(1, 20))),
        calendar=BusinessCalendar(
            holidays=tuple(due_on + timedelta(days=offset) for offset in holidays)
        ),
        due_on=due_on,
        looks=looks,
    )


@given(invoices())
def test_levels_rise_one_at_a_time(invoice: Invoice) -> None:
    decisions = invoice.live()
    sent = [decision.level for decision in decisions if decision.act is Act.SEND]
    assert sent == list(range(1, len(sent) + 1))
    levels = [decision.level for decision in decisions]
    assert levels == sorted(levels)


@given(invoices())
def test_nothing_is_sent_but_on_business_days_after_the_due_date(invoice: Invoice) -> None:
    invoice.live()
    for day in invoice.sent:
        assert invoice.calendar.is_business_day(day)
        assert day > invoice.due_on


@given(invoices())
def test_no_level_is_sent_before_its_own_day_nor_too_soon_after_the_last(invoice: Invoice) -> None:
    invoice.live()
    for step, day in zip(invoice.policy.steps, invoice.sent, strict=False):
        assert day >= invoice.due_on + timedelta(days=step.days_after_due)
    for before, after in zip(invoice.sent, invoice.sent[1:], strict=False):
        assert after >= before + timedelta(days=invoice.policy.days_between)


@given(invoices())
def test_whoever_waits_as_told_meets_a_reminder_and_never_before(invoice: Invoice) -> None:
    last = invoice.live()[-1]
    if last.act is not Act.WAIT:
        return
    today, until = invoice.looks[-1], last.next_on
    assert until is not None
    assert until > today
    for days in range((until - today).days):
        assert invoice.look(today + timedelta(days=days)) == last
    assert invoice.look(until).act is Act.SEND


@given(invoices())
def test_whoever_looks_when_told_sends_every_level_and_then_hands_over(invoice: Invoice) -> None:
    today = invoice.looks[0]
    for level in range(1, len(invoice.policy.steps) + 1):
        decision = invoice.look(today)
        if decision.act is Act.WAIT:
            assert decision.next_on is not None
            today = decision.next_on
            decision = invoice.look(today)
        assert (decision.act, decision.level) == (Act.SEND, level)
        invoice.sent.append(today)
    assert invoice.look(today).act is Act.EXHAUSTED


@given(invoices(), st.integers(0, 400))
def test_a_reminder_that_is_due_stays_due_on_later_business_days(
    invoice: Invoice, days: int
) -> None:
    invoice.live()
    now = invoice.look(invoice.looks[-1])
    later = invoice.calendar.next_business_day(invoice.looks[-1] + timedelta(days=days))
    if now.act is Act.SEND:
        assert invoice.look(later).act is Act.SEND
    assert invoice.look(later).level >= now.level


@given(invoices(), st.sampled_from(sorted(MINOR_UNITS)), st.integers(-1000, 1000))
def test_paid_is_cleared_and_unpaid_is_not_whenever_one_looks(
    invoice: Invoice, currency: str, count: int
) -> None:
    residual = Money(count * MINOR_UNITS[currency], currency)
    invoice.live()
    for today in invoice.looks:
        assert (invoice.look(today, residual).act is Act.CLEAR) == (count <= 0)


@given(invoices(), st.integers(0, 60), st.booleans())
def test_nothing_is_sent_while_a_hold_or_a_promise_lasts_and_the_level_is_kept(
    invoice: Invoice, days: int, is_hold: bool
) -> None:
    invoice.live()
    today = invoice.looks[-1]
    until = today + timedelta(days=days)
    sent = DunningState(level=len(invoice.sent), sent_on=invoice.sent[-1] if invoice.sent else None)

    def paused(day: date) -> DunningDecision:
        return decide(
            invoice.policy,
            invoice.calendar,
            residual=OWED,
            due_on=invoice.due_on,
            sent=sent,
            today=day,
            holds=[hold(until)] if is_hold else [],
            promise=None if is_hold else promise(until),
        )

    for offset in range(days + 1):
        decision = paused(today + timedelta(days=offset))
        assert (decision.act, decision.level) == (Act.WAIT, sent.level)
        assert decision.next_on is not None
        assert decision.next_on > until
    # The day after it is as if there had been none.
    assert paused(until + timedelta(days=1)) == invoice.look(until + timedelta(days=1))


@given(invoices(), st.integers(0, 100_000), st.integers(0, 100_000))
def test_a_dispute_changes_who_is_dunned_and_never_how_far(
    invoice: Invoice, residual: int, contested: int
) -> None:
    invoice.live()
    today = invoice.looks[-1]
    owed, part = Money(residual, "EUR"), Money(min(residual, contested), "EUR")
    sent = DunningState(level=len(invoice.sent), sent_on=invoice.sent[-1] if invoice.sent else None)
    decision = decide(
        invoice.policy,
        invoice.calendar,
        residual=owed,
        due_on=invoice.due_on,
        sent=sent,
        today=today,
        disputed=part,
    )
    if owed.is_zero:
        assert decision.act is Act.CLEAR
    elif owed == part:
        assert decision == DunningDecision(act=Act.WAIT, level=sent.level)
    else:
        assert decision == invoice.look(today, owed)


# --- policies -------------------------------------------------------------------------------


@pytest.mark.parametrize(("level", "suspended"), [(0, False), (1, False), (2, True), (3, True)])
def test_work_is_suspended_from_the_configured_level_on(level: int, suspended: bool) -> None:
    policy = policy_of([3, 14, 30]).model_copy(update={"suspend_at_level": 2})
    assert policy.suspends(level) is suspended
    assert not policy_of([3, 14, 30]).suspends(level)


@pytest.mark.parametrize("level", [0, 4])
def test_a_level_of_suspension_that_does_not_exist_is_refused(level: int) -> None:
    steps = dunning_policy.steps
    with pytest.raises(ValidationError):
        DunningPolicy(steps=steps, suspend_at_level=level)


@pytest.mark.parametrize("days", [[], [3, 3], [14, 3], [-1], [731], list(range(10))])
def test_a_policy_without_rising_levels_is_refused(days: list[int]) -> None:
    with pytest.raises(ValidationError):
        policy_of(days)


def test_a_policy_that_counts_below_zero_is_refused() -> None:
    with pytest.raises(ValidationError):
        policy_of([3], days_between=0)
    with pytest.raises(ValidationError):
        policy_of([3], tolerance="-0.01")
