"""Who must approve what: rules, segregation, two persons, deputies, reminders, escalation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from contracts.approval_rules import ApprovalRules
from contracts.approvals import (
    HASH_PREFIX,
    Approval,
    ApprovalDecision,
    ApprovalKind,
    ApprovalPolicy,
    ApprovalRound,
    ApprovalTier,
    ApproverReminder,
    Decision,
    Delegation,
    Subject,
    content_hash_of,
)
from contracts.calendar import BusinessCalendar
from contracts.money import Money

MONDAY, FRIDAY = date(2026, 3, 2), date(2026, 3, 6)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""Of that Monday; 13:00 in Brussels."""
ANA, BOB = "ana@northwind.example", "bob@northwind.example"
CLEO, DORA = "cleo@northwind.example", "dora@northwind.example"
EMIL, SAM = "emil@northwind.example", "sam@northwind.example"
EVE = "eve@elsewhere.example"
FINANCE, DIRECTORS = (ANA, BOB), (CLEO, DORA, EMIL)
HASH = "0123456789abcdef" * 4

weekdays = BusinessCalendar(time_zone="Europe/Brussels")


def eur(amount: str) -> Money:
    return Money(amount, "EUR")


TIERS = (
    ApprovalTier(up_to=eur("1000.00"), group="finance"),
    ApprovalTier(up_to=eur("10000.00"), group="finance", approvals=2),
    ApprovalTier(group="directors", approvals=2),
)


def rules(**changes: Any) -> ApprovalRules:
    fields: dict[str, Any] = {
        "groups": {"finance": FINANCE, "directors": DIRECTORS},
        "tiers": TIERS,
        "escalation_group": "directors",
    }
    return ApprovalRules(**fields | changes)


def subject(amount: str | Money = "500.00 EUR", **changes: Any) -> Subject:
    fields: dict[str, Any] = {
        "kind": ApprovalKind.INVOICE,
        "title": "invoice 3 of C-1001 for Harbour Logistics",
        "amount": amount,
        "content_hash": HASH,
        "customer_key": "harbour",
        "customer_name": "Harbour Logistics",
        "requested_by": (SAM,),
    }
    return Subject.model_validate(fields | changes)


def begin(
    about: Subject | None = None, policy: ApprovalPolicy | None = None, today: date = MONDAY
) -> ApprovalRound:
    return ApprovalRound.begin(policy or rules(), weekdays, about or subject(), today)


def yes(by: str, about: Subject | None = None, **changes: Any) -> ApprovalDecision:
    about = about or subject()
    fields: dict[str, Any] = {"by": by, "content_hash": HASH, "amount": about.amount}
    return ApprovalDecision(**fields | changes)


def no(by: str, comment: str = "wrong price", **changes: Any) -> ApprovalDecision:
    return ApprovalDecision(decision=Decision.REJECT, by=by, comment=comment, **changes)


def approve(found: ApprovalRound, *people: str, on: date = MONDAY) -> ApprovalRound:
    for person in people:
        now = datetime(on.year, on.month, on.day, 12, tzinfo=UTC)
        found = found.decided(yes(person, found.subject), now)
    return found


def refusal(found: ApprovalRound, person: str, on: date = MONDAY) -> str | None:
    return found.refusal(yes(person, found.subject), on)


def away(person: str, to: str, first: date = MONDAY, last: date = FRIDAY) -> Delegation:
    return Delegation(person=person, to=to, since=first, until=last)


# --- which rule applies -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "rule"),
    [
        ("0.00 EUR", "up to 1000.00 EUR: 1 of finance"),
        ("1000.00 EUR", "up to 1000.00 EUR: 1 of finance"),  # a limit includes its amount
        ("1000.01 EUR", "up to 10000.00 EUR: 2 of finance"),
        ("10000.00 EUR", "up to 10000.00 EUR: 2 of finance"),
        ("10000.01 EUR", "any amount: 2 of directors"),
        # No limit is in these currencies: the strictest rule.
        ("0.01 USD", "any amount: 2 of directors"),
        ("1 JPY", "any amount: 2 of directors"),
    ],
)
def test_the_amount_and_its_currency_choose_the_tier(amount: str, rule: str) -> None:
    assert begin(subject(amount)).requirement.rule == rule


