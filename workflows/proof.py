"""Whether a message comes from whom it says: asked in the validators of Updates.

The SDK does not run validators in a replay, so keys and rules of access may change freely. What is
applied after one takes the sender from the message as it stands in the history. A Signal has no
validator: a local activity verifies it (`activities.proofs`), whose answer stands in the history.
"""

from __future__ import annotations

from collections.abc import Sequence

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.proofs import Proven
    from contracts import access, actors
    from contracts.actors import Actor, Claims, NotProven, Proof
    from contracts.agenda import requests
    from contracts.agenda.actions import Noted, SignalReceived
    from contracts.model import Signed
    from contracts.parking import Resolution, StepException

_proof: Proof | None = None
"""Of this process. A copy of this module, as the sandbox makes of what is not passed through, has
none: there nothing is let in."""


def install(proof: Proof | None) -> Proof | None:
    """Have all workflows of this process verify so; returns how they did. Import what is here by
    `from workflows.proof import`: `from workflows import proof` gives a copy in the sandbox."""
    global _proof
    before, _proof = _proof, proof
    return before


def refusal(
    name: str, message: Signed, request_id: str, exceptions: Sequence[StepException] = ()
) -> str | None:
    """Why an Update of this name is not let in, as a sentence; None if it is. Only for validators:
    the answer hangs on the keys of this process. `exceptions` are those of the workflow."""
    if _proof is None:
        return "this worker does not know whether it must be signed: a defect"
    try:
        claims = _proof.claims(message.actor)
    except NotProven as error:
        return str(error)
    if claims is None:
        return None
    return _refused(claims, name, message, request_id, exceptions)


def sender(message: Signed) -> Actor | None:
    """Who sent a message that was let in; None where nobody signed it."""
    return actors.claimed(message.actor) if message.actor else None


def bare(message: Signed) -> Signed:
    """The message without its signature: a state keeps what was decided, and who by."""
    return message.model_copy(update={"actor": ""}) if message.actor else message


def request_id_of(message: Signed) -> str:
    """The id of the request that is being handled: whoever sends it again uses the same one."""
    info = workflow.current_update_info()
    return requests.request_id(info.id, message) if info is not None else ""


def heard(
    name: str,
    message: Signed,
    words: str,
    proven: Proven,
    exceptions: Sequence[StepException],
) -> SignalReceived | Noted:
    """What a Signal of this name is to the rules, now that a local activity has verified it. Sent
    again under its request id, it counts once."""
    claims = proven.claims
    if proven.refusal or claims is None:
        refused = proven.refusal or None
        request_id, actor = "", None
    else:
        request_id, actor = claims.request_id, claims.actor
        refused = _refused(claims, name, message, request_id, exceptions)
    if refused is not None:
        return Noted(f"Refused {words}: {refused}")
    return SignalReceived(bare(message), words, request_id, actor)


def _refused(
    claims: Claims,
    name: str,
    message: Signed,
    request_id: str,
    exceptions: Sequence[StepException],
) -> str | None:
    refused = claims.refusal(workflow.info().workflow_id, name, message, request_id)
    return refused or _not_allowed(name, message, claims.actor, exceptions)


def _not_allowed(
    name: str, message: Signed, actor: Actor, exceptions: Sequence[StepException]
) -> str | None:
    if not isinstance(message, Resolution):
        return access.refusal(actor.roles, *access.needed(name))
    meant = [item for item in exceptions if message.step in ("", item.step)]
    refused = (
        access.refusal(actor.roles, access.to_resolve(item, message.action)) for item in meant
    )
    return next(filter(None, refused), None)
