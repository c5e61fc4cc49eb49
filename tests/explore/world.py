"""A contract, its invoices, Odoo and the Signals between them, as one frozen value.

`told` is the shell of workflows/shell.py: it applies an event and begins all that may begin then.
An act that has begun ends only by a move of the explorer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from contracts.agenda.actions import (
    Action,
    Answered,
    Began,
    ClockRang,
    Done,
    Event,
    Failed,
    Result,
    SignalReceived,
)
from contracts.agenda.machine import Agenda, Outcome
from contracts.agenda.state import AgendaState, required
from contracts.billing import account
from contracts.contract import (
    amendments,
    answers,
    delivery,
    endings,
    handing_over,
    holds,
    invoices,
    proposing,
    provisioning,
    reading,
    signing,
    write_back,
)
from contracts.contract import rules as contract_rules
from contracts.contract.messages import (
    HoldKind,
    InvoiceEnded,
    InvoiceLost,
    MilestoneReachedInOdoo,
    MilestoneUnreachedInOdoo,
)
from contracts.contract.signature import SignedAttachment
from contracts.contract.state import ContractInput, ContractState
from contracts.handover import Burn, ServiceBurn, plan_of
from contracts.invoice import acts, reporting
from contracts.invoice import rules as invoice_rules
from contracts.invoice.messages import ContractHoldChange, ContractRenewed, CreditRequested
from contracts.invoice.state import InvoiceReport, InvoiceState
from contracts.model import JsonObject, Source
from contracts.money import Money
from contracts.validation import validate
from tests.explore import odoo
from tests.explore.digests import first_equal, first_of
from tests.explore.frozen import Frozen, once
from tests.explore.odoo import Odoo, policy, refused
from tests.recorded import at_once

CONTRACT = 0
"""Whom an event is for: the contract, or an invoice by its number."""
GONE = Failed("business", "not_found", "no such workflow")


@dataclass(frozen=True)
class Invoice(Frozen):
    """An invoice's workflow. `requests` are what its running acts ask for, by key."""

    state: InvoiceState
    is_ended: bool = False
    requests: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Mail:
    """A Signal, or the result of a child, on its way. Of one sender the first arrives first."""

    sender: int
    to: int
    message: Any


@dataclass(frozen=True)
class Budget(Frozen):
    """How often things may still happen that nobody has to do."""

    faults: int = 0
    messages: int = 0
    days: int = 0
    renewals: int = 0
    copies: int = 0
    early: int = 0


@dataclass(frozen=True)
class World(Frozen):
    """Where everything is. `landed` are results of acts whose effect has happened and whose answer
    is on its way. `skipped`: a person has given something up, and answers for it."""

    contract: ContractState
    odoo: Odoo
    clock: datetime
    deal: JsonObject
    budget: Budget
    signature: str = ""
    """The service for signatures that the CRM's contracts wait for."""
    invoices: Mapping[int, Invoice] = field(default_factory=dict)
    requests: Mapping[str, Any] = field(default_factory=dict)
    landed: Mapping[tuple[int, str], Result] = field(default_factory=dict)
    mail: tuple[Mail, ...] = ()
    skipped: bool = False
    credits: tuple[tuple[int, Money], ...] = ()
    """Credits that were accepted: the invoice's number, and the amount without tax."""
    amended: tuple[tuple[int, str], ...] = ()
    """Whose word changed which invoice's proposal."""

    def spend(self, name: str) -> World:
        left = getattr(self.budget, name) - 1
        return self.replace(budget=self.budget.replace(**{name: left}))

    @property
    def is_over(self) -> bool:
        return self.contract_ended and all(item.is_ended for item in self.invoices.values())

    @cached_property
    def contract_ended(self) -> bool:
        return contract_rules.AGENDA.has_ended(self.contract)

    def state_of(self, who: int) -> Any:
        return self.contract if who == CONTRACT else self.invoices[who].state

    def is_alive(self, who: int) -> bool:
        if who == CONTRACT:
            return not self.contract_ended
        return who in self.invoices and not self.invoices[who].is_ended

    def request_of(self, who: int, key: str) -> Any:
        return (self.requests if who == CONTRACT else self.invoices[who].requests)[key]


