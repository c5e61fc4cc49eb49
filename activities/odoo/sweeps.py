"""What changed in Odoo since a watermark: a few queries for the whole portfolio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta
from typing import Any

from temporalio import activity

from activities.odoo.balances import FIELDS, balances_of, is_ours
from activities.odoo.catalogue import Catalogue
from activities.odoo.clock import ODOO_DATETIME, OVERLAP, overlapping, utc
from activities.odoo.milestones import reached_mark
from activities.odoo.needs import ACCOUNTING, PROJECT, SALES, Need
from activities.odoo.paging import fitting, read_page
from contracts.contract.messages import MilestoneUnreachedInOdoo
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
from gateways.fields import names
from gateways.odoo import OdooClient

SWEEP_OVERLAP = OVERLAP
"""How far a sweep looks back behind its watermark."""

INVOICES_PER_PAGE = 500
MILESTONES_PER_PAGE = 1_000
"""What one result holds: some hundred kB, and a few seconds of Odoo's time."""

_INVOICE_FIELDS = (*FIELDS, "reversed_entry_id")
_MILESTONE_FIELDS = names("is_reached reached_date sale_line_id create_date write_date write_uid")
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


class OdooSweeps:
    """Activities on the `odoo-finance` task queue."""

    def __init__(self, odoo: OdooClient, catalogue: Catalogue) -> None:
        self._odoo = odoo
        self._catalogue = catalogue

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
        changes = OdooChanges(watermark=window.since)
        if window.record is not None:
            self._add_record(changes, window.record)
            return changes
        since: Clause = [("write_date", ">=", _since(window))]
        mark = window.after or PageMark(kind=Kind.INVOICES, id=0)
        if mark.kind is Kind.INVOICES:
            mark = self._add_invoices(changes, since, mark.id)
        if mark.kind is Kind.MILESTONES:
            changes.next = self._add_milestones(changes, since, mark.id)
        else:
            changes.next = mark
        return changes

    def _add_record(self, changes: OdooChanges, record: PageMark) -> None:
        add = self._add_invoices if record.kind is Kind.INVOICES else self._add_milestones
        add(changes, [("id", "=", record.id)], 0)

    def _add_invoices(self, changes: OdooChanges, since: Clause, after: int) -> PageMark:
        """Add a page of the changed invoices; returns where the next page begins."""
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
        changed = [
            ChangedInvoice(workflow_id=workflow_of_origin(row["invoice_origin"]), balance=balance)
            for row, balance in zip(moves, balances_of(self._odoo, moves), strict=True)
        ]
        count = fitting(changed)
        changes.invoices = changed[:count]
        changes.watermark = max(changes.watermark, page.as_of or changes.watermark)
        following = int(moves[count - 1]["id"]) if count < len(changed) else page.next
        if following is None:
            return PageMark(kind=Kind.MILESTONES, id=0)
        return PageMark(kind=Kind.INVOICES, id=following)

    def _add_milestones(self, changes: OdooChanges, since: Clause, after: int) -> PageMark | None:
        """Add a page of the changed milestones; returns where the next page begins."""
        page = read_page(
            self._odoo,
            "project.milestone",
            [*since, ("sale_line_id.order_id.origin", "=like", "contract/%")],
            _MILESTONE_FIELDS,
            after=after,
            rows=MILESTONES_PER_PAGE,
        )
        edited = [row for row in page.rows if row["is_reached"] or _is_edited(row)]
        for row, workflow_id in self._news(edited):
            if row["is_reached"]:
                mark = reached_mark(row)
                changes.milestones.append(ReachedMilestone(workflow_id=workflow_id, mark=mark))
            else:
                gone = MilestoneUnreachedInOdoo(
                    milestone_id=row["id"], as_of=utc(row["write_date"])
                )
                changes.unreached.append(UnreachedMilestone(workflow_id=workflow_id, mark=gone))
        changes.watermark = max(changes.watermark, page.as_of or changes.watermark)
        return None if page.next is None else PageMark(kind=Kind.MILESTONES, id=page.next)

    def _ours(self, moves: Sequence[Row]) -> list[Row]:
        """Without the credit notes that people made of our invoices: the invoices' own balances
        report those."""
        credited = {row["reversed_entry_id"][0] for row in moves if row["reversed_entry_id"]}
        origins = self._odoo.by_id("account.move", credited, ["invoice_origin"])
        return [
            row
            for row in moves
            if not row["reversed_entry_id"]
            or is_ours(
                row["invoice_origin"],
                origins.get(row["reversed_entry_id"][0], {}).get("invoice_origin", ""),
            )
        ]

    def _news(self, milestones: Sequence[Row]) -> list[tuple[Row, str]]:
        """The milestones without those we marked ourselves, each with the workflow id of its
        contract."""
        if not milestones:
            return []
        line_ids = {row["sale_line_id"][0] for row in milestones}
        lines = self._odoo.by_id("sale.order.line", line_ids, _LINE_FIELDS)
        orders = self._odoo.by_id(
            "sale.order", {line["order_id"][0] for line in lines.values()}, _ORDER_FIELDS
        )
        user = self._catalogue.own_user()
        news = []
        for row in milestones:
            line = lines[row["sale_line_id"][0]]
            is_ours = _is_written_by(user, row) and line["invoice_lines"]
            if not (row["is_reached"] and is_ours):
                news.append((row, orders[line["order_id"][0]]["origin"]))
        return news


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
