"""Rules of a contract that span several fields; each looks only at fields that can be read.

What cannot be read is the field check's to tell, so every finding here is about readable values.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from itertools import combinations
from typing import Any

from pydantic import TypeAdapter, ValidationError

from contracts.billing.order import RESERVED
from contracts.model import (
    CADENCE,
    FIRST_DATE,
    LAST_DATE,
    Country,
    Day,
    JsonObject,
    Quantity,
    UnitPrice,
    vat_problem,
)
from contracts.money import Currency, CurrencyMismatch, Money
from contracts.problems import Problem, finding, show

PLAN_TABLES = ("time", "retainers", "usage", "expenses")
MAX_WEEKS = 52

MONEY: TypeAdapter[Any] = TypeAdapter(Money)
_COUNTRY: TypeAdapter[Any] = TypeAdapter(Country)
_CURRENCY: TypeAdapter[Any] = TypeAdapter(Currency)
_DAY: TypeAdapter[Any] = TypeAdapter(Day)
_FLAG: TypeAdapter[Any] = TypeAdapter(bool)
_PRICE: TypeAdapter[Any] = TypeAdapter(UnitPrice)
_QUANTITY: TypeAdapter[Any] = TypeAdapter(Quantity)

_AMOUNTS = {
    "time": ("cap",),
    "retainers": ("fee", "overage_price"),
    "usage": ("minimum", "commitment"),
    "expenses": ("cap",),
}
"""The amounts of each plan."""


def read(kind: TypeAdapter[Any], value: Any, currency: Any = None) -> Any:
    """The value as `kind`, or None where it cannot be read (the field check has said so)."""
    try:
        return kind.validate_python(value, context={"currency": currency})
    except (ValidationError, CurrencyMismatch):
        return None


def rows(node: Any, name: str) -> list[tuple[int, JsonObject]]:
    """The rows of a table that are objects, each with its index."""
    table = node.get(name) if isinstance(node, dict) else None
    if not isinstance(table, (list, tuple)):
        return []
    return [(index, row) for index, row in enumerate(table) if isinstance(row, dict)]


def total_of(amounts: Sequence[Money | None]) -> Money | None:
    """The sum; None where one is missing, in another currency, or the sum is beyond Money."""
    known = [amount for amount in amounts if amount is not None]
    if not known or len(known) < len(amounts):
        return None
    try:
        return Money.total(known, known[0].currency)
    except (CurrencyMismatch, ValidationError):
        return None


def part(contract_data: JsonObject, name: str) -> JsonObject:
    """An object within the contract data; empty where it is none."""
    found = contract_data.get(name)
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class _Readable:
    """What can be read of contract data."""

    contract_data: JsonObject

    @cached_property
    def currency(self) -> str | None:
        found: str | None = read(_CURRENCY, self.contract_data.get("currency"))
        return found

    @cached_property
    def first(self) -> tuple[str, date | None]:
        """The field that says when the contract starts, and the day."""
        starts = read(_DAY, self.contract_data.get("starts_on"))
        if starts:
            return "starts_on", starts
        return "signed_on", read(_DAY, self.contract_data.get("signed_on"))

    @cached_property
    def ends(self) -> date | None:
        found: date | None = read(_DAY, self.contract_data.get("ends_on"))
        return found

    @cached_property
    def services(self) -> dict[str, tuple[int, Money | None]]:
        """Each service's row and amount by its key."""
        return {
            row["key"]: (index, self.money(row.get("amount")))
            for index, row in rows(self.contract_data, "services")
            if isinstance(row.get("key"), str)
        }

    @cached_property
    def milestones(self) -> list[tuple[int, Any, Money | None]]:
        """Row, service's key and amount of each milestone."""
        return [
            (index, row.get("service"), self.money(row.get("amount")))
            for index, row in rows(self.contract_data, "milestones")
        ]

    @cached_property
    def plans(self) -> list[tuple[str, str, JsonObject]]:
        """Table, path and row of each plan."""
        return [
            (table, f"{table}.{index}", row)
            for table in PLAN_TABLES
            for index, row in rows(self.contract_data, table)
        ]

    def money(self, value: Any) -> Money | None:
        found: Money | None = read(MONEY, value, self.currency)
        return found

    def life(self, plan: JsonObject) -> tuple[date | None, date | None]:
        """The first and last day of a plan: its own, or the contract's."""
        return (
            read(_DAY, plan.get("starts_on")) or self.first[1],
            read(_DAY, plan.get("ends_on")) or self.ends,
        )


