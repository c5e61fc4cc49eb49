"""What is handed over to delivery: defaults by service, the plan for the project, and its burn.

Pure. The plan is what a version of the contract says of its project in Odoo. The last one that was
carried out is kept, so that a change order writes what changed between two of ours, and leaves what
people have edited since.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import date, datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any, NamedTuple, TypeVar

from pydantic import Field, TypeAdapter

from contracts.contract_rules import read, rows
from contracts.model import (
    MAX_ASSIGNMENTS,
    MAX_DOCUMENTS,
    MAX_TAGS,
    Assignment,
    Contract,
    Document,
    Email,
    Frozen,
    JsonObject,
    Line,
    OptionalText,
    Quantity,
    Value,
)
from contracts.money import Money

STEP_PERCENT = 10
"""The burn of a contract is news each time that it has grown by so much of its budget."""

_HOURS: TypeAdapter[Any] = TypeAdapter(Quantity)
_CENT = Decimal("0.01")
_FROM_DEFAULTS = ("template", "hours", "cost")
T = TypeVar("T")


# --- defaults by service code ---------------------------------------------------------------------


class ServiceDefaults(Frozen):
    """What is handed over with a service of one code, where the contract does not say otherwise.

    The hours of people without a task are shared by the tasks of the service."""

    template: OptionalText = ""
    manager: Email | None = None
    tags: tuple[Line, ...] = Field(default=(), max_length=MAX_TAGS)
    documents: tuple[Document, ...] = Field(default=(), max_length=MAX_DOCUMENTS)
    people: tuple[Assignment, ...] = Field(default=(), max_length=MAX_ASSIGNMENTS)
    hours: Quantity | None = None
    cost: Money | None = None


class HandoverDefaults(Frozen):
    """A legal entity's defaults, by the codes of its services. `manager` is whoever manages a
    project for which nobody else is named."""

    manager: Email | None = None
    shows_amounts: bool = True
    services: dict[str, ServiceDefaults] = Field(default_factory=dict)


def with_defaults(contract_data: JsonObject, defaults: HandoverDefaults) -> JsonObject:
    """The contract data with what it leaves out of its hand-over; the same where there is neither
    a hand-over nor a default for one of its services. Never raises: what cannot be read stays."""
    stated = contract_data.get("handover")
    known = [
        (row["key"], defaults.services[row["code"]])
        for _, row in rows(contract_data, "services")
        if isinstance(row.get("key"), str)
        and isinstance(row.get("code"), str)
        and row["code"] in defaults.services
    ]
    if not (isinstance(stated, dict) or (stated is None and known)):
        return contract_data
    handover = {**(stated or {})}
    managers = (item.manager for _, item in known)
    manager = next((item for item in managers if item), defaults.manager)
    if manager and not handover.get("manager"):
        handover["manager"] = manager
    if not defaults.shows_amounts:
        handover.setdefault("shows_amounts", False)
    for name in ("tags", "documents"):
        _default(handover, name, _unique(_of_all(known, name)))
    _default(handover, "services", _budgets(handover, known))
    _default(handover, "people", list(_people(contract_data, known)))
    return {**contract_data, "handover": handover}


def _default(handover: JsonObject, name: str, found: list[Any]) -> None:
    if found and (name == "services" or handover.get(name) is None):
        handover[name] = found


def _of_all(known: Iterable[tuple[str, ServiceDefaults]], name: str) -> list[Any]:
    return [row for _, item in known for row in item.model_dump(mode="json")[name]]


def _unique(items: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if item not in found:
            found.append(item)
    return found


def _budgets(handover: JsonObject, known: Iterable[tuple[str, ServiceDefaults]]) -> list[Any]:
    """The rows of services, each with what its default adds."""
    stated = handover.get("services")
    if not isinstance(stated, (list, tuple, type(None))):
        return []
    left = {
        key: {
            name: value
            for name, value in item.model_dump(mode="json", exclude_defaults=True).items()
            if name in _FROM_DEFAULTS
        }
        for key, item in known
    }
    found = []
    for row in stated or []:
        key = row.get("service") if isinstance(row, dict) else None
        added = left.pop(key, {}) if isinstance(key, str) else {}
        found.append({**added, **row} if added else row)
    return [*found, *({"service": key, **added} for key, added in left.items() if added)]


def _people(
    contract_data: JsonObject, known: Iterable[tuple[str, ServiceDefaults]]
) -> Iterator[JsonObject]:
    """The people of the defaults, their hours shared by the tasks of their service."""
    for service, item in known:
        tasks = [key for key, of in _tasks(contract_data) if of == service]
        for assignment in item.people:
            row = assignment.model_dump(mode="json", exclude_defaults=True)
            if assignment.task or (assignment.person and assignment.role):
                yield row
                continue
            for task, hours in zip(tasks, _shares(assignment.hours, len(tasks)), strict=True):
                yield row | {"task": task, "hours": str(hours)}


def _shares(hours: Decimal, count: int) -> list[Decimal]:
    """Equal shares in hundredths; what is left over falls to the last."""
    if not count:
        return []
    share = (hours / count).quantize(_CENT, ROUND_DOWN)
    return [*([share] * (count - 1)), hours - share * (count - 1)]


def task_keys(contract_data: JsonObject) -> list[str]:
    """The keys of the tasks that a contract's project has, as its data says."""
    return [key for key, _ in _tasks(contract_data)]