def begun(
    deal: JsonObject,
    budget: Budget,
    start: datetime,
    system: str = "file",
    *,
    has_rate: bool = True,
    signature: str = "",
) -> World:
    """A contract that has just been started."""
    state = contract_rules.begun(
        ContractInput(
            contract_id=deal["contract_id"],
            legal_entity=deal["legal_entity"],
            source=Source(system=system, id="9001"),
            contract_data=deal if system == "file" else {},
        ),
        start,
    )
    odoo_there = Odoo(has_rate=has_rate)
    return _begin_contract(World(state, odoo_there, start, deal, budget, signature))


# --- the cores ------------------------------------------------------------------------------------


def refusal(world: World, who: int, message: Any) -> str | None:
    """Why a message would be refused now; None if it would be accepted."""
    return _refusal(_agenda_of(who), world.state_of(who), message, world.clock)


def applied(world: World, who: int, event: Event) -> Outcome[Any]:
    """What an event comes to, with nothing begun."""
    parts = (getattr(event, name) for name in type(event).__slots__)
    return _applied(_agenda_of(who), world.state_of(who), world.clock, type(event), *parts)


# The cores are pure, and most moves leave most states as they are: of the very same state the very
# same is asked once.


def _agenda_of(who: int) -> Agenda[Any]:
    return contract_rules.AGENDA if who == CONTRACT else invoice_rules.AGENDA


@once(20_000)
def _refusal(agenda: Agenda[Any], state: Any, message: Any, now: datetime) -> str | None:
    return agenda.refusal(state, message, now)


@once(20_000)
def _applied(
    agenda: Agenda[Any], state: Any, now: datetime, kind: type[Event], *parts: Any
) -> Outcome[Any]:
    return agenda.apply(state, kind(*parts), now)


@once(20_000)
def _next_wake(agenda: Agenda[Any], state: Any) -> datetime | None:
    return agenda.next_wake(state)


@once(20_000)
def _all_begun(
    agenda: Agenda[Any], state: Any, now: datetime, request_of: Callable[[Any, Action], Any]
) -> tuple[Any, Mapping[str, Any]]:
    """The state with all begun that may begin, and what these acts ask for, by key: decided in the
    moment in which each begins."""
    requests = {}
    while (action := agenda.next_action(state)) is not None:
        # The store answers at once: nothing else waits for it, or hangs on what it says.
        recorded = at_once(agenda, state, action, now)
        if recorded is not None:
            state = recorded
            continue
        state = agenda.apply(state, Began(action), now).state
        assert state.running.get(action.key) is action, f"{action.key} was not begun"
        requests[action.key] = request_of(state, action)
    return state, requests


def with_state(world: World, who: int, state: Any) -> World:
    """The world with the state of the contract, or of an invoice."""
    if who == CONTRACT:
        return world.replace(contract=state)
    return _with(world, who, world.invoices[who].replace(state=state))


@once(1_000)
def words_of(message: Any) -> str:
    """What a Signal is called in the journal, should it be refused."""
    if isinstance(message, CreditRequested):
        return f"a credit of invoice {message.number}"
    return "a message"


# --- the shell ------------------------------------------------------------------------------------


def told(world: World, who: int, event: Event) -> World:
    """The world after an event, with all begun that may begin then."""
    if not world.is_alive(who):
        return world
    world = with_state(world, who, applied(world, who, event).state)
    return _begin_contract(world) if who == CONTRACT else _begin_invoice(world, who)


def _with(world: World, number: int, invoice: Invoice) -> World:
    return world.replace(invoices={**world.invoices, number: invoice})


def _begin_contract(world: World) -> World:
    agenda = contract_rules.AGENDA
    state, asked = _all_begun(agenda, world.contract, world.clock, _contract_request)
    if state is world.contract:
        return world
    return world.replace(contract=state, requests={**world.requests, **asked})


def _begin_invoice(world: World, number: int) -> World:
    invoice = world.invoices[number]
    agenda = invoice_rules.AGENDA
    state, asked = _all_begun(agenda, invoice.state, world.clock, _invoice_request)
    requests = {**invoice.requests, **asked} if asked else invoice.requests
    # The engine lets nobody end who has not heard a Signal that it has accepted.
    is_heard = all(mail.to != number for mail in world.mail)
    ended = is_heard and agenda.has_ended(state)
    world = _with(world, number, Invoice(state, ended, requests))
    return _end_told(world, number) if ended else world