def cross_checks(contract_data: JsonObject) -> Iterator[Problem]:
    """Every finding about the contract data whose percentages were resolved to amounts."""
    facts = _Readable(contract_data)
    yield from _something_to_bill(facts)
    yield from _keys(facts)
    yield from _references(facts)
    yield from _dates_in_range(facts)
    yield from _dates(facts)
    yield from _plan_dates(facts)
    yield from _vat(facts)
    yield from _purchase_order(facts)
    yield from _ending(facts)
    for _, path, plan in facts.plans:
        yield from _weeks(path, plan)
        yield from _rates(path, plan)
        yield from _tiers(path, plan)
    yield from _expense_plans(facts)
    if facts.currency is not None:
        yield from _amounts(facts, facts.currency)
        yield from _value(facts, facts.currency)
        yield from _fixed_prices(facts, facts.currency)
        yield from _deposit(facts, facts.currency)


# --- keys and references --------------------------------------------------------------------


def _bills_nothing(facts: _Readable) -> bool:
    return not any(facts.contract_data.get(name) for name in ("milestones", *PLAN_TABLES))


def _something_to_bill(facts: _Readable) -> Iterator[Problem]:
    if _bills_nothing(facts):
        yield finding(
            "missing",
            "milestones",
            "",
            f"a milestone, or a plan that bills by period ({', '.join(PLAN_TABLES)})",
        )


def _keys(facts: _Readable) -> Iterator[Problem]:
    services = [
        (f"services.{index}.key", row.get("key"))
        for index, row in rows(facts.contract_data, "services")
    ]
    yield from _unique(services, "a key no other service has")
    billed = [
        (f"milestones.{index}.key", row.get("key"))
        for index, row in rows(facts.contract_data, "milestones")
    ]
    billed += [(f"{path}.key", plan.get("key")) for _, path, plan in facts.plans]
    yield from _unique(billed, "a key no other milestone or plan has")
    for field, key in billed:
        if isinstance(key, str) and key in RESERVED:
            names = ", ".join(sorted(RESERVED))
            yield finding("key_reserved", field, key, f"a key other than {names}")


def _unique(keys: list[tuple[str, Any]], expected: str) -> Iterator[Problem]:
    count = Counter(key for _, key in keys if isinstance(key, str))
    for field, key in keys:
        if isinstance(key, str) and count[key] > 1:
            yield finding("key_not_unique", field, key, expected)


def _unknown_services(facts: _Readable) -> list[tuple[str, str]]:
    """Path and key of each service that is named and is not there."""
    named = [(f"milestones.{index}.service", key) for index, key, _ in facts.milestones]
    named += [(f"{path}.service", plan.get("service")) for _, path, plan in facts.plans]
    for name, field in (
        ("deposit", "service"),
        ("retainage", "service"),
        ("termination", "fee_service"),
    ):
        named.append((f"{name}.{field}", part(facts.contract_data, name).get(field)))
    return [
        (field, key) for field, key in named if isinstance(key, str) and key not in facts.services
    ]


def _references(facts: _Readable) -> Iterator[Problem]:
    for field, key in _unknown_services(facts) if facts.services else ():
        names = ", ".join(facts.services)
        yield finding(
            "service_unknown", field, key, f"the key of a service of this contract: {show(names)}"
        )


# --- dates ----------------------------------------------------------------------------------


def _dates_in_range(facts: _Readable) -> Iterator[Problem]:
    for field, value in _stated_dates(facts):
        day = read(_DAY, value)
        if day and not FIRST_DATE <= day <= LAST_DATE:
            yield finding(
                "date_out_of_range",
                field,
                str(day),
                f"a date from {FIRST_DATE} to {LAST_DATE}; leave out an end there is not",
            )


