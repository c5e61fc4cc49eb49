"""The way in: contracts and invoices by reference, what is listed, what is done in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from contracts.identifiers import is_invoice_workflow_id
from starters.client import calls, listing, references
from starters.client.connection import temporal_of
from starters.client.listing import Listed
from starters.client.names import EVENT_WORKFLOW, MAX_LISTED
from starters.client.references import NO_ENTITIES, Entities
from workflows import search_attributes

if TYPE_CHECKING:
    from temporalio.client import Client

    from contracts.actors import Sign
    from contracts.approvals import ApprovalKind
    from contracts.contract.state import ContractStage
    from contracts.model import JsonObject
    from contracts.money import Money
    from starters.client.approvals import Awaiting, Ballot, ListedRound, Outcome
    from starters.client.calls import Unreadable
    from starters.client.connection import Connection
    from starters.client.contracts import ContractClient
    from starters.client.invoices import InvoiceClient
    from starters.client.listing import ContractRow
    from starters.client.parked import ParkedRow, ParkedSteps
    from starters.client.starting import Started

_WAITS = f"ExecutionStatus = 'Running' AND {search_attributes.WAITING_ON.name}"
_PARKED = f"{_WAITS} IN ('exception', 'credentials')"
_MAY_AWAIT = f"{_WAITS} IN ('approval', 'exception', 'credentials')"
"""A workflow with a parked step shows that first; an approval may be open beside it."""


class C2C:
    """Contracts and invoices on a Temporal client, which needs the pydantic data converter. Over
    the HTTP API of an application they are those of `starters.client.api`.

    References are `northwind/C-1001` and `northwind/C-1001/1`, or workflow ids. With `entities`
    also `C-1001` and `C-1001/1`, of the legal entity that is meant there. A text that names
    nothing raises BadReference. `sign` says who sends what is sent.
    """

    # What is not for lists is imported where it is used: a list starts without the models of
    # contracts and invoices.

    def __init__(
        self, connection: Connection, entities: Entities = NO_ENTITIES, *, sign: Sign | None = None
    ) -> None:
        self.connection = connection
        self.sign = sign
        self._entities = entities

    @property
    def client(self) -> Client:
        """Temporal's. Raises OnlyOnTemporal over the API."""
        return temporal_of(self.connection)

    # --- one contract, one invoice --------------------------------------------------------------

    def contract(self, reference: str) -> ContractClient:
        """A contract; whether there is one shows once it is asked."""
        from starters.client.contracts import ContractClient

        workflow_id = references.contract_id(reference, self._entities)
        return ContractClient(self.connection, workflow_id, sign=self.sign)

    def invoice(self, reference: str) -> InvoiceClient:
        """An invoice or a credit note; whether there is one shows once it is asked."""
        from starters.client.invoices import InvoiceClient

        workflow_id = references.invoice_id(reference, self._entities)
        return InvoiceClient(self.connection, workflow_id, sign=self.sign)

    def contract_or_invoice(self, reference: str) -> ContractClient | InvoiceClient:
        """Either of them; `A/1` is invoice 1 of contract A, unless A is a legal entity."""
        workflow_id = references.any_id(reference, self._entities)
        is_invoice = is_invoice_workflow_id(workflow_id)
        return self.invoice(workflow_id) if is_invoice else self.contract(workflow_id)

    async def start(self, contract_data: JsonObject) -> Started:
        """Start the contract that the data describes; starting it again changes nothing, and says
        what differs if the data is another.

        The data's own problems park the workflow, where people see them. InvalidContract is raised
        only for what the workflow's identity needs, and what no workflow could hold.
        """
        from starters.client import starting

        return await starting.start(self.client, starting.input_of_data(contract_data))

    async def start_deal(self, system: str, deal_id: str, legal_entity: str) -> Started:
        """Start the contract of a won deal in a CRM (by its name under `crm`); the workflow reads
        it from there. Starting it again changes nothing. Raises InvalidContract."""
        from starters.client import starting

        contract = starting.input_of_deal(system, deal_id, legal_entity)
        return await starting.start(self.client, contract)

    # --- lists ----------------------------------------------------------------------------------

    async def contracts(
        self,
        *,
        stage: ContractStage | str = "",
        waiting_on: str = "",
        legal_entity: str = "",
        where: str = "",
        limit: int = MAX_LISTED,
    ) -> list[ContractRow]:
        """Contracts, newest first; what is left empty does not narrow.

        `where` is a further condition in Temporal's list filter. No worker is needed; rows are a
        moment behind. Raises BadReference for words that cannot be.
        """
        narrowed = listing.conditions(
            ContractStage=stage, waiting_on=waiting_on, entity=legal_entity, also=where
        )
        return await listing.contract_rows(self.client, where=narrowed, limit=limit)

    async def exceptions(
        self, *, where: str = "", limit: int = MAX_LISTED, unreadable: Unreadable | None = None
    ) -> ParkedSteps:
        """Every parked step, oldest first, of at most `limit` contracts, as many invoices and as
        many bank files, whose lines are steps too.

        `where` narrows them by a condition in Temporal's list filter. With `unreadable` one
        workflow that gives no answer does not hide the others.
        """
        from starters.client import bank
        from starters.client.parked import ParkedSteps

        waits = f"{_PARKED} AND {where}" if where else _PARKED
        ids, more = await listing.workflow_ids(self.client, waits, limit)
        found = await calls.each(
            ids, lambda item: self.contract_or_invoice(item).parked(), unreadable
        )
        found += await bank.parked(self.client, where=where, limit=limit, unreadable=unreadable)
        found.sort(key=lambda item: item.exception.since)
        events = await self.client.count_workflows(
            f"WorkflowType = '{EVENT_WORKFLOW}' AND {_PARKED}"
        )
        return ParkedSteps(found, more, events.count)

    async def parked(
        self, legal_entities: Sequence[str], *, limit: int = MAX_LISTED
    ) -> Listed[ParkedRow]:
        """What is parked in contracts and invoices of these legal entities, as lists show it: much
        faster than `exceptions`, and without what may be decided."""
        from starters.client import parked

        where = listing.conditions(entities=legal_entities, also=_PARKED)
        return await parked.rows(self.client, where, limit)

    # --- approvals ------------------------------------------------------------------------------

    async def approvals(
        self,
        *,
        customer: str = "",
        up_to: Money | None = None,
        kind: ApprovalKind | None = None,
        legal_entity: str = "",
        where: str = "",
        limit: int = MAX_LISTED,
        unreadable: Unreadable | None = None,
    ) -> Listed[Awaiting]:
        """What awaits approval, the longest waiting first; what is left empty does not narrow.

        `customer` is a key or a name, whatever its case. `up_to` is without tax; amounts in
        another currency are not meant. `where` is a further condition in Temporal's list filter.
        Of contracts and of invoices at most `limit` are looked at. With `unreadable` one workflow
        that gives no answer does not hide the others.
        """
        from starters.client import approvals

        waits = f"{_MAY_AWAIT} AND {where}" if where else _MAY_AWAIT
        wanted = listing.conditions(entity=legal_entity, also=waits)
        ids, more = await listing.workflow_ids(self.client, wanted, limit)
        found = await calls.each(
            ids, lambda item: approvals.awaiting_in(self.client, item), unreadable
        )
        meant = [item for item in found if item.is_of(customer, up_to, kind)]
        return Listed(sorted(meant, key=approvals.by_age), more)

    async def approval_cards(
        self, *, legal_entities: Iterable[str], unreadable: Unreadable, limit: int = MAX_LISTED
    ) -> Listed[ListedRound]:
        """The same of these legal entities, fast and with no worker: the rounds are as lists show
        them, without details, and a moment behind."""
        from starters.client import approvals

        where = listing.conditions(also=_MAY_AWAIT, entities=tuple(legal_entities))
        found, more = await approvals.cards(self.client, where, limit, unreadable)
        return Listed(sorted(found, key=approvals.by_age), more)

    async def decide_all(self, ballots: Iterable[Ballot]) -> list[Outcome]:
        """Send these decisions; one that is refused or gives no answer does not stop the rest."""
        from starters.client import approvals

        return await approvals.decide_all(self.connection, ballots, sign=self.sign)

    async def approve_all(
        self, items: Iterable[Awaiting], *, by: str, comment: str = ""
    ) -> list[Outcome]:
        """Approve each as it was read, and no other content.

        One that is refused or gives no answer does not stop the rest; its outcome says why.
        """
        from starters.client import approvals

        return await approvals.approve_all(
            self.connection, items, by=by, comment=comment, sign=self.sign
        )
