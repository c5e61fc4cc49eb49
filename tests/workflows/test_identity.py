"""Decisions must be signed, on a real Temporal: what is let in, what is refused, and that neither
keys nor clocks matter to a replay."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OKPKey
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import TimeSkipper, WorkflowEnvironment
from temporalio.worker import Replayer

from contracts.access import Role
from contracts.actors import APPLICATION, Actor, Claims, NotProven, Proof, Sign, claimed
from contracts.approvals import ApprovalDecision, ApprovalRound, Decision
from contracts.bank.file import FileDecided, FileDecision, FileRef
from contracts.contract.state import ContractStage, ContractState
from contracts.events import ContractUpdate, ForContract, InboundEvent
from contracts.invoice.state import InvoiceStage, InvoiceState
from gateways.identity import keys
from gateways.identity.settings import IdentitySettings
from gateways.identity.signing import Signer
from gateways.secrets import Secret
from sandbox import clock
from sandbox.server import Sandbox
from starters.client import C2C, Refused, bank, calls, events
from starters.client.approvals import decision_on
from starters.client.messages import DECIDE_APPROVAL
from starters.web.signing import Signing
from starters.web.visitors import Visitor
from tests.servers import SandboxServer
from tests.temporal import end_all, new_namespace
from tests.world import ANA, BOB, ENTITY, World, single
from wiring.settings import Settings
from workers import worker
from workers.worker import WORKFLOWS
from workflows import proof

PIA, CARL, OLGA = (f"{name}@northwind.example" for name in ("pia", "carl", "olga"))
ROLES = {
    ANA: Role.FINANCE,
    BOB: Role.FINANCE,
    PIA: Role.PROJECT_MANAGER,
    CARL: Role.CONTROLLER,
    OLGA: Role.OPERATOR,
}


@dataclass
class Firm:
    """Workers that want signatures, and the application's key."""

    world: World
    private: Path
    public: Path

    @property
    def signer(self) -> Signer:
        return Signer(Secret.file(self.private))

    def sign(self, person: str, entity: str = ENTITY) -> Sign:
        roles = {entity: frozenset({ROLES[person]})}
        return Signing(self.signer).of(Visitor("https://id.example", person, person, "", roles))

    def c2c(self, person: str) -> C2C:
        return C2C(self.world.client, sign=self.sign(person))

    async def reached(self, workflow_id: str) -> None:
        await self.c2c(PIA).contract(workflow_id).reach_milestone("all", by=PIA)

    async def proposed(self) -> str:
        """An invoice that awaits approval."""
        workflow_id = await self.world.active(single())
        await self.reached(workflow_id)
        invoice = f"{workflow_id}/invoice/1"
        await self.world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
        return invoice

    async def round(self, invoice: str) -> ApprovalRound:
        [found] = await self.world.c2c.invoice(invoice).approvals()
        return found.approval_round

    async def decision(self, invoice: str, by: str = ANA) -> ApprovalDecision:
        return decision_on(await self.round(invoice), Decision.APPROVE, by, "")

    async def noted(self, workflow_id: str, text: str) -> None:
        """Wait until the journal says it."""

        def is_noted(state: ContractState | InvoiceState) -> bool:
            return any(text in entry.text for entry in state.journal.entries)

        await self.world.c2c.contract_or_invoice(workflow_id).wait_until(is_noted)


@contextlib.asynccontextmanager
async def firm(
    temporal: WorkflowEnvironment, settings: Settings, sandbox: Sandbox, folder: Path, **more: Any
) -> AsyncIterator[Firm]:
    private, public = folder / "signing.jwk", folder / "identity.jwks"
    keys.new_pair(private, public)
    own = folder / "worker.jwk"
    keys.new_pair(own, public)
    configured = IdentitySettings(required=True, signing_key_file=own, verify=(public,))
    limits = settings.worker.model_copy(update=more)
    settings = settings.model_copy(update={"identity": configured, "worker": limits})
    client = await new_namespace(temporal.client, "identity")
    skipper = TimeSkipper(client, config=clock.BY_HAND)
    async with worker.running(client, settings):
        yield Firm(World(skipper.client, skipper, SandboxServer(sandbox)), private, public)
    await end_all(client)


@pytest.fixture(scope="module")
async def signed(
    temporal: WorkflowEnvironment,
    sandbox_settings: Settings,
    sandbox: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Firm]:
    folder = tmp_path_factory.mktemp("identity")
    async with firm(temporal, sandbox_settings, sandbox, folder, sandboxed=True) as found:
        yield found