def _stated_dates(facts: _Readable) -> Iterator[tuple[str, Any]]:
    contract_data = facts.contract_data
    for name in ("signed_on", "starts_on", "ends_on"):
        yield name, contract_data.get(name)
    for index, row in rows(contract_data, "milestones"):
        yield f"milestones.{index}.due_on", row.get("due_on")
    yield "retainage.release_on", part(contract_data, "retainage").get("release_on")
    for _, path, plan in facts.plans:
        yield f"{path}.starts_on", plan.get("starts_on")
        yield f"{path}.ends_on", plan.get("ends_on")
        yield f"{path}.indexation.first_on", part(plan, "indexation").get("first_on")


def _dates(facts: _Readable) -> Iterator[Problem]:
    name, first = facts.first
    yield from _not_before("ends_on", facts.ends, name, first)
    for index, row in rows(facts.contract_data, "milestones"):
        due = read(_DAY, row.get("due_on"))
        yield from _not_before(f"milestones.{index}.due_on", due, name, first)
    release = read(_DAY, part(facts.contract_data, "retainage").get("release_on"))
    yield from _not_before("retainage.release_on", release, name, first)


def _plan_dates(facts: _Readable) -> Iterator[Problem]:
    name, first = facts.first
    for _, path, plan in facts.plans:
        starts, ends = read(_DAY, plan.get("starts_on")), read(_DAY, plan.get("ends_on"))
        yield from _not_before(f"{path}.starts_on", starts, name, first)
        yield from _not_after(f"{path}.starts_on", starts, facts.ends)
        if starts:
            yield from _not_before(f"{path}.ends_on", ends, f"{path}.starts_on", starts)
        else:
            yield from _not_before(f"{path}.ends_on", ends, name, first)
        yield from _not_after(f"{path}.ends_on", ends, facts.ends)
        index_on, begins = read(_DAY, part(plan, "indexation").get("first_on")), starts or first
        if index_on and begins and index_on <= begins:
            yield finding(
                "dates_out_of_order",
                f"{path}.indexation.first_on",
                str(index_on),
                f"a date after the plan's first day, {begins}: until then `fee` counts",
            )


def _not_before(field: str, day: date | None, name: str, first: date | None) -> Iterator[Problem]:
    if day and first and day < first:
        yield finding("dates_out_of_order", field, str(day), f"a date on or after {name}, {first}")


def _not_after(field: str, day: date | None, last: date | None) -> Iterator[Problem]:
    if day and last and day > last:
        yield finding(
            "dates_out_of_order",
            field,
            str(day),
            f"a date on or before the contract's ends_on, {last}",
        )


def _ending(facts: _Readable) -> Iterator[Problem]:
    """Renewal, commitments and a fee for ending early need what they refer to."""
    contract_data = facts.contract_data
    has_end = contract_data.get("ends_on") is not None
    if read(_FLAG, part(contract_data, "term").get("auto_renew")):
        if not has_end:
            yield finding(
                "end_needed",
                "term.auto_renew",
                "true",
                "ends_on, the end of the term that is renewed",
            )
        if not any(contract_data.get(table) for table in PLAN_TABLES):
            yield finding(
                "nothing_to_renew",
                "term.auto_renew",
                "true",
                "a plan that bills by period: milestones are not renewed",
            )
    for _, path, plan in facts.plans:
        if plan.get("commitment") is not None and not has_end and plan.get("ends_on") is None:
            yield finding(
                "end_needed",
                f"{path}.commitment",
                plan["commitment"],
                "ends_on of the plan or the contract: what is missing is billed then",
            )
    termination = part(contract_data, "termination")
    if termination.get("fee") is not None and termination.get("fee_service") is None:
        yield finding(
            "missing",
            "termination.fee_service",
            "",
            "the key of the service that the fee is booked on",
        )


# --- the customer ---------------------------------------------------------------------------


def _vat(facts: _Readable) -> Iterator[Problem]:
    customer = part(facts.contract_data, "customer")
    for path, firm in (("customer", customer), ("customer.parent", part(customer, "parent"))):
        number, country = firm.get("vat_number"), read(_COUNTRY, firm.get("country"))
        if isinstance(number, str) and number.strip() and country:
            expected = vat_problem(number, country)
            if expected:
                yield finding("vat_invalid", f"{path}.vat_number", number, expected)


