"""One contract: what was delivered, what changes, how it ends, and how it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from contracts.agenda import requests
from contracts.billing.usage import UsageRecord
from contracts.changes import ChangeOrder
from contracts.contract.messages import HoldKind, Side, UsageReport, UsageTaken
from contracts.contract.state import ContractOutcome, ContractState
from contracts.handover import BurnRow, burn_rows
from contracts.identifiers import invoice_workflow_id
from contracts.model import JsonObject
from contracts.money import Money
from contracts.parking import StepException
from starters.client import calls, messages
from starters.client.connection import Attempt, temporal_of
from starters.client.errors import Refused
from starters.client.invoices import InvoiceClient
from starters.client.protocol import built
from starters.client.workflow import WorkflowClient

if TYPE_CHECKING:
    from contracts.views.statement import Statement
    from gateways.audit.reading import ContractAudit, Reader
    from gateways.odoo import OdooClient
    from starters.client.changing import ChangePreview
    from starters.client.closing import CloseOut

RECORDS_AT_ONCE = 2_000
"""How many usage records one message carries: well below what Temporal takes."""


class ContractClient(WorkflowClient[ContractState]):
    """One contract. Messages are answered with how it stands then.

    Amounts are Money or text with the currency, "100.00 EUR", and without tax. Days are dates, or
    text such as "2026-05-04", in the legal entity's zone. What every method raises is said in
    WorkflowClient; what needs an approval takes effect once it has it.
    """

    # What one method alone needs is imported there: the rules of contracts come with it.

    _STATE = messages.CONTRACT

    def invoice(self, number: int) -> InvoiceClient:
        """Its invoice or credit note of that number, counted from 1."""
        workflow_id = invoice_workflow_id(self.workflow_id, number)
        return InvoiceClient(self._client, workflow_id, sign=self._sign)

    # --- how it stands --------------------------------------------------------------------------

    async def trying(self, *invoices: int) -> list[Attempt]:
        """The same as for any workflow, also of its invoices of these numbers."""
        ids = [self.invoice(number).workflow_id for number in invoices]
        return await calls.trying(self._client, [self.workflow_id, *ids])

    async def statement(self) -> Statement:
        """Where its money stands, without tax: planned, earned, billed, credited, held back.

        Refused before the contract is validated.
        """
        from contracts.views.statement import statement

        state = await self.state()
        if state.contract is None:
            raise Refused(f"{state.contract_id} is not validated yet: there is nothing to state")
        return statement(state)

    async def close_out(self, odoo: OdooClient) -> CloseOut:
        """Its closing record as it would be now, with Odoo's own figures; nothing is written.

        Refused for a contract without an order in Odoo. Raises GatewayError where Odoo does not
        answer.
        """
        from starters.client import closing

        return await closing.close_out(odoo, await self.state())

    async def audit(self, reader: Reader, *, live: bool = True) -> ContractAudit:
        """Its audit record with that of its invoices, checked; also of a contract that Temporal has
        forgotten. With `live` the record is held against what running workflows know of its end.

        Raises NotFound where there is none, and GatewayError where the store does not answer.
        """
        from starters.client import auditing

        return await auditing.audit(temporal_of(self._client), self.workflow_id, reader, live=live)

    # --- the signature --------------------------------------------------------------------------

    async def confirm_signature(
        self, *, by: str, reason: str, on: date | str | None = None
    ) -> ContractOutcome:
        """Say that the contract is signed, as on paper, instead of its envelope. `on` is the day;
        left out, the one that the contract states."""
        return await self._send(messages.CONFIRM_SIGNATURE, by=by, reason=reason, on=on)

    # --- what was delivered ---------------------------------------------------------------------

    async def reach_milestone(
        self, milestone: str, *, by: str = "", on: date | str | None = None
    ) -> ContractOutcome:
        """A milestone was delivered `on` a day (left out: today); its invoice is proposed.

        Repeating it changes nothing.
        """
        return await self._send(messages.REACH_MILESTONE, milestone=milestone, by=by, on=on)

    async def unreach_milestone(
        self, milestone: str, *, by: str, reason: str = ""
    ) -> ContractOutcome:
        """A milestone is not reached after all. Once its invoice is proposed, a person reviews
        it."""
        return await self._send(
            messages.UNREACH_MILESTONE, milestone=milestone, by=by, reason=reason
        )

    async def record_usage(self, records: Iterable[UsageRecord | Mapping[str, Any]]) -> UsageTaken:
        """Record metered usage; returns how many were new, how many known, and which are refused.

        A record has `id`, `plan` (its key), `on` and `quantity` (in the plan's unit). An id counts
        once, so that records may be sent again. All are checked before the first is sent; many
        are sent in several messages.
        """
        checked = built(_Records, records=list(records)).records
        result = UsageTaken()
        for start in range(0, len(checked), RECORDS_AT_ONCE):
            report = UsageReport(records=tuple(checked[start : start + RECORDS_AT_ONCE]))
            part = self.once(f"{self._request_id}/{start}" if self._request_id else None)
            taken = await part._tell(messages.RECORD_USAGE, report)
            result.taken += taken.taken
            result.known += taken.known
            result.refused += taken.refused
        return result

    # --- credits, retainage ---------------------------------------------------------------------

    async def credit_service(
        self, retainer: str, *, reference: str, amount: Money | str, reason: str, by: str
    ) -> ContractOutcome:
        """Owe a credit for a breach of service levels, deducted from the retainer's next invoice.

        A `reference` counts once.
        """
        return await self._send(
            messages.CREDIT_SERVICE,
            retainer=retainer,
            reference=reference,
            amount=amount,
            reason=reason,
            by=by,
        )

    async def request_credit(
        self,
        number: int,
        *,
        by: str,
        reason: str,
        amount: Money | str | None = None,
        reinvoice: bool = False,
    ) -> ContractOutcome:
        """Credit the issued invoice of that number: an `amount` of it, or all that is left.

        The credit note needs its approval. With `reinvoice`, of a whole invoice only, the same is
        proposed again once it is issued.
        """
        return await self._send(
            messages.REQUEST_CREDIT,
            number=number,
            amount=amount,
            by=by,
            reason=reason,
            reinvoice=reinvoice,
        )

    async def release_retainage(self, *, by: str, reason: str) -> ContractOutcome:
        """Bill what was held back: the event that releases it has come."""
        return await self._send(messages.RELEASE_RETAINAGE, by=by, reason=reason)

    # --- changes --------------------------------------------------------------------------------

    async def preview_change(
        self, change: JsonObject, *, by: str, reason: str = ""
    ) -> ChangePreview:
        """What a change order would make of the contract; nothing is proposed yet.

        `change` has the fields of `contracts.changes.ChangeOrder`, such as
        `{"reprice": {"live": "7000.00"}}`; its number is the contract's next. `reason` may be in
        it. Raises InvalidContract, also for a change of what is billed already.
        """
        from starters.client import changing

        state = await self.state()
        order = _order(change, state.change_orders + 1, by, reason)
        return changing.preview(state, order)

    async def propose_change(self, order: ChangeOrder) -> ContractOutcome:
        """Propose a change order, such as `preview.order`; it takes effect once it is approved."""
        return await self._tell(messages.PROPOSE_CHANGE, order)

    async def proposed(
        self, change: JsonObject, *, by: str, reason: str = ""
    ) -> ContractOutcome | None:
        """How the contract stands if this request proposed the same change before, else None.
        Refused if it was accepted with another message."""
        answer, state = await self._answer(), await self.state()
        if answer is None:
            return None
        numbers = range(1, state.change_orders + 1)
        orders = [_order(change, number, by, reason) for number in numbers or (1,)]
        same = [order for order in orders if requests.digest(order) == answer.digest]
        return await self.propose_change((same or orders)[0])

    async def set_hold(
        self, kind: HoldKind | str, *, by: str, reason: str, until: date | str | None = None
    ) -> ContractOutcome:
        """Hold "billing" or "dunning" of the whole contract; the other goes on.

        It ends when it is released, or at the end of the day `until`.
        """
        hold = {"by": by, "reason": reason, "until": until}
        return await self._send(messages.SET_HOLD, kind=kind, by=by, hold=hold)

    async def release_hold(self, kind: HoldKind | str, *, by: str) -> ContractOutcome:
        """Let "billing" or "dunning" of the contract go on."""
        return await self._send(messages.SET_HOLD, kind=kind, by=by)

    async def refresh_customer(self, *, by: str) -> list[str]:
        """Read the deal in the CRM again and take what the CRM still owns: before the signature
        all of it. Returns in words what was taken from it, and what was not.

        Refused where the CRM refuses to be read: the contract then has an exception of it. Raises
        TimeoutError where the CRM does not answer in time; the deal is read once it does.
        """
        await self._send(messages.REFRESH_CUSTOMER, by=by)
        state = await self.wait_until(
            lambda now: (now.refresh is None and not now.reads_deal) or _refused(now) is not None
        )
        refused = _refused(state)
        if refused is not None and (state.refresh is not None or state.reads_deal):
            raise Refused(refused.message)
        return list(state.refreshed)

    async def read_burn(self, *, by: str) -> list[BurnRow]:
        """Read the project's hours and costs in Odoo again: a row for each service, beside its
        budget, and the last for the whole.

        Refused where the contract has no hand-over, or Odoo refuses to be read: the contract then
        has an exception of it. Raises TimeoutError where Odoo does not answer in time.
        """
        from contracts.contract.handing_over import READ_BURN

        await self._send(messages.READ_BURN, by=by)
        state = await self.wait_until(
            lambda now: now.burn_asked is None or _parked(now, READ_BURN) is not None
        )
        refused = _parked(state, READ_BURN)
        if state.burn is None or (state.burn_asked is not None and refused is not None):
            raise Refused(refused.message if refused else "the burn is not read")
        return burn_rows(state.terms, state.burn)

    # --- endings --------------------------------------------------------------------------------

    async def terminate(
        self, side: Side | str, *, on: date | str, by: str, reason: str, agreed: bool = False
    ) -> ContractOutcome:
        """The "customer" or the "firm" ends the contract early; `on` is its last day.

        `agreed` waives the days of notice that the terms ask for.
        """
        return await self._send(
            messages.TERMINATE, side=side, by=by, reason=reason, on=on, agreed=agreed
        )

    async def withdraw_termination(self, *, by: str, reason: str = "") -> ContractOutcome:
        """Withdraw the early end, before its last day is over."""
        return await self._send(messages.WITHDRAW_TERMINATION, by=by, reason=reason)

    async def give_notice(
        self, side: Side | str, *, by: str, on: date | str | None = None
    ) -> ContractOutcome:
        """The "customer" or the "firm" does not want the term renewed; `on` is when notice was
        given (left out: today). The contract expires at the term's end."""
        return await self._send(messages.GIVE_NOTICE, side=side, by=by, on=on)

    async def cancel(self, *, by: str, reason: str = "") -> ContractOutcome:
        """Cancel a contract that has billed nothing; what was provisioned in Odoo is undone."""
        return await self._send(messages.REQUEST_CANCEL, by=by, reason=reason)


def _order(change: JsonObject, number: int, by: str, reason: str) -> ChangeOrder:
    """A change order of these fields; a reason may be among them. Raises InvalidContract."""
    stated = {**change, "number": number, "by": by, **({"reason": reason} if reason else {})}
    return built(ChangeOrder, **stated)


def _refused(state: ContractState) -> StepException | None:
    """Why the deal could not be read again; None if it could, or is being read."""
    from contracts.contract.provisioning import READ_DEAL
    from contracts.contract.write_back import REFRESH

    return _parked(state, READ_DEAL) or _parked(state, REFRESH)


def _parked(state: ContractState, key: str) -> StepException | None:
    """The exception of the act of this key; None where it is not parked."""
    return next((item for item in state.exceptions if item.key == key), None)


class _Records(BaseModel):
    """All records of a call, so that each problem names its place among them."""

    records: Sequence[UsageRecord]
