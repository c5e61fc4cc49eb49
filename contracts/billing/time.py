"""Time and materials: approved hours by the contract's rate card, each billed once.

The ledger of billed timesheet lines is ours, not Odoo's. Whatever happens to a line afterwards is
billed as the difference to what the ledger says of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Protocol

from pydantic import Field

from contracts.billing.caps import Capped, Line, under_cap
from contracts.billing.charges import QUANTITY_UNIT, Charge, ChargeKind, total
from contracts.billing.periods import Period
from contracts.model import Contract, Frozen, Key, Rate, TimePlan
from contracts.money import Money

_NONE = Decimal("0.00")


class TimeEntry(Frozen):
    """An approved timesheet line. `on` is the day worked, in the legal entity's calendar."""

    line_id: int
    plan: Key
    on: date
    hours: Decimal
    person: str
    email: str
    role: str
    description: str = ""


class BilledTime(Frozen):
    """What a timesheet line was billed with.

    `hours` are those dealt with, at two decimals; `price` is per hour and stays what it was when
    the line was billed first; `charge` is the key of the charge that touched it last. `uncharged`
    is what a cap left out of it, without tax.
    """

    hours: Decimal
    price: Decimal
    charge: str
    uncharged: Money | None = None


class TimeBill(Frozen):
    """What approved hours come to.

    `billed` are the rows to put into the ledger, each the whole new value. With `unpriced` lines
    there is nothing else: the rate card is to be completed first. `over_cap` is how much the
    charges exceed the cap, or (up to the cap) what was cut off.
    """

    charges: tuple[Charge, ...] = ()
    billed: dict[int, BilledTime] = Field(default_factory=dict)
    unpriced: tuple[TimeEntry, ...] = ()
    warnings: tuple[str, ...] = ()
    over_cap: Money

    @property
    def uncharged(self) -> dict[int, BilledTime]:
        """The rows that a cap left uncharged, in whole or in part."""
        return {
            line_id: row
            for line_id, row in self.billed.items()
            if row.uncharged and not row.uncharged.is_zero
        }


def rate_for(plan: TimePlan, entry: TimeEntry) -> Decimal | None:
    """The price of an hour of this entry, without tax; None if no rate fits.

    The most specific rate that is valid on the day worked counts; see `contracts.model.Rate`.
    """
    found = rate(plan, entry)
    return found.price.amount if found else None


def bill_time(
    contract: Contract,
    plan: TimePlan,
    entries: Iterable[TimeEntry],
    ledger: Mapping[int, BilledTime],
    gone: Collection[int],
    spent: Money,
    occasion: str,
    *,
    up_to_cap: bool = False,
) -> TimeBill:
    """Bill what is new or changed since the ledger was written.

    `entries` are all approved lines up to the period's end that are new or changed (the rest may
    be among them; of a line that comes twice the last counts); `gone` are billed lines that are
    deleted or no longer approved, unless they come as an entry too. `spent` is what the plan has
    billed before. Raises CurrencyMismatch.
    """
    work = _Work(contract, plan, ledger, occasion)
    for entry in _latest(plan, entries):
        work.take(entry)
    for line_id in sorted(set(gone) - work.seen):
        work.remove(line_id)
    if work.unpriced:
        return TimeBill(unpriced=tuple(work.unpriced), over_cap=Money.zero(contract.currency))
    lines = [*work.corrections, *work.grouped()]
    before = {
        line_id: row.uncharged
        for line_id, row in ledger.items()
        if row.uncharged and _is_of(plan, row)
    }
    capped = under_cap(lines, plan.cap, spent, before, up_to_cap=up_to_cap)
    return TimeBill(
        charges=capped.charges,
        billed=_rows(ledger, work.rows, capped),
        warnings=(*work.warnings, *_warnings(contract, plan, spent, capped)),
        over_cap=capped.over,
    )


