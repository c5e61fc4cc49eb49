"""At the door: a contract document is accepted whole, or refused with every problem at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from contracts.model import (
    MAX_MILESTONES,
    Contract,
    Country,
    Day,
    JsonObject,
    Percent,
    vat_problem,
)
from contracts.money import Currency, CurrencyMismatch, Money

_MAX_SHOWN = 120
_MAX_DEPTH = 10
"""Steps of a path into a contract document; none has more than three."""


class Problem(BaseModel):
    """One thing wrong with one field, for a person to mend.

    `field` is a path into the document, such as `milestones.1.amount`; `value` is the offending
    value as text; `expected` completes the sentence "expected ...".
    """

    code: str
    field: str
    value: str = ""
    expected: str

    def __str__(self) -> str:
        found = f" (found {self.value!r})" if self.value else ""
        return f"{self.field}: expected {self.expected}{found} [{self.code}]"


class InvalidContract(ValueError):
    """A contract document that cannot be accepted; carries all problems found."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def validate(document: JsonObject) -> Contract:
    """Turn a contract document into a Contract.

    A milestone states its `amount`, or a `percent` of its service's amount; percentages are
    allocated so that no cent is lost. Raises InvalidContract with every problem found.
    """
    _refuse_unreadable(document)
    resolved, problems = _resolve_percentages(document)
    contract: Contract | None = None
    try:
        contract = Contract.model_validate(resolved, context={"currency": document.get("currency")})
    except ValidationError as error:
        # A milestone that states a percent lacks an amount only because of what is told anyway.
        by_percent = {f"milestones.{index}.amount" for index, _ in _by_percent(document)}
        problems += [p for p in problems_of(error) if p.field not in by_percent]
    known = {problem.field for problem in problems}
    problems += [p for p in _cross_checks(resolved) if p.field not in known]
    if problems or contract is None:
        raise InvalidContract(problems)
    return contract


def _refuse_unreadable(document: Any) -> None:
    """Refuse at once what is no object, and tables too long to look into row by row."""
    if not isinstance(document, dict):
        expected = "an object with the fields of a contract"
        found = show(document)
        problems = [Problem(code="not_an_object", field="document", value=found, expected=expected)]
        raise InvalidContract(problems)
    problems = []
    expected = f"at most {MAX_MILESTONES} rows; a larger programme is several contracts"
    for name in ("services", "milestones"):
        rows = document.get(name)
        if isinstance(rows, (list, tuple)) and len(rows) > MAX_MILESTONES:
            found = f"{len(rows)} rows"
            problems.append(Problem(code="too_long", field=name, value=found, expected=expected))
    if problems:
        raise InvalidContract(problems)


def problems_of(error: ValidationError) -> list[Problem]:
    """pydantic's complaints in our form: code, path, offending value, expectation."""
    found = []
    for item in error.errors(include_url=False):
        code = str(item["type"])
        field = ".".join(show(part) for part in item["loc"]) or "document"
        if code == "missing":
            expected, value = "a value", ""
        elif code == "extra_forbidden":
            code, expected, value = "field_unknown", "no such field", show(item["input"])
        else:
            expected, value = item["msg"], show(item["input"])
        if value == "''" or item["input"] is None:
            code, expected, value = "missing", "a value", ""
        found.append(Problem(code=code, field=field, value=value.strip("'"), expected=expected))
    return [problem for problem in found if not _echo(problem, found)]


def _echo(problem: Problem, found: list[Problem]) -> bool:
    """Whether a complaint only repeats another: the contract's currency in each amount, or a list
    that is too short because its rows were refused."""
    if problem.code == "currency_unknown" and problem.field != "currency":
        return any(p.field == "currency" and p.value == problem.value for p in found)
    return problem.code == "too_short" and any(
        p.field.startswith(f"{problem.field}.") for p in found
    )


def show(value: Any) -> str:
    """A value as short text for a message."""
    if isinstance(value, dict) and value and value.keys() <= {"amount", "currency"}:
        value = " ".join(str(part) for part in value.values() if part is not None)
    text = value if isinstance(value, str) else repr(value)
    if isinstance(value, str) and not value:
        return "''"
    # Half a surrogate pair can stand in a str, but in no JSON or UTF-8 that a problem goes into.
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"


