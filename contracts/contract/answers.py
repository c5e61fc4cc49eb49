"""What acts answer, where one value is not enough: plain data, whoever performed them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, TypeVar

from contracts.billing.expenses import Expense
from contracts.billing.time import TimeEntry
from contracts.contract.messages import MilestoneReachedInOdoo
from contracts.handover import Burn, HandoverPlan
from contracts.model import Contract, JsonObject

Record = TypeVar("Record", TimeEntry, Expense)


@dataclass(frozen=True, slots=True)
class DealRead:
    """A won deal as contract data. `signature` is the service for signatures whose envelope its
    contract waits for; empty: none."""

    contract_data: JsonObject
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The contract is valid; what its legal entity adds to it."""

    contract: Contract
    company_id: int | None
    time_zone: str


@dataclass(frozen=True, slots=True)
class RecordsRead(Generic[Record]):
    """Approved hours or expenses of a plan that are new or changed, and the ids of those that are
    gone. `as_of` is Odoo's clock before it was read."""

    found: tuple[Record, ...]
    gone: tuple[int, ...]
    as_of: datetime | None
    until: date


@dataclass(frozen=True, slots=True)
class ProjectAmended:
    """Milestones and tasks as they are in Odoo after a change; marks that were found there."""

    milestone_ids: dict[str, int]
    task_ids: dict[str, int]
    reached: tuple[MilestoneReachedInOdoo, ...] = ()


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The project follows this plan. `task_ids` are the contract's own tasks by key, and
    `template_tasks` those that came of templates by id; `kept` says what people had edited, so that
    it stayed as it is."""

    plan: HandoverPlan
    task_ids: dict[str, int]
    template_tasks: dict[int, Any]
    kept: tuple[str, ...] = ()
    staffed: bool = False


@dataclass(frozen=True, slots=True)
class BurnRead:
    """What was worked and spent so far, and whether the project is staffed."""

    burn: Burn
    staffed: bool = False