class _Work:
    """The lines of one bill while they are gathered."""

    def __init__(
        self, contract: Contract, plan: TimePlan, ledger: Mapping[int, BilledTime], occasion: str
    ) -> None:
        self._contract, self._plan, self._ledger = contract, plan, ledger
        self._service = contract.service(plan.service)
        self._occasion = occasion
        self._count = 0
        self._groups: dict[tuple[str, Decimal], list[TimeEntry]] = {}
        self.seen: set[int] = set()
        self.rows: dict[int, BilledTime] = {}
        self.corrections: list[Line] = []
        self.unpriced: list[TimeEntry] = []
        self.warnings: list[str] = []

    def take(self, entry: TimeEntry) -> None:
        self.seen.add(entry.line_id)
        row = self._ledger.get(entry.line_id)
        if row is None or row.hours == 0:
            self._bill(entry)
        elif not _is_of(self._plan, row):
            # Billed again here it would be billed twice; that plan has to give it up first.
            self.warnings.append(
                f"timesheet line {entry.line_id} ({entry.person}, {entry.on}) was billed by "
                f"{row.charge.partition(':')[0]} before it moved to {self._plan.key}: not billed "
                "again"
            )
        elif entry.hours != row.hours:
            note = f"{entry.person}, {entry.on}, {row.hours} h corrected to {entry.hours} h"
            self._correct(entry.line_id, row, entry.hours, note)

    def remove(self, line_id: int) -> None:
        row = self._ledger.get(line_id)
        if row is not None and _is_of(self._plan, row) and row.hours != 0:
            self._correct(line_id, row, _NONE, f"timesheet line {line_id} of {row.hours} h removed")

    def grouped(self) -> list[Line]:
        """The new lines: one charge for each price and person, role or service."""
        return [
            self._group(label, price, entries)
            for (label, price), entries in sorted(self._groups.items())
        ]

    def _bill(self, entry: TimeEntry) -> None:
        if entry.hours == 0:
            return
        found = rate(self._plan, entry)
        if found is None:
            self.unpriced.append(entry)
            return
        label = entry.person if found.person else entry.role if found.role else ""
        self._groups.setdefault((label, found.price.amount), []).append(entry)

    def _group(self, label: str, price: Decimal, entries: list[TimeEntry]) -> Line:
        days = [entry.on for entry in entries]
        worked = Period(first=min(days), last=max(days)).name
        what = f"{self._service.description} - {label}" if label else self._service.description
        hours = sum((entry.hours for entry in entries), _NONE)
        charge = self._charge(ChargeKind.TIME, f"{what}, {worked}", hours, price)
        for entry in entries:
            self.rows[entry.line_id] = BilledTime(
                hours=entry.hours,
                price=price,
                charge=charge.key,
                uncharged=self._left_out(entry.line_id),
            )
        return Line(charge, _parts(entries, price, self._contract.currency))

    def _left_out(self, line_id: int) -> Money | None:
        """What the cap left out of this plan's line before."""
        row = self._ledger.get(line_id)
        return row.uncharged if row and _is_of(self._plan, row) else None

    def _correct(self, line_id: int, row: BilledTime, hours: Decimal, note: str) -> None:
        description = f"{self._service.description} - {note}"
        change = hours - row.hours
        charge = self._charge(ChargeKind.CORRECTION, description, change, row.price)
        self.rows[line_id] = row.model_copy(update={"hours": hours, "charge": charge.key})
        self.corrections.append(Line(charge, {line_id: charge.amount}))

    def _charge(self, kind: ChargeKind, text: str, hours: Decimal, price: Decimal) -> Charge:
        self._count += 1
        return Charge.of_quantity(
            f"{self._plan.key}:{self._occasion}:{self._count}",
            kind,
            self._plan.key,
            self._service.code,
            text,
            hours,
            price,
            self._contract.currency,
        )


def _latest(plan: TimePlan, entries: Iterable[TimeEntry]) -> list[TimeEntry]:
    """This plan's entries by line, their hours at two decimals, in one order whatever theirs."""
    by_line = {entry.line_id: entry for entry in entries if entry.plan == plan.key}
    return [
        entry.model_copy(
            update={"hours": entry.hours.quantize(QUANTITY_UNIT, rounding=ROUND_HALF_UP)}
        )
        for _, entry in sorted(by_line.items())
    ]


def _is_of(plan: TimePlan, row: BilledTime) -> bool:
    return row.charge.startswith(f"{plan.key}:")


def _parts(entries: list[TimeEntry], price: Decimal, currency: str) -> dict[int, Money]:
    """What each line has of its group's amount: differences of the rounded running total."""
    parts: dict[int, Money] = {}
    hours, given = _NONE, Money.zero(currency)
    for entry in entries:
        hours += entry.hours
        until_here = Money.rounded(hours * price, currency)
        parts[entry.line_id] = until_here - given
        given = until_here
    return parts


def _rows(
    ledger: Mapping[int, BilledTime], rows: dict[int, BilledTime], capped: Capped
) -> dict[int, BilledTime]:
    result = dict(rows)
    for line_id, amount in capped.uncharged.items():
        row = result.get(line_id) or ledger[line_id]
        result[line_id] = row.model_copy(update={"uncharged": amount})
    return dict(sorted(result.items()))


def _warnings(contract: Contract, plan: TimePlan, spent: Money, capped: Capped) -> tuple[str, ...]:
    """One sentence in the bill that passes the threshold; none before and none after."""
    if plan.cap is None:
        return ()
    after = spent + total(capped.charges, spent.currency)
    threshold = plan.cap.amount * plan.warn_at / 100
    if not spent.amount < threshold <= after.amount:
        return ()
    name = contract.service(plan.service).description
    share = (after.amount * 100 / plan.cap.amount).quantize(Decimal(1))
    return (f"{name}: {after} of the cap of {plan.cap} is used, {share} % (plan {plan.key})",)


class Worked(Protocol):
    """What decides the rate of an hour: who worked it, and when."""

    @property
    def on(self) -> date: ...
    @property
    def person(self) -> str: ...
    @property
    def email(self) -> str: ...
    @property
    def role(self) -> str: ...


def rate(plan: TimePlan, entry: Worked) -> Rate | None:
    """The most specific rate that is valid on the day worked; None if no rate fits."""
    valid = [item for item in plan.rates if _fits(item, entry)]
    # max() keeps the first of equals, so the rate card's own order decides between them.
    return max(valid, key=_rank, default=None)


def _fits(rate: Rate, entry: Worked) -> bool:
    return (
        (rate.valid_from is None or rate.valid_from <= entry.on)
        and (not rate.person or _same(rate.person, entry.email) or _same(rate.person, entry.person))
        and (not rate.role or _same(rate.role, entry.role))
    )


def _rank(rate: Rate) -> tuple[bool, bool, date]:
    return bool(rate.person), bool(rate.role), rate.valid_from or date.min


def _same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()
