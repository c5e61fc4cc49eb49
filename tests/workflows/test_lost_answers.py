"""An answer of Odoo is lost behind an act that cannot be undone, and a person decides about it.

What may have happened is looked for before anything else is decided: until that is known nobody can
cancel, amend or skip it, and the contract does not bill it again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from contracts.identifiers import origins_of_contract
from contracts.invoice.state import InvoiceStage
from contracts.parking import Action
from sandbox.faults import Fault
from sandbox.server import Sandbox
from starters.client import Refused
from tests.world import World, odoo_invoices, single

_READS = "/json/2/account.move/(read|web_read|search_read)$"


@contextmanager
def reads_refused_behind(sandbox: Sandbox, path: str) -> Iterator[None]:
    """The key is refused for every read once such a call has been carried out."""
    faults, striking = sandbox.faults, sandbox.faults.striking

    def watching(asked: str) -> list[Fault]:
        hits = striking(asked)
        if re.search(path, asked):
            faults.configure([{"kind": "status", "path": _READS, "status": 401}])
        return hits

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faults, "striking", watching)
        yield
    faults.clear()


def moves(world: World, workflow_id: str) -> list[str]:
    """The states of all invoices that the contract has in Odoo, oldest first."""
    found = world.admin.search_read(
        "account.move",
        [("invoice_origin", "=like", origins_of_contract(workflow_id))],
        ["state"],
        order="id",
    )
    return [row["state"] for row in found]


async def posted_without_an_answer(world: World, sandbox: Sandbox) -> str:
    """An invoice that is posted in Odoo, and whose workflow does not know."""
    invoice = await world.proposed(single())
    with reads_refused_behind(sandbox, "/json/2/account.move/action_post$"):
        await world.approve(invoice)
        parked = await world.parked(invoice)
    assert (parked.step, parked.kind) == ("post_invoice", "credentials")
    assert moves(world, invoice.removesuffix("/invoice/1")) == ["posted"]
    return invoice


async def test_a_posting_that_may_have_happened_cannot_be_cancelled_and_is_billed_once(
    world: World, sandbox: Sandbox
) -> None:
    invoice = await posted_without_an_answer(world, sandbox)
    contract = invoice.removesuffix("/invoice/1")
    with pytest.raises(Refused, match="may have happened"):
        await world.resolve(invoice, Action.CANCEL, reason="we do not want it")
    told = await world.contract(contract)
    assert told.invoices[1].stage is not InvoiceStage.REJECTED
    await world.resolve(invoice, Action.RETRY)
    state = await world.invoice(invoice, InvoiceStage.OPEN)
    assert not state.uncertain
    assert len(odoo_invoices(world.admin, contract)) == 1


async def test_a_posting_that_may_have_happened_cannot_be_amended(
    world: World, sandbox: Sandbox
) -> None:
    invoice = await posted_without_an_answer(world, sandbox)
    with pytest.raises(Refused, match="may have happened"):
        await world.resolve(invoice, Action.AMEND, changes={"purchase_order": "PO-2"})
    await world.resolve(invoice, Action.RETRY)
    state = await world.invoice(invoice, InvoiceStage.OPEN)
    assert state.approval_round is not None
    assert state.draft is not None
    assert state.draft.content_hash == state.proposal.content_hash
    assert state.draft.approval_hash == state.approval_round.subject.content_hash


async def test_a_cancelled_draft_whose_making_failed_is_cancelled_in_odoo_before_it_is_told(
    world: World, sandbox: Sandbox
) -> None:
    contract = single()
    workflow_id = await world.active(contract)
    invoice = f"{workflow_id}/invoice/1"
    with reads_refused_behind(sandbox, "/json/2/account.move/load$"):
        await world.reach(workflow_id, "all")
        parked = await world.parked(invoice)
    assert (parked.step, parked.kind) == ("create_invoice", "credentials")
    assert moves(world, workflow_id) == ["draft"]
    await world.resolve(invoice, Action.CANCEL, reason="we do not want it")
    # The contract bills it again as soon as it hears of the rejection.
    asked = await world.parked(workflow_id)
    assert asked.step == "proposal:all"
    assert await asyncio.to_thread(moves, world, workflow_id) == ["cancel"]