def test_each_currency_can_have_limits_of_its_own() -> None:
    policy = rules(
        tiers=(
            ApprovalTier(up_to=Money(100_000, "JPY"), group="finance"),
            ApprovalTier(up_to=eur("1000"), group="finance", approvals=2),
            ApprovalTier(group="directors"),
        )
    )
    assert policy.tier_for(subject("100000 JPY")) is policy.tiers[0]
    assert policy.tier_for(subject("1000 EUR")) is policy.tiers[1]
    assert policy.tier_for(subject("100001 JPY")) is policy.tiers[2]


WRITE_OFF = ApprovalTier(kinds=(ApprovalKind.WRITE_OFF,), group="finance", second_group="directors")
HARBOUR = ApprovalTier(customers=("harbour",), group="directors")
BY_KIND_AND_CUSTOMER = (WRITE_OFF, HARBOUR, *TIERS)


@pytest.mark.parametrize(
    ("kind", "customer", "tier"),
    [
        (ApprovalKind.WRITE_OFF, "harbour", WRITE_OFF),  # the first that fits
        (ApprovalKind.WRITE_OFF, "acme", WRITE_OFF),
        (ApprovalKind.CREDIT_NOTE, "harbour", HARBOUR),
        (ApprovalKind.INVOICE, "harbour", HARBOUR),
        (ApprovalKind.INVOICE, "acme", TIERS[0]),
        (ApprovalKind.CHANGE_ORDER, "Harbour", TIERS[0]),  # keys are exact
    ],
)
def test_the_kind_and_the_customer_choose_the_tier(
    kind: ApprovalKind, customer: str, tier: ApprovalTier
) -> None:
    policy = rules(tiers=BY_KIND_AND_CUSTOMER)
    assert policy.tier_for(subject(kind=kind, customer_key=customer)) == tier


@given(
    kind=st.sampled_from(ApprovalKind),
    customer=st.sampled_from(["harbour", "acme", ""]),
    cents=st.integers(-(10**8), 10**8),
    currency=st.sampled_from(["EUR", "USD", "JPY"]),
)
def test_every_kind_amount_currency_and_customer_has_a_tier(
    kind: ApprovalKind, customer: str, cents: int, currency: str
) -> None:
    amount = Money.rounded(cents if currency == "JPY" else cents / 100, currency)
    policy = rules(tiers=BY_KIND_AND_CUSTOMER)
    tier = policy.tier_for(subject(kind=kind, amount=amount, customer_key=customer))
    assert tier.up_to is None or abs(amount.amount) <= tier.up_to.amount


def test_a_negative_amount_does_not_slip_under_a_limit() -> None:
    credit = subject("-20000.00 EUR", kind=ApprovalKind.CREDIT_NOTE, total=eur("-24200.00"))
    assert credit.amount == eur("20000.00")
    assert credit.tax == eur("4200.00")
    assert begin(credit).requirement.rule == "any amount: 2 of directors"


def test_blanks_among_the_requesters_are_nobody() -> None:
    assert subject(requested_by=("", "  ", f" {ANA.upper()} ")).requested_by == (ANA,)


# --- approved by rule -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "automatic"),
    [
        ({}, True),
        ({"amount": eur("250.00")}, True),  # a limit includes its amount
        ({"amount": eur("250.01")}, False),
        ({"amount": Money("100", "GBP")}, True),
        ({"amount": Money("1", "USD")}, False),  # no limit in this currency
        ({"as_planned": False}, False),
        ({"kind": ApprovalKind.CREDIT_NOTE}, False),
        ({"kind": ApprovalKind.WRITE_OFF}, False),
        ({"kind": ApprovalKind.CHANGE_ORDER}, False),
    ],
)
def test_only_a_small_invoice_as_planned_needs_nobody(
    changes: dict[str, Any], automatic: bool
) -> None:
    policy = rules(auto_approve_up_to=(eur("250.00"), Money("100", "GBP")))
    fields: dict[str, Any] = {"amount": "100.00 EUR", "as_planned": True}
    about = subject(**fields | changes)
    found = begin(about, policy)
    assert found.is_automatic is automatic
    assert found.is_met is automatic
    assert (found.next_reminder(weekdays) is None) is automatic
    if automatic:
        assert "approved by rule" in found.requirement.rule
        assert "approved already" in str(refusal(found, ANA))


