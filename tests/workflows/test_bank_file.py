"""The workflow of a bank's file: bounded, continued as new, and repeatable; its activities are
played by the tests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from activities.audit import WriteRequest
from activities.bank import (
    DetailsApplied,
    DetailsRequest,
    FileRead,
    LineRequest,
    LineSettled,
    OpenRequest,
    PageApplied,
    PageRequest,
    RefusedFile,
    StillOpen,
)
from activities.done import Done
from activities.failures import BusinessRefusal, FailureInterceptor
from contracts.audit.entries import Written
from contracts.bank.file import (
    MAX_OPEN,
    BankFileView,
    Counts,
    FileDecision,
    FileRef,
    FileStage,
    ParkedLine,
    Settlement,
)
from contracts.money import Money
from contracts.problems import Problem, finding
from gateways.audit.chains import Chains
from gateways.record_store.folder import FolderStore
from starters.client import Refused, auditing, bank, calls
from tests.temporal import end_all, new_namespace
from tests.world import ENTITY, unique
from workers.worker import workflow_runner
from workflows import task_queues
from workflows.bank_file import BankFileWorkflow

ANA = "ana@northwind.example"
LINES = MAX_OPEN + 50
_AT_ONCE = 8
"""The server takes ten Updates of a workflow at a time."""


@dataclass
class PlayedBank:
    """Every line of the file parks; `refuses` is why the file cannot be read, `stays` why it cannot
    be moved. With `while_read` it is read once that is set."""

    lines: int = LINES
    notices: list[Problem] = field(default_factory=list)
    refuses: str = ""
    stays: str = ""
    while_read: threading.Event | None = None
    put_apart: int = 0
    pages: list[tuple[int, int]] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    put_away: int = 0

    @activity.defn(name="read_bank_file")
    def read(self, file: FileRef) -> FileRead:
        if self.while_read is not None:
            self.while_read.wait(30)
        if self.refuses:
            raise BusinessRefusal(self.refuses, "not now", field="accounts")
        return FileRead(lines=self.lines, notices=self.notices)

    @activity.defn(name="apply_bank_lines")
    def apply(self, page: PageRequest) -> PageApplied:
        self.pages.append((page.first, page.count))
        numbers = range(page.first + 1, page.first + page.count + 1)
        return PageApplied(counts=Counts(), parked=[_line(number) for number in numbers])

    @activity.defn(name="apply_bank_details")
    def details(self, request: DetailsRequest) -> DetailsApplied:
        return DetailsApplied()

    @activity.defn(name="settle_bank_line")
    def settle(self, request: LineRequest) -> LineSettled:
        if "unknown" in request.invoices:
            raise BusinessRefusal("invoice_number_unknown", "no such invoice", field="invoices")
        self.settled.append(request.key)
        return LineSettled()

    @activity.defn(name="still_open")
    def open(self, request: OpenRequest) -> StillOpen:
        return StillOpen(keys=[key for key in request.keys if key not in self.gone])

    @activity.defn(name="put_away_bank_file")
    def done(self, file: FileRef) -> Done:
        self.put_away += 1
        return Done()

    @activity.defn(name="refuse_bank_file")
    def refuse(self, refused: RefusedFile) -> Done:
        if self.stays:
            raise BusinessRefusal(self.stays, "not here", field="folder")
        self.put_apart += 1
        return Done()


def _line(number: int) -> ParkedLine:
    return ParkedLine(
        number=number,
        key=f"key-{number}",
        booked_on=date(2026, 3, 2),
        amount=Money("5.00", "EUR"),
        problem=finding("payment_unidentified", "texts", "hello", "a number"),
    )


@dataclass
class PlayedRecords:
    """Writes the audit record into a folder; refuses to, while `refuses` says why."""

    chains: Chains
    refuses: str = ""

    @activity.defn(name="write_entries")
    def write(self, request: WriteRequest) -> Written:
        if self.refuses:
            raise BusinessRefusal(self.refuses, "not now")
        given = (request.of, request.seq, request.head, request.entries)
        return self.chains.write(*given, rejoins=request.rejoins)


@dataclass
class Playing:
    client: Client
    played: PlayedBank
    file: FileRef
    records: PlayedRecords

    async def until(self, enough: Callable[[BankFileView], bool]) -> BankFileView:
        return await calls.until(
            "the file", lambda: bank.show(self.client, self.file.workflow_id), enough, 60
        )

    async def ignore(self, numbers: range) -> None:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(number: int) -> None:
            asked = Settlement(line=number, by=ANA, ignore="a gift")
            async with gate:
                await bank.settle(self.client, self.file.workflow_id, asked)

        await asyncio.gather(*(one(number) for number in numbers))


@pytest.fixture
async def playing(temporal_client: Client, tmp_path: Path) -> AsyncIterator[Playing]:
    records = PlayedRecords(Chains(FolderStore(tmp_path), None))
    client, played = await new_namespace(temporal_client, "bank-file"), PlayedBank()
    file = FileRef(bank="main", legal_entity=ENTITY, name=unique("file"), sha256="ab" * 32)
    acts: list[Callable[..., Any]] = [
        *(played.read, played.apply, played.details, played.settle, played.open),
        *(played.done, played.refuse),
    ]
    with ThreadPoolExecutor(4) as pool:
        workflows = Worker(
            client,
            task_queue=task_queues.CONTRACTS,
            workflows=[BankFileWorkflow],
            workflow_runner=workflow_runner(),
        )
        activities = Worker(
            client,
            task_queue=task_queues.BANK,
            activities=acts,
            activity_executor=pool,
            interceptors=[FailureInterceptor()],
        )
        recording = Worker(
            client,
            task_queue=task_queues.RECORDS,
            activities=[records.write],
            activity_executor=pool,
            interceptors=[FailureInterceptor()],
        )
        async with workflows, activities, recording:
            yield Playing(client, played, file, records)
            await end_all(client)


@pytest.mark.long
async def test_so_many_lines_wait_at_most_and_the_next_come_once_some_are_decided(
    playing: Playing,
) -> None:
    assert await bank.start(playing.client, playing.file)
    found = await playing.until(lambda view: view.open_lines == MAX_OPEN)
    assert (found.state.stage, found.state.next_line) == (FileStage.APPLYING, MAX_OPEN)
    assert playing.played.put_away == 0
    await playing.ignore(range(1, MAX_OPEN + 1))
    await playing.until(lambda view: view.state.stage is FileStage.OPEN)
    await playing.ignore(range(MAX_OPEN + 1, LINES + 1))
    handle = playing.client.get_workflow_handle(playing.file.workflow_id)
    view = BankFileView.model_validate(await handle.result())
    assert (view.state.stage, view.state.counts.ignored) == (FileStage.DONE, LINES)
    assert sum(count for _, count in playing.played.pages) == LINES
    assert playing.played.put_away == 1
    first_run = await handle.describe()
    assert first_run.raw_description.workflow_execution_info.first_run_id != first_run.run_id


@pytest.mark.long
async def test_a_request_counts_once_and_what_is_refused_changes_nothing(playing: Playing) -> None:
    assert await bank.start(playing.client, playing.file)
    await playing.until(lambda view: view.open_lines == MAX_OPEN)
    file = playing.file.workflow_id
    unknown = Settlement(line=1, by=ANA, invoices=("unknown",))
    with pytest.raises(Refused, match="no such invoice"):
        await bank.settle(playing.client, file, unknown)
    request = unique("request")
    right = Settlement(line=1, by=ANA, invoices=("INV/1",))
    answers = await asyncio.gather(
        *(bank.settle(playing.client, file, right, request) for _ in range(3))
    )
    assert len(set(answers)) == 1
    # The run in which it was decided is over: the next one still knows the request.
    await playing.ignore(range(2, 102))
    assert await bank.settle(playing.client, file, right, request) == answers[0]
    assert playing.played.settled == ["key-1"]
    other = Settlement(line=1, by=ANA, invoices=("INV/2",))
    with pytest.raises(Refused, match="line_not_parked"):
        await bank.settle(playing.client, file, other, request)


async def test_what_fails_parks_is_tried_again_and_what_is_settled_in_odoo_is_off_the_list(
    playing: Playing,
) -> None:
    playing.played.refuses = "bank_account_unknown"
    assert await bank.start(playing.client, playing.file)
    found = await playing.until(lambda view: view.state.exception is not None)
    [exception] = found.state.exceptions
    assert (exception.step, exception.code) == ("file", "bank_account_unknown")
    playing.played.refuses = ""
    playing.played.gone = {f"key-{number}" for number in range(1, LINES + 1)}
    file = playing.file.workflow_id
    await bank.decide(playing.client, file, FileDecision.RETRY, by=ANA)
    done = await playing.until(lambda view: view.state.counts.elsewhere == MAX_OPEN)
    assert done.state.exception is None
    for _ in range(2):
        await bank.decide(playing.client, file, FileDecision.RETRY, by=ANA)
    await playing.until(lambda view: view.state.stage is FileStage.DONE)


async def test_a_file_is_refused_only_once_it_is_put_apart(playing: Playing) -> None:
    """Else the next sweep finds it where it was, and begins anew."""
    played, file = playing.played, playing.file.workflow_id
    played.refuses, played.stays = "bank_account_unknown", "access_denied"
    played.while_read = threading.Event()
    assert await bank.start(playing.client, playing.file)
    refuse = FileDecision.REFUSE
    await bank.decide(playing.client, file, refuse, by=ANA, reason="not ours")
    played.while_read.set()
    await playing.until(
        lambda view: [item.code for item in view.state.exceptions] == ["access_denied"]
    )
    played.stays = ""
    await bank.decide(playing.client, file, FileDecision.RETRY, by=ANA)
    handle = playing.client.get_workflow_handle(file)
    view = BankFileView.model_validate(await handle.result())
    assert (view.state.stage, view.state.exception) == (FileStage.REFUSED, None)
    assert played.put_apart == 1


async def test_a_gap_that_is_filled_in_part_is_shown_as_it_is_now(playing: Playing) -> None:
    """Of two statements that are missing one comes: the other is missed all the same."""
    played, file = playing.played, playing.file.workflow_id
    first, then = (finding("statement_gap", "opening", "9", closing) for closing in ("1", "3"))
    played.lines, played.notices = 0, [first]
    assert await bank.start(playing.client, playing.file)
    await playing.until(lambda view: view.state.notices == (first,))
    played.notices = [then]
    await bank.decide(playing.client, file, FileDecision.RETRY, by=ANA)
    await playing.until(lambda view: view.state.notices == (then,))
    await bank.decide(playing.client, file, FileDecision.ACCEPT, by=ANA)
    done = await playing.until(lambda view: view.state.stage is FileStage.DONE)
    assert done.state.notices == ()


# --- the audit record -----------------------------------------------------------------------------


def whats(playing: Playing) -> list[str]:
    return [item.record.what for item in playing.records.chains.entries(playing.file.workflow_id)]


async def test_every_decision_about_a_file_is_recorded_with_who_and_what_it_changed(
    playing: Playing,
) -> None:
    client, file = playing.client, playing.file.workflow_id
    playing.played.lines = 2
    assert await bank.start(client, playing.file)
    await playing.until(lambda view: view.open_lines == 2)
    with pytest.raises(Refused, match="no such invoice"):
        await bank.settle(client, file, Settlement(line=1, by=ANA, invoices=("unknown",)))
    await bank.settle(client, file, Settlement(line=1, by=ANA, invoices=("INV/1",)))
    await bank.decide(client, file, FileDecision.RETRY, by=ANA)
    await playing.until(lambda view: view.state.audit.seq == 3)
    live = await auditing.head(client, file)
    assert live is not None
    assert playing.records.chains.check(file, {live.seq: live.hash}).is_whole
    await playing.ignore(range(2, 3))
    await client.get_workflow_handle(file).result()
    decided = ["settlement", "file_decided", "settlement"]
    assert whats(playing) == ["started", *decided, "ended"]
    _, first, retried, ignored, _ = playing.records.chains.entries(file)
    assert first.entry is not None
    assert first.entry.actor.person == ANA
    assert first.entry.details == {"line": 1, "invoices": ["INV/1"]}
    assert (first.entry.before["lines that wait"], first.entry.after["lines that wait"]) == (2, 1)
    assert retried.entry is not None
    assert retried.entry.content_hash == playing.file.sha256
    assert ignored.entry is not None
    assert ignored.entry.details == {"line": 2, "ignore": "a gift"}
    assert ignored.entry.after == {"lines ignored": 1, "lines that wait": 0}
    # The same bytes once more: another workflow, whose decisions go behind those.
    assert await bank.start(client, playing.file)
    await playing.until(lambda view: view.open_lines == 2)
    await playing.ignore(range(1, 3))
    await client.get_workflow_handle(file).result()
    assert whats(playing)[5:] == ["started", "settlement", "settlement", "ended"]
    found = playing.records.chains.check(file, {})
    assert (found.is_whole, found.begun_again) == (True, 1)


async def test_a_record_that_cannot_be_written_holds_up_nothing_but_the_end(
    playing: Playing,
) -> None:
    client, file = playing.client, playing.file.workflow_id
    playing.played.lines, playing.records.refuses = 2, "audit_differs"
    assert await bank.start(client, playing.file)
    await playing.until(lambda view: view.open_lines == 2)
    await playing.ignore(range(1, 3))
    waiting = await playing.until(lambda view: view.state.unrecorded is not None)
    assert waiting.state.stage is FileStage.DONE
    [parked] = waiting.state.exceptions
    assert (parked.step, parked.code) == ("audit", "audit_differs")
    assert whats(playing) == []
    playing.records.refuses = ""
    await bank.decide(client, file, FileDecision.ACCEPT, by=ANA, reason="it was reset")
    result = BankFileView.model_validate(await client.get_workflow_handle(file).result())
    assert (result.state.stage, result.state.unrecorded) == (FileStage.DONE, None)
    ends = ["settlement", "settlement", "ended", "started", "file_decided", "ended"]
    assert whats(playing) == ["started", *ends]
    assert playing.records.chains.check(file, {}).is_whole