async def replay(history: WorkflowHistory) -> int:
    """Replay a history where no key is known; how often a signature was looked at."""
    asked = 0

    def verify(_: str) -> Claims:
        nonlocal asked
        asked += 1
        raise NotProven("no key is known")

    before = proof.install(Proof(verify, required=True))
    try:
        replayer = Replayer(
            workflows=WORKFLOWS,
            data_converter=pydantic_data_converter,
            workflow_runner=worker.workflow_runner(),
        )
        await replayer.replay_workflow(history)
    finally:
        proof.install(before)
    return asked


# --- Updates ----------------------------------------------------------------------------------


def honest(invoice: str, decision: ApprovalDecision, request_id: str) -> Claims:
    """What the application would sign for Ana."""
    actor = Actor(issuer="i", subject="s", person=ANA, roles=(Role.FINANCE,), token_id="t")
    return Claims.about(
        actor, invoice, DECIDE_APPROVAL.name, decision, request_id, datetime.now(UTC)
    )


async def refusal(
    firm: Firm, invoice: str, decision: ApprovalDecision, signer: Signer | None, **changes: Any
) -> str:
    """Why the decision is refused that is signed for something else, or by another key."""

    def sign(workflow_id: str, _: str, message: Any, request_id: str) -> str:
        claims = honest(workflow_id, message, request_id)
        actor = claims.actor.model_copy(update=changes.pop("actor", {}))
        claims = claims.model_copy(update={"actor": actor, **changes})
        return (signer or firm.signer).sign(claims)

    with pytest.raises(Refused) as caught:
        await calls.update(firm.world.client, invoice, DECIDE_APPROVAL, decision, sign=sign)
    return str(caught.value)


async def test_only_what_its_sender_has_signed_is_let_in(signed: Firm) -> None:
    invoice = await signed.proposed()
    good = await signed.decision(invoice)
    with pytest.raises(Refused, match="is not signed: sign in"):
        await calls.update(signed.world.client, invoice, DECIDE_APPROVAL, good)
    stranger = OKPKey.generate_key("Ed25519").as_dict(private=True)
    long_ago = datetime.now(UTC) - timedelta(minutes=2)
    expected: list[tuple[str, Signer | None, dict[str, Any]]] = [
        ("by a key that is not known here", Signer(Secret.of(json.dumps(stranger))), {}),
        ("signed for bob@", None, {"actor": {"person": BOB}}),
        ("for another message", None, {"digest": "0" * 64}),
        ("for another message", None, {"request_id": "another"}),
        ("signature is for", None, {"workflow_id": invoice.replace("/1", "/2")}),
        ("signature is for", None, {"message": "approval_decided"}),
        ("has expired", None, {"expires_at": long_ago}),
        ("one of the roles", None, {"actor": {"roles": (Role.OPERATOR, Role.ADMIN)}}),
        ("one of the roles", None, {"actor": {"roles": ()}}),
    ]
    for why, signer, changes in expected:
        assert why in await refusal(signed, invoice, good, signer, **changes)
    # Whoever has a role in another legal entity only gets no signature at all.
    elsewhere = C2C(signed.world.client, sign=signed.sign(ANA, "northwind-uk"))
    with pytest.raises(Refused, match="one of the roles"):
        await elsewhere.invoice(invoice).approve(by=ANA)
    state = await signed.world.invoice(invoice)
    assert (state.stage, await signed.round(invoice)) == (
        InvoiceStage.AWAITING_APPROVAL,
        (await signed.world.c2c.invoice(invoice).approvals())[0].approval_round,
    )
    await signed.c2c(ANA).invoice(invoice).approve(by=ANA)
    await signed.world.invoice(invoice, InvoiceStage.OPEN)


async def test_a_replay_asks_for_no_keys_and_keeps_who_it_was(signed: Firm) -> None:
    invoice = await signed.proposed()
    await signed.c2c(ANA).invoice(invoice).approve(by=ANA)
    state = await signed.world.invoice(invoice, InvoiceStage.OPEN)
    handle = signed.world.client.get_workflow_handle(invoice)
    assert await replay(await handle.fetch_history()) == 0
    assert "actor" not in state.model_dump_json(include={"answers"})
    contract = signed.world.client.get_workflow_handle(invoice.partition("/invoice")[0])
    assert await replay(await contract.fetch_history()) == 0


