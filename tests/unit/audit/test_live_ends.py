"""The ends of chains as running workflows know them: all of them are asked, and who is silent is
said."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from contracts.audit.entries import Entry
from contracts.audit.records import Kind
from contracts.identifiers import invoice_workflow_id
from gateways.audit.chains import Chains
from gateways.audit.reading import Reader
from gateways.record_store.folder import FolderStore
from starters.client import NoAnswer, NotFound, auditing, calls
from starters.client.protocol import Query
from tests.unit import engagements
from tests.unit.audit.test_chains import NOON
from tests.unit.encryption.stores import CONTRACT
from tests.unit.examples import invoice_state

COUNT = 30
CLIENT: Any = cast("Any", None)


@pytest.fixture
def chains(tmp_path: Path) -> Chains:
    """A contract with thirty invoices."""
    found = Chains(FolderStore(tmp_path), None)
    for of in (CONTRACT, *(invoice_workflow_id(CONTRACT, item) for item in range(1, COUNT + 1))):
        found.write(of, 0, "", [Entry(at=NOON, what="started")])
    return found


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What workflows answer: an end behind what is stored; or an error."""
    found: dict[str, Any] = {}

    async def query(_: object, workflow_id: str, question: Query[Any]) -> Any:
        if workflow_id not in found:
            raise NotFound("nothing")
        if isinstance(found[workflow_id], Exception):
            raise found[workflow_id]
        return found[workflow_id]

    monkeypatch.setattr(calls, "query", query)
    return found


async def test_every_invoice_is_asked_however_many_there_are(
    chains: Chains, answers: dict[str, Any]
) -> None:
    state = invoice_state()
    ended_later = state.replace(audit=state.audit.replace(made=2, seq=2, head="ab" * 32))
    first, gone = (invoice_workflow_id(CONTRACT, number) for number in (1, COUNT + 1))
    answers[CONTRACT] = engagements.mixed().replace(
        invoices={COUNT + 1: next(iter(engagements.mixed().invoices.values()))}
    )
    answers[first] = answers[gone] = ended_later
    found = await auditing.audit(CLIENT, CONTRACT, Reader(chains, None, {}), live=True)
    broken = {item.of: item.verdict for item in found.chains if not item.verdict.is_whole}
    assert set(broken) == {first, gone}, "the oldest, and one that the store has lost wholly"
    assert {item.findings[0].kind for item in broken.values()} == {Kind.CUT_OFF}
    assert found.silent == ()


async def test_who_gives_no_answer_is_said(chains: Chains, answers: dict[str, Any]) -> None:
    last = invoice_workflow_id(CONTRACT, COUNT)
    answers[CONTRACT] = NoAnswer("no worker")
    answers[last] = NoAnswer("no worker")
    found = await auditing.audit(CLIENT, CONTRACT, Reader(chains, None, {}), live=True)
    assert found.is_whole
    assert set(found.silent) == {CONTRACT, last}
