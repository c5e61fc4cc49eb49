"""The project's milestones in Odoo: created, marked reached, moved and dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from temporalio import activity

from activities.odoo import project_rows
from activities.odoo.clock import utc
from activities.odoo.contexts import UNTRACKED
from activities.odoo.needs import PROJECT, Need
from activities.odoo.project_rows import ProjectChange
from contracts.contract.messages import MilestoneReachedInOdoo
from contracts.model import Contract, JsonObject
from contracts.ownership import create_once
from gateways.errors import FailureKind, GatewayError
from gateways.odoo import OdooClient
from gateways.odoo.errors import is_record_missing

_MILESTONE = "project.milestone"
_REACHED_FIELDS = ("is_reached", "reached_date", "write_date")

NEEDS = (
    project_rows.MILESTONES,
    # Created together with them.
    Need(_MILESTONE, ("task_ids",), access=PROJECT),
    project_rows.TASKS,
    Need(_MILESTONE, _REACHED_FIELDS, access=PROJECT, rights=("unlink",)),
)


class MilestoneMark(BaseModel):
    """What a milestone in Odoo is to show: whether it is reached."""

    milestone_id: int
    reached: bool = True


class Marked(BaseModel):
    """When the mark was set, by Odoo's clock (aware, UTC): what was read before it is no news."""

    as_of: datetime


class OdooMilestones:
    """An activity on the `odoo-master` task queue."""

    def __init__(self, odoo: OdooClient) -> None:
        self._odoo = odoo

    @activity.defn
    def mark_milestone(self, mark: MilestoneMark) -> Marked:
        """Set `is_reached`; the order line's delivered quantity follows in Odoo."""
        [saved] = self._odoo.save(
            _MILESTONE, [mark.milestone_id], {"is_reached": mark.reached}, ["write_date"]
        )
        return Marked(as_of=utc(saved["write_date"]))


def plan(odoo: OdooClient, contract: Contract, project: int) -> dict[str, int]:
    """Create the milestones, each with its task, as they are when the project begins; their ids
    by their keys."""
    once = create_once("milestone.name", "milestone.deadline", "task.name")
    return _load(odoo, contract, project_rows.planned_rows(contract, project), once)


def create(odoo: OdooClient, contract: Contract, project: int) -> dict[str, int]:
    """Create the milestones that are not there yet, each delivering its own order line in whole;
    the ids of all by their keys."""
    once = create_once("milestone.name", "milestone.deadline")
    return _load(odoo, contract, project_rows.milestone_rows(contract, project), once)


def _load(
    odoo: OdooClient, contract: Contract, rows: list[JsonObject], once: bool
) -> dict[str, int]:
    ids = odoo.load(_MILESTONE, rows, create_once=once, context=UNTRACKED)
    return dict(zip((item.key for item in contract.milestones), ids, strict=True))


def move(odoo: OdooClient, change: ProjectChange) -> list[MilestoneReachedInOdoo]:
    """Set the deadlines that a change order moved; a milestone people deleted stays so.

    Returns those of them that are marked reached: from now on we are who wrote them last, and a
    sweep takes such a mark for ours.
    """
    moved = {change.milestones[key]: due for key, due in project_rows.rescheduled(change).items()}
    rows = [
        {".id": milestone, "deadline": due.isoformat() if due else ""}
        for milestone in odoo.by_id(_MILESTONE, moved, ["id"])
        for due in [moved[milestone]]
    ]
    written = odoo.load(_MILESTONE, rows, create_once=create_once("milestone.rescheduled"))
    return [
        reached_mark(row)
        for row in odoo.read(_MILESTONE, written, _REACHED_FIELDS)
        if row["is_reached"]
    ]


def reached_mark(row: Mapping[str, Any]) -> MilestoneReachedInOdoo:
    """What a reached milestone's `reached_date` and `write_date` say."""
    return MilestoneReachedInOdoo(
        milestone_id=row["id"], on=row["reached_date"] or None, as_of=utc(row["write_date"])
    )


def drop(odoo: OdooClient, change: ProjectChange) -> None:
    """Delete the milestones that a change order dropped; those gone already are a success, also
    where somebody else deletes them in the same moment, or the call comes twice."""
    after = {item.key for item in change.after.milestones}
    dropped = [
        change.milestones[item.key]
        for item in change.before.milestones
        if item.key not in after and item.key in change.milestones
    ]
    there = list(odoo.by_id(_MILESTONE, dropped, ["id"]))
    if not there:
        return
    try:
        odoo.call(_MILESTONE, "unlink", there)
    except GatewayError as refusal:
        if not is_record_missing(refusal) or odoo.by_id(_MILESTONE, there, ["id"]):
            raise


def mark_reached(odoo: OdooClient, milestones: Sequence[int]) -> None:
    """Set `is_reached` of milestones (ids); their order lines' delivered quantities follow in Odoo.
    One that people have deleted there has nothing to follow."""
    try:
        odoo.write(_MILESTONE, milestones, {"is_reached": True})
    except GatewayError as refusal:
        there = list(odoo.by_id(_MILESTONE, milestones, ["id"]))
        if refusal.kind is not FailureKind.BUSINESS or set(there) == set(milestones):
            raise
        odoo.write(_MILESTONE, there, {"is_reached": True})
