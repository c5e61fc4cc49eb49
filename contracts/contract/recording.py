"""What the audit record of a contract follows: how it stands in short, and what its acts leave."""

from __future__ import annotations

from typing import Any

from contracts.agenda.actions import Action
from contracts.agenda.machine import Audited
from contracts.audit.entries import OURSELVES, Left, Who, sha256
from contracts.contract.state import ContractState
from contracts.model import JsonObject


def _origin(state: ContractState) -> str:
    """The hash of the contract data it began with; of a deal, of where that is read."""
    return sha256(state.contract_data or state.source.model_dump(mode="json"))


def _standing(state: ContractState) -> JsonObject:
    change, termination, notice = state.change, state.termination, state.notice
    found: JsonObject = {"stage": str(state.stage)}
    if state.ending is not None:
        found["ending"] = str(state.ending)
    if state.contract is not None:
        found |= {"version": state.contract.version, "value": str(state.contract.value)}
    if change is not None:
        found["change order"] = change.order.number
    if change is not None and change.approval_round is not None:
        found["approved by"] = change.approval_round.given
    if termination is not None:
        found["ends early on"] = termination.on.isoformat()
    if notice is not None:
        found["notice by"] = str(notice.side)
    if state.signature.is_given:
        found["signed"] = True
    for kind, hold in state.holds.items():
        found[f"hold on {kind}"] = hold.until.isoformat() if hold.until else "until released"
    for key, progress in state.milestones.items():
        if progress.reached_on is not None:
            found[f"milestone {key}"] = progress.reached_on.isoformat()
    return found


def _starter(state: ContractState) -> Who:
    """The person who was signed in; without one it is a system, or somebody whom nobody knows."""
    return Who(person=state.started_by) if state.started_by else OURSELVES


AUDITED = Audited(_origin, _standing, _starter)


# --- what acts leave in Odoo ----------------------------------------------------------------------


def order(state: ContractState, action: Action, answer: Any) -> Left:
    """The order in Odoo, and the terms it follows."""
    terms = state.following or state.contract
    content = sha256(terms.model_dump(mode="json")) if terms else ""
    return Left(remote_id=f"sale.order {state.odoo.order_id}", content_hash=content)


def project(state: ContractState, action: Action, answer: Any) -> Left:
    return Left(remote_id=f"project.project {state.odoo.project_id}")


def signed_document(state: ContractState, action: Action, answer: Any) -> Left:
    attached = state.signature.attached
    if attached is None:
        return Left()
    remote_id = f"ir.attachment {attached.attachment_id}"
    return Left(remote_id=remote_id, content_hash=attached.sha256)
