"""What lists show of parked steps."""

from __future__ import annotations

from datetime import timedelta

from contracts import parking
from contracts.views.parked import MAX_STEPS, ParkedCards, cards
from tests.unit.examples import NOON, contract_state, parked


def test_nothing_is_shown_where_nothing_is_parked() -> None:
    assert cards(contract_state()) is None


def test_the_oldest_come_first_and_what_is_too_much_is_counted() -> None:
    steps = [
        parked(parking.CUSTOMER, step=f"customer:{age}", since=NOON - timedelta(days=age))
        for age in range(MAX_STEPS + 3)
    ]
    found = cards(contract_state(exceptions=tuple(steps)))
    assert found is not None
    assert found.steps[0].step == f"customer:{MAX_STEPS + 2}"
    assert len(found.steps) == MAX_STEPS
    assert found.more == 3


def test_cards_are_small_whatever_a_remote_said_and_read_back_from_json() -> None:
    step = parked(parking.CUSTOMER, message="x" * 100_000, attempts=7)
    found = cards(contract_state(exceptions=(step,)))
    assert found is not None
    written = found.model_dump(mode="json", exclude_defaults=True)
    assert len(str(written)) < 1_000
    assert ParkedCards.model_validate(written) == found
    assert found.steps[0].attempts == 7
    assert found.steps[0].may_retry
