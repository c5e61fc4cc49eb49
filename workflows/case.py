"""What the parts of a contract's workflow share: its state, its steps and how it shows itself."""

from __future__ import annotations

from datetime import date, datetime

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.policies import Policies, PolicyRequest
    from contracts.calendar import BusinessCalendar
    from contracts.contract.state import ContractInput, ContractStage, ContractState
    from contracts.model import Contract
    from contracts.policy import EntityPolicy
    from contracts.views.details import contract_details, contract_waits
    from workflows import options, search_attributes
    from workflows.board import Attributes, Board
    from workflows.runs import Run
    from workflows.steps import Steps

ENDED = frozenset({ContractStage.CLOSED, ContractStage.CANCELLED})


class Case:
    """One contract while its workflow runs. Everything that must survive is in `state`."""

    def __init__(self, state: ContractState) -> None:
        self.state = state
        self.steps = Steps(
            state.exceptions,
            self.note,
            changed=self.publish,
            cancelled=lambda: state.cancel is not None,
        )
        self.board = Board(
            self._attributes,
            lambda: contract_details(state),
            at_rest=lambda: self.steps.nothing_under_way or bool(state.exceptions),
        )
        self.run = Run(self.steps, self._following)

    @property
    def contract(self) -> Contract:
        """The validated contract; asking before it is validated is a defect of ours."""
        if self.state.contract is None:
            raise RuntimeError("the contract is not validated yet")
        return self.state.contract

    @property
    def today(self) -> date:
        """The date now in the legal entity's zone."""
        return self._calendar.today(workflow.now())

    def opening(self, day: date) -> datetime:
        """When business opens on a day, as an aware UTC time."""
        return self._calendar.opening(day)

    def has_come(self, day: date) -> bool:
        """Whether business has opened on that day, or a later one."""
        return workflow.now() >= self.opening(day)

    @property
    def _calendar(self) -> BusinessCalendar:
        return BusinessCalendar(time_zone=self.state.time_zone)

    async def policy(self) -> EntityPolicy:
        """The legal entity's rules as they are now."""
        return await workflow.execute_local_activity_method(
            Policies.entity_policy,
            PolicyRequest(legal_entity=self.state.legal_entity, today=workflow.now().date()),
            **options.local("load the legal entity's rules"),
        )

    def _following(self) -> ContractInput:
        state = self.state
        return ContractInput(
            contract_id=state.contract_id,
            legal_entity=state.legal_entity,
            source=state.source,
            state=state,
        )

    def note(self, text: str) -> None:
        self.state.journal = self.state.journal.noted(workflow.now(), text)

    def enter(self, stage: ContractStage) -> None:
        self.state.stage = stage
        self.note(f"Stage: {stage}")
        self.publish()

    def publish(self) -> None:
        """The state changed: it is shown anew. Since when it waits, it knows from here."""
        state = self.state
        waiting, _ = contract_waits(state)
        state.waiting = state.waiting.updated(waiting, workflow.now(), state.exceptions)
        parked = [*state.exceptions, *(e for d in state.invoices.values() for e in d.exceptions)]
        state.has_parked = state.has_parked or bool(parked)
        self.board.outdate()

    def _attributes(self) -> Attributes:
        state, contract = self.state, self.state.contract
        return {
            search_attributes.CONTRACT_ID: state.contract_id,
            search_attributes.LEGAL_ENTITY: state.legal_entity,
            search_attributes.CONTRACT_STAGE: str(state.stage),
            search_attributes.CUSTOMER: contract.customer.name if contract else None,
            search_attributes.CURRENCY: contract.currency if contract else None,
            search_attributes.CONTRACT_VALUE: float(contract.value.amount) if contract else None,
            search_attributes.WAITING_ON: state.waiting.on,
            search_attributes.WAITING_SINCE: state.waiting.since,
        }


def refuse(refusal: str | None) -> None:
    """Refuse an Update with this sentence; None lets it pass."""
    if refusal:
        raise ApplicationError(refusal, type="refused", non_retryable=True)
