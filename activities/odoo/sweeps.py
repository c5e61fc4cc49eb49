"""What changed in Odoo since a watermark: a few queries for the whole portfolio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from temporalio import activity

from activities.odoo.balances import FIELDS, balances_of, is_ours
from activities.odoo.catalogue import Catalogue
from activities.odoo.clock import OVERLAP, overlapping, utc
from activities.odoo.needs import ACCOUNTING, PROJECT, SALES, Need
from contracts.sweeps import (
    ChangedInvoice,
    OdooChanges,
    ReachedMilestone,
    SweepWindow,
    UnreachedMilestone,
)
from gateways.odoo import OdooClient

SWEEP_OVERLAP = OVERLAP
"""How far a sweep looks back behind its watermark."""

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


class OdooSweeps:
    """Activities on the `odoo-finance` task queue."""

    def __init__(self, odoo: OdooClient, catalogue: Catalogue | None = None) -> None:
        """`catalogue` is the one of the worker's other activities, if they share it."""
        self._odoo = odoo
        self._catalogue = catalogue or Catalogue(odoo)

    @activity.defn
    def read_changes(self, window: SweepWindow) -> OdooChanges:
        """What changed in our invoices, credit notes and milestones since the watermark.

        The watermark is Odoo's own clock (`write_date`), so that two machines' clocks never
        matter. A milestone that is not reached is news only if somebody edited it since it was
        created: whether it was reached before, its contract knows.

        A mark of our own is no news. It is our own where we wrote the milestone last and its order
        line was drafted: we mark what a contract holds as reached, and bill it. Otherwise we wrote
        something else (a change order moved the day) after a person, who may have set the mark. A
        mark that was taken back is reported whoever wrote last.
        """
        since = overlapping(window.since)
        moves = self._changed_invoices(since)
        milestones = self._changed_milestones(since)
        news, workflows = self._news(milestones)
        balances = balances_of(self._odoo, moves)
        dates = [utc(row["write_date"]) for row in [*moves, *milestones]]
        return OdooChanges(
            invoices=[
                ChangedInvoice(workflow_id=row["invoice_origin"], balance=balance)
                for row, balance in zip(moves, balances, strict=True)
            ],
            milestones=[_reached(row, workflows[row["id"]]) for row in news if row["is_reached"]],
            unreached=[
                _unreached(row, workflows[row["id"]]) for row in news if not row["is_reached"]
            ],
            watermark=max([window.since, *dates]),
        )

    def _changed_invoices(self, since: str) -> list[dict[str, Any]]:
        moves = self._odoo.search_read(
            "account.move",
            [
                ("invoice_origin", "=like", "contract/%/invoice/%"),
                ("move_type", "in", ["out_invoice", "out_refund"]),
                ("write_date", ">=", since),
            ],
            _INVOICE_FIELDS,
            order="write_date, id",
        )
        return self._ours(moves)

    def _changed_milestones(self, since: str) -> list[dict[str, Any]]:
        milestones = self._odoo.search_read(
            "project.milestone",
            [("write_date", ">=", since), ("sale_line_id.order_id.origin", "=like", "contract/%")],
            _MILESTONE_FIELDS,
            order="write_date, id",
        )
        return [row for row in milestones if row["is_reached"] or _is_edited(row)]

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