def _end_told(world: World, number: int) -> World:
    """The run that has started an invoice hears of its end, as the result of its child."""
    if number not in world.contract.followed:
        return world
    report = reporting.report(world.invoices[number].state)
    return posted(world, Mail(number, CONTRACT, InvoiceEnded(report=report)))


def posted(world: World, mail: Mail) -> World:
    return world.replace(mail=(*world.mail, mail))


def answered(world: World, who: int, key: str, result: Result) -> World:
    """The answer of an act arrives."""
    result = first_equal(result)
    landed = {place: item for place, item in world.landed.items() if place != (who, key)}
    world = world.replace(landed=landed)
    if who != CONTRACT:
        invoice = world.invoices[who]
        requests = {name: item for name, item in invoice.requests.items() if name != key}
        world = _with(world, who, invoice.replace(requests=requests))
        return told(world, who, Answered(key, result))
    action = world.contract.running[key]
    requests = {name: item for name, item in world.requests.items() if name != key}
    world = told(world.replace(requests=requests), who, Answered(key, result))
    if action.kind == proposing.START_INVOICE and result == Done(value=True):
        number = int(action.subject)
        if world.invoices[number].is_ended:
            return _end_told(world, number)
    return world


def rang(world: World, at: datetime) -> World:
    """It is that time: whoever has waited for it is woken."""
    before = world
    world = world.replace(clock=at)
    for who in (CONTRACT, *before.invoices):
        wake = wake_of(before, who)
        if wake is not None and wake <= at:
            world = told(world, who, ClockRang())
    return world


def wake_of(world: World, who: int) -> datetime | None:
    if not world.is_alive(who):
        return None
    return _next_wake(_agenda_of(who), world.state_of(who))


def next_wake(world: World) -> datetime | None:
    """When time alone changes something next."""
    times = (wake_of(world, who) for who in (CONTRACT, *world.invoices))
    found = min((at for at in times if at is not None), default=None)
    return None if found is None else max(found, world.clock + timedelta(seconds=1))


def renewed(world: World, who: int) -> World:
    """A run continues as new: the state travels as JSON, nothing else does. The next run of a
    contract does not hear the results of children of the one before."""
    if who != CONTRACT:
        invoice = world.invoices[who]
        carried = _carried(invoice.state)
        return _begin_invoice(_with(world, who, invoice.replace(state=carried)), who)
    results = (InvoiceEnded, InvoiceLost)
    mail = tuple(item for item in world.mail if not isinstance(item.message, results))
    state = _continued(world.contract, world.clock)
    return _begin_contract(world.replace(contract=state, mail=mail))


@once(2_000)
def _carried(state: AgendaState) -> Any:
    return type(state).model_validate_json(state.model_dump_json())


@once(2_000)
def _continued(state: ContractState, now: datetime) -> ContractState:
    start = ContractInput(
        contract_id=state.contract_id,
        legal_entity=state.legal_entity,
        source=state.source,
        state=_carried(state),
    )
    return contract_rules.begun(start, now)


def killed(world: World, number: int) -> World:
    """An invoice's workflow is ended by force."""
    invoice = world.invoices[number]
    world = _with(world, number, Invoice(invoice.state.replace(running={}), is_ended=True))
    landed = {place: item for place, item in world.landed.items() if place[0] != number}
    world = world.replace(landed=landed)
    if number in world.contract.followed:
        return posted(world, Mail(number, CONTRACT, InvoiceLost(number=number)))
    return world


# --- what acts ask for ----------------------------------------------------------------------------


def _contract_request(state: ContractState, action: Action) -> Any:
    """What an act asks for, decided in the moment in which it begins."""
    request = _CONTRACT_REQUESTS.get(action.kind)
    return request(state, action) if request else None


def _reading(state: ContractState, action: Action) -> Any:
    [found] = [read for read in reading.readings(state) if read.plan == action.subject]
    return found


