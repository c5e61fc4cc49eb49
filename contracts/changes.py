"""Change orders: how a signed contract becomes its next version. Pure; approval is elsewhere.

What is billed changes only by a credit note. Everything else may be added, dropped, repriced or
rescheduled; the amounts of services and the contract's value follow from that.
"""

from __future__ import annotations

import hashlib
import json
import re
from calendar import monthrange
from collections.abc import Collection, Iterable, Iterator
from datetime import date, timedelta
from typing import Any

from pydantic import Field

from contracts.billing.keys import DEPOSIT, RETAINAGE
from contracts.change_weight import estimates
from contracts.contract_rules import MONEY, PLAN_TABLES, read, total_of
from contracts.model import (
    LAST_DATE,
    MAX_MILESTONES,
    MAX_PLANS,
    Contract,
    Day,
    ExpensePlan,
    Frozen,
    JsonObject,
    Person,
    Plan,
    RetainerPlan,
    Signed,
    Text,
    TimePlan,
    UsagePlan,
)
from contracts.money import Money
from contracts.problems import InvalidContract, Problem, finding, show
from contracts.validation import amended, validate

Rows = tuple[JsonObject, ...]

_SETTABLE = (
    "starts_on",
    "ends_on",
    "payment_term",
    "purchase_order",
    "purchase_order_limit",
    "deposit",
    "retainage",
    "term",
    "termination",
    "handover",
)
"""Fields of the contract that a change order may set, with all there is below them."""
_FIXED_ONCE_BILLED = ("service", "every", "starts_on", "in_advance")
"""Fields of a plan that say which periods there are: fixed once one of them is billed."""
_PLAN_NAMES: dict[type[Plan], str] = {
    TimePlan: "time plan",
    RetainerPlan: "retainer",
    UsagePlan: "usage plan",
    ExpensePlan: "expense plan",
}


class ChangeOrder(Frozen, Signed):
    """What a change order does to a contract; all of it or nothing.

    `number` counts a contract's change orders from 1. Rows are as in the contract data.
    `drop`, `reprice` and `reschedule` name milestones by their keys: repriced to an amount
    without tax, rescheduled to a date (None: no date). `set` gives other fields a value by their
    path, such as `time.0.cap`. `end_plans` gives plans their last day.
    """

    number: int = Field(ge=1)
    by: Person
    reason: Text
    add_services: Rows = Field(default=(), max_length=MAX_MILESTONES)
    add_milestones: Rows = Field(default=(), max_length=MAX_MILESTONES)
    drop: tuple[str, ...] = Field(default=(), max_length=MAX_MILESTONES)
    reprice: dict[str, str] = Field(default_factory=dict, max_length=MAX_MILESTONES)
    reschedule: dict[str, Day | None] = Field(default_factory=dict, max_length=MAX_MILESTONES)
    set: dict[str, Any] = Field(default_factory=dict, max_length=MAX_MILESTONES)
    add_time: Rows = Field(default=(), max_length=MAX_PLANS)
    add_retainers: Rows = Field(default=(), max_length=MAX_PLANS)
    add_usage: Rows = Field(default=(), max_length=MAX_PLANS)
    add_expenses: Rows = Field(default=(), max_length=MAX_PLANS)
    end_plans: dict[str, Day] = Field(default_factory=dict, max_length=4 * MAX_PLANS)


def contract_data_of(contract: Contract) -> JsonObject:
    """The contract data of a contract as it stands: validated again, it gives the same contract.

    Percentages have become amounts, and what was left out has its default.
    """
    contract_data: JsonObject = contract.model_dump(mode="json", exclude_none=True)
    return contract_data


