"""What changed in Odoo since a watermark: a few queries for the whole portfolio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from temporalio import activity

from activities.odoo.balances import FIELDS, balances_of, is_ours
from activities.odoo.catalogue import Catalogue
from activities.odoo.clock import ODOO_DATETIME, OVERLAP, overlapping, utc
from activities.odoo.needs import ACCOUNTING, PROJECT, SALES, Need
from activities.odoo.paging import fitting, read_page
from contracts.identifiers import INVOICE_ORIGINS, workflow_of_origin
from contracts.sweeps import (
    ChangedInvoice,
    Kind,
    OdooChanges,
    PageMark,
    ReachedMilestone,
    SweepWindow,
    UnreachedMilestone,
)
from gateways.odoo import OdooClient

SWEEP_OVERLAP = OVERLAP
"""How far a sweep looks back behind its watermark."""

INVOICES_PER_PAGE = 500
MILESTONES_PER_PAGE = 1_000
"""What one result holds: some hundred kB, and a few seconds of Odoo's time."""

_INVOICE_FIELDS = (*FIELDS, "reversed_entry_id")
_MILESTONE_FIELDS = (
    "is_reached",
    "reached_date",
    "sale_line_id",
    "create_date",
    "write_date",
    "write_uid",
)
_LINE_FIELDS = ("order_id", "invoice_lines")
_ORDER_FIELDS = ("origin",)

NEEDS = (
    Need("account.move", (*_INVOICE_FIELDS, "move_type"), access=ACCOUNTING),
    Need("project.milestone", _MILESTONE_FIELDS, access=PROJECT),
    Need("sale.order.line", _LINE_FIELDS, access=SALES),
    Need("sale.order", _ORDER_FIELDS, access=SALES),
)

Row = Mapping[str, Any]
Clause = list[tuple[str, str, Any]]
"""Which records: those changed since a moment, or one by its id."""


@dataclass(frozen=True)
class _Invoices:
    changed: list[ChangedInvoice] = field(default_factory=list)
    next: int | None = None
    as_of: datetime | None = None


@dataclass(frozen=True)
class _Milestones:
    reached: list[ReachedMilestone] = field(default_factory=list)
    unreached: list[UnreachedMilestone] = field(default_factory=list)
    following: PageMark | None = None
    as_of: datetime | None = None