def _read(kind: Any, value: Any, currency: Any = None) -> Any:
    """The value as `kind`, or None where it cannot be read (the field check has said so)."""
    try:
        return TypeAdapter(kind).validate_python(value, context={"currency": currency})
    except (ValidationError, CurrencyMismatch):
        return None


def _rows(document: JsonObject, name: str) -> list[tuple[int, JsonObject]]:
    rows = document.get(name)
    if not isinstance(rows, (list, tuple)):
        return []
    return [(index, row) for index, row in enumerate(rows) if isinstance(row, dict)]


def _by_percent(document: JsonObject) -> list[tuple[int, JsonObject]]:
    """The milestones that state a percent and no amount."""
    return [
        (index, row)
        for index, row in _rows(document, "milestones")
        if row.get("percent") is not None and row.get("amount") is None
    ]


def _resolve_percentages(document: JsonObject) -> tuple[JsonObject, list[Problem]]:
    """Give every milestone an amount: percentages become shares of their service's amount."""
    currency = document.get("currency")
    problems: list[Problem] = []
    rows = {index: dict(row) for index, row in _rows(document, "milestones")}
    services = {str(row.get("key")): row for _, row in _rows(document, "services")}
    shares: dict[str, list[tuple[int, Decimal]]] = {}
    for index, row in rows.items():
        stated = row.pop("percent", None)
        if stated is None:
            continue
        if row.get("amount") is not None:
            problems.append(
                Problem(
                    code="milestone_amount_twice",
                    field=f"milestones.{index}.percent",
                    value=show(stated),
                    expected="either an amount or a percent, not both",
                )
            )
            continue
        percent = _read(Percent, stated)
        if percent is None:
            problems.append(
                Problem(
                    code="percent_malformed",
                    field=f"milestones.{index}.percent",
                    value=show(stated),
                    expected='a percentage above 0 up to 100 as text, such as "33.5"',
                )
            )
            continue
        shares.setdefault(str(row.get("service")), []).append((index, percent))
    for key, parts in shares.items():
        amount = _read(Money, services.get(key, {}).get("amount"), currency)
        total = sum((percent for _, percent in parts), Decimal(0))
        if amount is None:
            continue
        if total > 100:
            problems.append(
                Problem(
                    code="milestones_do_not_add_up",
                    field=f"milestones.{parts[-1][0]}.percent",
                    value=str(total),
                    expected=f"percentages of service {show(key)} that add up to 100",
                )
            )
            continue
        # The rest takes part so that percentages below 100 are not stretched to the whole.
        weights = [percent for _, percent in parts] + [100 - total]
        for (index, _), share in zip(parts, amount.allocate(weights), strict=False):
            rows[index]["amount"] = str(share)
    if not rows:
        return document, problems
    milestones = [rows.get(index, row) for index, row in enumerate(document["milestones"])]
    return {**document, "milestones": milestones}, problems


def _cross_checks(document: JsonObject) -> Iterator[Problem]:
    """Rules that span fields; each looks only at fields that can be read."""
    yield from _unique(document, "services")
    yield from _unique(document, "milestones")
    yield from _dates(document)
    yield from _vat(document)
    yield from _totals(document)


def _unique(document: JsonObject, name: str) -> Iterator[Problem]:
    keys = Counter(str(row.get("key")) for _, row in _rows(document, name))
    for index, row in _rows(document, name):
        if keys[str(row.get("key"))] > 1:
            yield Problem(
                code="key_not_unique",
                field=f"{name}.{index}.key",
                value=show(row.get("key")),
                expected=f"a key no other of the {name} has",
            )


