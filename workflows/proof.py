"""Whether a message comes from whom it says: asked in the validators of Updates.

The SDK does not run validators in a replay, so keys and rules of access may change freely. What is
applied after one takes the sender from the message as it stands in the history.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts import access, actors
    from contracts.actors import Actor, Claims
    from contracts.agenda import requests
    from contracts.model import Signed
    from contracts.parking import Resolution, StepException

Verify = Callable[[str], Claims]
"""Gives what a signature says, once it is known to be right. Raises NotProven."""


class NotProven(Exception):
    """A signature is not right; the text says why, for people."""


@dataclass(frozen=True)
class Proof:
    """How this process verifies. Where `required`, a message without a signature is refused."""

    verify: Verify | None = None
    required: bool = False


_proof = Proof()


def install(proof: Proof) -> None:
    """Have all workflows of this process verify so."""
    global _proof
    _proof = proof


def refusal(
    name: str, message: Signed, request_id: str, exceptions: Sequence[StepException] = ()
) -> str | None:
    """Why an Update of this name is not let in, as a sentence; None if it is. Only for validators:
    the answer hangs on the keys of this process. `exceptions` are those of the workflow."""
    if not message.actor:
        return "it is not signed: sign in, and send it by the application" if _required() else None
    if _proof.verify is None:
        return "it is signed, and this worker has no key to verify it by (identity.verify)"
    try:
        claims = _proof.verify(message.actor)
    except NotProven as error:
        return str(error)
    info = workflow.info()
    refused = claims.refusal(info.workflow_id, name, message, request_id, workflow.now())
    return refused or _not_allowed(name, message, claims.actor, exceptions)


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


def _required() -> bool:
    return _proof.required


def _not_allowed(
    name: str, message: Signed, actor: Actor, exceptions: Sequence[StepException]
) -> str | None:
    if not isinstance(message, Resolution):
        return access.refusal(actor.roles, access.OF_MESSAGES[name])
    meant = [item for item in exceptions if message.step in ("", item.step)]
    refused = (
        access.refusal(actor.roles, access.to_resolve(item, message.action)) for item in meant
    )
    return next(filter(None, refused), None)