async def test_exceptions_are_decided_by_who_is_responsible(signed: Firm) -> None:
    contract = single()
    contract["services"][0]["code"] = "NONE"
    workflow_id = await signed.world.start(contract)
    await signed.world.parked(workflow_id)
    changes = {"services.0.code": "BUILD"}
    with pytest.raises(Refused, match="one of the roles"):
        await (
            signed.c2c(ANA)
            .contract(workflow_id)
            .resolve_exception("amend", by=ANA, changes=changes)
        )
    await (
        signed.c2c(OLGA).contract(workflow_id).resolve_exception("amend", by=OLGA, changes=changes)
    )
    await signed.world.stage(workflow_id, ContractStage.ACTIVE)


async def test_keys_rotate_while_the_workers_run(signed: Firm, tmp_path: Path) -> None:
    invoice = await signed.proposed()
    other = tmp_path / "other.jwk"
    keys.new_pair(other, signed.public)
    after = Firm(signed.world, other, signed.public)
    await after.c2c(ANA).invoice(invoice).approve(by=ANA)
    await signed.world.invoice(invoice, InvoiceStage.OPEN)


# --- Signals ----------------------------------------------------------------------------------

APPROVAL = "approval_decided"


async def test_a_signal_decides_once_it_is_known_who_signed_it(signed: Firm) -> None:
    invoice = await signed.proposed()
    client = signed.world.client
    handle = client.get_workflow_handle(invoice)
    decision = await signed.decision(invoice)
    await handle.signal(APPROVAL, decision)
    await signed.noted(invoice, f"Refused a decision of {ANA}: it is not signed")
    stranger = Signer(Secret.of(json.dumps(OKPKey.generate_key("Ed25519").as_dict(private=True))))
    claims = Claims.about(
        honest(invoice, decision, "r").actor, invoice, APPROVAL, decision, "r", datetime.now(UTC)
    )
    forged = decision.model_copy(update={"actor": stranger.sign(claims)})
    await handle.signal(APPROVAL, forged)
    await signed.noted(invoice, f"Refused a decision of {ANA}: its signature is by a key")
    for_update = honest(invoice, decision, "r")
    reused = decision.model_copy(update={"actor": signed.signer.sign(for_update)})
    await handle.signal(APPROVAL, reused)
    await signed.noted(invoice, f"Refused a decision of {ANA}: its signature is for decide")
    assert (await signed.world.invoice(invoice)).stage is InvoiceStage.AWAITING_APPROVAL
    good = decision.model_copy(update={"actor": signed.signer.sign(claims)})
    await handle.signal(APPROVAL, good)
    await signed.world.invoice(invoice, InvoiceStage.OPEN)
    await handle.signal(APPROVAL, good)  # whoever read it may send it again: it has counted
    await handle.signal("dispute_opened", {"by": ANA, "reason": "marks that all before is heard"})
    await signed.noted(invoice, "Refused a dispute: it is not signed")
    entries = (await signed.world.invoice(invoice)).journal.entries
    assert sum("Refused" in entry.text for entry in entries) == 4
    assert await replay(await handle.fetch_history()) == 0


async def test_a_signal_of_the_client_is_signed(signed: Firm) -> None:
    invoice = await signed.proposed()
    decision = await signed.decision(invoice)
    hers, sign = await signed.decision(invoice, OLGA), signed.sign(OLGA)
    with pytest.raises(Refused, match="one of the roles"):
        await calls.signal(signed.world.client, invoice, APPROVAL, hers, sign=sign)
    sign = signed.sign(ANA)
    await calls.signal(signed.world.client, invoice, APPROVAL, decision, sign=sign)
    await signed.world.invoice(invoice, InvoiceStage.OPEN)


async def test_a_contracts_hold_reaches_its_invoices_without_anybodys_key(signed: Firm) -> None:
    invoice = await signed.proposed()
    contract = signed.c2c(CARL).contract(invoice.partition("/invoice")[0])
    await contract.set_hold("dunning", by=CARL, reason="merger")
    await signed.world.invoice(invoice, until=lambda found: found.contract_hold is not None)


async def test_nobody_cancels_a_contract_by_the_engine(signed: Firm) -> None:
    workflow_id = await signed.world.active(single())
    handle = signed.world.client.get_workflow_handle(workflow_id)
    await handle.cancel()
    await signed.noted(workflow_id, "Refused to cancel for temporal: it is not signed")
    await signed.c2c(CARL).contract(workflow_id).cancel(by=CARL, reason="agreed")
    await signed.world.stage(workflow_id, ContractStage.CANCELLED)
    assert await replay(await handle.fetch_history()) == 0