def _dates(document: JsonObject) -> Iterator[Problem]:
    starts: date | None = _read(Day, document.get("starts_on"))
    ends: date | None = _read(Day, document.get("ends_on"))
    signed: date | None = _read(Day, document.get("signed_on"))
    first, name = starts or signed, "starts_on" if starts else "signed_on"
    if ends and first and ends < first:
        yield Problem(
            code="dates_out_of_order",
            field="ends_on",
            value=str(ends),
            expected=f"a date on or after {name}, {first}",
        )
    for index, row in _rows(document, "milestones"):
        due: date | None = _read(Day, row.get("due_on"))
        if due and first and due < first:
            yield Problem(
                code="dates_out_of_order",
                field=f"milestones.{index}.due_on",
                value=str(due),
                expected=f"a date on or after {name}, {first}",
            )


def _vat(document: JsonObject) -> Iterator[Problem]:
    customer = document.get("customer")
    if not isinstance(customer, dict):
        return
    number, country = customer.get("vat_number"), _read(Country, customer.get("country"))
    if isinstance(number, str) and number.strip() and country:
        expected = vat_problem(number, country)
        if expected:
            yield Problem(
                code="vat_invalid",
                field="customer.vat_number",
                value=show(number),
                expected=expected,
            )


def _totals(document: JsonObject) -> Iterator[Problem]:
    currency = _read(Currency, document.get("currency"))
    if currency is None:
        return
    value = _read(Money, document.get("value"), currency)
    services = {
        str(row.get("key")): _read(Money, row.get("amount"), currency)
        for _, row in _rows(document, "services")
    }
    milestones = [
        (index, str(row.get("service")), _read(Money, row.get("amount"), currency))
        for index, row in _rows(document, "milestones")
    ]
    yield from _signs_and_currencies(document, currency)
    for index, key, _ in milestones:
        if services and key not in services:
            yield Problem(
                code="service_unknown",
                field=f"milestones.{index}.service",
                value=show(key),
                expected=f"the key of a service of this contract: {show(', '.join(services))}",
            )
    if value is not None and services and _summable([value, *services.values()], currency):
        total = _sum(services.values(), currency)
        if total != value.amount:
            yield Problem(
                code="services_do_not_add_up",
                field="value",
                value=str(value),
                expected=f"the sum of the services, {total:f} {currency}",
            )
    for key, amount in services.items():
        parts = [part for _, service, part in milestones if service == key]
        if not _summable([amount, *parts], currency) or amount is None:
            continue
        total = _sum(parts, currency)
        if total != amount.amount:
            yield Problem(
                code="milestones_do_not_add_up",
                field="milestones",
                value=f"{total:f} {currency}",
                expected=f"milestones of service {show(key)} that add up to its amount, {amount}",
            )


def _signs_and_currencies(document: JsonObject, currency: str) -> Iterator[Problem]:
    amounts = [("value", document.get("value"))]
    for name in ("services", "milestones"):
        amounts += [(f"{name}.{i}.amount", row.get("amount")) for i, row in _rows(document, name)]
    for field, stated in amounts:
        amount: Money | None = _read(Money, stated, currency)
        if amount is None:
            continue
        if amount.currency != currency:
            yield Problem(
                code="currency_mismatch",
                field=field,
                value=str(amount),
                expected=f"an amount in the contract's currency, {currency}",
            )
        elif not amount.is_positive:
            yield Problem(
                code="amount_not_positive",
                field=field,
                value=str(amount),
                expected="an amount above zero",
            )


def _summable(amounts: Iterable[Money | None], currency: str) -> bool:
    return all(amount is not None and amount.currency == currency for amount in amounts)


def _sum(amounts: Iterable[Money | None], currency: str) -> Decimal:
    """The sum as a number: amounts that fit may add up to more than Money holds."""
    return sum((item.amount for item in amounts if item), Money.zero(currency).amount)


def amended(document: JsonObject, changes: dict[str, Any]) -> JsonObject:
    """The document with the values at the given paths replaced (`milestones.1.amount`).

    A path that leads through nothing creates objects on its way; a list is only indexed. Raises
    InvalidContract naming each path that leads nowhere.
    """
    result: JsonObject = _copy(document)
    problems = []
    for path, value in changes.items():
        try:
            _put(result, path.split(".", _MAX_DEPTH), value)
        except (LookupError, TypeError, ValueError):
            problems.append(
                Problem(
                    code="path_unknown",
                    field=path,
                    value=show(value),
                    expected="a path into the contract, such as customer.vat_number",
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