def _purchase_order(facts: _Readable) -> Iterator[Problem]:
    number = facts.contract_data.get("purchase_order")
    blank = number is None or (isinstance(number, str) and not number.strip())
    if facts.contract_data.get("purchase_order_limit") is not None and blank:
        yield finding(
            "missing",
            "purchase_order",
            "",
            "the number of the customer's order that has this limit",
        )


# --- plans ----------------------------------------------------------------------------------


def _weeks(path: str, plan: JsonObject) -> Iterator[Problem]:
    every = plan.get("every")
    match = CADENCE.match(every) if isinstance(every, str) else None
    if match and match["weeks"] and int(match["weeks"]) > MAX_WEEKS:
        yield finding(
            "cadence_malformed",
            f"{path}.every",
            every,
            f"month, quarter, year, or 1 to {MAX_WEEKS} weeks",
        )


def _rates(path: str, plan: JsonObject) -> Iterator[Problem]:
    seen: set[tuple[str, str, date | None]] = set()
    for index, row in rows(plan, "rates"):
        person, role = row.get("person") or "", row.get("role") or ""
        stated = row.get("valid_from")
        day = read(_DAY, stated)
        if not (isinstance(person, str) and isinstance(role, str)) or (stated and not day):
            continue
        key = (_folded(person), _folded(role), day)
        if key in seen:
            yield finding(
                "rate_not_unique",
                f"{path}.rates.{index}",
                " ".join(str(item) for item in (person, role, day) if item),
                "one rate for a person, role and valid_from",
            )
        seen.add(key)


def _folded(name: str) -> str:
    return re.sub(r"\s+", " ", name).strip().casefold()


def _tiers(path: str, plan: JsonObject) -> Iterator[Problem]:
    tiers = rows(plan, "tiers")
    before = Decimal(0)
    for position, (index, row) in enumerate(tiers, start=1):
        field, stated = f"{path}.tiers.{index}.up_to", row.get("up_to")
        if position == len(tiers):
            if stated is not None:
                yield _tier(field, stated, "no up_to in the last tier, so that it holds the rest")
        elif stated is None:
            yield _tier(field, stated, "a quantity: only the last tier has no up_to")
        else:
            up_to: Decimal | None = read(_QUANTITY, stated)
            if up_to is not None and up_to <= before:
                yield _tier(field, stated, f"a quantity above {before:f}: tiers ascend")
            before = max(before, up_to or before)
    free = [read(_PRICE, row.get("price")) == 0 for _, row in tiers]
    if free and all(free) and plan.get("minimum") is None and plan.get("commitment") is None:
        yield finding(
            "amount_not_positive",
            f"{path}.tiers",
            "",
            "a tier with a price above zero, a minimum or a commitment",
        )


def _tier(field: str, stated: Any, expected: str) -> Problem:
    value = "" if stated is None else show(stated)
    return finding("tiers_out_of_order", field, value, expected)


def _expense_plans(facts: _Readable) -> Iterator[Problem]:
    """Expenses belong to the project as a whole, so on any day at most one plan bills them."""
    plans = [(path, *facts.life(plan)) for table, path, plan in facts.plans if table == "expenses"]
    for (path, first, last), (other, other_first, other_last) in combinations(plans, 2):
        if first is None or other_first is None:
            continue
        if first <= (other_last or LAST_DATE) and other_first <= (last or LAST_DATE):
            yield finding(
                "expense_plans_overlap",
                other,
                str(other_first),
                f"days that {path} does not cover: an expense is billed by one plan",
            )


# --- amounts --------------------------------------------------------------------------------


def _amounts(facts: _Readable, currency: str) -> Iterator[Problem]:
    """Every amount is in the contract's currency, and above zero where it is billed."""
    may_be_zero = set() if facts.milestones else {"value"}
    fixed = {key for _, key, _ in facts.milestones if isinstance(key, str)}
    for key, (index, _) in facts.services.items():
        if key not in fixed:
            may_be_zero.add(f"services.{index}.amount")
    for _, path, plan in facts.plans:
        # Hours of some people may cost nothing; without a rate they would park.
        may_be_zero |= {f"{path}.rates.{index}.price" for index, _ in rows(plan, "rates")}
    for field, stated in _stated_amounts(facts):
        amount = facts.money(stated)
        if amount is None:
            continue
        if amount.currency != currency:
            yield finding(
                "currency_mismatch",
                field,
                str(amount),
                f"an amount in the contract's currency, {currency}",
            )
        elif amount.amount < 0 or (amount.is_zero and field not in may_be_zero):
            zero = " or zero" if field in may_be_zero else ""
            yield finding("amount_not_positive", field, str(amount), f"an amount above zero{zero}")