def test_nothing_is_approved_by_rule_unless_the_rules_say_so() -> None:
    assert not begin(subject("0.01 EUR", as_planned=True)).is_met


# --- rules that could not be followed ---------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"tiers": ()}, "at least 1"),
        ({"tiers": TIERS[:2]}, "the last approval tier for invoices must have neither"),
        ({"tiers": (HARBOUR,)}, "must have neither up_to nor customers"),
        ({"tiers": (WRITE_OFF,)}, "the last approval tier for invoices"),
        (
            {"tiers": (ApprovalTier(group="finance"), ApprovalTier(group="directors"))},
            r"approval tier 2 \(any amount: 1 of directors\) never applies",
        ),
        ({"tiers": (TIERS[1], TIERS[0], TIERS[2])}, r"tier 2 \(up to 1000.00 EUR.*never applies"),
        ({"tiers": (*TIERS, HARBOUR)}, r"tier 4 .* never applies"),
        ({"tiers": (ApprovalTier(group="board"),)}, "'board' is not among groups"),
        (
            {"tiers": (ApprovalTier(group="finance", second_group="board"),)},
            "'board' is not among groups",
        ),
        (
            {"tiers": (ApprovalTier(group="finance", second_group="finance"),)},
            "write approvals = 2 instead",
        ),
        (
            {"tiers": ({"group": "finance", "second_group": "directors", "approvals": 1},)},
            "leave approvals out",
        ),
        ({"escalation_group": "board"}, "'board' is not among groups"),
        (
            {"groups": {"finance": (ANA, f" {ANA.upper()}"), "directors": DIRECTORS}},
            "'finance' has fewer members",
        ),
        (
            {
                "groups": {"finance": (ANA,), "chief": (ANA,), "directors": DIRECTORS},
                "tiers": (ApprovalTier(group="finance", second_group="chief"),),
            },
            "'finance' and 'chief' has fewer members",
        ),
        (
            {"groups": {"finance": FINANCE, "directors": (CLEO, DORA)}},
            f"nobody could approve what one of them requests .{CLEO}",
        ),
        ({"remind_after_business_days": 6}, "not be before the reminder"),
        ({"remind_after_business_days": 0}, "greater than or equal to 1"),
        ({"auto_approve_up_to": (eur("0"),)}, "must be above zero"),
        ({"auto_approve_up_to": (eur("-1"),)}, "must be above zero"),
        ({"auto_approve_up_to": (eur("1"), eur("2"))}, "two limits in EUR"),
        ({"delegations": (away(EVE, ANA),)}, f"{EVE}, who is in no"),
        ({"delegations": (away(ANA, EVE),)}, f"{EVE}, who is in no"),
        ({"delegations": (away(ANA, f" {ANA.upper()}"),)}, "cannot delegate to themselves"),
        ({"delegations": (away(ANA, BOB, FRIDAY, MONDAY),)}, "ends on 2026-03-02, before"),
        (
            {"delegations": (away(ANA, BOB), away(BOB, CLEO, FRIDAY, FRIDAY))},
            "name ana@northwind.example's deputy directly",
        ),
        ({"quorum": 2}, "Extra inputs"),
    ],
)
def test_rules_that_could_not_be_followed_are_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        rules(**changes)


def test_deputies_may_take_turns() -> None:
    later = FRIDAY + timedelta(days=1)
    made = rules(delegations=(away(ANA, BOB), away(BOB, ANA, later, later)))
    assert len(made.delegations) == 2


def test_each_kind_may_have_a_last_tier_of_its_own() -> None:
    documents = (ApprovalKind.INVOICE, ApprovalKind.CREDIT_NOTE)
    others = (ApprovalKind.WRITE_OFF, ApprovalKind.CHANGE_ORDER)
    made = rules(
        tiers=(
            ApprovalTier(kinds=documents, group="finance"),
            ApprovalTier(kinds=others, group="directors"),
        )
    )
    assert made.tier_for(subject(kind=ApprovalKind.CHANGE_ORDER)).group == "directors"


