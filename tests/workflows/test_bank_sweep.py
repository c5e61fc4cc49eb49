"""Sweeps of a folder, with files of which nothing can be booked: what becomes of the files."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle

from contracts.bank.file import (
    BankFileState,
    BankFileView,
    FileDecided,
    FileDecision,
    FileStage,
)
from contracts.identifiers import bank_workflow_id
from gateways.bank.folder import FolderSettings
from gateways.bank.protocol import MAX_FILE_BYTES
from sandbox.server import Sandbox
from tests.bank_folder import Place
from tests.conftest import settings_for
from tests.servers import SandboxServer
from tests.temporal import end_all, new_namespace
from tests.world import ENTITY
from workers import worker

WITHIN_SECONDS = 150.0
NO_XML = b"no statement"


class Swept(Place):
    """A folder that is looked through whenever a test asks for it."""

    def file(self, content: bytes) -> WorkflowHandle[Any, BankFileView]:
        workflow_id = bank_workflow_id(ENTITY, sha256(content))
        return self.client.get_workflow_handle(workflow_id, result_type=BankFileView)

    async def parked(self, content: bytes) -> BankFileState:
        """The file once it waits for people."""
        deadline = time.monotonic() + WITHIN_SECONDS
        while True:
            state = await self._state(content)
            if state.exceptions:
                return state
            assert time.monotonic() < deadline, state
            await asyncio.sleep(0.05)

    async def refuse(self, content: bytes) -> None:
        decided = FileDecided(
            decision=FileDecision.REFUSE, by="fay@northwind.example", reason="it is none"
        )
        await self.file(content).execute_update("decide_file", decided)
        assert (await self.file(content).result()).state.stage is FileStage.REFUSED

    async def _state(self, content: bytes) -> BankFileState:
        view: BankFileView = await self.file(content).query(
            "bank_file", 0, result_type=BankFileView
        )
        return view.state


@pytest.fixture
async def swept(temporal_client: Client, sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Swept]:
    inbox = FolderSettings(
        kind="folder", legal_entity=ENTITY, accounts={"BE68539007547034": "BNK1"}, folder=tmp_path
    )
    settings = settings_for(SandboxServer(sandbox)).model_copy(update={"bank": {"inbox": inbox}})
    namespace = await new_namespace(temporal_client, "bank-sweep")
    place = await Swept.prepared(namespace, settings, "inbox", tmp_path)
    async with worker.running(namespace, settings):
        yield place
        await end_all(namespace)


async def test_a_file_is_taken_when_it_stands_still_and_waits_where_it_is(swept: Swept) -> None:
    file = swept.folder / "a.xml"
    file.write_bytes(NO_XML[:5])
    assert (await swept.sweep()).started == 0
    file.write_bytes(NO_XML)
    assert (await swept.sweep()).started == 0
    assert (await swept.sweep()).started == 1
    assert (await swept.parked(NO_XML)).file.name == "a.xml"
    last = await swept.sweep()
    assert (last.started, last.repeated) == (0, 0)
    assert swept.names() == {"a.xml"}


async def test_a_refused_file_says_why_and_may_come_again(swept: Swept) -> None:
    (swept.folder / "a.xml").write_bytes(NO_XML)
    await swept.sweep_twice()
    await swept.parked(NO_XML)
    await swept.refuse(NO_XML)
    kept = f"{sha256(NO_XML)}-a.xml"
    assert swept.names("refused") == {kept, f"{kept}.txt"}
    assert "it is none" in (swept.folder / "refused" / f"{kept}.txt").read_text()
    assert swept.names() == set()

    (swept.folder / "again.xml").write_bytes(NO_XML)
    assert (await swept.sweep_twice()).started == 1
    assert (await swept.parked(NO_XML)).file.name == "again.xml"


async def test_bytes_that_are_being_worked_on_stay_and_a_workflow_ended_by_force_begins_anew(
    swept: Swept,
) -> None:
    (swept.folder / "a.xml").write_bytes(NO_XML)
    await swept.sweep_twice()
    await swept.parked(NO_XML)
    (swept.folder / "copy.xml").write_bytes(NO_XML)
    found = await swept.sweep_twice()
    assert (found.started, found.repeated) == (0, 0)
    assert swept.names() == {"a.xml", "copy.xml"}

    await swept.file(NO_XML).terminate("by a test")
    (swept.folder / "third.xml").write_bytes(NO_XML)
    assert (await swept.sweep_twice()).started == 1
    assert (await swept.parked(NO_XML)).file.name == "third.xml"


async def test_a_file_that_is_too_large_holds_up_no_other(swept: Swept) -> None:
    (swept.folder / "large.xml").touch()
    os.truncate(swept.folder / "large.xml", MAX_FILE_BYTES + 1)
    (swept.folder / "z.xml").write_bytes(NO_XML)
    assert (await swept.sweep_twice()).started == 1
    assert swept.names("refused") == {"unread-large.xml", "unread-large.xml.txt"}
    text = (swept.folder / "refused" / "unread-large.xml.txt").read_text()
    assert "[bank_file_too_large]" in text
    assert "files of single days" in text


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
