"""What changes while a contract runs: change orders, its early end, its renewal, a stop of work.

The contract changes first, as a new version; its order and project in Odoo follow. Until they
have, nothing is billed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.odoo_master import (
        MilestonesRequest,
        OdooMaster,
        ProjectChange,
        ProjectStatusRequest,
    )
    from activities.odoo_orders import OdooOrders, OrderChange
    from contracts import changes, parking
    from contracts.agenda.state import required
    from contracts.approvals import ApprovalKind, ApprovalRound, Subject
    from contracts.billing.book import milestone_event
    from contracts.changes import ChangeOrder
    from contracts.contract.messages import (
        HoldKind,
        MilestoneReachedInOdoo,
        Side,
        TerminationRequest,
    )
    from contracts.contract.state import (
        ContractStage,
        ContractVersion,
        Ending,
        MilestoneProgress,
        PendingChange,
        require_id,
    )
    from contracts.model import Contract, JsonObject
    from contracts.problems import InvalidContract
    from contracts.views.status import fixed_keys
    from workflows import options
    from workflows.approval import ApprovalProcess
    from workflows.case import Case
    from workflows.jobs import Jobs
    from workflows.steps import StepCancelled

_DECIDE = "change order"
_FOLLOW = "order follows"
_STATUS = "project status"
_DAY = timedelta(days=1)


class Amending:
    """Brings the contract from version to version, and Odoo after it."""

    def __init__(
        self, case: Case, jobs: Jobs, reached: Callable[[MilestoneReachedInOdoo], None]
    ) -> None:
        """`reached` takes a milestone's mark found in Odoo, as from a sweep."""
        self._case = case
        self._jobs = jobs
        self._reached = reached

    @property
    def is_behind(self) -> bool:
        """The order in Odoo does not follow the contract yet."""
        state = self._case.state
        return (
            state.order_version is not None
            and state.order_version.version != self._case.contract.version
        )

    def next(self) -> Callable[[], None] | None:
        """What is to be done about changes now; None if nothing is."""
        state = self._case.state
        if state.change is not None and _DECIDE not in self._jobs:
            return lambda: self._jobs.start(_DECIDE, self._decide)
        if self.is_behind and _FOLLOW not in self._jobs:
            return lambda: self._jobs.start(_FOLLOW, self._follow)
        if self._is_suspended != state.odoo.project_suspended and _STATUS not in self._jobs:
            return lambda: self._jobs.start(_STATUS, self._show_status)
        if self._expired_holds:
            return self._lift_holds
        if self._ends_today:
            return self._end_early
        if self._renews_today:
            return self._renew
        return None

    def days(self) -> list[date]:
        """The days on which the calendar brings a change."""
        state, contract = self._case.state, self._case.contract
        days = []
        if state.termination is not None and not state.terminated:
            days.append(state.termination.on + _DAY)
        if contract.term.auto_renew and state.notice is None and not state.terminated:
            days += [self._renewal_day] if self._renewal_day else []
        days += [hold.until + _DAY for hold in state.holds.values() if hold.until]
        return days

    # --- change orders ------------------------------------------------------------------------

    def change_refusal(self, order: ChangeOrder) -> str | None:
        """Why a change order cannot be taken, as a sentence; None if it can."""
        state = self._case.state
        if state.stage not in (ContractStage.ACTIVE, ContractStage.CLOSING):
            return f"the contract is {state.stage}; amend the parked step instead"
        if state.change is not None:
            return f"change order {state.change.order.number} awaits its approval first"
        if state.termination is not None:
            return "the contract is being ended early"
        try:
            self._changed(order)
        except InvalidContract as invalid:
            return str(invalid)
        return None

    def take_change(self, order: ChangeOrder) -> None:
        """Take a change order that is not refused: from now on it awaits its approval."""
        state = self._case.state
        state.change_orders += 1
        order = order.model_copy(update={"number": state.change_orders})
        contract_data, contract = self._changed(order)
        state.change = PendingChange(
            order=order,
            contract_data=contract_data,
            contract=contract,
            changes=changes.summary(self._case.contract, contract),
        )
        self._case.note(f"Change order {order.number} by {order.by}: {order.reason}")
        self._case.publish()

    def _changed(self, order: ChangeOrder) -> tuple[JsonObject, Contract]:
        return changes.changed(self._case.contract, order, fixed_keys(self._case.state))

    async def _decide(self) -> None:
        """Have the pending change order approved, and apply it."""
        case, state = self._case, self._case.state
        change = state.change
        if change is None:
            return
        policy = await case.steps.run(parking.POLICY, case.policy, name="policy:change_order")
        if policy is None:
            return
        before = case.contract
        if change.approval_round is None:
            subject = Subject(
                kind=ApprovalKind.CHANGE_ORDER,
                title=f"change order {change.order.number} of {before.contract_id}",
                amount=changes.weight(before, change.contract),
                content_hash=changes.content_hash(change.contract),
                customer_key=before.customer.key,
                customer_name=before.customer.name,
                requested_by=(change.order.by, state.versions[0].by, before.requested_by),
                details=tuple(change.changes),
            )
            change.approval_round = ApprovalRound.begin(
                policy.approval, policy.calendar, subject, case.today
            )
            case.publish()
        approval_process = ApprovalProcess(case.steps, rest=case.run.wait, note=self._note)

        def current() -> ApprovalRound:
            return required(change.approval_round)

        def keep(after: ApprovalRound) -> None:
            change.approval_round = after

        approved = await approval_process.run(
            current,
            keep,
            policy.calendar,
            order_id=require_id(state.odoo.order_id),
            obsolete=lambda: state.change is not change or state.cancel is not None,
        )
        if state.change is change:
            state.change = None
            if approved:
                self._apply(change)
            elif change.approval_round.is_rejected:
                because = change.approval_round.rejected_because
                case.note(f"Change order {change.order.number} rejected: {because}")
            case.publish()

    def _apply(self, change: PendingChange) -> None:
        """An approved change becomes the contract, if it still would say the same."""
        try:
            contract_data, contract = self._changed(change.order)
        except InvalidContract as invalid:
            self._case.note(f"Change order {change.order.number} is void: {invalid}")
            return
        if contract != change.contract:
            self._case.note(
                f"Change order {change.order.number} is void: the contract changed after it was "
                "proposed; propose it again"
            )
            return
        given = change.approval_round.given if change.approval_round else ""
        self._adopt(contract_data, contract, change.order.by, change.order.reason, approved=given)

    def _adopt(
        self,
        contract_data: JsonObject,
        contract: Contract,
        by: str,
        reason: str,
        approved: str = "",
    ) -> None:
        """The contract as it is from now on: a new version, with its history."""
        state, before = self._case.state, self._case.contract
        state.contract_data, state.contract = contract_data, contract
        state.milestones = {
            item.key: state.milestones.get(item.key, MilestoneProgress())
            for item in contract.milestones
        }
        state.versions.append(
            ContractVersion(
                version=contract.version,
                on=self._case.today,
                by=by,
                reason=reason,
                changes=changes.summary(before, contract),
                fixed_price=contract.fixed_price,
                approved=approved,
            )
        )
        state.book.refresh(contract)
        state.book.start(contract, self._case.today)
        state.final_settlement_done = False
        self._case.note(f"Version {contract.version}: {reason}")
        self._case.publish()

    # --- the order follows --------------------------------------------------------------------

    async def _follow(self) -> None:
        """Bring order, milestones and tasks in Odoo to the contract's version."""
        case, state = self._case, self._case.state
        if state.order_version is None:
            return
        before, after = state.order_version, case.contract
        change = ProjectChange(
            before=before,
            after=after,
            milestones=state.odoo.milestone_ids,
            tasks=state.odoo.task_ids,
        )
        project = MilestonesRequest(contract=after, project_id=require_id(state.odoo.project_id))
        try:
            await case.steps.run(parking.AMEND_ORDER, lambda: self._amend_order(before, after))
            await case.steps.run(
                parking.AMEND_PROJECT, lambda: self._amend_project(change, project)
            )
        except StepCancelled:
            return
        state.order_version = after

    async def _amend_order(self, before: Contract, after: Contract) -> None:
        odoo = self._case.state.odoo
        ref = await workflow.execute_activity_method(
            OdooOrders.amend_order,
            OrderChange(before=before, after=after, order_id=require_id(odoo.order_id)),
            **options.odoo_finance(f"order follows version {after.version}"),
        )
        odoo.order_line_ids |= ref.lines

    async def _amend_project(self, change: ProjectChange, project: MilestonesRequest) -> None:
        odoo = self._case.state.odoo
        if {item.key for item in change.after.milestones} - odoo.milestone_ids.keys():
            created = await workflow.execute_activity_method(
                OdooMaster.create_milestones, project, **options.odoo_master("new milestones")
            )
            odoo.milestone_ids |= created.ids
        if change.after.milestones != change.before.milestones:
            moved = await workflow.execute_activity_method(
                OdooMaster.amend_milestones, change, **options.odoo_master("milestones' dates")
            )
            for mark in moved.reached:
                self._reached(mark)
            await workflow.execute_activity_method(
                OdooMaster.drop_milestones, change, **options.odoo_master("dropped milestones")
            )
        tasks = await workflow.execute_activity_method(
            OdooMaster.create_tasks, project, **options.odoo_master("tasks")
        )
        odoo.task_ids |= tasks.ids
        known_tasks = change.model_copy(update={"tasks": odoo.task_ids})
        await workflow.execute_activity_method(
            OdooMaster.amend_tasks, known_tasks, **options.odoo_master("tasks' dates")
        )

    # --- suspension ---------------------------------------------------------------------------

    @property
    def _is_suspended(self) -> bool:
        """Work stands still while an invoice is dunned so far that the policy says so."""
        return any(report.suspends for report in self._case.state.invoices.values())

    async def _show_status(self) -> None:
        """The project in Odoo says whether work goes on."""
        case, odoo = self._case, self._case.state.odoo
        suspended = self._is_suspended
        late = [
            f"{report.odoo_number} ({report.residual} open)"
            for report in case.state.invoices.values()
            if report.suspends
        ]
        number = odoo.suspensions + (1 if suspended else 0)
        text = f"Work is suspended: unpaid {', '.join(late)}." if suspended else "Work goes on."
        request = ProjectStatusRequest(
            legal_entity=case.state.legal_entity,
            contract_id=case.state.contract_id,
            project_id=require_id(odoo.project_id),
            suspended=suspended,
            key=f"{'suspend' if suspended else 'resume'}-{number}",
            text=text,
        )
        try:
            await case.steps.run(
                parking.PROJECT_STATUS,
                lambda: workflow.execute_activity_method(
                    OdooMaster.set_project_status, request, **options.odoo_master(text)
                ),
            )
        except StepCancelled:
            return
        odoo.project_suspended, odoo.suspensions = suspended, number
        case.note(text)
        case.publish()

    # --- holds --------------------------------------------------------------------------------

    @property
    def _expired_holds(self) -> list[HoldKind]:
        """The holds whose last day is over."""
        holds = self._case.state.holds
        return [
            kind
            for kind, hold in holds.items()
            if hold.until is not None and self._case.has_come(hold.until + _DAY)
        ]

    def _lift_holds(self) -> None:
        for kind in self._expired_holds:
            hold = self._case.state.holds.pop(kind)
            self._note(f"The {kind} hold until {hold.until} is over")

    # --- the end ------------------------------------------------------------------------------

    def termination_refusal(self, request: TerminationRequest) -> str | None:
        """Why the contract cannot be ended early on that day, as a sentence; None if it can."""
        state = self._case.state
        if state.stage is not ContractStage.ACTIVE:
            return f"the contract is {state.stage}"
        if state.termination is not None:
            return f"the contract already ends on {state.termination.on}"
        if state.change is not None:
            return f"change order {state.change.order.number} awaits its approval first"
        contract, today = self._case.contract, self._case.today
        if contract.ends_on is not None and request.on >= contract.ends_on:
            return f"the contract ends on {contract.ends_on} anyway; give notice instead"
        earliest = today + timedelta(days=contract.termination.notice_days)
        if request.agreed:
            earliest = today
        if request.on < earliest:
            return f"the earliest last day is {earliest}, by the notice the terms ask for"
        return None

    @property
    def _ends_today(self) -> bool:
        state = self._case.state
        request = state.termination
        waits = request is not None and not state.terminated and not self.is_behind
        return waits and request is not None and self._case.has_come(request.on + _DAY)

    def _end_early(self) -> None:
        """The last day is over: what was not reached is dropped, and the plans end."""
        case, state = self._case, self._case.state
        request = state.termination
        if request is None:
            return
        unreached = [
            item.key
            for item in case.contract.milestones
            if milestone_event(item.key) not in state.book.events
        ]
        contract_data, contract = changes.ended_early(case.contract, request.on, unreached)
        fee = request.side is Side.CUSTOMER
        state.terminated, state.ending = True, Ending.TERMINATED
        self._adopt(contract_data, contract, request.by, f"ended early: {request.reason}")
        state.book.end_early(contract, request.on, fee=fee)

    @property
    def _renewal_day(self) -> date | None:
        """The day after the last on which notice can be given: without it the term is renewed."""
        contract = self._case.contract
        if contract.ends_on is None or not contract.plans:
            return None
        return contract.ends_on - timedelta(days=contract.term.notice_days) + _DAY

    @property
    def _renews_today(self) -> bool:
        state, day = self._case.state, self._renewal_day
        wanted = self._case.contract.term.auto_renew and state.notice is None
        ended = state.termination is not None or state.change is not None
        return wanted and not ended and day is not None and self._case.has_come(day)

    def _renew(self) -> None:
        contract_data, contract = changes.renewed(self._case.contract)
        self._adopt(contract_data, contract, "term", f"renewed until {contract.ends_on}")

    def notice_refusal(self, on: date) -> str | None:
        """Why notice cannot be given on that day, as a sentence; None if it can."""
        state, contract, day = self._case.state, self._case.contract, self._renewal_day
        if state.stage is not ContractStage.ACTIVE:
            return f"the contract is {state.stage}"
        if day is None or not contract.term.auto_renew:
            return "the contract is not renewed by itself, so it needs no notice"
        if state.notice is not None:
            return f"notice was given by {state.notice.by} already"
        if on >= day:
            return f"notice for {contract.ends_on} had to be given by {day - _DAY}"
        return None

    def _note(self, text: str) -> None:
        self._case.note(text)
        self._case.publish()
