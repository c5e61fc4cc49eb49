"""F9: daylight saving, month ends, leap days, year ends.

What everything here depends on: a workflow that sleeps until business opens on a day finds, when it
wakes, that it is that day. Woken a moment too early it would go round in circles; a day too late it
would bill, remind and escalate late.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import changes
from contracts.approvals import ApprovalRound
from contracts.billing.periods import billing_periods
from contracts.billing.retainers import fee_of, fee_on
from contracts.calendar import OFFICE_OPENS, BusinessCalendar
from contracts.dunning import Act, DunningHold, DunningState, Promise, decide
from contracts.model import Contract, RetainerPlan
from contracts.validation import validate
from tests.unit import examples
from tests.world import World, contract_data

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour of daylight saving
    "America/Asuncion",  # for years the clocks went forward at midnight
    "Africa/Cairo",  # and here
    "Asia/Beirut",  # and here
    "Asia/Kathmandu",  # a quarter of an hour beside everybody
    "Pacific/Kiritimati",  # 14 hours ahead
    "Africa/Casablanca",  # daylight saving but in Ramadan
    "UTC",
)
FIRST, LAST = date(2015, 1, 1), date(2032, 12, 31)
DAYS = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
DAY = timedelta(days=1)
zones = st.sampled_from(ZONES)
days = st.dates(FIRST, date(2031, 12, 31))
EUR = examples.euros


# --- the day and its opening ------------------------------------------------------------------


@pytest.mark.parametrize("zone", ZONES)
def test_every_day_opens_once_at_nine_on_the_wall_and_is_that_day(zone: str) -> None:
    calendar = BusinessCalendar(time_zone=zone)
    opened = [calendar.opening(day) for day in DAYS]
    for day, moment in zip(DAYS, opened, strict=True):
        assert calendar.today(moment) == day
        assert moment.astimezone(ZoneInfo(zone)).time() == OFFICE_OPENS
    for one, two in pairwise(opened):
        assert timedelta(hours=23) <= two - one <= timedelta(hours=25)


@pytest.mark.parametrize("zone", ZONES)
def test_the_day_never_goes_back_when_the_clock_does(zone: str) -> None:
    """Told every quarter of an hour of two years around, it only ever becomes the next day."""
    calendar, moment = BusinessCalendar(time_zone=zone), datetime(2023, 1, 1, tzinfo=UTC)
    seen = [calendar.today(moment + timedelta(minutes=15 * n)) for n in range(4 * 24 * 730)]
    assert all(two - one in (timedelta(0), DAY) for one, two in pairwise(seen))


# --- reminders, promises, holds, approvals ----------------------------------------------------


@given(zones, days, st.integers(0, 40), st.integers(0, 40))
def test_reminders_go_out_once_each_at_an_opening_whatever_the_clocks_do(
    zone: str, due_on: date, held: int, promised: int
) -> None:
    """As the workflow does: look, sleep until the opening of the day it was told, look again."""
    calendar, policy = BusinessCalendar(time_zone=zone), examples.dunning_policy
    residual = EUR("100.00")
    hold = DunningHold(by="ana", reason="call", since=due_on, until=due_on + DAY * held)
    promise = Promise(
        on=due_on + DAY * promised,
        amount=residual,
        by="ana",
        made_on=due_on,
        paid_before=EUR("0"),
    )
    sent, now = DunningState(), calendar.opening(due_on)
    sent_on: list[date] = []
    for _ in range(20):
        today = calendar.today(now)
        decision = decide(
            policy,
            calendar,
            residual=residual,
            due_on=due_on,
            sent=sent,
            today=today,
            holds=[hold],
            promise=promise,
        )
        if decision.act is Act.EXHAUSTED:
            break
        if decision.act is Act.SEND:
            assert now >= calendar.opening(today), "not before business opens"
            sent = DunningState(level=decision.level, sent_on=today)
            sent_on.append(today)
            continue
        assert decision.next_on is not None
        assert calendar.opening(decision.next_on) > now, "it would wake at once, for ever"
        now = calendar.opening(decision.next_on)
    assert len(sent_on) == len(policy.steps)
    assert all(calendar.is_business_day(day) for day in sent_on)
    assert sent_on[0] > max(due_on, hold.until or due_on, promise.on)
    assert all(two - one >= DAY * policy.days_between for one, two in pairwise(sent_on))


@given(zones, days)
def test_approvers_are_reminded_and_others_asked_when_the_time_has_come(
    zone: str, asked_on: date
) -> None:
    calendar = BusinessCalendar(time_zone=zone)
    subject = examples.approval_round().subject
    approval_round = ApprovalRound.begin(examples.approval_policy, calendar, subject, asked_on)
    now, reminded = calendar.opening(asked_on), []
    while (wake := approval_round.next_reminder(calendar)) is not None:
        assert wake > now, "it would wake at once, for ever"
        now = wake
        reminder = approval_round.reminder(calendar.today(now))
        assert reminder is not None, "woken for nothing"
        reminded.append(calendar.today(now))
        approval_round = approval_round.with_reminder(escalated=reminder.escalated)
        if len(reminded) > 5:
            break
    assert [calendar.is_business_day(day) for day in reminded] == [True] * len(reminded)
    assert reminded == sorted(reminded)
    assert 2 <= len(reminded) <= 5


# --- periods, fees, terms ---------------------------------------------------------------------


@given(
    st.sampled_from(["month", "quarter", "year", "1 weeks", "5 weeks"]),
    st.dates(date(2023, 12, 1), date(2025, 3, 31)),
    st.integers(0, 800),
)
def test_every_day_of_a_plans_life_is_billed_once(cadence: str, first: date, length: int) -> None:
    last = first + DAY * length
    found = list(billing_periods(cadence, first, last))
    billed = [item.period.first + DAY * n for item in found for n in range(item.period.days)]
    assert billed == [first + DAY * n for n in range(length + 1)]


def _cared_for(starts_on: str, ends_on: str, **plan: object) -> tuple[Contract, RetainerPlan]:
    contract = validate(
        examples.contract_data(
            value="0.00",
            milestones=[],
            signed_on=starts_on,
            starts_on=starts_on,
            ends_on=ends_on,
            services=[{"key": "care", "code": "CARE", "description": "Care", "amount": "0.00"}],
            retainers=[{"key": "care", "service": "care", "fee": "3100.00", **plan}],
        )
    )
    return contract, contract.retainers[0]


@pytest.mark.parametrize(
    ("starts_on", "ends_on", "fees"),
    [
        ("2027-01-31", "2027-04-30", ["100.00", "3100.00", "3100.00", "3100.00"]),
        ("2027-12-31", "2028-02-29", ["100.00", "3100.00", "3100.00"]),
        ("2028-02-29", "2028-03-31", ["106.90", "3100.00"]),
        ("2027-02-28", "2027-03-01", ["110.71", "100.00"]),
        ("2028-02-29", "2028-02-29", ["106.90"]),
    ],
)
def test_a_fee_from_the_last_of_a_month_is_for_that_day_and_then_for_whole_months(
    starts_on: str, ends_on: str, fees: list[str]
) -> None:
    contract, plan = _cared_for(starts_on, ends_on)
    found = billing_periods("month", contract.first_day, contract.ends_on)
    assert [str(fee_of(plan, item)) for item in found] == fees


def test_an_index_from_a_leap_day_counts_once_a_year_on_the_last_of_february() -> None:
    index = {"percent": "10", "first_on": "2028-02-29"}
    _, plan = _cared_for("2027-01-01", "2034-12-31", indexation=index)
    rises = [
        day
        for day in (date(2027, 1, 1) + DAY * n for n in range(2900))
        if fee_on(plan, day) != fee_on(plan, day - DAY)
    ]
    assert rises == [
        date(2028, 2, 29),
        *(date(year, 2, 28) for year in (2029, 2030, 2031)),
        date(2032, 2, 29),
        *(date(year, 2, 28) for year in (2033, 2034)),
    ]
    assert fee_on(plan, date(2029, 3, 1)) == EUR("3751.00")


def _before_anniversary(first: date, months: int) -> date:
    """The day before the same day so many months later, or before that month's last."""
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    last = monthrange(year, month + 1)[1]
    return date(year, month + 1, min(first.day, last)) - DAY