def _start(state: ContractState, action: Action) -> InvoiceState:
    number = int(action.subject)
    start = state.starting[number]
    credited = state.invoices.get(start.proposal.credited_number)
    return InvoiceState(
        clock=state.clock,
        contract_workflow_id=f"contract/{state.legal_entity}/{state.contract_id}",
        company_id=1,
        order_id=5,
        partner_id=2,
        credited_invoice_id=credited.invoice_id if credited else None,
        requested_by=start.requested_by,
        time_zone=state.time_zone,
        proposal=start.proposal,
        reached=start.reached,
    )


def _hold(state: ContractState, action: Action) -> ContractHoldChange:
    hold = state.holds.get(HoldKind.DUNNING)
    return ContractHoldChange(
        on=hold is not None,
        by=hold.by if hold else "contract",
        reason=hold.reason if hold else "released",
        until=hold.until if hold else None,
    )


_CONTRACT_REQUESTS: Mapping[str, Callable[[ContractState, Action], Any]] = {
    provisioning.VALIDATE: lambda state, _: state.contract_data,
    provisioning.PROVISION: lambda state, _: state.terms,
    signing.ATTACH_SIGNED: lambda state, _: required(state.signature.envelope).envelope_id,
    reading.READ_TIME: _reading,
    reading.READ_EXPENSES: _reading,
    delivery.MARK_MILESTONE: lambda state, action: state.odoo.milestone_ids[action.subject],
    delivery.LOOK_UP: lambda state, action: state.odoo.milestone_ids[action.subject],
    delivery.SET_DELIVERED: lambda state, action: delivery.delivered_news(state, action.subject),
    proposing.START_INVOICE: _start,
    holds.DUNNING_HOLD: _hold,
    amendments.AMEND_ORDER: lambda state, _: (state.odoo, amendments.versions_to_follow(state)[1]),
    amendments.AMEND_PROJECT: lambda state, _: (
        state.odoo,
        amendments.versions_to_follow(state)[1],
    ),
    amendments.PROJECT_STATUS: lambda state, _: amendments.status_text(state),
    handing_over.HAND_OVER: lambda state, _: state.terms,
    write_back.WRITE_STATUS: lambda state, _: write_back.status(state),
    endings.CLOSE_OUT: lambda state, _: (
        account.sums(state.account, state.billing_day).billed,
        endings.parts_left(state),
    ),
}


def _invoice_request(state: InvoiceState, action: Action) -> Any:
    if action.kind == acts.TELL_CONTRACT:
        return reporting.report(state)
    if action.kind == acts.ASK_CREDIT:
        return state.credit_requests[0]
    if action.kind == acts.TELL_INVOICE:
        return state.credit_to_tell
    return odoo.request(state, action)


# --- what acts do ---------------------------------------------------------------------------------


def performed(world: World, who: int, action: Action) -> tuple[World, Result]:
    """The effect of an act, and its answer; the very same world where nothing was left to do."""
    asked = world.request_of(who, action.key)
    if who == CONTRACT:
        return _CONTRACT_ACTS[action.kind](world, action, asked)
    if action.kind in _TOLD:
        return _TOLD[action.kind](world, who, asked)
    after, result = odoo.perform(world.odoo, who, action, asked)
    return (world if after is world.odoo else world.replace(odoo=after)), result


def _tell_contract(world: World, who: int, report: InvoiceReport) -> tuple[World, Result]:
    if world.contract_ended:
        return world, GONE
    return posted(world, Mail(who, CONTRACT, report)), Done(report)


def _ask_credit(world: World, who: int, asked: Any) -> tuple[World, Result]:
    if world.contract_ended:
        return world, GONE
    return posted(world, Mail(who, CONTRACT, asked)), Done()


def _tell_invoice(world: World, who: int, asked: Any) -> tuple[World, Result]:
    number = world.invoices[who].state.proposal.credited_number
    return _to_invoice(world, number, Mail(who, number, asked))


def _to_invoice(world: World, number: int, mail: Mail) -> tuple[World, Result]:
    if not world.is_alive(number):
        return world, GONE
    return posted(world, mail), Done()


_TOLD: Mapping[str, Callable[[World, int, Any], tuple[World, Result]]] = {
    acts.TELL_CONTRACT: _tell_contract,
    acts.ASK_CREDIT: _ask_credit,
    acts.TELL_INVOICE: _tell_invoice,
}

