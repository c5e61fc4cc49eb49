"""What is to be done before anything is billed: read, validate, provision."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import islice

from contracts import metrics, parking
from contracts.agenda.actions import Action, Failed, Question, Wanted
from contracts.agenda.machine import ActRule, MessageRule
from contracts.billing import account
from contracts.contract import derived, recording, signing
from contracts.contract.answers import Accepted, DealRead
from contracts.contract.state import (
    ContractStage,
    ContractState,
    ContractVersion,
    MilestoneProgress,
    OdooRefs,
)
from contracts.model import JsonObject
from contracts.problems import Problem, show
from contracts.validation import payload_problems

READ_DEAL, VALIDATE, PROVISION = "read_deal", "validate", "provision"
_MOST_DIFFERENCES = 20
"""Told of a deal that changed; the rest is seen in the terms."""


def wanted(state: ContractState) -> Iterator[Wanted]:
    """The one thing that comes next on the way to a confirmed order."""
    if state.reads_deal or (state.stage is ContractStage.RECEIVED and not state.contract_data):
        yield Action(READ_DEAL, READ_DEAL, basis=str(state.deal_news))
    elif state.stage is ContractStage.RECEIVED:
        return
    elif must_validate(state):
        problems = _payload_problems(state.contract_data)
        if problems:
            # It would not even fit into the activity that says more.
            yield Question(VALIDATE, VALIDATE, invalid(problems))
        else:
            yield Action(VALIDATE, VALIDATE)
    elif state.stage is ContractStage.PROVISIONING:
        yield provision()


def provision() -> Action:
    """A lost answer leaves open what there is in Odoo: that is found out before it is undone."""
    return Action(PROVISION, PROVISION, irreversible=True)


_payload_problems = derived.remembered(payload_problems)


def must_validate(state: ContractState) -> bool:
    """Whether the contract is not validated, or was corrected since."""
    return state.contract is None or state.amended


def invalid(problems: list[Problem]) -> Failed:
    """What parks a contract that cannot be accepted as it is."""
    first, count = problems[0], len(problems)
    return Failed(
        kind="business",
        code=first.code if count == 1 else "contract_invalid",
        message=f"{count} problem(s); the first: {first}",
        field=first.field,
        value=first.value,
        problems=tuple(problems),
    )


def received(state: ContractState) -> ContractState:
    """There is data to be validated: under the contract's own name, whatever it says itself."""
    if state.stage is not ContractStage.RECEIVED or not state.contract_data:
        return state
    named = _named(state, state.contract_data)
    return state.replace(contract_data=named).enter(ContractStage.VALIDATING)


def _named(state: ContractState, contract_data: JsonObject) -> JsonObject:
    return {
        **contract_data,
        "contract_id": state.contract_id,
        "legal_entity": state.legal_entity,
        "source": state.source.model_dump(mode="json"),
    }


# --- what came of it ------------------------------------------------------------------------------


def _deal_read(state: ContractState, action: Action, deal: DealRead) -> ContractState:
    signature = state.signature.replace(system=deal.signature)
    state = state.replace(signature=signature, deal_read=state.deal_news, refreshed=())
    if state.stage is ContractStage.RECEIVED:
        return state.replace(contract_data=deal.contract_data)
    contract_data = _named(state, deal.contract_data)
    day = signing.signed_on(state)
    if day is not None:
        contract_data["signed_on"] = day.isoformat()
    # The day of the signature is no news of the deal's: where there is no other, `signed` sees it.
    own_news = {"signed_on"} if day is not None else set()
    changed = _differences(state.contract_data, contract_data, apart_from=own_news)
    if not changed:
        return state
    for text in changed:
        state = state.noted(f"The deal was read again: {text}")
    state = state.replace(contract_data=contract_data, amended=True, refreshed=changed)
    return state.enter(ContractStage.VALIDATING)


def _differences(
    before: JsonObject, after: JsonObject, *, apart_from: Collection[str]
) -> tuple[str, ...]:
    """What the data says otherwise than before, in words, by field; the first that there are."""
    names = (name for name in {**before, **after} if before.get(name) != after.get(name))
    told = (
        f"{show(name)}: {show(before.get(name))} -> {show(after.get(name))}"
        for name in names
        if name not in apart_from
    )
    return tuple(islice(told, _MOST_DIFFERENCES))


def _validated(state: ContractState, action: Action, accepted: Accepted) -> ContractState:
    contract = accepted.contract
    signed = ContractVersion(
        version=contract.version,
        on=contract.signed_on,
        by=contract.requested_by,
        reason="signed",
        fixed_price=contract.fixed_price,
    )
    state = state.replace(
        contract=contract,
        amended=False,
        time_zone=accepted.time_zone,
        odoo=state.odoo.replace(company_id=accepted.company_id),
        milestones={
            item.key: state.milestones.get(item.key, MilestoneProgress())
            for item in contract.milestones
        },
        versions=(signed,),
    ).with_requesters(contract.requested_by)
    if state.stage is not ContractStage.VALIDATING:
        return state
    waits = state.signature.system or state.signature.is_given
    return state.enter(ContractStage.SIGNING if waits else ContractStage.PROVISIONING)


def _set_up(state: ContractState, action: Action, odoo: OdooRefs) -> ContractState:
    if odoo.vat_check and odoo.vat_check != state.odoo.vat_check:
        state = state.noted(odoo.vat_check)
    return state.replace(odoo=odoo)


def _provisioned(state: ContractState, action: Action, odoo: OdooRefs) -> ContractState:
    if state.cancel is not None:
        return state  # It was only found out what is to be taken back.
    # From now on the contract itself says all of it.
    billing = account.begin(state.terms, state.today)
    state = state.replace(contract_data={}, order_version=state.terms, billing=billing)
    return state.measured(
        metrics.days(
            metrics.PROJECT, state.today - state.terms.signed_on, legal_entity=state.legal_entity
        )
    ).enter(ContractStage.ACTIVE)


def _provisioned_in_part(state: ContractState, action: Action, failure: Failed) -> ContractState:
    if failure.facts is None:
        return state
    return _set_up(state, action, OdooRefs.model_validate(failure.facts))


ACTS: Mapping[str, ActRule[ContractState]] = {
    READ_DEAL: ActRule(parking.READ_DEAL, decided=_deal_read),
    VALIDATE: ActRule(parking.VALIDATE, decided=_validated),
    # In one act; each part parks under its own name.
    PROVISION: ActRule(
        parking.PROVISION,
        _set_up,
        _provisioned_in_part,
        decided=_provisioned,
        parts=(parking.CUSTOMER, parking.ORDER, parking.CONFIRM),
        refusal_tells=False,
        left=recording.order,
    ),
}
MESSAGES: Mapping[type, MessageRule[ContractState]] = {}