@pytest.mark.parametrize("months", [1, 3, 12])
@given(first=st.dates(date(2027, 12, 1), date(2028, 3, 31)), length=st.integers(1, 14))
def test_a_term_that_is_renewed_never_drifts(months: int, first: date, length: int) -> None:
    """However many short months lie between, it ends on the eve of the day it started on."""
    term = {"auto_renew": True, "renew_months": months, "notice_days": 10}
    contract, _ = _cared_for(str(first), str(_before_anniversary(first, length)))
    contract = validate({**changes.contract_data_of(contract), "term": term})
    for count in range(1, 15):
        contract = changes.renewed(contract)
        assert contract.ends_on == _before_anniversary(first, length + count * months)


# --- through the workflows --------------------------------------------------------------------


async def test_a_fee_over_a_leap_february_and_the_clock_change_is_billed_on_each_first(
    world: World,
) -> None:
    """From the last of January 2028, in a zone with daylight saving, indexed on the leap day."""
    plan = {
        "key": "care",
        "service": "care",
        "fee": "31.00",
        "indexation": {"percent": "10", "first_on": "2028-02-29"},
    }
    workflow_id = await world.active(
        contract_data(
            value="0.00",
            milestones=[],
            starts_on="2028-01-31",
            ends_on="2028-04-30",
            services=[{"key": "care", "code": "RETAINER", "description": "C", "amount": "0.00"}],
            retainers=[plan],
        )
    )
    amounts = []
    firsts = [date(2028, 1, 31), *(date(2028, month, 1) for month in (2, 3, 4))]
    for number, day in enumerate(firsts, start=1):
        await world.skip_to(workflow_id, day)
        # Planned, and small enough that nobody has to approve it.
        state = await world.invoice(
            f"{workflow_id}/invoice/{number}", until=lambda found: found.delivered
        )
        assert state.proposal.proposed_on == day
        amounts.append(state.proposal.amount)
    assert amounts == [EUR("1.00"), EUR("31.00"), EUR("34.10"), EUR("34.10")]
    assert len((await world.contract(workflow_id)).invoices) == len(firsts)


async def test_an_invoice_is_reminded_of_at_nine_on_both_sides_of_the_clock_change(
    world: World,
) -> None:
    """Due before the clocks go forward and back, reminded of after it, and after Easter Monday."""
    for reached, due_on, reminded_on, hour in (
        (date(2027, 2, 22), date(2027, 3, 24), date(2027, 3, 30), 7),
        (date(2027, 9, 28), date(2027, 10, 28), date(2027, 11, 2), 8),
    ):
        workflow_id = await world.active(contract_data())
        await world.skip_to(workflow_id, reached)
        await world.reach(workflow_id, "design")
        invoice = f"{workflow_id}/invoice/1"
        state = await world.issue(workflow_id, 1)
        assert state.balance is not None
        assert state.balance.due_on == due_on
        await world.skip_to(invoice, reminded_on)
        state = await world.invoice(invoice, until=lambda found: found.dunning.level == 1)
        assert state.dunning.sent_on == reminded_on
        [sent] = [entry for entry in state.journal.entries if "Reminder 1 sent" in entry.text]
        assert (sent.at.date(), sent.at.hour) == (reminded_on, hour), "9:00 in Brussels"
