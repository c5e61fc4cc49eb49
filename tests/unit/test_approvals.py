"""Who must approve what: tiers, segregation, two persons, escalation."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.approvals import (
    Approval,
    ApprovalPolicy,
    ApprovalRequirement,
    ApprovalRules,
    ApprovalTier,
)
from contracts.calendar import BusinessCalendar
from contracts.money import Money
from contracts.receivable import ApprovalDecision
from tests.unit.examples import (
    ANA,
    BOB,
    CLEO,
    DORA,
    EMIL,
    FRIDAY,
    MONDAY,
    NOON,
    SAM,
    amounts,
    approval_policy,
    euros,
    requirement,
    weekdays,
)


def approval(by: str) -> Approval:
    return Approval(by=by, content_hash="0" * 64, at=NOON)


# --- tiers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "group", "approvals"),
    [
        ("0.01 EUR", "finance", 1),
        ("1000.00 EUR", "finance", 1),  # a limit includes its amount
        ("1000.01 EUR", "finance", 2),
        ("10000.00 EUR", "finance", 2),
        ("10000.01 EUR", "directors", 2),
        # No limit is in these currencies: the strictest rule.
        ("0.01 USD", "directors", 2),
        ("1 JPY", "directors", 2),
    ],
)
def test_the_amount_and_its_currency_choose_the_tier(
    amount: str, group: str, approvals: int
) -> None:
    tier = approval_policy.tier_for(Money.parse(amount))
    assert (tier.group, tier.approvals) == (group, approvals)


def test_each_currency_can_have_limits_of_its_own() -> None:
    policy = policy_with(
        tiers=(
            ApprovalTier(up_to=Money(100_000, "JPY"), group="finance"),
            ApprovalTier(up_to=euros("1000"), group="finance", approvals=2),
            ApprovalTier(group="directors"),
        )
    )
    assert policy.tier_for(Money(100_000, "JPY")) is policy.tiers[0]
    assert policy.tier_for(euros("1000")) is policy.tiers[1]
    assert policy.tier_for(Money(100_001, "JPY")) is policy.tiers[2]


@given(amounts)
def test_every_amount_in_every_currency_has_a_tier(amount: Money) -> None:
    tier = approval_policy.tier_for(amount)
    assert tier in approval_policy.tiers
    assert tier.up_to is None or amount <= tier.up_to


# --- policies -------------------------------------------------------------------------------


def policy_with(**changes: Any) -> ApprovalRules:
    fields: dict[str, Any] = {
        "groups": approval_policy.groups,
        "tiers": approval_policy.tiers,
        "escalation_group": "directors",
    }
    return ApprovalRules(**fields | changes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"tiers": ()}, "at least 1"),
        ({"tiers": (ApprovalTier(up_to=euros("1"), group="finance"),)}, "the last approval tier"),
        (
            {"tiers": (ApprovalTier(group="finance"), ApprovalTier(group="directors"))},
            "only the last approval tier",
        ),
        ({"tiers": (ApprovalTier(group="board"),)}, "'board' is not among groups"),
        ({"escalation_group": "board"}, "'board' is not among groups"),
        (
            {"groups": {"finance": (ANA, f" {ANA.upper()}"), "directors": (CLEO, DORA, EMIL)}},
            "'finance' has fewer members",
        ),
        ({"remind_after_business_days": 6}, "not be before the reminder"),
        ({"remind_after_business_days": 0}, "greater than or equal to 1"),
        ({"quorum": 2}, "Extra inputs"),
    ],
)
def test_a_policy_that_could_not_be_followed_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        policy_with(**changes)


def test_a_policy_may_remind_and_escalate_on_one_day_and_ask_for_one_person() -> None:
    policy = policy_with(
        remind_after_business_days=5,
        escalate_after_business_days=5,
        tiers=(ApprovalTier(group="finance", approvals=1),),
    )
    made = ApprovalRequirement.of(policy, weekdays, euros("1"), SAM, MONDAY)
    assert made.remind_on == made.escalate_on == date(2026, 3, 9)


@pytest.mark.parametrize("approvals", [0, 3])
def test_nobody_or_a_crowd_cannot_be_asked_to_approve(approvals: int) -> None:
    with pytest.raises(ValidationError):
        ApprovalTier(group="finance", approvals=approvals)


# --- requirements ---------------------------------------------------------------------------


def test_a_requirement_is_the_tiers_and_counts_in_business_days() -> None:
    assert requirement("3000.00") == ApprovalRequirement(
        approvers=(ANA, BOB),
        approvals=2,
        escalate_to=(CLEO, DORA, EMIL),
        requested_by=SAM,
        remind_on=date(2026, 3, 4),
        escalate_on=date(2026, 3, 9),
    )


def test_reminders_and_escalation_wait_for_the_end_of_a_holiday() -> None:
    holidays = BusinessCalendar(holidays=(date(2026, 3, 9),))
    made = ApprovalRequirement.of(approval_policy, holidays, euros("1"), SAM, FRIDAY)
    assert (made.remind_on, made.escalate_on) == (date(2026, 3, 11), date(2026, 3, 16))


@pytest.mark.parametrize(
    ("person", "escalated", "told"),
    [
        (ANA, False, None),
        (BOB, True, None),
        (CLEO, True, None),
        (CLEO, False, "may not decide this; these may: ana@northwind.example, bob@"),
        (
            "eve@elsewhere.example",
            True,
            "these may: ana@northwind.example, bob@northwind.example, ",
        ),
        ("", False, "may not decide this"),
    ],
)
def test_who_may_decide(person: str, escalated: bool, told: str | None) -> None:
    refusal = requirement().refusal(person, escalated)
    assert (refusal is None) == (told is None)
    assert told is None or told in str(refusal)


@pytest.mark.parametrize("requested_by", [ANA, f"  {ANA.upper()} "])
@pytest.mark.parametrize("escalated", [False, True])
def test_whoever_asks_does_not_decide(requested_by: str, escalated: bool) -> None:
    refusal = requirement(requested_by=requested_by).refusal(ANA, escalated)
    assert "segregation" in str(refusal)
    assert requirement(requested_by=requested_by).refusal(BOB, escalated) is None


def test_a_director_who_asks_does_not_decide_after_escalation_either() -> None:
    assert "segregation" in str(requirement(requested_by=CLEO).refusal(CLEO, escalated=True))


def test_where_nobody_is_known_to_have_asked_every_approver_may_decide() -> None:
    assert requirement(requested_by="").refusal(ANA, escalated=False) is None


@pytest.mark.parametrize(
    ("amount", "people", "met"),
    [
        ("500.00", [], False),
        ("500.00", [ANA], True),
        ("3000.00", [ANA], False),
        ("3000.00", [ANA, ANA, ANA], False),
        ("3000.00", [ANA, f" {ANA.upper()} "], False),
        ("3000.00", [ANA, BOB], True),
        ("3000.00", [ANA, CLEO, BOB], True),
    ],
)
def test_two_approvals_are_those_of_two_persons(amount: str, people: list[str], met: bool) -> None:
    assert requirement(amount).is_met([approval(person) for person in people]) is met


@given(st.lists(st.sampled_from([ANA, BOB, CLEO, DORA]), max_size=6))
def test_one_more_approval_never_undoes_what_was_met(people: list[str]) -> None:
    needed = requirement("3000.00")
    met = [needed.is_met([approval(by) for by in people[:n]]) for n in range(len(people) + 1)]
    assert met == sorted(met)
    assert met[-1] is (len(set(people)) >= 2)


def test_a_person_is_the_same_in_capitals_and_with_blanks() -> None:
    assert ApprovalDecision(by=f" {ANA.upper()} ").by == ANA
    assert approval(f"{ANA.title()} ").by == ANA
    with pytest.raises(ValidationError):
        ApprovalDecision(by="  ")


def test_a_requirement_is_frozen_with_the_policy_it_was_made_by() -> None:
    made = ApprovalRequirement.of(approval_policy, weekdays, euros("1"), SAM, MONDAY)
    assert ApprovalRequirement.model_validate_json(made.model_dump_json()) == made


def test_a_policy_under_which_nobody_could_approve_for_a_member_is_refused() -> None:
    with pytest.raises(ValidationError, match="nobody could approve what one of them requests"):
        policy_with(groups={"finance": (ANA, BOB), "directors": (CLEO, DORA)})


def test_a_tier_that_never_applies_is_refused() -> None:
    tiers = (
        ApprovalTier(up_to=euros("500.00"), group="finance"),
        ApprovalTier(up_to=euros("400.00"), group="directors"),
        ApprovalTier(group="directors"),
    )
    with pytest.raises(ValidationError, match=r"up to 400\.00 EUR never applies"):
        policy_with(tiers=tiers)


def test_where_the_requester_leaves_too_few_approvers_the_next_group_decides_from_the_start() -> (
    None
):
    found = ApprovalRequirement.of(
        approval_policy, weekdays, euros("5000.00"), requested_by=ANA, proposed_on=MONDAY
    )
    assert found.approvals == 2
    assert set(found.approvers) == {ANA, BOB, CLEO, DORA, EMIL}
    assert found.refusal(ANA, escalated=False) is not None
    assert found.refusal(CLEO, escalated=False) is None


def test_a_frozen_policy_stays_readable_whatever_is_asked_of_new_ones() -> None:
    frozen = ApprovalPolicy(
        groups={"finance": (ANA,)},
        tiers=(ApprovalTier(group="finance"),),
        escalation_group="finance",
    )
    with pytest.raises(ValidationError):
        ApprovalRules.model_validate(frozen.model_dump())
    assert ApprovalPolicy.model_validate_json(frozen.model_dump_json()) == frozen
