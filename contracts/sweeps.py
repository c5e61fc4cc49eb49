"""What a sweep over a whole portfolio asks and answers."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from contracts.contract.messages import MilestoneReachedInOdoo, MilestoneUnreachedInOdoo
from contracts.invoice.messages import InvoiceBalance
from contracts.model import Value
from contracts.money import Money

FIRST_LOOK_BACK = timedelta(days=7)
"""How far the first sweep looks back; later ones start where the last ended."""
MOST_FOUND = 10_000
"""What a sweep remembers to have found: well below the 2 MB that the engine keeps. What is started
twice is started once."""


class Kind(StrEnum):
    """What a sweep reads, in this order."""

    INVOICES = "invoices"
    MILESTONES = "milestones"


class PageMark(Value):
    """A record of this kind, by its id; a page of a sweep begins behind it."""

    kind: Kind
    id: int


class SweepWindow(BaseModel):
    """Everything changed at or after `since` (aware; the remote's clock) is wanted, and what could
    not be seen yet when that was read. `settled`: all of that has been seen since, and only what
    changed later is wanted. `after` is where this page begins; None: the first. With `record`
    only that one is wanted, whenever it changed.
    """

    since: datetime
    settled: bool = False
    after: PageMark | None = None
    record: PageMark | None = None


class ChangedInvoice(Value):
    workflow_id: str
    balance: InvoiceBalance


class ReachedMilestone(Value):
    """A milestone found reached in Odoo, and its contract's workflow."""

    workflow_id: str
    mark: MilestoneReachedInOdoo


class UnreachedMilestone(Value):
    """A milestone that somebody edited in Odoo and that is not reached there: news only to a
    contract that holds it as reached."""

    workflow_id: str
    mark: MilestoneUnreachedInOdoo


class OdooChanges(BaseModel):
    """One page of a sweep. `watermark`, of the first page, is where the next sweep starts. `next`
    is where the next page begins; None: this was the last."""

    invoices: list[ChangedInvoice] = Field(default_factory=list)
    milestones: list[ReachedMilestone] = Field(default_factory=list)
    unreached: list[UnreachedMilestone] = Field(default_factory=list)
    watermark: datetime
    next: PageMark | None = None


class Unfollowed(Value):
    """A posted invoice with money open whose workflow has ended: people are to be told."""

    workflow_id: str
    invoice_id: int
    number: str
    residual: Money


class OdooUnread(BaseModel):
    """The page of a sweep that is next, and what the sweep before it had told and has `seen`, from
    the watermark on that it began at."""

    window: SweepWindow
    watermark: datetime
    seen: list[str]


class OdooSweepResult(BaseModel):
    """What one sweep of Odoo did; its successor starts from `watermark`, which some sweep had first
    at `marked_at`; this one began to read at `read_at` (aware, the engine's clock).

    `seen` holds digests of the news that were told and are young enough to be read again.
    `unknown` counts workflows that no longer run, and `named` names some of them. `unfollowed` are
    those whose invoices are open: each has a to-do in Odoo. `left` have not: the next sweep tries
    again. `held` counts those that are not noted either, because `left` is full: the watermark does
    not move, so that the next sweep reads them again. `lost` are the runs of invoices' workflows
    that were ended by force, as known when that was looked for last, at `looked_at`. `unread` is
    where the next sweep goes on, where this one ended before its last page.
    """

    watermark: datetime
    marked_at: datetime
    read_at: datetime
    seen: list[str] = Field(default_factory=list)
    signalled: int = 0
    unknown: int = 0
    named: list[str] = Field(default_factory=list)
    unfollowed: list[str] = Field(default_factory=list)
    left: list[Unfollowed] = Field(default_factory=list)
    lost: list[str] = Field(default_factory=list)
    looked_at: datetime | None = None
    held: int = 0
    unread: OdooUnread | None = None

    def is_settled(self, overlap: timedelta) -> bool:
        """Whether this sweep has read what lies before the watermark so late that nothing of then
        can still appear: `overlap` is how long a change may take to become visible."""
        return self.read_at - self.marked_at > overlap


class OdooSweepProgress(BaseModel):
    """A sweep that goes on in another run: the result of the one before it, its own so far, the
    page that is next, and when it began (aware, the engine's clock)."""

    before: OdooSweepResult
    result: OdooSweepResult
    window: SweepWindow
    began_at: datetime


class ConnectorUnread(BaseModel):
    """Where a sweep goes on that ended before its last page: from when on it reads, the mark that
    its next page begins behind, and what was seen before it."""

    since: datetime
    after: str
    seen: dict[str, datetime]


class ConnectorSweepResult(BaseModel):
    """What one sweep of a connector did; its successor starts from `watermark`, by the clock of the
    connector's remote, or goes on with what this one has left `unread`.

    `seen` holds the keys of what is young enough to be read again, and when it changed. `day` is
    the one that the sweep began on, where its legal entity is. `started` counts the workflows that
    were started: contracts, or events.
    """

    watermark: datetime
    day: date | None = None
    seen: dict[str, datetime] = Field(default_factory=dict)
    started: int = 0
    unread: ConnectorUnread | None = None


class ConnectorSweepProgress(BaseModel):
    """How far a sweep has come: from when on it reads, what was seen before it, its own result so
    far, and the mark that the next page begins behind. It began at `began_at` (aware, the engine's
    clock), and has read so many `pages` since. `again`: a mark that its predecessor has left was
    refused, and it has begun anew."""

    since: datetime
    seen: dict[str, datetime]
    result: ConnectorSweepResult
    after: str
    began_at: datetime
    pages: int = 0
    again: bool = False

    def begin_page(self, as_of: datetime) -> None:
        """The first page's time, by the remote's clock, is where the next sweep starts."""
        self.pages += 1
        if not self.after:
            self.result.watermark = max(self.result.watermark, as_of)

    @property
    def reads_since(self) -> datetime | None:
        """When it began; None while it has read nothing that its end could lose."""
        return self.began_at if self.pages else None

    def ended(self) -> ConnectorSweepResult:
        """Its result before the last page."""
        unread = ConnectorUnread(since=self.since, after=self.after, seen=self.seen)
        return self.result.model_copy(update={"unread": unread})

    def begins_anew(self, *, is_lasting: bool) -> bool:
        """Whether a page that cannot be had, and may never be, is one that its predecessor has
        left: a mark may be refused after a while."""
        return is_lasting and bool(self.after) and not self.pages and not self.again

    def anew(self) -> ConnectorSweepProgress:
        """From the first page on."""
        return self.model_copy(update={"after": "", "again": True})

    def is_new(self, key: str, changed_at: datetime, overlap: timedelta) -> bool:
        """Whether the sweep before this one has not seen it; it is remembered for the next one
        where that may read it again."""
        is_young = changed_at >= self.result.watermark - overlap
        if is_young and len(self.result.seen) < MOST_FOUND:
            self.result.seen[key] = changed_at
        return key not in self.seen


class ConnectorSweep(BaseModel):
    """Which connector to look through, and the legal entity its contracts belong to.

    A change may take `overlap` to show, so each sweep begins that long before the watermark of its
    predecessor. The first of a day in `time_zone` (IANA) begins `nightly` before it, where that is
    longer: what took longer to show is seen then. `progress` is how far a sweep has come that goes
    on in another run.
    """

    system: str
    legal_entity: str
    overlap: timedelta
    nightly: timedelta = timedelta(0)
    time_zone: str = "UTC"
    progress: ConnectorSweepProgress | None = None

    def day_of(self, now: datetime) -> date:
        """The day it is, where the connector's legal entity is."""
        return now.astimezone(ZoneInfo(self.time_zone)).date()

    def begun(self, before: ConnectorSweepResult | None, now: datetime) -> ConnectorSweepProgress:
        """A sweep begins at `now` where its predecessor ended, and somewhat before that; without a
        predecessor it looks back by a week. What that has left unread it goes on with."""
        before = before or ConnectorSweepResult(watermark=now - FIRST_LOOK_BACK)
        if (rest := before.unread) is not None:
            result = before.model_copy(update={"unread": None, "started": 0})
            return ConnectorSweepProgress(
                since=rest.since, seen=rest.seen, result=result, after=rest.after, began_at=now
            )
        result = ConnectorSweepResult(watermark=before.watermark, day=self.day_of(now))
        since = self.begins(before.watermark, before.day, self.day_of(now))
        return ConnectorSweepProgress(
            since=since, seen=before.seen, result=result, after="", began_at=now
        )

    def begins(self, watermark: datetime, last_day: date | None, today: date) -> datetime:
        """From when on changes are read; `last_day` is that of the predecessor."""
        is_first_of_day = last_day != today
        return watermark - (max(self.overlap, self.nightly) if is_first_of_day else self.overlap)


class ProjectBurn(Value):
    """A project with allocated hours: how many steps of them are burned, and whether it has its
    people."""

    workflow_id: str
    project_id: int
    step: int
    staffed: bool


class BurnPage(BaseModel):
    """A page of them; `next` is the order that the next page begins behind, None: the last."""

    projects: list[ProjectBurn]
    next: int | None = None


class BurnSweepResult(BaseModel):
    """What one sweep of the burn has seen, by project: the step, negative (-1 - step) while the
    project lacks people. `signalled` counts the contracts that were asked to read their own. Where
    it ended before its last page, the next goes on behind the order `after`."""

    seen: dict[int, int] = Field(default_factory=dict)
    signalled: int = 0
    after: int = 0


class BurnSweepProgress(BaseModel):
    """A sweep that goes on in another run: what the one before it had seen, its own result so far,
    the order that the next page begins behind, and when it began (aware, the engine's clock)."""

    before: dict[int, int]
    result: BurnSweepResult
    after: int
    began_at: datetime
