"""What a hand-over names and Odoo does not have: found when a contract is accepted, all at once."""

from __future__ import annotations

from collections.abc import Iterator

from activities.odoo.catalogue import Catalogue
from contracts.handover import plan_of, services_of_tasks
from contracts.model import Contract, Handover
from contracts.problems import Problem, finding


def handover_problems(catalogue: Catalogue, contract: Contract, company: str) -> Iterator[Problem]:
    """Every problem of the contract's hand-over; `company` is the legal entity's, by name."""
    handover = contract.handover
    if handover is not None:
        yield from _people(catalogue, contract, handover)
        yield from _templates(catalogue, contract, handover)
        yield from _currencies(catalogue, company, handover)


def _people(catalogue: Catalogue, contract: Contract, handover: Handover) -> Iterator[Problem]:
    known = catalogue.users(plan_of(contract).people)
    named = [("handover.manager", handover.manager)]
    named += [
        (f"handover.people.{index}.person", item.person)
        for index, item in enumerate(handover.people)
    ]
    for field, person in named:
        if person and person.lower() not in known:
            expected = "the e-mail address of a user of Odoo"
            yield finding("person_not_in_odoo", field, person, expected)


def _templates(catalogue: Catalogue, contract: Contract, handover: Handover) -> Iterator[Problem]:
    named = [("handover.template", handover.template)]
    named += [
        (f"handover.services.{index}.template", item.template)
        for index, item in enumerate(handover.services)
    ]
    found = catalogue.templates({template for _, template in named if template})
    for field, template in named:
        count = len(found[template]) if template else 1
        if count != 1:
            code = "template_ambiguous" if count else "template_unknown"
            yield finding(code, field, template, "the name of one project in Odoo")
    if not all(len(rows) == 1 for rows in found.values()):
        return
    names = {*services_of_tasks(contract), *catalogue.template_tasks(found)}
    for index, item in enumerate(handover.people):
        if item.task and item.task not in names:
            expected = "the key of a milestone or plan, or the name of a task of the template"
            yield finding("task_unknown", f"handover.people.{index}.task", item.task, expected)


def _currencies(catalogue: Catalogue, company: str, handover: Handover) -> Iterator[Problem]:
    costs = [
        (f"handover.services.{index}.cost", item.cost)
        for index, item in enumerate(handover.services)
    ]
    currency = catalogue.currency_of(company) if any(cost for _, cost in costs) else ""
    for field, cost in costs:
        if cost is not None and cost.currency != currency:
            expected = f"a cost in the currency of the legal entity's books, {currency}"
            yield finding("budget_currency", field, str(cost), expected)
