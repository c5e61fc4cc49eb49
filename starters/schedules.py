"""What a Temporal namespace needs before the first contract: search attributes and the sweeps.

Everything here may be repeated: what is right already is left alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import time as TimeOfDay
from datetime import timedelta

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleDescription,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.common import SearchAttributeIndexedValueType
from temporalio.service import RPCError, RPCStatusCode

from contracts.audit.anchors import AnchorDue
from contracts.figures import FiguresRequest
from contracts.mails import Digest
from contracts.retention import RetentionDue
from contracts.sweeps import ConnectorSweep
from gateways.connectors import Group, connector
from starters.client.names import (
    AUDIT_ANCHOR_WORKFLOW,
    BANK_SWEEP_WORKFLOW,
    BURN_SWEEP_WORKFLOW,
    CRM_SWEEP_WORKFLOW,
    ESIGN_SWEEP_WORKFLOW,
    FIGURES_SCHEDULE,
    FIGURES_WORKFLOW,
    MAIL_DIGEST_WORKFLOW,
    ODOO_SWEEP_WORKFLOW,
    PAYMENTS_SWEEP_WORKFLOW,
    RETENTION_WORKFLOW,
    TIMESHEET_SWEEP_WORKFLOW,
)
from starters.findings import Change, Did, SetupRefused
from wiring.settings import Settings
from workflows import options, search_attributes, task_queues

ODOO_SWEEP = "c2c-odoo-sweep"
BURN_SWEEP = "c2c-burn-sweep"
_AUDIT_ANCHOR = "c2c-audit-anchor-"
MAIL_DIGEST = "c2c-mail-digest"
RETENTION = "c2c-retention"
"""With a legal entity's name behind it, or nothing for what belongs to none."""

_CONNECTOR_SWEEPS: dict[Group, str] = {
    Group.BANK: BANK_SWEEP_WORKFLOW,
    Group.CRM: CRM_SWEEP_WORKFLOW,
    Group.ESIGN: ESIGN_SWEEP_WORKFLOW,
    Group.TIMESHEETS: TIMESHEET_SWEEP_WORKFLOW,
    Group.PAYMENTS: PAYMENTS_SWEEP_WORKFLOW,
}
"""What looks through the connectors of a group."""

_UTC = "UTC"
_LEAST_CATCH_UP = timedelta(minutes=1)
_MAY_LAST = timedelta(minutes=30)
_DAILY = timedelta(days=1)
_VISIBLE_WITHIN_SECONDS = 15.0
"""A new search attribute takes a moment until the server accepts it in queries."""

_TYPES = {
    SearchAttributeIndexedValueType.KEYWORD: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    SearchAttributeIndexedValueType.DATETIME: IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
    SearchAttributeIndexedValueType.DOUBLE: IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE,
    SearchAttributeIndexedValueType.INT: IndexedValueType.INDEXED_VALUE_TYPE_INT,
}


@dataclass(frozen=True)
class Sweep:
    """A sweep's schedule: what is started how often, or with `at` on each working day at that time.
    What belongs to a legal entity is in its zone, by which it also counts the days."""

    id: str
    workflow: str
    every: timedelta
    argument: ConnectorSweep | AnchorDue | Digest | FiguresRequest | RetentionDue | None = None
    at: TimeOfDay | None = None

    @property
    def time_zone(self) -> str:
        return self.argument.time_zone if self.argument else _UTC

    @property
    def words(self) -> str:
        """When it starts."""
        if self.at is not None:
            return f"Monday to Friday at {self.at:%H:%M} ({self.time_zone})"
        return f"every {self.every.total_seconds():.0f} s"

    @property
    def catch_up(self) -> timedelta:
        """How late it may still start where Temporal was away when it was due. The last time that
        was missed always lies within its interval, and one sweep catches up for all: it starts from
        its predecessor's watermark. So a daily one does not wait for the next day."""
        return max(self.every, _LEAST_CATCH_UP)

    @property
    def ends_within(self) -> timedelta:
        """How long it may last. One that hangs, as where the release it began with is gone, would
        hold up all that follow: they never run beside each other. Nothing is lost by its end, the
        next starts from the same watermark. Where that is long in coming, it waits for a remote
        that is away instead. One that only takes long ends by itself before, and the next goes on
        (`workflows.sweeps.is_time_up`)."""
        return max(self.every, _MAY_LAST)


@dataclass
class Attributes:
    """The namespace's search attributes against ours: those that lack, and those of another type
    (name, its type there, the type it must have)."""

    missing: list[str] = field(default_factory=list)
    conflicting: list[tuple[str, str, str]] = field(default_factory=list)


# --- search attributes --------------------------------------------------------------------------


async def compare_attributes(client: Client) -> Attributes:
    """Compare the namespace's search attributes with `workflows.search_attributes`."""
    answer = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    found = Attributes()
    for key in search_attributes.ALL:
        there, wanted = answer.custom_attributes.get(key.name), _TYPES[key.indexed_value_type]
        if there is None:
            found.missing.append(key.name)
        elif there != wanted:
            found.conflicting.append((key.name, _type_name(there), _type_name(wanted)))
    return found