def _tasks(contract_data: JsonObject) -> Iterator[tuple[str, str]]:
    """Each task's key, and the key of its service."""
    found = [row for name in ("milestones", "time") for _, row in rows(contract_data, name)]
    found += [
        row
        for _, row in rows(contract_data, "retainers")
        if read(_HOURS, row.get("included_hours", 0))
    ]
    for row in found:
        if isinstance(row.get("key"), str) and isinstance(row.get("service"), str):
            yield row["key"], row["service"]


# --- the plan for the project ---------------------------------------------------------------------


class TaskPlan(Value):
    """Who is on a task, and the hours allocated to it. `roles` are still to be filled."""

    people: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    hours: Decimal = Decimal(0)


class HandoverPlan(Value):
    """What a version of the contract says of its project. People are e-mail addresses; `by_role`
    are those who get the templates' tasks that ask for a role; `tasks` are by key or name,
    `templates` by service."""

    version: int = 0
    manager: str = ""
    starts_on: date | None = None
    ends_on: date | None = None
    hours: Decimal = Decimal(0)
    tags: tuple[str, ...] = ()
    templates: tuple[tuple[str, str], ...] = ()
    documents: tuple[str, ...] = ()
    tasks: dict[str, TaskPlan] = Field(default_factory=dict)
    by_role: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @property
    def people(self) -> set[str]:
        """Everybody it names."""
        found = [people for item in self.tasks.values() for people in item.people]
        found += [person for people in self.by_role.values() for person in people]
        return {*found, *([self.manager] if self.manager else [])}


def plan_of(contract: Contract) -> HandoverPlan:
    """The plan of a version. A project has both its days or none: without an end it has none."""
    handover = contract.handover
    if handover is None:
        return HandoverPlan(version=contract.version)
    ends_on = handover.ends_on or contract.ends_on
    starts_on = handover.starts_on or contract.first_day
    tasks: dict[str, TaskPlan] = {}
    by_role: dict[str, tuple[str, ...]] = {}
    for item in handover.people:
        if item.task:
            tasks[item.task] = _with(tasks.get(item.task, TaskPlan()), item)
        elif item.person:
            by_role[item.role] = (*by_role.get(item.role, ()), item.person)
    budget = sum((item.hours or Decimal(0) for item in handover.services), Decimal(0))
    return HandoverPlan(
        version=contract.version,
        manager=handover.manager or "",
        starts_on=starts_on if ends_on else None,
        ends_on=ends_on,
        hours=budget or sum((item.hours for item in handover.people), Decimal(0)),
        tags=handover.tags,
        templates=handover.templates,
        documents=tuple(item.url for item in handover.documents),
        tasks=tasks,
        by_role=by_role,
    )


def _with(task: TaskPlan, item: Assignment) -> TaskPlan:
    people = (*task.people, item.person) if item.person else task.people
    roles = task.roles if item.person else (*task.roles, item.role)
    return TaskPlan(people=tuple(dict.fromkeys(people)), roles=roles, hours=task.hours + item.hours)


def services_of_tasks(contract: Contract) -> dict[str, str]:
    """The key of the service that each task of the contract's own delivers, by the task's."""
    found = {item.key: item.service for item in contract.milestones}
    found |= {plan.key: plan.service for plan in contract.time}
    return found | {plan.key: plan.service for plan in contract.retainers if plan.included_hours}


class Merged(NamedTuple):
    """What a field is to be; `kept` says that people have edited what we would change."""

    value: Any
    kept: bool = False