def content_hash(contract: Contract) -> str:
    """SHA-256 of a version of the contract in canonical JSON: what an approval of it binds."""
    text = json.dumps(contract_data_of(contract), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def changed(contract: Contract, order: ChangeOrder, billed: Collection[str]) -> Contract:
    """The next version of a contract.

    `billed` holds the keys of the milestones and plans, "deposit" and "retainage", of which
    something is billed or about to be. Services with milestones come to what these add up to, and
    the value to what the services add up to. Raises InvalidContract with every problem found.
    """
    problems = [*_refused(contract, order, billed)]
    paths = {problem.field for problem in problems}
    settings = {path: value for path, value in order.set.items() if show(path) not in paths}
    contract_data = contract_data_of(contract)
    try:
        contract_data = amended(contract_data, settings)
    except InvalidContract as invalid:
        problems += invalid.problems
    _apply(contract_data, order)
    _recompute(contract_data, contract)
    contract_data["version"] = contract.version + 1
    result: Contract | None = None
    try:
        result = validate(contract_data)
    except InvalidContract as invalid:
        known = {problem.field for problem in problems}
        found = [_as_ordered(problem, contract, order) for problem in invalid.problems]
        problems += [problem for problem in found if problem.field not in known]
    if problems or result is None:
        raise InvalidContract(problems)
    if result.replace(version=contract.version) == contract:
        raise InvalidContract(
            [finding("nothing_changed", "contract_data", "", "at least one change")]
        )
    return result


def renewed(contract: Contract) -> Contract:
    """The next version of a contract, its term extended by `term.renew_months`.

    A term that runs to the end of a month still does; one that runs from the 31st goes by the
    day the contract started on. Not held to the rules of a new contract, which may have become
    stricter since. Raises InvalidContract for a contract without an end, or one beyond all dates.
    """
    if contract.ends_on is None:
        raise InvalidContract([finding("end_needed", "ends_on", "", "the end of the term")])
    ends_on = _renewed_end(contract.first_day, contract.ends_on, contract.term.renew_months)
    if ends_on > LAST_DATE:
        expected = f"an end up to {LAST_DATE}"
        raise InvalidContract([finding("date_out_of_range", "ends_on", str(ends_on), expected)])
    contract_data = contract_data_of(contract)
    contract_data |= {"ends_on": ends_on.isoformat(), "version": contract.version + 1}
    return Contract.model_validate(contract_data)


def ended_early(contract: Contract, on: date, drop: Collection[str]) -> Contract:
    """The next version of a contract that ends on a day, without the milestones named in `drop`.

    Plans end that day at the latest; one that would have started later is dropped, and nothing is
    renewed. Not held to the rules of a new contract: it may have nothing left to bill, and a
    deposit above its fixed price, which is then to be given back. Estimates stay.
    """
    contract_data = contract_data_of(contract)
    contract_data["ends_on"] = min(on, contract.ends_on or on).isoformat()
    if contract.first_day > on:
        contract_data.pop("starts_on", None)
    contract_data["milestones"] = [
        row for row in contract_data["milestones"] if row["key"] not in drop
    ]
    _drop_from_handover(contract_data, drop)
    for table in PLAN_TABLES:
        plans: tuple[Plan, ...] = getattr(contract, table)
        contract_data[table] = [
            {**row, "ends_on": on.isoformat()} if plan.ends_on and plan.ends_on > on else row
            for plan, row in zip(plans, contract_data[table], strict=True)
            if (plan.starts_on or contract.first_day) <= on
        ]
    contract_data["term"] = {**contract_data["term"], "auto_renew": False}
    contract_data["version"] = contract.version + 1
    _recompute(contract_data, contract)
    return Contract.model_validate(contract_data)


def _renewed_end(first: date, ends: date, months: int) -> date:
    following = ends + timedelta(days=1)
    so_far = (following.year - first.year) * 12 + following.month - first.month
    if _months_after(first, so_far) == following:
        return _months_after(first, so_far + months) - timedelta(days=1)
    return _months_after(following, months) - timedelta(days=1)


def _months_after(day: date, months: int) -> date:
    """The same day so many months later, or that month's last."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


# --- what a change comes to -----------------------------------------------------------------


def difference(before: Contract, after: Contract) -> Money:
    """By how much the fixed price changes, without tax; negative where it falls."""
    return after.fixed_price - before.fixed_price


def summary(before: Contract, after: Contract) -> list[str]:
    """What differs between two versions, a sentence part each, for people."""
    lines = [
        *_services_told(before, after),
        *_milestones_told(before, after),
        *_plans_told(before, after),
        *_told(_fields(before), _fields(after), ""),
    ]
    if after.fixed_price != before.fixed_price:
        lines.append(f"fixed price: {before.fixed_price} -> {after.fixed_price}")
    if after.value != before.value:
        lines.append(f"value: {before.value} -> {after.value}")
    return lines


def differences(known: JsonObject, given: JsonObject) -> list[str]:
    """What other contract data says otherwise, by path: `title: Old -> New`. Validated data is
    compared by what it means, anything else by what it says."""
    before, after = dict(_flat(_meant(known))), dict(_flat(_meant(given)))
    return list(_told(before, after, ""))


def _meant(contract_data: JsonObject) -> JsonObject:
    try:
        return {**contract_data_of(validate(contract_data)), "version": None}
    except InvalidContract:
        return contract_data


def _services_told(before: Contract, after: Contract) -> Iterator[str]:
    known, left = ({line.key for line in version.services} for version in (before, after))
    old = {line.key: line.amount for line in estimates(before)}
    for line in after.services:
        if line.key not in known:
            yield f"service {line.description} ({line.code}) added: {line.amount}"
    for line in before.services:
        if line.key not in left:
            yield f"service {line.description} ({line.code}) dropped: {line.amount}"
    for line in estimates(after):
        if line.key in old and line.amount != old[line.key]:
            yield f"service {line.description}: {old[line.key]} -> {line.amount}"


def _milestones_told(before: Contract, after: Contract) -> Iterator[str]:
    for item in before.milestones:
        now = after.milestone(item.key)
        if now is None:
            yield f"milestone {item.name} dropped: {item.amount}"
            continue
        if now.amount != item.amount:
            yield f"milestone {item.name}: {item.amount} -> {now.amount}"
        if now.due_on != item.due_on:
            yield f"milestone {item.name} due: {item.due_on or 'none'} -> {now.due_on or 'none'}"
    for item in after.milestones:
        if before.milestone(item.key) is None:
            due = f", due {item.due_on}" if item.due_on else ""
            yield f"milestone {item.name} added: {item.amount}{due}"


def _plans_told(before: Contract, after: Contract) -> Iterator[str]:
    for plan in after.plans:
        name = f"{_PLAN_NAMES[type(plan)]} {plan.key}"
        was = before.plan(plan.key)
        if was is None:
            values = _flat(plan.model_dump(mode="json", exclude_defaults=True, exclude={"key"}))
            terms = ", ".join(f"{path} {value}" for path, value in values)
            yield f"{name} added: {terms}"
        elif was != plan:
            yield from _told(_dumped(was), _dumped(plan), f"{name}, ")


def _fields(contract: Contract) -> dict[str, str]:
    """The contract's own fields, without its tables and what follows from them."""
    told_apart = {"services", "milestones", *PLAN_TABLES, "value", "version"}
    return dict(_flat(contract.model_dump(mode="json", exclude_none=True, exclude=told_apart)))


def _dumped(plan: Plan) -> dict[str, str]:
    return dict(_flat(plan.model_dump(mode="json", exclude_none=True)))


def _told(old: dict[str, str], new: dict[str, str], name: str) -> Iterator[str]:
    for path in dict.fromkeys((*old, *new)):
        if old.get(path) != new.get(path):
            yield f"{name}{path}: {old.get(path) or 'none'} -> {new.get(path) or 'none'}"


def _flat(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each value with its path."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, list):
        items = enumerate(node)
    elif isinstance(node, bool):
        yield path, "yes" if node else "no"
    elif node is not None:
        yield path, str(node)
    for key, value in items:
        yield from _flat(value, f"{path}.{key}" if path else str(key))


# --- what a change order may not do ---------------------------------------------------------


def _refused(contract: Contract, order: ChangeOrder, billed: Collection[str]) -> Iterator[Problem]:
    yield from _milestones_refused(contract, order, billed)
    for key in order.end_plans:
        if contract.plan(key) is None:
            names = ", ".join(plan.key for plan in contract.plans) or "it has none"
            expected = f"the key of a plan of this contract: {show(names)}"
            yield finding("plan_unknown", f"end_plans.{show(key)}", key, expected)
    for path, value in order.set.items():
        problem = _path_refused(contract, path, value, billed)
        if problem:
            yield problem


def _milestones_refused(
    contract: Contract, order: ChangeOrder, billed: Collection[str]
) -> Iterator[Problem]:
    known = {item.key for item in contract.milestones}
    named = [(f"drop.{index}", key) for index, key in enumerate(order.drop)]
    named += [(f"reprice.{show(key)}", key) for key in order.reprice]
    named += [(f"reschedule.{show(key)}", key) for key in order.reschedule]
    for field, key in named:
        if key not in known:
            names = ", ".join(item.key for item in contract.milestones) or "it has none"
            expected = f"the key of a milestone of this contract: {show(names)}"
            yield finding("milestone_unknown", field, key, expected)
        elif key in billed:
            expected = "a milestone that is not billed yet: what is billed changes by a credit note"
            yield finding("already_billed", field, key, expected)
    for field, key in named[len(order.drop) :]:
        if key in order.drop:
            expected = "a milestone that is not dropped by the same change order"
            yield finding("changed_twice", field, key, expected)
    existing = [line.key for line in contract.services]
    for index, row in enumerate(order.add_milestones):
        if row.get("percent") is not None and row.get("service") in existing:
            field = f"add_milestones.{index}.percent"
            expected = "an amount: what the service comes to follows from its milestones"
            yield finding("amount_needed", field, row["percent"], expected)


def _path_refused(
    contract: Contract, path: str, value: Any, billed: Collection[str]
) -> Problem | None:
    """Why a path may not be set; None if it may (or leads nowhere)."""
    head, *rest = path.split(".")
    expected = _billed_already(contract, head, rest, billed)
    if expected:
        return finding("already_billed", show(path), value, expected)
    expected = _not_settable(contract, head, rest)
    return finding("not_changeable", show(path), value, expected) if expected else None


def _billed_already(
    contract: Contract, head: str, rest: list[str], billed: Collection[str]
) -> str | None:
    """What is expected instead of a change to what is billed; None if it is not."""
    if head == DEPOSIT and DEPOSIT in billed:
        return "no change of the deposit: it is billed, so it needs a credit note"
    if head == RETAINAGE and RETAINAGE in billed and rest[:1] in ([], ["service"]):
        return "another field: something is held back, to be released as agreed"
    if head == "starts_on" and billed:
        return "no change of the start: something is billed already"
    if head in PLAN_TABLES and len(rest) > 1 and rest[1] in _FIXED_ONCE_BILLED:
        plans: tuple[Plan, ...] = getattr(contract, head)
        if _leads_to(rest[0], plans) and plans[int(rest[0])].key in billed:
            return "another field: periods are billed; end the plan and add another"
    return None


def _not_settable(contract: Contract, head: str, rest: list[str]) -> str | None:
    """What is expected instead of a field that no change order sets; None if it may."""
    if head in _SETTABLE:
        return None
    if head in PLAN_TABLES and len(rest) > 1:
        return "another field: a plan keeps its key" if rest[1] == "key" else None
    if head == "services" and len(rest) == 2 and rest[1] == "amount":
        index = rest[0]
        line = contract.services[int(index)] if _leads_to(index, contract.services) else None
        if line is None or line in estimates(contract):
            return None
        return "another field: this amount follows from the service's milestones"
    names = ", ".join((*_SETTABLE, *(f"{table}.0.<field>" for table in PLAN_TABLES)))
    return f"a field that a change order may set: {names}, services.0.amount"


def _leads_to(index: str, rows: tuple[Any, ...]) -> bool:
    return re.fullmatch("[0-9]{1,4}", index) is not None and int(index) < len(rows)


# --- the next version -----------------------------------------------------------------------


def _apply(contract_data: JsonObject, order: ChangeOrder) -> None:
    milestones = [dict(row) for row in contract_data.get("milestones", [])]
    for row in milestones:
        key = row["key"]
        if key in order.reprice:
            row["amount"] = order.reprice[key]
        if key in order.reschedule:
            day = order.reschedule[key]
            row["due_on"] = day.isoformat() if day else None
    kept = [row for row in milestones if row["key"] not in order.drop]
    contract_data["milestones"] = [*kept, *order.add_milestones]
    _drop_from_handover(contract_data, order.drop)
    contract_data["services"] = [
        *contract_data["services"],
        *(dict(row) for row in order.add_services),
    ]
    for table in PLAN_TABLES:
        plans = [dict(row) for row in contract_data.get(table, [])]
        for row in plans:
            if row["key"] in order.end_plans:
                row["ends_on"] = order.end_plans[row["key"]].isoformat()
        contract_data[table] = [*plans, *getattr(order, f"add_{table}")]


def _drop_from_handover(contract_data: JsonObject, drop: Collection[str]) -> None:
    """Nobody works on what is dropped."""
    handover = contract_data.get("handover")
    if isinstance(handover, dict) and isinstance(handover.get("people"), list):
        left = [
            row
            for row in handover["people"]
            if not (isinstance(row, dict) and row.get("task") in drop)
        ]
        contract_data["handover"] = {**handover, "people": left}


def _recompute(contract_data: JsonObject, contract: Contract) -> None:
    """Services with milestones come to what these add up to, the value to all services."""
    had_milestones = {item.service for item in contract.milestones}
    amounts: dict[Any, list[Money | None]] = {}
    for row in contract_data["milestones"]:
        if isinstance(row.get("service"), str):
            amount = read(MONEY, row.get("amount"), contract.currency)
            amounts.setdefault(row["service"], []).append(amount)
    for index, row in enumerate(contract_data["services"]):
        is_new = index >= len(contract.services)
        if is_new and (row.get("amount") is not None or not isinstance(row.get("key"), str)):
            continue
        total = total_of(amounts.get(row["key"], []))
        if total is not None:
            row["amount"] = str(total)
        elif row["key"] not in amounts and row["key"] in had_milestones:
            row["amount"] = str(Money.zero(contract.currency))
    stated = [
        read(MONEY, row.get("amount"), contract.currency) for row in contract_data["services"]
    ]
    value = total_of(stated)
    if value is not None:
        contract_data["value"] = str(value)


def _as_ordered(problem: Problem, contract: Contract, order: ChangeOrder) -> Problem:
    """A finding about the next version, with its field as the change order states it."""
    table, _, rest = problem.field.partition(".")
    index, _, name = rest.partition(".")
    if table not in ("services", "milestones", *PLAN_TABLES) or not index.isdecimal():
        return problem
    kept = [row.key for row in getattr(contract, table)]
    if table == "milestones":
        kept = [key for key in kept if key not in order.drop]
    field = problem.field
    if int(index) >= len(kept):
        field = f"add_{table}.{int(index) - len(kept)}" + (f".{name}" if name else "")
    elif table == "milestones" and name == "amount" and kept[int(index)] in order.reprice:
        field = f"reprice.{kept[int(index)]}"
    elif table == "milestones" and name == "due_on" and kept[int(index)] in order.reschedule:
        field = f"reschedule.{kept[int(index)]}"
    elif name == "ends_on" and kept[int(index)] in order.end_plans:
        field = f"end_plans.{kept[int(index)]}"
    return problem.model_copy(update={"field": field})