async def ensure_search_attributes(client: Client) -> list[Change]:
    """Register what is missing. Raises SetupRefused where that takes a person."""
    found = await compare_attributes(client)
    if found.conflicting:
        told = ", ".join(
            f"{name} is {there}, not {ours}" for name, there, ours in found.conflicting
        )
        raise SetupRefused(
            f"search attributes of namespace {client.namespace} have another type: {told}. "
            "Rename or remove them there, or use a namespace of its own."
        )
    if found.missing:
        await _register(client, found.missing)
        await _until_visible(client)
    return [
        Change(
            "search attribute",
            key.name,
            Did.CREATED if key.name in found.missing else Did.UNCHANGED,
            _type_name(_TYPES[key.indexed_value_type]),
        )
        for key in search_attributes.ALL
    ]


async def _register(client: Client, names: Sequence[str]) -> None:
    wanted = {
        key.name: _TYPES[key.indexed_value_type]
        for key in search_attributes.ALL
        if key.name in names
    }
    try:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=wanted)
        )
    except RPCError as error:
        if error.status not in (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED):
            raise
        told = ", ".join(f"{name} ({_type_name(kind)})" for name, kind in wanted.items())
        raise SetupRefused(
            f"Temporal does not let us register search attributes in namespace {client.namespace} "
            f"({error.message}). Create these in its web page or with its own tool: {told}"
        ) from error


async def _until_visible(client: Client) -> None:
    deadline = time.monotonic() + _VISIBLE_WITHIN_SECONDS
    names = [key.name for key in search_attributes.ALL]
    query = " OR ".join(f"{name} IS NOT NULL" for name in names)
    while True:
        try:
            await client.count_workflows(query)
            return
        except RPCError as error:
            late = time.monotonic() >= deadline
            if late or error.status is not RPCStatusCode.INVALID_ARGUMENT:
                raise
        await asyncio.sleep(0.2)


def _type_name(kind: IndexedValueType.ValueType) -> str:
    name = IndexedValueType.Name(kind)
    return name.removeprefix("INDEXED_VALUE_TYPE_").replace("_", " ").title().replace(" ", "")


# --- sweeps -------------------------------------------------------------------------------------


def sweeps(settings: Settings) -> list[Sweep]:
    """The sweeps this configuration asks for: Odoo's, the burn's, the figures of each legal entity,
    and one for each connector that has one."""
    wanted = [
        Sweep(ODOO_SWEEP, ODOO_SWEEP_WORKFLOW, timedelta(seconds=settings.sweeps.odoo_seconds)),
        Sweep(BURN_SWEEP, BURN_SWEEP_WORKFLOW, timedelta(seconds=settings.sweeps.burn_seconds)),
    ]
    daily = timedelta(seconds=settings.sweeps.figures_seconds)
    for owner, its in settings.entities.items():
        request = FiguresRequest(legal_entity=owner, time_zone=its.time_zone)
        wanted.append(Sweep(f"{FIGURES_SCHEDULE}{owner}", FIGURES_WORKFLOW, daily, request))
    for group, workflow in _CONNECTOR_SWEEPS.items():
        every = timedelta(seconds=getattr(settings.sweeps, f"{group.section}_seconds"))
        for name, configured in settings.connectors(group).items():
            declared, entity = connector(group, configured.kind).sweep, configured.legal_entity
            if declared is None or entity is None:
                continue
            argument = ConnectorSweep(
                system=name,
                legal_entity=entity,
                overlap=declared.overlap,
                nightly=declared.nightly,
                time_zone=settings.entities[entity].time_zone,
            )
            wanted.append(Sweep(_sweep_id(group, name), workflow, every, argument))
    if (mail := settings.mail) is not None:
        digest, day = Digest(time_zone=mail.time_zone), timedelta(days=1)
        wanted.append(Sweep(MAIL_DIGEST, MAIL_DIGEST_WORKFLOW, day, digest, mail.digest_at))
    return [*wanted, *_anchors(settings), *_retention(settings)]


def _anchors(settings: Settings) -> list[Sweep]:
    """Where a record store is configured, each legal entity's audit record is anchored daily."""
    if not settings.records.is_configured:
        return []
    return [
        Sweep(
            f"{_AUDIT_ANCHOR}{name}",
            AUDIT_ANCHOR_WORKFLOW,
            _DAILY,
            AnchorDue(legal_entity=name, time_zone=entity.time_zone),
        )
        for name, entity in settings.entities.items()
    ]


def _retention(settings: Settings) -> list[Sweep]:
    """Where there are rules, they are applied daily."""
    rules, found = settings.retention, []
    for name in rules.entities:
        if rules.of(name).has_rules:
            zone = settings.entities[name].time_zone
            due = RetentionDue(legal_entity=name, time_zone=zone)
            found.append(Sweep(f"{RETENTION}-{name}", RETENTION_WORKFLOW, _DAILY, due))
    if rules.has_rules:
        found.append(Sweep(RETENTION, RETENTION_WORKFLOW, _DAILY, RetentionDue()))
    return found