def three_way(before: T, after: T, there: T) -> Merged:
    """What a field is to be that was `before` and is to be `after` by us, and that is `there`.

    What did not change with us stays as it is. What did is written only over what we set last."""
    if after in (before, there):
        return Merged(there)
    return Merged(after) if there == before else Merged(there, kept=True)


def merged_sets(
    before: Collection[int], after: Collection[int], there: Collection[int]
) -> set[int]:
    """The same for a set: what we add and what we drop, and people's own additions stay."""
    return ({*there} - {*before}) | ({*there} & {*after}) | ({*after} - {*before})


# --- burn -----------------------------------------------------------------------------------------


class ServiceBurn(Value):
    """What was worked and spent on a service, so far ("": on what belongs to none). Costs are in
    the currency of the legal entity's books."""

    service: str
    hours: Decimal = Decimal(0)
    cost: Money


class Burn(Value):
    """Hours and costs of the project, by service, as read in Odoo at a time (aware)."""

    services: tuple[ServiceBurn, ...] = ()
    as_of: datetime


class BurnRow(Value):
    """A service's burn beside its budget, as people see it; the last row is the whole."""

    name: str
    hours: Decimal
    budget_hours: Decimal | None
    cost: Money
    budget_cost: Money | None

    @property
    def percent_of_hours(self) -> int | None:
        return _percent(self.hours, self.budget_hours)

    @property
    def percent_of_cost(self) -> int | None:
        """None also where budget and cost are in two currencies."""
        budget = self.budget_cost
        if budget is None or budget.currency != self.cost.currency:
            return None
        return _percent(self.cost.amount, budget.amount)


def burn_rows(contract: Contract, burn: Burn) -> list[BurnRow]:
    """A row for each service that has a budget or a burn, and one for the whole."""
    handover = contract.handover
    budgets = {item.service: item for item in handover.services} if handover else {}
    burned = {item.service: item for item in burn.services}
    names = {line.key: line.description for line in contract.services} | {"": "Other work"}
    zero = _zero(burn, contract)
    found = []
    for key, name in names.items():
        budget, spent = budgets.get(key), burned.get(key, ServiceBurn(service=key, cost=zero))
        hours = budget.hours if budget else None
        cost = budget.cost if budget else None
        if hours is not None or cost is not None or key in burned:
            found.append(
                BurnRow(
                    name=name,
                    hours=spent.hours,
                    budget_hours=hours,
                    cost=spent.cost,
                    budget_cost=cost,
                )
            )
    return [*found, _whole(found, zero)]


def _whole(found: list[BurnRow], zero: Money) -> BurnRow:
    hours = [row.budget_hours for row in found if row.budget_hours is not None]
    costs = [row.budget_cost for row in found if row.budget_cost is not None]
    is_one = len({cost.currency for cost in costs}) == 1
    return BurnRow(
        name="In all",
        hours=sum((row.hours for row in found), Decimal(0)),
        budget_hours=sum(hours, Decimal(0)) if hours else None,
        cost=Money.total((row.cost for row in found), zero.currency),
        budget_cost=Money.total(costs, costs[0].currency) if is_one else None,
    )


def _zero(burn: Burn, contract: Contract) -> Money:
    currency = burn.services[0].cost.currency if burn.services else contract.currency
    return Money.zero(currency)


def _percent(spent: Decimal, budget: Decimal | None) -> int | None:
    return int(spent * 100 / budget) if budget else None


def in_words(row: BurnRow) -> str:
    """A row's burn in one line, such as `45 of 120 hours (37 %), 3200.00 EUR of 9000.00 EUR (35
    %)`."""
    hours = _count(row.hours)
    if row.budget_hours is not None:
        hours += f" of {_count(row.budget_hours)}"
    cost = str(row.cost) + (f" of {row.budget_cost}" if row.budget_cost is not None else "")
    return f"{hours} hours{_shown(row.percent_of_hours)}, {cost}{_shown(row.percent_of_cost)}"


def _count(hours: Decimal) -> str:
    """Without zeros behind the point."""
    return f"{hours.normalize():f}"


def _shown(percent: int | None) -> str:
    return f" ({percent} %)" if percent is not None else ""


def burn_step(hours: Decimal, budget: Decimal) -> int:
    """How many steps of its budget a project has burned."""
    return int(hours * 100 / budget) // STEP_PERCENT if budget > 0 else 0
