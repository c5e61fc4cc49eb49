"""Parked, never lost: what a person may do about a step, and how long it has waited."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from contracts import parking
from contracts.parking import Action, Resolution, Step, StepException, Waiting, find, refusal
from tests.unit.examples import NOON, parked

STEPS = [step for step in vars(parking).values() if isinstance(step, Step)]

AMENDABLE = parked(parking.VALIDATE)
OPTIONAL = parked(parking.WRITE_BACK)
REMINDER = parked(parking.REMIND, step="remind:2")


def resolution(action: Action, step: str = "", reason: str = "", **changes: str) -> Resolution:
    return Resolution(
        action=action, by="ops@northwind.example", step=step, reason=reason, changes=changes
    )


@pytest.mark.parametrize(
    ("exceptions", "asked", "told"),
    [
        ([], resolution(Action.RETRY), "nothing is parked here"),
        ([], resolution(Action.RETRY, "validate"), "nothing is parked here"),
        ([AMENDABLE], resolution(Action.RETRY), None),
        ([AMENDABLE], resolution(Action.RETRY, "validate"), None),
        ([AMENDABLE], resolution(Action.CANCEL), None),
        (
            [AMENDABLE],
            resolution(Action.RETRY, "order"),
            "step 'order' is not parked; parked: validate",
        ),
        (
            [AMENDABLE, OPTIONAL],
            resolution(Action.RETRY),
            "several steps are parked; name one in `step`: validate, write_back",
        ),
        ([AMENDABLE, OPTIONAL], resolution(Action.RETRY, "write_back"), None),
        (
            [AMENDABLE, OPTIONAL],
            resolution(Action.RETRY, "order"),
            "step 'order' is not parked; parked: validate, write_back",
        ),
        (
            [AMENDABLE],
            resolution(Action.SKIP, reason="never mind"),
            "skip is not possible for validate; possible: retry, amend, cancel",
        ),
        (
            [OPTIONAL],
            resolution(Action.AMEND, title="x"),
            "amend is not possible for write_back; possible: retry, skip",
        ),
        ([OPTIONAL], resolution(Action.CANCEL), "cancel is not possible for write_back"),
        (
            [AMENDABLE, OPTIONAL],
            resolution(Action.SKIP, "validate", "never mind"),
            "skip is not possible for validate",
        ),
        ([AMENDABLE], resolution(Action.AMEND), "amend needs changes, such as"),
        ([AMENDABLE], resolution(Action.AMEND, title="CRM"), None),
        ([OPTIONAL], resolution(Action.SKIP), "skip needs a reason"),
        ([OPTIONAL], resolution(Action.SKIP, reason="  "), "skip needs a reason"),
        ([OPTIONAL], resolution(Action.SKIP, reason="the deal is gone"), None),
        ([REMINDER], resolution(Action.RETRY, "remind:2"), None),
        ([REMINDER], resolution(Action.RETRY, "remind"), "step 'remind' is not parked"),
    ],
)
def test_what_may_be_done_about_what_is_parked(
    exceptions: list[StepException], asked: Resolution, told: str | None
) -> None:
    answer = refusal(exceptions, asked)
    assert (answer is None) == (told is None)
    assert told is None or told in str(answer)


def test_a_parked_step_is_found_by_its_name_or_alone() -> None:
    assert find([AMENDABLE, OPTIONAL], "write_back") is OPTIONAL
    assert find([OPTIONAL], "") is OPTIONAL
    assert find([AMENDABLE, OPTIONAL], "") is None
    assert find([AMENDABLE], "order") is None
    assert find([], "") is None


def test_a_resolution_names_who_gave_it_and_nothing_unheard_of() -> None:
    with pytest.raises(ValidationError):
        Resolution(action=Action.RETRY, by="")
    with pytest.raises(ValidationError):
        Resolution.model_validate({"action": "retry", "by": "x", "because": "y"})
    with pytest.raises(ValidationError):
        Resolution.model_validate({"action": "shrug", "by": "x"})


QUESTIONS = (parking.REVIEW, parking.FOLLOW, parking.TOO_LATE, parking.AFTER_CLOSE)


def test_every_step_can_be_tried_again_and_says_what_it_does() -> None:
    assert len(STEPS) > 15
    assert len({step.name for step in STEPS}) == len(STEPS)
    for step in STEPS:
        # These are questions to a person, and no attempts that failed.
        assert Action.RETRY in step.allowed or step in QUESTIONS
        assert len(set(step.allowed)) == len(step.allowed)
        assert step.doing[0].isupper()


@pytest.mark.parametrize(
    "step",
    [
        parking.CUSTOMER,
        parking.ORDER,
        parking.CONFIRM,
        parking.CREATE_INVOICE,
        parking.POST_INVOICE,
    ],
)
def test_what_the_money_depends_on_cannot_be_skipped(step: Step) -> None:
    assert Action.SKIP not in step.allowed


# --- waiting --------------------------------------------------------------------------------

LATER = NOON + timedelta(hours=1)


def test_the_clock_starts_when_there_is_something_to_wait_on() -> None:
    waiting = Waiting()
    waiting = waiting.updated("approval", NOON, [])
    assert (waiting.on, waiting.since) == ("approval", NOON)


def test_the_clock_runs_on_while_the_reason_stays() -> None:
    waiting = Waiting(on="approval", since=NOON)
    waiting = waiting.updated("approval", LATER, [])
    assert waiting.since == NOON


def test_the_clock_starts_anew_with_another_reason() -> None:
    waiting = Waiting(on="approval", since=NOON)
    waiting = waiting.updated("payment", LATER, [])
    assert (waiting.on, waiting.since) == ("payment", LATER)


def test_the_clock_stops_when_nothing_is_waited_on() -> None:
    waiting = Waiting(on="approval", since=NOON)
    waiting = waiting.updated(None, LATER, [])
    assert waiting == Waiting()


def test_an_exception_is_as_old_as_the_oldest_parked_step() -> None:
    young, old = parked(parking.CONFIRM, since=LATER), parked(parking.ORDER, since=NOON)
    waiting = Waiting()
    waiting = waiting.updated("exception", LATER + timedelta(hours=1), [young, old])
    assert waiting.since == NOON
    waiting = waiting.updated("exception", LATER + timedelta(hours=2), [young])
    assert waiting.since == LATER
