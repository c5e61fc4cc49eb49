"""Places of a bank's files: which files are there, and what is in them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import StrEnum

from pydantic import BaseModel, Field
from temporalio import activity
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.failures import BusinessRefusal
from contracts import exception_codes
from contracts.bank.arrivals import SourceFile
from contracts.bank.file import BankFileView, FileRef, FileStage
from gateways.bank.protocol import BankSource
from gateways.errors import FailureKind, GatewayError

FILES_AT_ONCE = 10
"""What one activity reads: each has up to 100 MB."""

_NOT_NOW = frozenset({"bank_file_missing", "bank_file_changing"})
"""Somebody moved it, or writes it: the next sweep looks again."""


class BankPlace(BaseModel):
    """A place, by the name that it is configured under."""

    bank: str


class FilesThere(BaseModel):
    """The files that a look found."""

    files: list[SourceFile]


class FilesToTake(BaseModel):
    """Files of a place, and whose they are."""

    bank: str
    legal_entity: str
    names: list[str] = Field(max_length=FILES_AT_ONCE)


class FilesTaken(BaseModel):
    """Those that were read, by what is in them."""

    files: list[FileRef]


class Standing(StrEnum):
    """What a file is whose bytes have a workflow: one that this still works on, one that it is done
    with, or one that may begin again, as it was refused or its workflow was ended by force."""

    NEEDED = "needed"
    REPEATED = "repeated"
    FREE = "free"


class FileStanding(BaseModel):
    standing: Standing


class BankSourceActivities:
    """Activities on the `bank` task queue; one source a name that is configured."""

    def __init__(self, sources: Mapping[str, BankSource]) -> None:
        self._sources = sources

    @activity.defn
    def look_for_bank_files(self, place: BankPlace) -> FilesThere:
        """The files that are at the place."""
        return FilesThere(files=self._source(place.bank).files())

    @activity.defn
    def take_bank_files(self, asked: FilesToTake) -> FilesTaken:
        """What is in these files. One that cannot be read, as it is too large, is refused; what
        somebody moved or writes meanwhile is left out."""
        source = self._source(asked.bank)
        found = [_taken(source, asked, name) for name in asked.names]
        return FilesTaken(files=[item for item in found if item is not None])

    def _source(self, bank: str) -> BankSource:
        source = self._sources.get(bank)
        if source is None:
            known = ", ".join(self._sources) or "none"
            message = f"no bank {bank} is configured; configured: {known}"
            raise BusinessRefusal("bank_not_configured", message, field="bank", value=bank)
        return source


def _taken(source: BankSource, asked: FilesToTake, name: str) -> FileRef | None:
    try:
        content = source.read(name)
    except GatewayError as error:
        if error.code in _NOT_NOW:
            return None
        if error.kind is not FailureKind.BUSINESS:
            raise
        # Too large, or not to be read: it must not hold up the others.
        code = exception_codes.BY_CODE[error.code]
        source.refuse(name, "", f"{error.message} [{error.code}]\n{code.remedy}")
        return None
    sha256 = hashlib.sha256(content).hexdigest()
    return FileRef(bank=asked.bank, legal_entity=asked.legal_entity, name=name, sha256=sha256)


@activity.defn
async def bank_file_standing(file: FileRef) -> FileStanding:
    """What a file is whose bytes have a workflow."""
    handle = activity.client().get_workflow_handle(file.workflow_id, result_type=BankFileView)
    try:
        status = (await handle.describe()).status
        if status is WorkflowExecutionStatus.RUNNING:
            view = await handle.query("bank_file", 0, result_type=BankFileView)
            standing = Standing.REPEATED if view.state.is_put_away else Standing.NEEDED
        elif status is WorkflowExecutionStatus.COMPLETED:
            is_refused = (await handle.result()).state.stage is FileStage.REFUSED
            standing = Standing.FREE if is_refused else Standing.REPEATED
        else:
            standing = Standing.FREE
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return FileStanding(standing=Standing.FREE)
        raise
    return FileStanding(standing=standing)
