"""The project's milestones in Odoo: created, marked reached, moved and dropped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel
from temporalio import activity

from activities.done import Done
from activities.odoo import project_rows
from activities.odoo.clock import utc
from activities.odoo.contexts import UNTRACKED
from activities.odoo.needs import PROJECT, Need
from activities.odoo.project_rows import MilestonesRequest, ProjectChange
from contracts.contract.messages import MilestoneReachedInOdoo
from contracts.model import Contract
from contracts.ownership import create_once
from gateways.errors import FailureKind, GatewayError
from gateways.odoo import OdooClient
from gateways.odoo.errors import is_record_missing

_REACHED_FIELDS = ("is_reached", "reached_date", "write_date")

NEEDS = (
    project_rows.MILESTONES,
    # Created together with them.
    Need("project.milestone", ("task_ids",), access=PROJECT),
    project_rows.TASKS,
    Need("project.milestone", _REACHED_FIELDS, access=PROJECT, rights=("unlink",)),
)


class MilestoneIds(BaseModel):
    """Milestone key to its id in Odoo."""

    ids: dict[str, int]


class MilestoneRef(BaseModel):
    """A milestone in Odoo."""

    milestone_id: int


class Marked(BaseModel):
    """When the mark was set, by Odoo's clock (aware, UTC): what was read before it is no news."""

    as_of: datetime


class Rescheduled(BaseModel):
    """Those of the milestones whose day was moved that are marked reached."""

    reached: list[MilestoneReachedInOdoo] = []


class OdooMilestones:
    """Activities on the `odoo-master` task queue: the project's milestones."""

    def __init__(self, odoo: OdooClient) -> None:
        self._odoo = odoo

    def plan_milestones(self, contract: Contract, project_id: int) -> dict[str, int]:
        """Create the milestones, each with its task, as they are when the project begins; their ids
        by their keys. A step of `provision`."""
        rows = project_rows.planned_rows(contract, project_id)
        once = create_once("milestone.name", "milestone.deadline", "task.name")
        ids = self._odoo.load("project.milestone", rows, create_once=once, context=UNTRACKED)
        return dict(zip((item.key for item in contract.milestones), ids, strict=True))

    @activity.defn
    def create_milestones(self, request: MilestonesRequest) -> MilestoneIds:
        """Create the milestones, each delivering its own order line in whole (100 %)."""
        rows = project_rows.milestone_rows(request.contract, request.project_id)
        once = create_once("milestone.name", "milestone.deadline")
        ids = self._odoo.load("project.milestone", rows, create_once=once)
        keys = (item.key for item in request.contract.milestones)
        return MilestoneIds(ids=dict(zip(keys, ids, strict=True)))

    @activity.defn
    def mark_milestone_reached(self, ref: MilestoneRef) -> Marked:
        """Set `is_reached`; the order line's delivered quantity follows in Odoo."""
        [saved] = self._odoo.save(
            "project.milestone", [ref.milestone_id], {"is_reached": True}, ["write_date"]
        )
        return Marked(as_of=utc(saved["write_date"]))

    @activity.defn
    def amend_milestones(self, change: ProjectChange) -> Rescheduled:
        """Set the deadlines that a change order moved; a milestone people deleted stays so.

        Says which of them are marked reached: from now on we are who wrote them last, and a sweep
        takes such a mark for ours."""
        moved = {
            change.milestones[key]: due for key, due in project_rows.rescheduled(change).items()
        }
        if not moved:
            return Rescheduled()
        there = self._odoo.search_read("project.milestone", [("id", "in", sorted(moved))], ["id"])
        rows = [
            {".id": row["id"], "deadline": due.isoformat() if due else ""}
            for row in there
            for due in [moved[row["id"]]]
        ]
        once = create_once("milestone.rescheduled")
        written = self._odoo.load("project.milestone", rows, create_once=once)
        return Rescheduled(
            reached=[
                MilestoneReachedInOdoo(
                    milestone_id=row["id"],
                    on=row["reached_date"] or None,
                    as_of=utc(row["write_date"]),
                )
                for row in self._odoo.read("project.milestone", written, _REACHED_FIELDS)
                if row["is_reached"]
            ]
        )

    @activity.defn
    def drop_milestones(self, change: ProjectChange) -> Done:
        """Delete the milestones that a change order dropped; those gone already are a success."""
        after = {item.key for item in change.after.milestones}
        ids = [
            change.milestones[item.key]
            for item in change.before.milestones
            if item.key not in after and item.key in change.milestones
        ]
        if not ids:
            return Done()
        there = self._odoo.search_read("project.milestone", [("id", "in", ids)], ["id"])
        if there:
            self._delete_milestones([row["id"] for row in there])
        return Done()

    def _delete_milestones(self, ids: list[int]) -> None:
        """Deleted by somebody else in the same moment, or by a call that came twice, is deleted."""
        try:
            self._odoo.call("project.milestone", "unlink", ids)
        except GatewayError as refusal:
            gone = is_record_missing(refusal)
            if not gone or self._odoo.search_read("project.milestone", [("id", "in", ids)], ["id"]):
                raise


def mark_reached(odoo: OdooClient, milestones: Sequence[int]) -> None:
    """Set `is_reached` of milestones (ids); their order lines' delivered quantities follow in Odoo.
    One that people have deleted there has nothing to follow."""
    try:
        odoo.write("project.milestone", milestones, {"is_reached": True})
    except GatewayError as refusal:
        there = [row["id"] for row in odoo.find("project.milestone", "id", milestones, ["id"])]
        if refusal.kind is not FailureKind.BUSINESS or set(there) == set(milestones):
            raise
        if there:
            odoo.write("project.milestone", there, {"is_reached": True})