@pytest.mark.parametrize("approvals", [0, 3])
def test_nobody_or_a_crowd_cannot_be_asked_to_approve(approvals: int) -> None:
    with pytest.raises(ValidationError):
        ApprovalTier(group="finance", approvals=approvals)


def test_a_delegation_is_written_with_from_and_survives_json_either_way() -> None:
    written = {"person": ANA, "to": BOB, "from": "2026-03-02", "until": "2026-03-06"}
    read = Delegation.model_validate(written)
    assert read == away(ANA, BOB)
    for by_alias in (True, False):
        assert Delegation.model_validate_json(read.model_dump_json(by_alias=by_alias)) == read


def test_a_frozen_policy_stays_readable_whatever_is_asked_of_new_ones() -> None:
    frozen = ApprovalPolicy(
        groups={"finance": (ANA,)},
        tiers=(ApprovalTier(group="finance"),),
        escalation_group="finance",
    )
    with pytest.raises(ValidationError):
        ApprovalRules.model_validate(frozen.model_dump())
    assert ApprovalPolicy.model_validate_json(frozen.model_dump_json()) == frozen


# --- who may decide ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "told"),
    [
        (ANA, None),
        (BOB, None),
        (CLEO, f"{CLEO} may not decide this; these may: {ANA}, {BOB}"),
        (EVE, f"{EVE} may not decide this; these may: {ANA}, {BOB}"),
    ],
)
@pytest.mark.parametrize("decision", Decision)
def test_who_may_decide(person: str, told: str | None, decision: Decision) -> None:
    said = yes(person, decision=decision, comment="because")
    assert begin().refusal(said, MONDAY) == told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, None),
        ({"content_hash": HASH[:HASH_PREFIX]}, None),
        ({"content_hash": f" {HASH[:HASH_PREFIX].upper()} "}, None),
        ({"content_hash": HASH[: HASH_PREFIX - 1]}, "names content"),
        ({"content_hash": ""}, r"names content (none); the proposal is 0123456789ab"),
        ({"content_hash": "f" * 64}, "names content ffff"),
        ({"amount": None}, "names (none); the proposal is 500.00 EUR"),
        ({"amount": eur("500.01")}, "the approval names 500.01 EUR; the proposal is 500.00 EUR"),
        ({"amount": Money("500", "USD")}, "names 500.00 USD"),
    ],
)
def test_an_approval_is_bound_to_content_and_amount(
    changes: dict[str, Any], told: str | None
) -> None:
    found = begin().refusal(yes(ANA, **changes), MONDAY)
    assert (found is None) if told is None else (told in str(found))


@pytest.mark.parametrize(
    ("decision", "told"),
    [
        (no(ANA), None),
        (no(ANA, "  "), "needs a comment"),
        (no(ANA, content_hash=HASH[:HASH_PREFIX], amount=eur("500.00")), None),
        # It may leave out what it rejects, but not reject what was replaced meanwhile.
        (no(ANA, content_hash="f" * 64), "the rejection names content"),
        (no(ANA, amount=eur("400.00")), "the rejection names 400.00 EUR"),
        (no(SAM), "may not decide"),
    ],
)
def test_a_rejection_says_why(decision: ApprovalDecision, told: str | None) -> None:
    found = begin().refusal(decision, MONDAY)
    assert (found is None) if told is None else (told in str(found))


def test_a_rejection_is_the_last_word() -> None:
    found = approve(begin(subject("5000.00 EUR")), ANA)
    found = found.decided(no(BOB, " too dear "), NOON)
    assert found.is_rejected
    assert not found.is_met
    assert found.rejected_because == f"{BOB}: too dear"
    assert f"rejected by {BOB}: too dear already" in str(refusal(found, CLEO))
    assert found.missing == ""
    # Whatever else it says, what was rejected is not approved.
    met = approve(begin(), ANA).model_copy(update={"rejected_because": f"{BOB}: no"})
    assert not met.is_met


def test_who_approved_may_still_reject_while_another_is_awaited() -> None:
    found = approve(begin(subject("5000.00 EUR")), ANA)
    found = found.decided(no(ANA, "on second thoughts"), NOON)
    assert found.is_rejected


