"""At the door: contract data is accepted whole, or refused with every problem at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from contracts.contract_rules import MONEY, PLAN_TABLES, cross_checks, part, read, rows, total_of
from contracts.handover_rules import handover_checks
from contracts.model import Contract, JsonObject, Percent, TimePlan, UsagePlan
from contracts.money import Money
from contracts.problems import InvalidContract, Problem, finding, problems_of, show

__all__ = [
    "InvalidContract",
    "Problem",
    "amended",
    "payload_problems",
    "problems_of",
    "resolve_milestones",
    "show",
    "validate",
]

_PERCENT: TypeAdapter[Any] = TypeAdapter(Percent)
MAX_CONTRACT_DATA_BYTES = 200_000
"""Of contract data as UTF-8. A workflow's state holds the contract up to five times (as it came in,
as it counts, as it is ordered, and twice as it is to become) beside its books, and Temporal takes
2 MB in one piece. 500 milestones with long names need 170 KB."""
MAX_NESTING = 50
"""Levels of contract data; a contract has four. JSON readers give up at 200."""
_HALF = re.compile("[\ud800-\udfff]")
_MAX_DEPTH = 10
"""Steps of a path into contract data; none has more than five."""


def _limit(model: type[BaseModel], name: str) -> int:
    """How many rows a table of the model may have."""
    for item in model.model_fields[name].metadata:
        limit = getattr(item, "max_length", None)
        if isinstance(limit, int):
            return limit
    raise AssertionError(f"{model.__name__}.{name} has no limit")


_LIMITS = {name: _limit(Contract, name) for name in ("services", "milestones", *PLAN_TABLES)}
_INNER_LIMITS = {
    ("time", "rates"): _limit(TimePlan, "rates"),
    ("usage", "tiers"): _limit(UsagePlan, "tiers"),
}


def validate(contract_data: JsonObject) -> Contract:
    """Turn contract data into a Contract.

    A milestone states its `amount`, or a `percent` of its service's amount; a deposit its amount,
    or a `percent` of the sum of the milestones. Percentages are allocated so that no cent is
    lost. Raises InvalidContract with every problem found.
    """
    _refuse_unreadable(contract_data)
    resolved, problems = resolve_milestones(contract_data)
    resolved, more = _resolve_deposit(resolved)
    problems += more
    contract: Contract | None = None
    try:
        contract = Contract.model_validate(
            resolved, context={"currency": contract_data.get("currency")}
        )
    except ValidationError as error:
        # What states a percent lacks an amount only because of what is told anyway.
        told = _by_percent(contract_data)
        problems += [p for p in problems_of(error) if p.field not in told]
    known = {problem.field for problem in problems}
    crossed = [*cross_checks(resolved), *handover_checks(resolved)]
    problems += [problem for problem in crossed if problem.field not in known]
    problems = problems or _oversize(contract_data)
    if problems or contract is None:
        raise InvalidContract(problems)
    return contract


def payload_problems(contract_data: Any) -> list[Problem]:
    """Why contract data can be neither sent nor kept, whatever it says: it is no object, too large,
    nested too deeply, or has text that is no Unicode. Empty where it can."""
    return _unreadable(contract_data) or _oversize(contract_data)


def _unreadable(contract_data: Any) -> list[Problem]:
    if not isinstance(contract_data, dict):
        expected = "an object with the fields of a contract"
        return [finding("not_an_object", "contract_data", contract_data, expected)]
    for path, level, text in _walk(contract_data):
        if level > MAX_NESTING:
            return [finding("too_deep", show(path), "", f"at most {MAX_NESTING} levels")]
        if isinstance(text, str) and _HALF.search(text):
            expected = "text in Unicode, without halves of characters"
            return [finding("text_malformed", show(path) or "contract_data", text, expected)]
    return []


def _oversize(contract_data: JsonObject) -> list[Problem]:
    """Named is the field that is most of it, if one is."""
    sizes = [(_bytes_of(value), path) for path, _, value in _walk(contract_data)]
    total = sum(size for size, _ in sizes)
    if total <= MAX_CONTRACT_DATA_BYTES:
        return []
    longest, path = max(sizes)
    expected = (
        f"at most {MAX_CONTRACT_DATA_BYTES} bytes in all; a larger programme is several contracts"
    )
    field = show(path) if longest > total / 2 else "contract_data"
    return [finding("contract_data_too_large", field, f"{total} bytes", expected)]


def _walk(contract_data: Any) -> Iterator[tuple[str, int, Any]]:
    """Every name and every value that is no table, with its path and level; not into what is
    nested beyond the limit, however deep that is."""
    left: list[tuple[str, int, Any]] = [("", 1, contract_data)]
    while left:
        path, level, node = left.pop()
        if level > MAX_NESTING or not isinstance(node, (dict, list, tuple)):
            yield path, level, node
        elif isinstance(node, dict):
            for name, item in node.items():
                inner = f"{path}.{show(name)}" if path else show(name)
                yield inner, level, name
                left.append((inner, level + 1, item))
        else:
            left += [(f"{path}.{index}", level + 1, item) for index, item in enumerate(node)]


def _bytes_of(value: Any) -> int:
    """About what a name or a value takes as JSON, its punctuation aside."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace"))
    return value.bit_length() // 3 if isinstance(value, int) else 8


def _refuse_unreadable(contract_data: Any) -> None:
    """Refuse at once what is no object of JSON, and tables too long to look into row by row."""
    problems = _unreadable(contract_data)
    if isinstance(contract_data, dict):
        tables = [(name, contract_data.get(name), limit) for name, limit in _LIMITS.items()]
        problems += _too_long(tables)
    if not problems:
        inner = [
            (f"{table}.{index}.{name}", row.get(name), limit)
            for (table, name), limit in _INNER_LIMITS.items()
            for index, row in rows(contract_data, table)
        ]
        problems = _too_long(inner)
    if problems:
        raise InvalidContract(problems)