class OdooSweeps:
    """Activities on the `odoo-finance` task queue."""

    def __init__(self, odoo: OdooClient, catalogue: Catalogue | None = None) -> None:
        """`catalogue` is the one of the worker's other activities, if they share it."""
        self._odoo = odoo
        self._catalogue = catalogue or Catalogue(odoo)

    @activity.defn
    def read_changes(self, window: SweepWindow) -> OdooChanges:
        """A page of what changed in our invoices, credit notes and milestones since the watermark.

        The watermark is Odoo's own clock (`write_date`), so that two machines' clocks never
        matter. A milestone that is not reached is news only if somebody edited it since it was
        created: whether it was reached before, its contract knows.

        A mark of our own is no news. It is our own where we wrote the milestone last and its order
        line was drafted: we mark what a contract holds as reached, and bill it. Otherwise we wrote
        something else (a change order moved the day) after a person, who may have set the mark. A
        mark that was taken back is reported whoever wrote last.
        """
        if window.record is not None:
            return self._read_record(window.record, window.since)
        after = window.after or PageMark(kind=Kind.INVOICES, id=0)
        since: Clause = [("write_date", ">=", _since(window))]
        invoices, newest = _Invoices(), list[datetime | None]()
        if after.kind is Kind.INVOICES:
            invoices = self._invoices(since, after.id)
            newest.append(invoices.as_of)
            after = PageMark(kind=Kind.MILESTONES, id=0)
        if invoices.next is not None:
            mark = PageMark(kind=Kind.INVOICES, id=invoices.next)
            milestones = _Milestones(following=mark)
        else:
            milestones = self._milestones(since, after.id)
            newest.append(milestones.as_of)
        return OdooChanges(
            invoices=invoices.changed,
            milestones=milestones.reached,
            unreached=milestones.unreached,
            watermark=max([window.since, *filter(None, newest)]),
            next=milestones.following,
        )

    def _read_record(self, record: PageMark, since: datetime) -> OdooChanges:
        wanted: Clause = [("id", "=", record.id)]
        if record.kind is Kind.INVOICES:
            return OdooChanges(invoices=self._invoices(wanted, 0).changed, watermark=since)
        found = self._milestones(wanted, 0)
        return OdooChanges(milestones=found.reached, unreached=found.unreached, watermark=since)

    def _invoices(self, since: Clause, after: int) -> _Invoices:
        page = read_page(
            self._odoo,
            "account.move",
            [
                ("invoice_origin", "=like", INVOICE_ORIGINS),
                ("move_type", "in", ["out_invoice", "out_refund"]),
                *since,
            ],
            _INVOICE_FIELDS,
            after=after,
            rows=INVOICES_PER_PAGE,
        )
        moves = self._ours(page.rows)
        balances = balances_of(self._odoo, moves)
        changed = [
            ChangedInvoice(workflow_id=workflow_of_origin(row["invoice_origin"]), balance=balance)
            for row, balance in zip(moves, balances, strict=True)
        ]
        count = fitting(changed)
        if count < len(changed):
            return _Invoices(changed[:count], int(moves[count - 1]["id"]), page.as_of)
        return _Invoices(changed, page.next, page.as_of)

    def _milestones(self, since: Clause, after: int) -> _Milestones:
        page = read_page(
            self._odoo,
            "project.milestone",
            [*since, ("sale_line_id.order_id.origin", "=like", "contract/%")],
            _MILESTONE_FIELDS,
            after=after,
            rows=MILESTONES_PER_PAGE,
        )
        news, workflows = self._news(
            [row for row in page.rows if row["is_reached"] or _is_edited(row)]
        )
        return _Milestones(
            [_reached(row, workflows[row["id"]]) for row in news if row["is_reached"]],
            [_unreached(row, workflows[row["id"]]) for row in news if not row["is_reached"]],
            None if page.next is None else PageMark(kind=Kind.MILESTONES, id=page.next),
            page.as_of,
        )

    def _ours(self, moves: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Without the credit notes that people made of our invoices: the invoices' own balances
        report those."""
        credited = {row["reversed_entry_id"][0] for row in moves if row["reversed_entry_id"]}
        origins: dict[int, str] = {}
        if credited:
            domain = [("id", "in", sorted(credited))]
            found = self._odoo.search_read("account.move", domain, ["invoice_origin"])
            origins = {row["id"]: row["invoice_origin"] for row in found}
        return [
            row
            for row in moves
            if not row["reversed_entry_id"]
            or is_ours(row["invoice_origin"], origins.get(row["reversed_entry_id"][0], ""))
        ]

    def _news(self, milestones: Sequence[Row]) -> tuple[list[Row], dict[int, str]]:
        """The milestones without those we marked ourselves, and the workflow ids of their contracts
        by the milestones' ids."""
        if not milestones:
            return [], {}
        lines = self._by_id(
            "sale.order.line",
            {row["sale_line_id"][0] for row in milestones},
            _LINE_FIELDS,
        )
        user = self._catalogue.own_user()
        news = [
            row
            for row in milestones
            if not row["is_reached"]
            or not _is_written_by(user, row)
            or not lines[row["sale_line_id"][0]]["invoice_lines"]
        ]
        orders = {row["id"]: lines[row["sale_line_id"][0]]["order_id"][0] for row in news}
        found = self._by_id("sale.order", set(orders.values()), _ORDER_FIELDS)
        return news, {milestone: found[order]["origin"] for milestone, order in orders.items()}

    def _by_id(self, model: str, ids: set[int], fields: Sequence[str]) -> dict[int, Row]:
        if not ids:
            return {}
        rows = self._odoo.search_read(model, [("id", "in", sorted(ids))], fields)
        return {row["id"]: row for row in rows}


def _since(window: SweepWindow) -> str:
    """From when on to read, as Odoo writes it. Its dates have seconds to show: one that is settled
    is over with the second."""
    if window.settled:
        return (window.since + timedelta(seconds=1)).astimezone(UTC).strftime(ODOO_DATETIME)
    return overlapping(window.since)


def _is_written_by(user: int, row: Row) -> bool:
    # Odoo knows no writer where the user's record is gone.
    return bool(row["write_uid"]) and row["write_uid"][0] == user


def _is_edited(row: Row) -> bool:
    return bool(row["write_date"] != row["create_date"])


def _reached(row: Row, workflow_id: str) -> ReachedMilestone:
    return ReachedMilestone(
        workflow_id=workflow_id,
        milestone_id=row["id"],
        reached_on=date.fromisoformat(row["reached_date"]) if row["reached_date"] else None,
        changed_at=utc(row["write_date"]),
    )


def _unreached(row: Row, workflow_id: str) -> UnreachedMilestone:
    return UnreachedMilestone(
        workflow_id=workflow_id,
        milestone_id=row["id"],
        changed_at=utc(row["write_date"]),
    )