# --- systems ----------------------------------------------------------------------------------


def reported(key: str, task: ForContract) -> InboundEvent:
    return InboundEvent(
        source="tickets",
        key=key,
        kind="milestone.reached",
        received_at=datetime.now(UTC),
        sha256="0",
        size=1,
        task=task,
    )


async def test_what_a_sender_reports_is_signed_by_the_worker(signed: Firm) -> None:
    workflow_id = await signed.world.active(single())
    message = {"milestone": "all", "by": "somebody there"}
    task = ForContract(contract=workflow_id, update=ContractUpdate.REACH_MILESTONE, message=message)
    report = reported(uuid.uuid4().hex, task)
    assert await events.receive(signed.world.client, report, within_seconds=10)
    await signed.world.invoice(f"{workflow_id}/invoice/1", InvoiceStage.AWAITING_APPROVAL)
    history = await signed.world.client.get_workflow_handle(workflow_id).fetch_history()
    tokens = [
        json.loads(payload.data)["actor"]
        for event in history.events
        for payload in _arguments(event)
    ]
    [actor] = map(claimed, tokens)
    assert actor is not None
    assert (actor.issuer, actor.subject) == (APPLICATION, "sender/tickets")
    assert actor.roles == (Role.SENDER,)


async def test_an_event_is_dismissed_by_a_signed_word_alone(signed: Firm) -> None:
    key = uuid.uuid4().hex
    task = ForContract(
        contract=f"contract/northwind/no-{key}",
        update=ContractUpdate.REACH_MILESTONE,
        message={"milestone": "all"},
    )
    about = {
        "kind": "milestone.reached",
        "received_at": datetime.now(UTC),
        "sha256": "0",
        "size": 1,
    }
    report = InboundEvent.model_validate(about | {"source": "tickets", "key": key, "task": task})
    client, reference = signed.world.client, f"tickets/{key}"
    assert await events.receive(client, report, within_seconds=10)
    with pytest.raises(Refused, match="is not signed"):
        await events.dismiss(client, reference, by=OLGA, reason="a slip")
    sign = signed.sign(OLGA)
    await events.dismiss(client, reference, by=OLGA, reason="a slip", sign=sign)
    async with asyncio.timeout(20):
        while (found := await events.show(client, reference)).is_open:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert found.delivery.why == f"{OLGA}: a slip"


async def test_a_banks_file_is_decided_by_a_signed_word_alone(signed: Firm) -> None:
    """Its workflow verifies by itself: in the sandbox, too, by what the process was told."""
    file = FileRef(bank="main", legal_entity=ENTITY, name="file", sha256=uuid.uuid4().hex * 2)
    client = signed.world.client
    assert await bank.start(client, file)
    asked = FileDecided(decision=FileDecision.RETRY, by=ANA)
    with pytest.raises(Refused, match="is not signed"):
        await calls.update(client, file.workflow_id, bank.DECIDE_FILE, asked)
    by_carl = FileDecided(decision=FileDecision.RETRY, by=CARL)
    sign = signed.sign(ANA)
    with pytest.raises(Refused, match="cannot decide for"):
        await calls.update(client, file.workflow_id, bank.DECIDE_FILE, by_carl, sign=sign)
    answer = await calls.update(client, file.workflow_id, bank.DECIDE_FILE, asked, sign=sign)
    assert answer == "it is tried again"


def _arguments(event: HistoryEvent) -> Iterable[Payload]:
    accepted = event.workflow_execution_update_accepted_event_attributes
    return accepted.accepted_request.input.args.payloads


# --- outside the sandbox ----------------------------------------------------------------------


async def test_releases_without_the_sandbox_verify_the_same(
    temporal: WorkflowEnvironment, sandbox_settings: Settings, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with firm(temporal, sandbox_settings, sandbox, tmp_path, sandboxed=False) as signed:
        invoice = await signed.proposed()
        decision = await signed.decision(invoice)
        with pytest.raises(Refused, match="is not signed"):
            await calls.update(signed.world.client, invoice, DECIDE_APPROVAL, decision)
        await signed.world.client.get_workflow_handle(invoice).signal(APPROVAL, decision)
        await signed.noted(invoice, f"Refused a decision of {ANA}: it is not signed")
        sign = signed.sign(ANA)
        await calls.signal(signed.world.client, invoice, APPROVAL, decision, sign=sign)
        await signed.world.invoice(invoice, InvoiceStage.OPEN)