def _too_long(tables: list[tuple[str, Any, int]]) -> list[Problem]:
    return [
        finding(
            "too_long",
            field,
            f"{len(table)} rows",
            f"at most {limit} rows; a larger programme is several contracts",
        )
        for field, table, limit in tables
        if isinstance(table, (list, tuple)) and len(table) > limit
    ]


def _by_percent(contract_data: JsonObject) -> set[str]:
    """The amounts that a percent is stated for instead."""
    named = [(f"milestones.{index}", row) for index, row in rows(contract_data, "milestones")]
    named.append(("deposit", part(contract_data, "deposit")))
    return {
        f"{path}.amount"
        for path, row in named
        if row.get("percent") is not None and row.get("amount") is None
    }


def _percent_problem(path: str, row: JsonObject, stated: Any) -> Problem | None:
    """What is wrong with the percent of a milestone or the deposit."""
    if row.get("amount") is not None:
        return finding(
            "deposit_amount_twice" if path == "deposit" else "milestone_amount_twice",
            f"{path}.percent",
            stated,
            "either an amount or a percent, not both",
        )
    if read(_PERCENT, stated) is None:
        return finding(
            "percent_malformed",
            f"{path}.percent",
            stated,
            'a percentage above 0 up to 100 as text, such as "33.5"',
        )
    return None


def resolve_milestones(contract_data: JsonObject) -> tuple[JsonObject, list[Problem]]:
    """Give every milestone an amount: percentages become shares of their service's amount.

    Returns the contract data so resolved, and what kept a percentage from being resolved.
    """
    currency = contract_data.get("currency")
    problems: list[Problem] = []
    found = {index: dict(row) for index, row in rows(contract_data, "milestones")}
    services = {
        row["key"]: row
        for _, row in rows(contract_data, "services")
        if isinstance(row.get("key"), str)
    }
    shares: dict[str, list[tuple[int, Decimal]]] = {}
    for index, row in found.items():
        stated, service = row.pop("percent", None), row.get("service")
        if stated is None:
            continue
        problem = _percent_problem(f"milestones.{index}", row, stated)
        if problem:
            problems.append(problem)
        elif isinstance(service, str):
            shares.setdefault(service, []).append((index, read(_PERCENT, stated)))
    for key, parts in shares.items():
        amount = read(MONEY, services.get(key, {}).get("amount"), currency)
        total = sum((percent for _, percent in parts), Decimal(0))
        if amount is None:
            continue
        if total > 100:
            problems.append(
                finding(
                    "milestones_do_not_add_up",
                    f"milestones.{parts[-1][0]}.percent",
                    str(total),
                    f"percentages of service {show(key)} that add up to 100",
                )
            )
            continue
        # The rest takes part so that percentages below 100 are not stretched to the whole.
        weights = [percent for _, percent in parts] + [100 - total]
        for (index, _), share in zip(parts, amount.allocate(weights), strict=False):
            found[index]["amount"] = str(share)
    if not found:
        return contract_data, problems
    milestones = [found.get(index, row) for index, row in enumerate(contract_data["milestones"])]
    return {**contract_data, "milestones": milestones}, problems


def _resolve_deposit(contract_data: JsonObject) -> tuple[JsonObject, list[Problem]]:
    """Give the deposit an amount: a percentage becomes a share of what the milestones come to."""
    deposit = dict(part(contract_data, "deposit"))
    if "percent" not in deposit:
        return contract_data, []
    stated = deposit.pop("percent")
    if stated is None:
        return {**contract_data, "deposit": deposit}, []
    problem = _percent_problem("deposit", deposit, stated)
    if problem is None:
        amounts = [
            read(MONEY, row.get("amount"), contract_data.get("currency"))
            for _, row in rows(contract_data, "milestones")
        ]
        fixed = total_of(amounts)
        if not amounts:
            problem = finding(
                "deposit_too_large",
                "deposit.percent",
                stated,
                "milestones, from whose invoices it is deducted",
            )
        elif fixed is not None:
            percent: Decimal = read(_PERCENT, stated)
            deposit["amount"] = str(Money.rounded(fixed.amount * percent / 100, fixed.currency))
    return {**contract_data, "deposit": deposit}, [problem] if problem else []


def amended(contract_data: JsonObject, changes: dict[str, Any]) -> JsonObject:
    """The contract data with the values at the given paths replaced (`milestones.1.amount`).

    A path that leads through nothing creates objects on its way; a list is only indexed. Raises
    InvalidContract naming each path that leads nowhere.
    """
    result: JsonObject = _copy(contract_data)
    problems = []
    for path, value in changes.items():
        try:
            _put(result, path.split(".", _MAX_DEPTH), value)
        except (LookupError, TypeError, ValueError):
            problems.append(
                finding(
                    "path_unknown",
                    path,
                    value,
                    "a path into the contract, such as customer.vat_number",
                )
            )
    if problems:
        raise InvalidContract(problems)
    return result


def _copy(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _copy(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_copy(value) for value in node]
    return node


def _put(node: Any, path: list[str], value: Any) -> None:
    head, *rest = path
    if not head:
        raise LookupError
    if isinstance(node, list):
        index = int(head)
        if not 0 <= index < len(node):
            raise LookupError
        if rest:
            _put(node[index], rest, value)
        else:
            node[index] = value
    elif isinstance(node, dict):
        if rest:
            if node.get(head) is None:
                node[head] = {}
            _put(node[head], rest, value)
        else:
            node[head] = value
    else:
        raise TypeError
