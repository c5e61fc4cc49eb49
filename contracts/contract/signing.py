"""The signature: what a contract waits for before anything is set up, and the signed document that
is attached to its order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from contracts import parking
from contracts.agenda.actions import Action, Failed, Question, Wanted
from contracts.agenda.machine import ActRule, MessageRule
from contracts.contract import recording
from contracts.contract.messages import SignatureConfirmed, SignatureReported
from contracts.contract.signature import SignedAttachment
from contracts.contract.state import ENDED, UNSIGNED, ContractStage, ContractState
from contracts.model import FIRST_DATE, LAST_DATE
from contracts.parking import Resolution, StepException
from contracts.signatures import EnvelopeStatus

SIGNATURE, ATTACH_SIGNED = "signature", "attach_signed"
_FAILED = frozenset({EnvelopeStatus.DECLINED, EnvelopeStatus.VOIDED})


def wanted(state: ContractState) -> Iterator[Wanted]:
    """A person's decision, where the envelope ended without a signature."""
    signature, envelope = state.signature, state.signature.envelope
    if state.stage is not ContractStage.SIGNING or envelope is None or signature.is_given:
        return
    is_declined = envelope.status is EnvelopeStatus.DECLINED
    basis = f"{envelope.envelope_id} {envelope.status}"
    if envelope.status in _FAILED and signature.waits_after != basis:
        reason = f": {envelope.reason}" if envelope.reason else ""
        detail = Failed(
            kind="business",
            code="envelope_declined" if is_declined else "envelope_voided",
            message=f"the envelope was {envelope.status}{reason}",
            field="envelope",
            value=envelope.envelope_id,
        )
        yield Question(SIGNATURE, SIGNATURE, detail, basis=basis)


def attaching(state: ContractState) -> Iterator[Action]:
    """The signed document, once there is an order that it can be attached to. Nothing waits for it
    but the close-out."""
    signature, envelope = state.signature, state.signature.envelope
    if envelope is None or not signature.is_completed:
        return
    if signature.attached is None and not signature.not_attached:
        yield Action(ATTACH_SIGNED, ATTACH_SIGNED, basis=envelope.envelope_id)


def signed(state: ContractState) -> ContractState:
    """Signed, the contract is set up in Odoo, once the deal is read as it is then. Where the day of
    the signature is not the one that the contract states, it is checked once more with that day."""
    if state.stage is not ContractStage.SIGNING or not state.signature.is_given:
        return state
    if state.reads_deal:
        return state
    day = signed_on(state)
    if day is None or day == state.terms.signed_on:
        return state.enter(ContractStage.PROVISIONING)
    contract_data = {**state.contract_data, "signed_on": day.isoformat()}
    state = state.noted(f"Signed on {day}; the contract stated {state.terms.signed_on}")
    state = state.replace(contract_data=contract_data, amended=True)
    return state.enter(ContractStage.VALIDATING)


def signed_on(state: ContractState) -> date | None:
    """The day of the signature in the legal entity's zone; None where nobody says it."""
    signature, envelope = state.signature, state.signature.envelope
    if signature.confirmed is not None and not signature.is_completed:
        return signature.confirmed.on
    if envelope is None or not signature.is_completed:
        return None
    day = state.day_of(envelope.completed_at or envelope.changed_at)
    return day if FIRST_DATE <= day <= LAST_DATE else None


# --- what services report -------------------------------------------------------------------------


def _report_refusal(state: ContractState, message: SignatureReported) -> str | None:
    if state.stage in ENDED:
        return f"the contract is {state.stage}"
    if state.cancel is not None:
        return "the contract is being cancelled"
    deal, source = message.envelope.deal, state.source
    if deal is not None and deal != source:
        return (
            f"the envelope signs deal {deal.id} of {deal.system}, and the contract is of "
            f"{source.id} of {source.system}"
        )
    return None


def _report(state: ContractState, message: SignatureReported) -> ContractState:
    """What is known of all envelopes says which of them counts, while nothing is set up; after that
    only a document to attach."""
    signature = state.signature
    counted = signature.with_report(message)
    if message == signature.late or counted == signature:
        return state
    envelope = message.envelope
    words = f"Envelope {envelope.envelope_id} of {message.system} is {envelope.status}"
    if envelope.reason:
        words = f"{words}: {envelope.reason}"
    if state.stage not in UNSIGNED and (signature.is_completed or not counted.is_completed):
        late = signature.replace(late=message)
        return state.replace(signature=late).noted(f"{words}; the contract is signed already")
    state = state.replace(signature=counted).noted(words)
    is_signed_now = counted.is_completed and counted.reported != signature.reported
    return state.with_deal_news() if is_signed_now else state


# --- what people say ------------------------------------------------------------------------------


def _confirm_refusal(state: ContractState, message: SignatureConfirmed) -> str | None:
    if state.cancel is not None and state.stage not in ENDED:
        return "the contract is being cancelled"
    if state.stage not in UNSIGNED:
        return f"the contract is {state.stage}: it counts as signed"
    if state.signature.confirmed not in (None, message):
        return "somebody has confirmed the signature already"
    if state.stage is not ContractStage.RECEIVED and not state.signature.system:
        return "the contract waits for no signature"
    return None


def _confirm(state: ContractState, message: SignatureConfirmed) -> ContractState:
    if state.signature.confirmed == message:
        return state
    on = f" on {message.on}" if message.on else ""
    state = state.replace(signature=state.signature.replace(confirmed=message)).with_deal_news()
    return state.noted(f"{message.by} confirms the signature{on}: {message.reason}")


def _skipped(state: ContractState, _: StepException, resolution: Resolution) -> ContractState:
    """Whoever skips the envelope says that the contract is signed."""
    confirmed = SignatureConfirmed(by=resolution.by, reason=resolution.reason)
    return state.replace(signature=state.signature.replace(confirmed=confirmed)).with_deal_news()


def _awaited(state: ContractState, found: StepException, _: Resolution) -> ContractState:
    return state.replace(signature=state.signature.replace(waits_after=found.basis))


# --- the signed document --------------------------------------------------------------------------


def _attached(state: ContractState, action: Action, attached: SignedAttachment) -> ContractState:
    state = state.replace(signature=state.signature.replace(attached=attached))
    return state.noted(f"Attached {attached.name} (SHA-256 {attached.sha256})")


def _given_up(state: ContractState, _: StepException, resolution: Resolution) -> ContractState:
    why = f"{resolution.by}: {resolution.reason}"
    return state.replace(signature=state.signature.replace(not_attached=why))


ACTS: Mapping[str, ActRule[ContractState]] = {
    SIGNATURE: ActRule(parking.SIGNATURE, skipped=_skipped, retried=_awaited),
    ATTACH_SIGNED: ActRule(
        parking.ATTACH_SIGNED,
        _attached,
        skipped=_given_up,
        left=recording.signed_document,
    ),
}
MESSAGES: Mapping[type, MessageRule[ContractState]] = {
    # A document that comes while the contract is being closed is attached first.
    SignatureReported: MessageRule(_report, _report_refusal, brings_work=True, is_recorded=True),
    SignatureConfirmed: MessageRule(_confirm, _confirm_refusal),
}