ContractAct = Callable[[World, Action, Any], tuple[World, Result]]


def _read_deal(world: World, action: Action, asked: Any) -> tuple[World, Result]:
    return world, Done(answers.DealRead(world.deal, world.signature))


def _validate(world: World, action: Action, asked: JsonObject) -> tuple[World, Result]:
    return world, _accepted(asked)


@once(1_000)
def _accepted(contract_data: JsonObject) -> Done:
    return Done(answers.Accepted(validate(contract_data), 1, "Europe/Brussels"))


def _provision(world: World, action: Action, asked: Any) -> tuple[World, Result]:
    after = odoo.provisioned(world.odoo, asked)
    return (world if after is world.odoo else world.replace(odoo=after)), Done(after.refs)


def _attach_signed(world: World, action: Action, envelope_id: str) -> tuple[World, Result]:
    attached = SignedAttachment(attachment_id=300, name=envelope_id, sha256="5" * 64)
    if world.odoo.signed:
        return world, Done(attached)
    return world.replace(odoo=world.odoo.replace(signed=envelope_id)), Done(attached)


def _read_time(world: World, action: Action, asked: Any) -> tuple[World, Result]:
    found = tuple(odoo.hours(world.odoo, asked.plan, world.contract.terms.starts_on, asked.until))
    return world, Done(answers.RecordsRead(found, (), None, asked.until))


def _read_expenses(world: World, action: Action, asked: Any) -> tuple[World, Result]:
    contract = world.contract.terms
    found = tuple(odoo.expenses(asked.plan, contract.starts_on, asked.until, contract.currency))
    return world, Done(answers.RecordsRead(found, (), None, asked.until))


def _mark_milestone(world: World, action: Action, milestone_id: int) -> tuple[World, Result]:
    is_reached = action.basis == delivery.REACHED
    after = world.odoo.marking((milestone_id,), is_reached=is_reached)
    return (world if after is world.odoo else world.replace(odoo=after)), Done(world.clock)


def _look_up(world: World, action: Action, milestone_id: int) -> tuple[World, Result]:
    is_marked = milestone_id in world.odoo.marked
    kind = MilestoneReachedInOdoo if is_marked else MilestoneUnreachedInOdoo
    return world, Done((kind(milestone_id=milestone_id, as_of=world.clock),))


def _set_delivered(world: World, action: Action, asked: Any) -> tuple[World, Result]:
    known = world.odoo.delivered
    if all(known.get(key) == value for key, value in asked.items()):
        return world, Done(asked)
    return world.replace(odoo=world.odoo.replace(delivered={**known, **asked})), Done(asked)


def _start_invoice(world: World, action: Action, asked: InvoiceState) -> tuple[World, Result]:
    number = int(action.subject)
    if number in world.invoices:
        return world, Done(value=False)
    state = first_of(asked.replace(clock=world.clock), world.clock)
    world = _with(world, number, Invoice(state))
    return told(world, number, ClockRang()), Done(value=True)


def _tell_hold(world: World, action: Action, asked: ContractHoldChange) -> tuple[World, Result]:
    number = int(action.subject)
    return _to_invoice(world, number, Mail(CONTRACT, number, asked))


def _tell_renewal(world: World, action: Action, asked: Any) -> tuple[World, Result]:
    number = int(action.subject)
    return _to_invoice(world, number, Mail(CONTRACT, number, ContractRenewed()))


def _policy(world: World, action: Action, asked: Any) -> tuple[World, Result]:
    return world, Done(policy())


def _nothing(world: World, action: Action, asked: Any) -> tuple[World, Result]:
    return world, Done(asked)


def _amend_order(world: World, action: Action, asked: Any) -> tuple[World, Result]:
    refs, after = asked
    lines = {
        line.key: refs.order_line_ids.get(line.key, 900 + place)
        for place, line in enumerate((*after.milestones, *after.plans))
    }
    if world.odoo.order_version == after.version:
        return world, Done(lines)
    return world.replace(odoo=world.odoo.replace(order_version=after.version)), Done(lines)


