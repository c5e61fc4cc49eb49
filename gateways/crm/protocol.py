"""What the rest of the system may ask of a CRM."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from contracts.crm import ContractStatus, WonDeal, WonDeals
from contracts.model import JsonObject
from contracts.validation import Problem
from gateways.errors import GatewayError

__all__ = ["ContractStatus", "Crm", "ReadsTogether", "WonDeal", "WonDeals"]


class Crm(Protocol):
    """A CRM, called from many threads at once.

    Every method raises GatewayError where the CRM as a whole refuses or cannot be reached. A deal
    id is the CRM's own record id as text.
    """

    @property
    def system(self) -> str:
        """The name contracts carry in `source.system` ("hubspot", "odoo-crm")."""

    def read_contract(self, deal_id: str) -> JsonObject:
        """The contract data of a won deal, for `contracts.validation.validate`.

        The caller adds `contract_id` and `legal_entity`; everything else the CRM knows is there,
        `source` included. What the CRM does not say is left out and what cannot be read is passed
        on as it stands, so that validation names every problem at once. Raises GatewayError of
        kind business with the code `deal_not_found` or `deal_not_won`.
        """

    @property
    def most_at_once(self) -> int:
        """How many deals one call of `write_statuses`, or `read_contracts`, may hold."""

    def write_statuses(self, statuses: Sequence[ContractStatus]) -> list[GatewayError | None]:
        """Show contracts' states on their deals, each deal once; repeating it changes nothing.
        Fields without a value are cleared.

        Returns for each status, in order, None or why its deal cannot hold it: mostly a
        GatewayError of kind business with the code `status_refused`. What a deal is refused for by
        name keeps no other from being written. Raises GatewayError where the call as a whole fails;
        some of the deals may show their status then. A CRM that refuses a whole call because of one
        deal, and does not say which, is asked for less by the caller and not in here: only the
        caller knows how long a status may still be written before a newer one may be there.
        """

    def won_deals(self, since: datetime, after: str = "") -> WonDeals:
        """A page of the won deals without a contract, changed at or after `since` (aware), and the
        CRM's time. A page begins behind the mark `after`, the `next` of the page before, so that
        none is left out, whatever changes meanwhile. A deal that changes meanwhile may come again.

        A deal closed before the configured day of adoption is left out: nobody wants a contract
        to start because somebody edits an old deal.

        A deal that shows a contract's stage has one: it is left out, however long ago that was.
        Otherwise our own write-back, which is a change too, would bring it back, and a contract
        closed so long ago that the engine forgot it would be started anew.

        The time is by the CRM's own clock, which stamps its deals: two machines' clocks need not
        agree. CRMs index changes late, and a contract just started may not show yet: callers let
        windows overlap and treat what they know already as done.
        """

    def is_due(self, deal_id: str) -> bool:
        """Whether `won_deals` would find this one deal now; False where there is none."""

    def missing_setup(self) -> list[Problem]:
        """What this CRM still lacks for the above to work; empty when all is there."""

    def ensure_setup(self) -> list[Problem]:
        """Create what is missing; safe to repeat. Returns what a person has to do."""


@runtime_checkable
class ReadsTogether(Protocol):
    """A CRM that reads many deals in hardly more calls than one."""

    def read_contracts(self, deal_ids: Sequence[str]) -> list[JsonObject | GatewayError]:
        """What `read_contract` says of each of up to `most_at_once` deals, in order: contract data,
        or why there is none. Raises GatewayError where the call as a whole fails."""


def only(found: Sequence[JsonObject | GatewayError]) -> JsonObject:
    """What was read of one deal. Raises why it could not be."""
    [one] = found
    if isinstance(one, GatewayError):
        raise one
    return one