def test_nobody_approves_twice_and_nothing_once_it_is_approved() -> None:
    found = approve(begin(subject("5000.00 EUR")), ANA)
    assert f"{ANA} has approved this already; still needed: 1 approval by {BOB}" in str(
        refusal(found, ANA)
    )
    found = approve(found, BOB)
    assert found.is_met
    told = "nothing is to be decided: invoice 3 of C-1001 for Harbour Logistics is approved already"
    assert refusal(found, ANA) == told


def test_a_refused_decision_is_never_counted() -> None:
    found = begin()
    with pytest.raises(ValueError, match="may not decide"):
        found.decided(yes(CLEO), NOON)
    assert found.approvals == ()


def test_a_person_is_the_same_in_capitals_and_with_blanks() -> None:
    assert yes(f" {ANA.upper()} ").by == ANA
    assert Approval(by=f"{ANA.title()} ", content_hash=HASH, at=NOON).by == ANA
    with pytest.raises(ValidationError):
        yes("  ")


# --- segregation ------------------------------------------------------------------------------


def test_whoever_asks_does_not_approve_but_may_withdraw() -> None:
    found = begin(subject(requested_by=(SAM, ANA)))
    assert refusal(found, ANA) == f"{ANA} requested this; another person must approve (segregation)"
    assert found.refusal(no(ANA), MONDAY) is None
    assert refusal(found, BOB) is None
    assert ANA not in found.missing


def test_a_director_who_asks_does_not_approve_after_escalation_either() -> None:
    found = begin(subject(requested_by=(CLEO,))).with_escalation()
    assert "segregation" in str(refusal(found, CLEO))
    assert refusal(found, DORA) is None


def test_where_nobody_is_known_to_have_asked_every_approver_may_decide() -> None:
    assert refusal(begin(subject(requested_by=())), ANA) is None


def test_where_the_requester_leaves_too_few_the_next_group_decides_from_the_start() -> None:
    found = begin(subject("5000.00 EUR", requested_by=(ANA,)))
    assert refusal(found, CLEO) is None
    assert "segregation" in str(refusal(found, ANA))
    assert approve(found, CLEO, BOB).is_met


# --- two persons ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "people", "met"),
    [
        ("500.00 EUR", [], False),
        ("500.00 EUR", [ANA], True),
        ("3000.00 EUR", [ANA], False),
        ("3000.00 EUR", [ANA, BOB], True),
        ("30000.00 EUR", [EMIL], False),
        ("30000.00 EUR", [EMIL, CLEO], True),
    ],
)
def test_it_is_met_by_as_many_persons_as_the_rule_says(
    amount: str, people: list[str], met: bool
) -> None:
    assert approve(begin(subject(amount)), *people).is_met is met


TWO_GROUPS = rules(tiers=(ApprovalTier(group="finance", second_group="directors"),))


@pytest.mark.parametrize("people", [(ANA, CLEO), (CLEO, ANA)])
def test_two_groups_are_one_person_of_each_in_any_order(people: Sequence[str]) -> None:
    found = approve(begin(policy=TWO_GROUPS), people[0])
    assert not found.is_met
    assert approve(found, people[1]).is_met


def test_a_second_of_the_same_group_would_add_nothing() -> None:
    found = approve(begin(policy=TWO_GROUPS), ANA)
    told = (
        f"an approval by {BOB} would add nothing; "
        f"still needed: 1 approval by {CLEO}, {DORA}, {EMIL} (directors)"
    )
    assert refusal(found, BOB) == told


def test_one_person_in_both_groups_counts_once_and_where_it_helps() -> None:
    both = rules(
        groups={"finance": (ANA, BOB), "directors": (ANA, CLEO, DORA)},
        tiers=(ApprovalTier(group="finance", second_group="directors"),),
    )
    assert not approve(begin(policy=both), ANA).is_met
    # Whichever the other one is, Ana is counted for the other group.
    assert approve(begin(policy=both), ANA, BOB).is_met
    assert approve(begin(policy=both), ANA, CLEO).is_met


