"""News of one milestone from another system may overtake each other: the latest counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.contract.messages import (
    Hold,
    HoldKind,
    HoldRequest,
    MilestoneReached,
    MilestoneUnreached,
)
from tests.unit.contract.examples import fixed_price
from tests.unit.contract.played import PIA, Played

AT = datetime(2026, 1, 20, 12, tzinfo=UTC)


def news(minute: int, *, reached: bool) -> MilestoneReached | MilestoneUnreached:
    at = AT + timedelta(minutes=minute)
    if reached:
        return MilestoneReached(milestone="design", by="tickets", as_of=at)
    return MilestoneUnreached(milestone="design", by="tickets", as_of=at)


def held() -> Played:
    """A contract that bills nothing for the moment."""
    life = Played(fixed_price())
    hold = Hold(by=PIA, reason="a test")
    life.send(HoldRequest(kind=HoldKind.BILLING, by=PIA, hold=hold))
    return life


@given(
    told=st.lists(st.booleans(), min_size=1, max_size=6).flatmap(
        lambda kinds: st.permutations(list(enumerate(kinds)) * 2).map(lambda order: (kinds, order))
    )
)
def test_in_whatever_order_and_however_often_it_comes_the_latest_news_counts(
    told: tuple[list[bool], list[tuple[int, bool]]],
) -> None:
    kinds, order = told
    life = held()
    for minute, reached in order:
        life.send(news(minute, reached=reached))
    assert (life.state.milestones["design"].reached_on is not None) is kinds[-1]


def test_what_a_person_says_counts_whenever_it_is_said() -> None:
    life = held()
    life.send(news(5, reached=True))
    life.send(MilestoneUnreached(milestone="design", by=PIA))
    assert life.state.milestones["design"].reached_on is None
    life.send(news(4, reached=True))
    assert life.state.milestones["design"].reached_on is None


@pytest.mark.parametrize("order", [(True, False), (False, True)])
def test_what_comes_before_the_contract_is_validated_is_kept_in_any_order(
    order: tuple[bool, bool],
) -> None:
    life = Played(fixed_price(), held_back={"validate"})
    for reached in order:
        life.send(news(1 if reached else 2, reached=reached))
    life.release("validate")
    assert life.state.contract is not None
    assert life.state.milestones["design"].reached_on is None