def _stated_amounts(facts: _Readable) -> Iterator[tuple[str, Any]]:
    contract_data = facts.contract_data
    for name in ("value", "purchase_order_limit"):
        yield name, contract_data.get(name)
    for name in ("services", "milestones"):
        for index, row in rows(contract_data, name):
            yield f"{name}.{index}.amount", row.get("amount")
    for table, path, plan in facts.plans:
        for name in _AMOUNTS[table]:
            yield f"{path}.{name}", plan.get(name)
        for index, row in rows(plan, "rates"):
            yield f"{path}.rates.{index}.price", row.get("price")
    yield "deposit.amount", part(contract_data, "deposit").get("amount")
    yield "termination.fee", part(contract_data, "termination").get("fee")


def _value(facts: _Readable, currency: str) -> Iterator[Problem]:
    value = facts.money(facts.contract_data.get("value"))
    amounts = [facts.money(row.get("amount")) for _, row in rows(facts.contract_data, "services")]
    if value is None or not amounts or not _summable([value, *amounts], currency):
        return
    total = _sum(amounts, currency)
    if total != value.amount:
        yield finding(
            "services_do_not_add_up",
            "value",
            str(value),
            f"the sum of the services, {total:f} {currency}",
        )


def _fixed_prices(facts: _Readable, currency: str) -> Iterator[Problem]:
    """A service with milestones is filled by them; one with an amount is billed by something."""
    planned = {plan["service"] for _, _, plan in facts.plans if _names_service(plan)}
    told_elsewhere = (
        _bills_nothing(facts) or not _all_readable(facts) or bool(_unknown_services(facts))
    )
    for key, (index, amount) in facts.services.items():
        parts = [money for _, service, money in facts.milestones if service == key]
        if amount is None or not _summable([amount, *parts], currency):
            continue
        total = _sum(parts, currency)
        if parts and total != amount.amount:
            yield finding(
                "milestones_do_not_add_up",
                "milestones",
                f"{total:f} {currency}",
                f"milestones of service {show(key)} that add up to its amount, {amount}",
            )
        elif not parts and amount.is_positive and key not in planned and not told_elsewhere:
            yield finding(
                "service_not_billed",
                f"services.{index}.amount",
                str(amount),
                f"milestones or a plan that bill service {show(key)}, or the amount 0",
            )


def _names_service(plan: JsonObject) -> bool:
    return isinstance(plan.get("service"), str)


def _all_readable(facts: _Readable) -> bool:
    """Whether every row that could bill a service says which."""
    tables = {name: facts.contract_data.get(name) for name in ("milestones", *PLAN_TABLES)}
    return all(
        table is None
        or (
            isinstance(table, (list, tuple))
            and all(isinstance(row, dict) and _names_service(row) for row in table)
        )
        for table in tables.values()
    )


def _deposit(facts: _Readable, currency: str) -> Iterator[Problem]:
    amount = facts.money(part(facts.contract_data, "deposit").get("amount"))
    parts = [money for _, _, money in facts.milestones]
    if amount is None or not _summable([amount, *parts], currency) or not _all_readable(facts):
        return
    fixed = _sum(parts, currency)
    if amount.amount > fixed:
        yield finding(
            "deposit_too_large",
            "deposit.amount",
            str(amount),
            f"at most the milestones' sum, {fixed:f} {currency}: it is deducted there",
        )


def _summable(amounts: Iterable[Money | None], currency: str) -> bool:
    return all(amount is not None and amount.currency == currency for amount in amounts)


def _sum(amounts: Iterable[Money | None], currency: str) -> Decimal:
    """The sum as a number: amounts that fit may add up to more than Money holds."""
    return sum((item.amount for item in amounts if item), Money.zero(currency).amount)