@given(st.lists(st.sampled_from([ANA, BOB, CLEO, DORA, EMIL, SAM]), max_size=8), st.booleans())
@settings(max_examples=200)
def test_whoever_says_yes_it_is_met_by_two_persons_of_the_right_groups_only(
    people: list[str], escalated: bool
) -> None:
    found = begin(policy=TWO_GROUPS)
    if escalated:
        found = found.with_escalation()
    for person in people:
        if refusal(found, person) is None:
            found = approve(found, person)
    given_by = [item.by for item in found.approvals]
    assert len(set(given_by)) == len(given_by) <= 2
    finance = set(FINANCE) | (set(DIRECTORS) if escalated else set())
    right = any(
        first in finance and second in DIRECTORS
        for first, second in permutations(set(people) - {SAM}, 2)
    )
    assert found.is_met is right
    assert bool(found.missing) is not right


# --- deputies ---------------------------------------------------------------------------------


def test_a_deputy_decides_on_the_days_of_the_absence_only() -> None:
    found = begin(policy=rules(delegations=(away(ANA, CLEO, date(2026, 3, 3), FRIDAY),)))
    assert "may not decide" in str(refusal(found, CLEO, MONDAY))
    assert refusal(found, CLEO, date(2026, 3, 3)) is None
    assert refusal(found, CLEO, FRIDAY) is None
    assert "may not decide" in str(refusal(found, CLEO, date(2026, 3, 7)))
    found = approve(found, CLEO, on=FRIDAY)
    [given_by_deputy] = found.approvals
    assert given_by_deputy.counts_as == (ANA,)
    assert found.is_met


def test_the_day_is_that_of_the_legal_entity() -> None:
    found = begin(policy=rules(delegations=(away(ANA, CLEO, date(2026, 3, 3), FRIDAY),)))
    # 23:30 on Monday in London is Tuesday in Brussels.
    found = found.decided(yes(CLEO), datetime(2026, 3, 2, 23, 30, tzinfo=UTC))
    assert found.is_met


def test_a_person_and_their_deputy_are_one_approver() -> None:
    policy = rules(delegations=(away(ANA, CLEO),))
    found = approve(begin(subject("5000.00 EUR"), policy), ANA)
    assert "would add nothing" in str(refusal(found, CLEO))
    assert approve(found, BOB).is_met


def test_a_deputy_who_approves_anyway_counts_once() -> None:
    policy = rules(delegations=(away(ANA, BOB),))
    found = approve(begin(subject("5000.00 EUR"), policy), BOB)
    assert not found.is_met
    assert "has approved this already" in str(refusal(found, BOB))
    assert approve(found, ANA).is_met


def test_who_stands_in_for_the_requester_is_refused_as_well() -> None:
    policy = rules(delegations=(away(ANA, BOB),))
    found = begin(subject(requested_by=(ANA,)), policy)
    told = f"{BOB} stands in for {ANA}, who requested this; another person must approve"
    assert told in str(refusal(found, BOB))
    # Ana and her deputy gone, finance is too small: directors decide from the start.
    assert refusal(found, CLEO) is None
    # Once Ana is back, Bob is himself again.
    assert refusal(found, BOB, date(2026, 3, 7)) is None


def test_delegations_are_frozen_when_the_round_starts() -> None:
    found = begin(policy=rules(delegations=(away(ANA, CLEO),)))
    read = ApprovalRound.model_validate_json(found.model_dump_json())
    assert read == found
    assert refusal(read, CLEO) is None
    last_day = begin(policy=rules(delegations=(away(ANA, CLEO),)), today=FRIDAY)
    assert refusal(last_day, CLEO, FRIDAY) is None
    past = rules(delegations=(away(ANA, CLEO, date(2026, 2, 1), date(2026, 3, 1)),))
    assert begin(policy=past).requirement.delegations == ()


def test_who_is_missing_is_said_with_who_stands_in() -> None:
    found = begin(subject("5000.00 EUR"), rules(delegations=(away(ANA, CLEO),)))
    assert found.missing == (
        f"2 approvals by {ANA} [{CLEO} from 2026-03-02 to 2026-03-06], {BOB} (finance)"
    )


def test_who_is_missing_when_nobody_is_left_is_said_too() -> None:
    about = subject("30000.00 EUR", requested_by=(CLEO, DORA, EMIL))
    assert begin(about).missing == "2 approvals by nobody who is left (directors)"


# --- reminders and escalation -----------------------------------------------------------------


