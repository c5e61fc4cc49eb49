"""What a person may send to a contract or an invoice, each with its form; or why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic import BaseModel, ValidationError

from contracts import access
from contracts.access import OF_MESSAGES, Permission, Role
from contracts.contract import rules as contract_rules
from contracts.contract.state import ContractState
from contracts.invoice import rules as invoice_rules
from contracts.invoice.state import InvoiceState
from starters.client import messages
from starters.client.protocol import Update
from starters.web.pages.message_forms import BY, Field, Options, fields

_SOMEBODY = "somebody"
_SAID = frozenset({BY, "reason", "comment"})


@dataclass(frozen=True)
class Act:
    """One Update that people send: what it is called, and what it means. `is_grave`: it is asked
    twice, as nothing takes it back."""

    update: Update[Any, Any]
    title: str
    about: str
    is_grave: bool = False

    @property
    def name(self) -> str:
        return self.update.name

    @property
    def permission(self) -> Permission:
        return OF_MESSAGES[self.name]


OF_CONTRACTS = (
    Act(messages.REACH_MILESTONE, "Milestone reached", "Its invoice is proposed for approval."),
    Act(
        messages.UNREACH_MILESTONE,
        "Milestone not reached after all",
        "Once its invoice is proposed, finance reviews it.",
    ),
    Act(
        messages.RECORD_USAGE,
        "Record usage",
        "One record a line. An id counts once; another quantity under it replaces the one before.",
    ),
    Act(
        messages.CREDIT_SERVICE,
        "Credit a breach of service levels",
        "Deducted from the retainer's next invoice. Without tax; a reference counts once.",
    ),
    Act(
        messages.REQUEST_CREDIT,
        "Credit an invoice",
        "An amount of it without tax, or all that is left. The credit note needs approval.",
    ),
    Act(
        messages.RELEASE_RETAINAGE,
        "Release what is held back",
        "The event that releases it has come: it is proposed for approval.",
    ),
    Act(
        messages.PROPOSE_CHANGE,
        "Change the contract",
        "A change order; you see what it would change before it is proposed for approval.",
    ),
    Act(messages.SET_HOLD, "Hold billing or reminders", "Of the whole contract; or release it."),
    Act(
        messages.REFRESH_CUSTOMER,
        "Read the deal again",
        "Takes from the CRM what the CRM still owns.",
    ),
    Act(messages.READ_BURN, "Read hours and costs again", "Of the project in Odoo."),
    Act(
        messages.CONFIRM_SIGNATURE,
        "Signed on paper",
        "The contract is signed, although no envelope says so.",
    ),
    Act(
        messages.TERMINATE,
        "Terminate early",
        "One side ends the contract; what is delivered by its last day is billed.",
        is_grave=True,
    ),
    Act(messages.WITHDRAW_TERMINATION, "Withdraw the termination", "The contract goes on."),
    Act(messages.GIVE_NOTICE, "Notice given", "The contract is not renewed after its term."),
    Act(
        messages.REQUEST_CANCEL,
        "Cancel the contract",
        "Only while nothing is billed: what was set up in Odoo is taken back.",
        is_grave=True,
    ),
)
OF_INVOICES = (
    Act(
        messages.RECORD_PAYMENT,
        "Record a payment",
        "One that is known outside Odoo; it is registered there. A reference counts once.",
    ),
    Act(
        messages.OPEN_DISPUTE,
        "Customer disputes it",
        "All of it, or an amount with tax: only the rest is reminded of.",
    ),
    Act(
        messages.RESOLVE_DISPUTE,
        "Dispute resolved",
        "What is accepted (with tax) is credited once that is approved; nothing rejects it.",
    ),
    Act(
        messages.PROMISE_PAYMENT,
        "Customer promises payment",
        "Reminders pause until then. Without an amount, all that is not disputed.",
    ),
    Act(messages.CHANGE_DUNNING_HOLD, "Hold or release reminders", "Of this invoice alone."),
    Act(
        messages.ASK_WRITE_OFF,
        "Ask for a write-off",
        "Of what is open; nothing happens before another person approves it.",
    ),
)
BY_NAME = {act.name: act for act in (*OF_CONTRACTS, *OF_INVOICES)}
PERMISSIONS = tuple(dict.fromkeys(act.permission for act in BY_NAME.values()))


@dataclass(frozen=True)
class Offer:
    """An act as one visitor sees it now. `refusal` says why they may not send it, and who may;
    `not_now` why nobody can at present. Without both there is a form."""

    act: Act
    fields: tuple[Field, ...]
    refusal: str = ""
    not_now: str = ""

    @property
    def is_possible(self) -> bool:
        return not (self.refusal or self.not_now)


def offers(state: ContractState | InvoiceState, roles: frozenset[Role]) -> tuple[Offer, ...]:
    """Everything that can be sent to a contract or an invoice, by whoever has these roles."""
    acts = OF_CONTRACTS if isinstance(state, ContractState) else OF_INVOICES
    choices = _choices(state)
    return tuple(_offer(act, state, roles, choices) for act in acts)


def _offer(
    act: Act,
    state: ContractState | InvoiceState,
    roles: frozenset[Role],
    choices: Mapping[str, Mapping[str, Options]],
) -> Offer:
    options = choices.get(act.name, {})
    asked = () if act.update is messages.PROPOSE_CHANGE else fields(act.update.message, options)
    refusal = access.refusal(roles, act.permission) or ""
    if refusal:
        return Offer(act, asked, refusal=refusal)
    missing = [name for name, values in options.items() if not values]
    if missing:
        return Offer(act, asked, not_now=_NOTHING[missing[0]])
    return Offer(act, asked, not_now=_not_now(act.update.message, state))


_NOTHING = {
    "milestone": "there is no milestone of that kind",
    "retainer": "the contract has no retainer",
    "number": "no invoice is issued yet",
    "records": "the contract has no usage plan",
}


def _choices(state: ContractState | InvoiceState) -> dict[str, dict[str, Options]]:
    """What there is to choose from, by message and field."""
    if isinstance(state, InvoiceState):
        return {}
    contract = state.contract
    milestones = contract.milestones if contract else ()
    reached = {key for key, item in state.milestones.items() if item.reached_on is not None}
    issued = [report for report in state.invoices.values() if report.untaxed is not None]
    named = [(item.key, f"{item.name} ({item.amount})") for item in milestones]
    usage: Options = [("", "")] if contract and contract.usage else []
    return {
        "reach_milestone": {"milestone": [item for item in named if item[0] not in reached]},
        "unreach_milestone": {"milestone": [item for item in named if item[0] in reached]},
        "credit_service": {
            "retainer": [(item.key, item.key) for item in (contract.retainers if contract else ())]
        },
        "request_credit": {
            "number": [
                (str(item.number), item.name) for item in issued if item.kind.value == "invoice"
            ]
        },
        "record_usage": {"records": usage},
    }


# --- what would be refused whatever is said -----------------------------------------------------


def _not_now(model: type[BaseModel], state: ContractState | InvoiceState) -> str:
    """Why every message of this kind would be refused now; empty where that depends on what it
    says, or it would be accepted."""
    refusals = []
    for example in _examples(model):
        refusal = _refusal(state, example)
        if refusal is None:
            return ""
        refusals.append(refusal)
    return refusals[0] if refusals else ""


def _examples(model: type[BaseModel]) -> Iterator[BaseModel]:
    """One message for each choice, where words and a choice are all that it has to say."""
    if any(field.name.count(".") for field in fields(model)):
        return  # a part that is left out says something else than one that is given
    needed = {name for name, info in model.model_fields.items() if info.is_required()}
    words = {name: _SOMEBODY for name in needed & _SAID}
    chosen = needed - _SAID
    if len(chosen) > 1:
        return
    contents: Sequence[dict[str, Any]] = [words]
    for name in chosen:
        kind = model.model_fields[name].annotation
        if not (isinstance(kind, type) and issubclass(kind, Enum)):
            return
        contents = [{**words, name: item} for item in kind]
    for content in contents:
        try:
            yield model.model_validate(content)
        except ValidationError:
            return


def _refusal(state: ContractState | InvoiceState, example: BaseModel) -> str | None:
    if isinstance(state, ContractState):
        return contract_rules.AGENDA.refusal(state, example, state.clock)
    return invoice_rules.AGENDA.refusal(state, example, state.clock)
