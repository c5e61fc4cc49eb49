"""What was sold, for whoever delivers it: with prices or without."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from contracts.handover import HandoverPlan
from contracts.model import Contract, Plan
from contracts.money import Money
from contracts.views.status import plan_terms


class Section(NamedTuple):
    """A heading and lines of text, each with the page that it leads to, if any."""

    title: str
    lines: tuple[tuple[str, str], ...]


def sold(contract: Contract, plan: HandoverPlan) -> list[Section]:
    """The hand-over of a version of the contract; sections without lines are left out."""
    sections = {
        "Customer": _customer(contract),
        "Services": _services(contract),
        "Milestones": _milestones(contract),
        "Billed by period": _plans(contract),
        "People": _people(contract, plan),
        "Budget": _budget(contract),
        "Documents": _documents(contract),
    }
    found = [(title, tuple(lines)) for title, lines in sections.items()]
    return [Section(title, lines) for title, lines in found if lines]


Lines = Iterator[tuple[str, str]]


def _customer(contract: Contract) -> Lines:
    yield f"{contract.customer.name}: {contract.title} ({contract.contract_id})", ""
    ends = f" to {contract.ends_on}" if contract.ends_on else ""
    yield f"Signed on {contract.signed_on}, from {contract.first_day}{ends}", ""


def _services(contract: Contract) -> Lines:
    for line in contract.services:
        yield f"{line.description} ({line.code}){_price(contract, line.amount)}", ""


def _milestones(contract: Contract) -> Lines:
    for item in contract.milestones:
        due = f", due {item.due_on}" if item.due_on else ""
        yield f"{item.name}{due}{_price(contract, item.amount)}", ""


def _plans(contract: Contract) -> Lines:
    for plan in contract.plans:
        name = contract.service(plan.service).description
        yield f"{name}: {plan_terms(plan) if _shows(contract) else _without_prices(plan)}", ""


def _without_prices(plan: Plan) -> str:
    hours = getattr(plan, "included_hours", None)
    return f"each {plan.every}" + (f", {hours:f} hours included" if hours else "")


def _people(contract: Contract, plan: HandoverPlan) -> Lines:
    names = {item.key: item.name for item in contract.milestones}
    if plan.manager:
        yield f"{plan.manager}: project manager", ""
    for task, item in plan.tasks.items():
        who = [*item.people, *(f"{role} (to be staffed)" for role in item.roles)]
        hours = f", {item.hours:f} hours" if item.hours else ""
        yield f"{names.get(task, task)}: {', '.join(who)}{hours}", ""
    for role, people in plan.by_role.items():
        yield f"{role}: {', '.join(people)}", ""


def _budget(contract: Contract) -> Lines:
    for item in contract.handover.services if contract.handover else ():
        parts = [f"{item.hours:f} hours"] if item.hours is not None else []
        parts += [str(item.cost)] if item.cost is not None else []
        if parts:
            yield f"{contract.service(item.service).description}: {', '.join(parts)}", ""


def _documents(contract: Contract) -> Lines:
    for item in contract.handover.documents if contract.handover else ():
        yield item.name, item.url


def _price(contract: Contract, amount: Money) -> str:
    return f": {amount}" if _shows(contract) else ""


def _shows(contract: Contract) -> bool:
    return contract.handover is None or contract.handover.shows_amounts