def _amend_project(world: World, action: Action, asked: Any) -> tuple[World, Result]:
    refs, after = asked
    milestones = {
        item.key: refs.milestone_ids.get(item.key, 1_000 + place)
        for place, item in enumerate(after.milestones)
    }
    tasks = {
        plan.key: refs.task_ids.get(plan.key, 2_000 + place)
        for place, plan in enumerate(after.plans)
    }
    return world, Done(answers.ProjectAmended(milestones, tasks))


def _hand_over(world: World, action: Action, asked: Any) -> tuple[World, Result]:
    plan = plan_of(asked)
    done = Done(answers.HandedOver(plan, {}, {}, staffed=plan.version > 1))
    if world.odoo.handed_over >= plan.version:
        return world, done
    return world.replace(odoo=world.odoo.replace(handed_over=plan.version)), done


def _read_burn(world: World, action: Action, asked: Any) -> tuple[World, Result]:
    burned = ServiceBurn(service="", hours=Decimal(4), cost=Money("200", "EUR"))
    return world, Done(answers.BurnRead(Burn(services=(burned,), as_of=world.clock), staffed=True))


def _close_out(world: World, action: Action, asked: Any) -> tuple[World, Result]:
    """What the checklist asks of Odoo; then the project is archived."""
    billed, parts = asked
    if endings.CLOSE_OUT in parts:
        drafts = [n for n, item in world.odoo.invoices.items() if item.move == odoo.DRAFT]
        net = invoiced(world)
        if drafts or net != billed:
            text = f"{net} invoiced in Odoo, {billed} billed, drafts: {drafts}"
            return world, refused("close_out_differs", text, part=endings.CLOSE_OUT)
    if world.odoo.project == "archived" or endings.ARCHIVE_PROJECT not in parts:
        return world, Done()
    return world.replace(odoo=world.odoo.replace(project="archived")), Done()


def invoiced(world: World) -> Money:
    """Everything posted in Odoo, without tax, less credit notes."""
    currency = world.contract.terms.currency
    amounts = (
        item.proposal.amount for item in world.odoo.invoices.values() if item.move == odoo.POSTED
    )
    return Money.total(amounts, currency)


def _cancel_order(world: World, action: Action, asked: Any) -> tuple[World, Result]:
    return world.replace(odoo=world.odoo.replace(order="cancelled")), Done()


def _archive_project(world: World, action: Action, asked: Any) -> tuple[World, Result]:
    return world.replace(odoo=world.odoo.replace(project="archived")), Done()


_CONTRACT_ACTS: Mapping[str, ContractAct] = {
    provisioning.READ_DEAL: _read_deal,
    provisioning.VALIDATE: _validate,
    provisioning.PROVISION: _provision,
    signing.ATTACH_SIGNED: _attach_signed,
    reading.READ_TIME: _read_time,
    reading.READ_EXPENSES: _read_expenses,
    delivery.MARK_MILESTONE: _mark_milestone,
    delivery.LOOK_UP: _look_up,
    delivery.SET_DELIVERED: _set_delivered,
    proposing.START_INVOICE: _start_invoice,
    proposing.WARN: _nothing,
    holds.DUNNING_HOLD: _tell_hold,
    invoices.CONTRACT_RENEWED: _tell_renewal,
    amendments.POLICY: _policy,
    amendments.NOTIFY: _nothing,
    amendments.AMEND_ORDER: _amend_order,
    amendments.AMEND_PROJECT: _amend_project,
    amendments.PROJECT_STATUS: _nothing,
    handing_over.HAND_OVER: _hand_over,
    handing_over.READ_BURN: _read_burn,
    write_back.REFRESH: _read_deal,
    write_back.WRITE_STATUS: _nothing,
    endings.CLOSE_OUT: _close_out,
    endings.CANCEL_ORDER: _cancel_order,
    endings.ARCHIVE_PROJECT: _archive_project,
}


def delivered(world: World, mail: Mail, *, keep: bool = False) -> World:
    """A Signal arrives; with `keep` it arrives once more later."""
    if not keep:
        place = world.mail.index(mail)
        world = world.replace(mail=(*world.mail[:place], *world.mail[place + 1 :]))
    return told(world, mail.to, SignalReceived(mail.message, words_of(mail.message)))
