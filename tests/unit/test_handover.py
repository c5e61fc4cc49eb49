"""What is handed over to delivery: defaults, rules, the plan for the project, three ways, burn."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.changes import ChangeOrder, changed
from contracts.handover import (
    Burn,
    HandoverDefaults,
    Merged,
    ServiceBurn,
    burn_rows,
    burn_step,
    in_words,
    merged_sets,
    plan_of,
    three_way,
    with_defaults,
)
from contracts.model import Contract, JsonObject
from contracts.money import Money
from contracts.validation import InvalidContract, validate
from contracts.views.sold import sold
from tests.unit.contract.examples import fixed_price, retained

PIA, ANN, BEN = "pia@northwind.example", "ann@northwind.example", "ben@northwind.example"
EUROS = Money("1", "EUR").currency


def contract(**handover: Any) -> Contract:
    return validate(fixed_price(starts_on="2026-03-01", ends_on="2026-12-31", handover=handover))


def problems(contract_data: JsonObject) -> set[tuple[str, str]]:
    with pytest.raises(InvalidContract) as caught:
        validate(contract_data)
    return {(problem.code, problem.field) for problem in caught.value.problems}


# --- defaults -------------------------------------------------------------------------------------

DEFAULTS = HandoverDefaults.model_validate(
    {
        "manager": PIA,
        "services": {
            "BUILD": {
                "template": "Website",
                "tags": ["web"],
                "documents": [{"name": "Manual", "url": "https://docs.example/manual"}],
                "people": [{"role": "Developer", "hours": "100"}, {"person": ANN, "task": "QA"}],
                "hours": "120",
                "cost": "6000.00 EUR",
            }
        },
    }
)


def test_a_contract_of_services_without_defaults_stays_as_it_is() -> None:
    contract_data = retained()
    assert with_defaults(contract_data, DEFAULTS) is contract_data


def test_a_service_with_defaults_brings_them_and_shares_hours_by_its_tasks() -> None:
    handover = validate(with_defaults(fixed_price(), DEFAULTS)).handover
    assert handover is not None
    assert handover.manager == PIA
    assert handover.tags == ("web",)
    assert [item.url for item in handover.documents] == ["https://docs.example/manual"]
    [budget] = handover.services
    assert (budget.service, budget.template, budget.hours) == ("build", "Website", Decimal(120))
    assert budget.cost == Money("6000.00", "EUR")
    shared = [(item.task, item.hours) for item in handover.people if item.role]
    assert shared == [
        ("design", Decimal("33.33")),
        ("build", Decimal("33.33")),
        ("live", Decimal("33.34")),
    ]
    assert [(item.task, item.person) for item in handover.people if item.person] == [("QA", ANN)]


def test_what_a_contract_says_counts_before_the_defaults() -> None:
    said = {
        "manager": BEN,
        "tags": ["mine"],
        "people": [{"task": "design", "person": BEN}],
        "services": [{"service": "build", "hours": "80"}],
    }
    handover = validate(with_defaults(fixed_price(handover=said), DEFAULTS)).handover
    assert handover is not None
    assert (handover.manager, handover.tags) == (BEN, ("mine",))
    assert [item.person for item in handover.people] == [BEN]
    [budget] = handover.services
    assert (budget.hours, budget.template) == (Decimal(80), "Website")


def test_a_firm_that_hides_prices_from_delivery_hides_them_in_each_hand_over() -> None:
    hidden = DEFAULTS.replace(shows_amounts=False)
    found = validate(with_defaults(fixed_price(), hidden)).handover
    assert found is not None
    assert not found.shows_amounts


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), st.lists))
def test_defaults_never_raise_whatever_the_contract_says(said: Any) -> None:
    for handover in (said, {"services": said}, {"people": said}, {"services": [said]}):
        with_defaults(fixed_price(handover=handover), DEFAULTS)
        with_defaults({"services": said, "handover": handover}, DEFAULTS)


# --- rules ----------------------------------------------------------------------------------------


def test_every_problem_of_a_hand_over_is_found_at_once() -> None:
    spoilt = fixed_price(
        starts_on="2026-03-01",
        ends_on="2026-12-31",
        handover={
            "manager": "pia",
            "starts_on": "2026-02-01",
            "ends_on": "2027-01-31",
            "documents": [{"name": "SOW", "url": "http://docs.example/sow"}],
            "services": [
                {"service": "build", "cost": "10.00"},
                {"service": "build", "hours": "1"},
                {"service": "other", "hours": "-1"},
            ],
            "people": [
                {"task": "design", "person": "ann"},
                {"task": "desing", "person": ANN},
                {"task": "live"},
                {"person": BEN},
                {"task": "build", "person": BEN, "hours": "-4"},
                {"task": "build", "person": BEN},
            ],
        },
    )
    assert problems(spoilt) == {
        ("email_malformed", "handover.manager"),
        ("dates_out_of_order", "handover.starts_on"),
        ("dates_out_of_order", "handover.ends_on"),
        ("link_malformed", "handover.documents.0.url"),
        ("missing", "handover.services.0.hours"),
        ("key_not_unique", "handover.services.0.service"),
        ("key_not_unique", "handover.services.1.service"),
        ("service_unknown", "handover.services.2.service"),
        ("number_out_of_range", "handover.services.2.hours"),
        ("email_malformed", "handover.people.0.person"),
        ("task_unknown", "handover.people.1.task"),
        ("missing", "handover.people.2.person"),
        ("missing", "handover.people.3.task"),
        ("number_out_of_range", "handover.people.4.hours"),
        ("assignment_not_unique", "handover.people.5"),
    }


def test_with_a_template_a_task_may_be_one_of_the_templates() -> None:
    people = [{"task": "Kick-off", "person": ANN}, {"role": "Developer", "person": BEN}]
    found = contract(template="Website", people=people).handover
    assert found is not None
    assert problems(fixed_price(handover={"people": people})) == {
        ("task_unknown", "handover.people.0.task"),
        ("missing", "handover.people.1.task"),
    }


def test_a_cost_below_zero_and_days_in_the_wrong_order_are_refused() -> None:
    spoilt = fixed_price(
        handover={
            "starts_on": "2026-05-01",
            "ends_on": "2026-04-01",
            "services": [{"service": "build", "hours": "1", "cost": "-1.00"}],
        }
    )
    assert problems(spoilt) == {
        ("dates_out_of_order", "handover.ends_on"),
        ("amount_not_positive", "handover.services.0.cost"),
    }


def test_a_budget_may_be_in_the_currency_of_the_books() -> None:
    budget = {"service": "build", "hours": "1", "cost": "100.00 GBP"}
    handover = contract(services=[budget]).handover
    assert handover is not None
    assert handover.services[0].cost == Money("100.00", "GBP")


# --- change orders --------------------------------------------------------------------------------


def order(**what: Any) -> ChangeOrder:
    return ChangeOrder(number=1, by=PIA, reason="agreed", **what)


def test_a_change_order_sets_parts_of_the_hand_over() -> None:
    before = contract(manager=PIA, people=[{"task": "design", "person": ANN, "hours": "8"}])
    after = changed(before, order(set={"handover.manager": BEN}), ())
    assert after.handover is not None
    assert (after.handover.manager, len(after.handover.people)) == (BEN, 1)


def test_who_was_on_a_dropped_milestone_is_dropped_with_it() -> None:
    people = [{"task": "design", "person": ANN}, {"task": "live", "person": BEN}]
    after = changed(contract(people=people), order(drop=("live",)), ())
    assert after.handover is not None
    assert [item.person for item in after.handover.people] == [ANN]


# --- the plan -------------------------------------------------------------------------------------


def test_a_plan_says_who_works_on_what_and_for_how_long() -> None:
    plan = plan_of(
        contract(
            manager=PIA,
            template="Website",
            people=[
                {"task": "design", "person": ANN, "hours": "8"},
                {"task": "design", "person": BEN, "hours": "2"},
                {"task": "live", "role": "Developer", "hours": "4"},
                {"role": "Tester", "person": ANN},
            ],
            services=[{"service": "build", "template": "QA", "hours": "120"}],
        )
    )
    assert (plan.manager, plan.hours) == (PIA, Decimal(120))
    assert (plan.starts_on, plan.ends_on) == (date(2026, 3, 1), date(2026, 12, 31))
    assert plan.tasks["design"].people == (ANN, BEN)
    assert plan.tasks["design"].hours == 10
    assert plan.tasks["live"].roles == ("Developer",)
    assert plan.by_role == {"Tester": (ANN,)}
    assert plan.templates == (("", "Website"), ("build", "QA"))
    assert plan.people == {PIA, ANN, BEN}


def test_without_an_end_a_project_has_no_days_and_without_a_budget_the_peoples_hours() -> None:
    people = [{"task": "design", "person": ANN, "hours": "8"}]
    plan = plan_of(validate(fixed_price(handover={"starts_on": "2026-03-01", "people": people})))
    assert (plan.starts_on, plan.ends_on, plan.hours) == (None, None, Decimal(8))


def test_what_was_sold_is_said_with_prices_or_without() -> None:
    def text(**handover: Any) -> str:
        found = contract(people=[{"task": "live", "role": "Developer", "hours": "4"}], **handover)
        lines = [line for section in sold(found, plan_of(found)) for line, _ in section.lines]
        return "\n".join(lines)

    assert "Design: 3000.00 EUR" in text()
    assert "Go-live: Developer (to be staffed), 4 hours" in text()
    assert "EUR" not in text(shows_amounts=False)
    assert "Design" in text(shows_amounts=False)


# --- three ways -----------------------------------------------------------------------------------

SMALL = st.integers(0, 3)


@given(SMALL, SMALL, SMALL)
def test_a_field_is_written_only_over_what_we_set_last(before: int, after: int, there: int) -> None:
    merged = three_way(before, after, there)
    if before == after or there == after:
        assert merged == Merged(there)
    elif there == before:
        assert merged == Merged(after)
    else:
        assert merged == Merged(there, kept=True)
    # A repeat, after it was written, changes nothing.
    assert three_way(before, after, merged.value).value == merged.value


SOME = st.frozensets(st.integers(1, 5))


@given(SOME, SOME, SOME)
def test_people_and_tags_that_others_added_stay(
    before: frozenset[int], after: frozenset[int], there: frozenset[int]
) -> None:
    merged = merged_sets(before, after, there)
    assert there - before <= merged
    assert after - before <= merged
    assert not merged & (before - after)
    assert merged_sets(before, after, merged) == merged
    if before == after:
        assert merged == there


# --- burn -----------------------------------------------------------------------------------------


def burn(*services: tuple[str, str, str]) -> Burn:
    found = (ServiceBurn(service=s, hours=Decimal(h), cost=Money(c, "EUR")) for s, h, c in services)
    return Burn(services=tuple(found), as_of=datetime(2026, 4, 1, tzinfo=UTC))


def test_burn_is_shown_beside_the_budget_of_each_service_and_in_all() -> None:
    budget = {"service": "build", "hours": "120", "cost": "6000.00"}
    rows = burn_rows(
        contract(services=[budget]), burn(("build", "45", "2250.00"), ("", "3", "90.50"))
    )
    assert [row.name for row in rows] == ["Build", "Other work", "In all"]
    assert (rows[0].percent_of_hours, rows[0].percent_of_cost) == (37, 37)
    assert rows[1].percent_of_hours is None
    assert (rows[2].hours, rows[2].cost) == (Decimal(48), Money("2340.50", "EUR"))
    words = "48 of 120 hours (40 %), 2340.50 EUR of 6000.00 EUR (39 %)"
    assert in_words(rows[2]) == words


def test_a_budget_in_another_currency_has_no_percentage() -> None:
    budget = {"service": "build", "hours": "10", "cost": "6000.00 GBP"}
    rows = burn_rows(contract(services=[budget]), burn(("build", "5", "100.00")))
    assert (rows[-1].percent_of_hours, rows[-1].percent_of_cost) == (50, None)


def test_a_burn_without_a_budget_is_only_counted() -> None:
    assert in_words(burn_rows(contract(manager=PIA), burn(("", "5", "100.00")))[-1]) == (
        "5 hours, 100.00 EUR"
    )


@pytest.mark.parametrize(
    ("hours", "budget", "step"),
    [("0", "10", 0), ("9.9", "100", 0), ("10", "100", 1), ("250", "100", 25), ("5", "0", 0)],
)
def test_a_step_is_a_tenth_of_the_budget(hours: str, budget: str, step: int) -> None:
    assert burn_step(Decimal(hours), Decimal(budget)) == step