def _sweep_id(group: Group, name: str) -> str:
    return f"c2c-{group.section}-sweep-{name}"


async def ensure_sweeps(client: Client, settings: Settings) -> list[Change]:
    """Create or update the sweeps' schedules; one that somebody paused stays paused."""
    return [await _ensure(client, sweep) for sweep in sweeps(settings)]


async def orphans(client: Client, settings: Settings) -> list[str]:
    """Schedules of ours whose connector, or legal entity, is not configured any more. The server's
    list lags: one that was just removed may still be named."""
    wanted = {sweep.id for sweep in sweeps(settings)}
    ours = (
        *(_sweep_id(group, "") for group in Group),
        _AUDIT_ANCHOR,
        MAIL_DIGEST,
        RETENTION,
        FIGURES_SCHEDULE,
    )
    listed = [item.id async for item in await client.list_schedules()]
    return sorted(item for item in listed if item.startswith(ours) and item not in wanted)


async def remove_orphans(client: Client, settings: Settings) -> list[Change]:
    """Remove them: they would ask for what no worker has, again and again."""
    removed = []
    for name in await orphans(client, settings):
        try:
            await client.get_schedule_handle(name).delete()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            continue
        why = "what it is for is not configured any more"
        removed.append(Change("schedule", name, Did.REMOVED, why))
    return removed


async def _ensure(client: Client, sweep: Sweep) -> Change:
    every = sweep.words
    try:
        await client.create_schedule(sweep.id, _schedule(sweep))
        return Change("schedule", sweep.id, Did.CREATED, every)
    except ScheduleAlreadyRunningError:
        handle = client.get_schedule_handle(sweep.id)
    if not await differences(client, await handle.describe(), sweep):
        return Change("schedule", sweep.id, Did.UNCHANGED, every)

    def updated(there: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule = _schedule(sweep)
        schedule.state = there.description.schedule.state
        return ScheduleUpdate(schedule=schedule)

    await handle.update(updated)
    return Change("schedule", sweep.id, Did.UPDATED, every)


def _schedule(sweep: Sweep) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            sweep.workflow,
            args=[] if sweep.argument is None else [sweep.argument],
            id=sweep.id,
            task_queue=task_queues.CONTRACTS,
            execution_timeout=sweep.ends_within,
            task_timeout=options.TASK_TIMEOUT,
        ),
        spec=_spec(sweep),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=sweep.catch_up),
    )


def _spec(sweep: Sweep) -> ScheduleSpec:
    if sweep.at is None:
        intervals = [ScheduleIntervalSpec(every=sweep.every)]
        return ScheduleSpec(intervals=intervals, time_zone_name=sweep.time_zone)
    calendar = ScheduleCalendarSpec(
        hour=[ScheduleRange(sweep.at.hour)],
        minute=[ScheduleRange(sweep.at.minute)],
        day_of_week=[ScheduleRange(1, 5)],
    )
    return ScheduleSpec(calendars=[calendar], time_zone_name=sweep.time_zone)


def _times(spec: ScheduleSpec) -> tuple[object, ...]:
    """When a schedule runs; the server gives lists where we have tuples, and ends of ranges."""
    calendars = [
        [
            [(item.start, max(item.start, item.end), item.step or 1) for item in ranges]
            for ranges in (it.minute, it.hour, it.day_of_month, it.month, it.day_of_week)
        ]
        for it in spec.calendars
    ]
    return [item.every for item in spec.intervals], calendars, list(spec.cron_expressions)


async def differences(client: Client, there: ScheduleDescription, sweep: Sweep) -> list[str]:
    """What of a schedule is not as it should be, in words; empty where all is."""
    wanted, found = _schedule(sweep), there.schedule
    told = []
    if _times(found.spec) != _times(wanted.spec):
        told.append("its interval")
    if (found.spec.time_zone_name or _UTC) != sweep.time_zone:
        told.append("its time zone")
    policy = wanted.policy
    if (found.policy.overlap, found.policy.catchup_window) != (
        policy.overlap,
        policy.catchup_window,
    ):
        told.append("its policy")
    if not await _starts(client, found, sweep):
        told.append("what it starts")
    return told


async def _starts(client: Client, found: Schedule, sweep: Sweep) -> bool:
    action = found.action
    if not isinstance(action, ScheduleActionStartWorkflow):
        return False
    if (action.workflow, action.task_queue) != (sweep.workflow, task_queues.CONTRACTS):
        return False
    timeouts = action.execution_timeout, action.task_timeout
    if timeouts != (sweep.ends_within, options.TASK_TIMEOUT):
        return False
    if sweep.argument is None:
        return not action.args
    if len(action.args) != 1:
        return False
    kinds: list[type] = [type(sweep.argument)]
    [argument] = await client.data_converter.decode(list(action.args), kinds)
    return bool(argument == sweep.argument)