def test_reminders_and_escalation_count_business_days() -> None:
    holidays = BusinessCalendar(holidays=(date(2026, 3, 9),))
    found = ApprovalRound.begin(rules(), holidays, subject(), FRIDAY)
    needed = found.requirement
    assert needed.asked_on == FRIDAY
    assert (needed.remind_on, needed.escalate_on) == (date(2026, 3, 11), date(2026, 3, 16))


def reminded(found: ApprovalRound, today: date) -> tuple[ApproverReminder, ApprovalRound]:
    """The reminder that is due, and the round once it is done."""
    reminder = found.reminder(today)
    assert reminder is not None
    if reminder.escalated:
        found = found.with_escalation()
    return reminder, found.with_reminder(escalated=reminder.escalated)


def test_first_the_approvers_are_reminded_then_the_directors_may_decide() -> None:
    found = begin(subject("5000.00 EUR"))
    assert found.next_reminder(weekdays) == datetime(2026, 3, 4, 8, 0, tzinfo=UTC)
    assert found.reminder(date(2026, 3, 3)) is None
    found = approve(found, ANA)
    reminder, found = reminded(found, date(2026, 3, 4))
    assert (reminder.escalated, reminder.people) == (False, (BOB,))
    assert found.reminder(date(2026, 3, 4)) is None
    assert "may not decide" in str(refusal(found, CLEO))
    assert found.next_reminder(weekdays) == datetime(2026, 3, 9, 8, 0, tzinfo=UTC)
    escalation, found = reminded(found, date(2026, 3, 9))
    assert (escalation.escalated, escalation.people) == (True, (BOB, CLEO, DORA, EMIL))
    assert found.next_reminder(weekdays) is None
    assert found.reminder(date(2026, 3, 10)) is None
    assert "finance, escalated" in found.missing
    assert approve(found, CLEO).is_met


def test_directors_may_decide_although_telling_them_takes_a_while() -> None:
    found = begin()
    assert found.reminder(date(2026, 3, 9)) == found.reminder(date(2026, 3, 9))
    assert "may not decide" in str(refusal(found, CLEO))
    found = found.with_escalation()
    assert refusal(found, CLEO) is None
    next_reminder = found.next_reminder(weekdays)
    assert next_reminder is not None
    assert next_reminder < datetime(2026, 3, 9, 9, tzinfo=UTC)


def test_a_round_that_slept_through_the_reminder_escalates_at_once() -> None:
    reminder, found = reminded(begin(), date(2026, 4, 1))
    assert reminder.escalated
    assert found.next_reminder(weekdays) is None


def test_deputies_are_told_and_requesters_are_not() -> None:
    policy = rules(delegations=(away(ANA, CLEO, MONDAY, date(2026, 3, 31)),))
    reminder = begin(subject(requested_by=(BOB,)), policy).reminder(date(2026, 3, 4))
    assert reminder is not None
    assert reminder.people == (ANA, CLEO)
    # Bob stands in for Ana, who asked: neither has anything to approve.
    policy = rules(delegations=(away(ANA, BOB, MONDAY, date(2026, 3, 31)),))
    reminder = begin(subject(requested_by=(ANA,)), policy).reminder(date(2026, 3, 4))
    assert reminder is not None
    assert reminder.people == (CLEO, DORA, EMIL)


def test_nobody_is_reminded_once_it_is_decided() -> None:
    found = approve(begin(), ANA)
    assert found.next_reminder(weekdays) is None
    assert found.reminder(date(2026, 4, 1)) is None


def test_reminder_and_escalation_may_be_on_one_day() -> None:
    policy = rules(remind_after_business_days=5, escalate_after_business_days=5)
    needed = begin(policy=policy).requirement
    assert needed.remind_on == needed.escalate_on == date(2026, 3, 9)


# --- what an approval is bound to ---------------------------------------------------------------


class _Content(BaseModel):
    amount: Money
    reason: str


def test_the_hash_of_content_changes_with_anything_in_it() -> None:
    content = _Content(amount=eur("10"), reason="insolvent")
    again = _Content(reason="insolvent", amount=eur("10.00"))
    assert content_hash_of(content) == content_hash_of(again)
    assert len(content_hash_of(content)) == 64
    for changes in ({"amount": eur("10.01")}, {"reason": "insolvent."}):
        assert content_hash_of(content.model_copy(update=changes)) != content_hash_of(content)
