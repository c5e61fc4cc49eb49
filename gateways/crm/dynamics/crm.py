"""Dynamics 365 Sales behind the Crm protocol: which column says what.

Read: the opportunity with its customer, contacts, owner and currency; the lines of its won quote,
else its own (the services); and where a role is configured, the contact of that role. What lines
cannot say of the billing stands in a text column of the opportunity (`c2c_terms`).

A won opportunity is read-only. The status is therefore a row of the table `c2c_billing`, found by
its alternate key and linked to the opportunity, whose form shows it in a subgrid. That the row is
there is how a deal is known to have a contract.

Deals won are looked for by the time of their last change and not by Dataverse's change tracking:
that takes no filter, so that it begins with all opportunities there are; it has to be switched on
for the table, for good; its link expires after seven days, so the search by time is needed all the
same; and somebody would have to keep the link. What it would add is what shows late, and that is
found by looking back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from contracts.crm import ContractStatus, WonDeal, WonDeals
from contracts.identifiers import deal_contract_id
from contracts.model import JsonObject
from contracts.validation import Problem
from gateways.crm.dynamics import setup
from gateways.crm.dynamics.api import MAX_WRITES, DynamicsApi
from gateways.crm.dynamics.columns import Columns
from gateways.crm.dynamics.reading import NO_ID, RECORD_ID, WON, DealReader, is_won
from gateways.crm.dynamics.setup import BILLINGS, KEY, LOOKUP, NAVIGATION
from gateways.crm.protocol import only
from gateways.crm.status import refused, status_texts
from gateways.errors import GatewayError

_KEY_CHARACTERS = re.compile(r"[A-Za-z0-9_-]+")
"""An alternate key must not have / < > * % & : \\ ? + in it; a contract's id has none of these."""

_BILLING = f"{NAVIGATION}($select={KEY};$top=1)"


class DynamicsCrm:
    """A Crm. Thread-safe: it holds nothing but its connections and settings.

    `time_zone` (IANA) is the legal entity's: its date counts where a column holds a time. Deals
    closed before `closed_since` are not found by sweeps. `billing_role` is the connection role of
    the contact that invoices go to; "": none.
    """

    def __init__(
        self,
        api: DynamicsApi,
        *,
        closed_since: date,
        time_zone: str = "UTC",
        billing_role: str = "",
        columns: Columns | None = None,
    ) -> None:
        self._api = api
        self._closed_since = closed_since
        self._with_role = bool(billing_role)
        self._columns = columns or Columns()
        self._reader = DealReader(
            api, zone=ZoneInfo(time_zone), billing_role=billing_role, columns=self._columns
        )

    @property
    def system(self) -> str:
        return self._api.system

    @property
    def most_at_once(self) -> int:
        """See Crm."""
        return MAX_WRITES

    def close(self) -> None:
        """Close the connections. Calls still under way end with an error."""
        self._api.close()

    def read_contract(self, deal_id: str) -> JsonObject:
        """See Crm. Takes two calls."""
        return only(self.read_contracts([deal_id]))

    def read_contracts(self, deal_ids: Sequence[str]) -> list[JsonObject | GatewayError]:
        """See ReadsTogether. Takes two calls for a hundred deals, as for one."""
        return self._reader.read(deal_ids)

    def write_statuses(self, statuses: Sequence[ContractStatus]) -> list[GatewayError | None]:
        """See Crm. One call for up to a hundred contracts; repeating it changes nothing."""
        verdicts: list[GatewayError | None] = [self._unfit(item.deal_id) for item in statuses]
        fit = [place for place, verdict in enumerate(verdicts) if verdict is None]
        found = self._api.upserts([self._row(statuses[place]) for place in fit])
        for place, verdict in zip(fit, found, strict=True):
            if verdict is not None and verdict.code == "not_found":
                verdict = refused(self.system, statuses[place].deal_id, verdict.message)
            verdicts[place] = verdict
        return verdicts

    def won_deals(self, since: datetime, after: str = "") -> WonDeals:
        """See Crm. Dataverse compares to the second; its clock is the Date of its answers.

        Whether a deal has a contract comes with the row: OData as Dataverse documents it can ask
        for deals that have a row in another table, but not for those that have none. A page can
        therefore be empty and not the last. Pages are in the order of ids, which never change.
        """
        page = self._api.page(
            "opportunities",
            {
                "$select": "opportunityid,modifiedon",
                "$expand": _BILLING,
                "$filter": " and ".join(
                    [
                        f"statecode eq {WON}",
                        f"actualclosedate ge {self._closed_since.isoformat()}",
                        f"modifiedon ge {_utc_seconds(since)}",
                    ]
                ),
                "$orderby": "opportunityid asc",
            },
            after,
        )
        deals = [self._won(row) for row in page.rows if not row.get(NAVIGATION)]
        return WonDeals(deals=deals, as_of=page.as_of or since, next=page.next)

    def _won(self, row: JsonObject) -> WonDeal:
        try:
            changed_at = datetime.fromisoformat(row["modifiedon"])
            return WonDeal(deal_id=row["opportunityid"], modified_at=changed_at)
        except (KeyError, TypeError, ValueError):
            raise self._api.unexpected(f"a deal without its id or its time: {row}") from None

    def is_due(self, deal_id: str) -> bool:
        """See Crm. One call."""
        if not RECORD_ID.fullmatch(deal_id):
            return False
        options = {"$select": "statecode,actualclosedate", "$expand": _BILLING}
        try:
            deal = self._api.get(f"opportunities({deal_id})", options)
        except GatewayError as error:
            if error.code == "not_found":
                return False
            raise
        closed_on = str(deal.get("actualclosedate") or "")[:10]
        is_new = is_won(self._api, deal) and not deal.get(NAVIGATION)
        return is_new and closed_on >= self._closed_since.isoformat()

    def missing_setup(self) -> list[Problem]:
        """See Crm: the table and its key, the columns, and the rights to them."""
        return setup.missing(self._api, self._columns, with_role=self._with_role)

    def ensure_setup(self) -> list[Problem]:
        """See Crm. Creates table, columns and key where the application may; a column of the wrong
        type is left for a person: it may hold their data."""
        refusal = setup.create(self._api, self.missing_setup(), self._columns)
        return [*([refusal] if refusal else []), *self.missing_setup()]

    def _unfit(self, deal_id: str) -> GatewayError | None:
        """Why no row can be written for a deal of this id; None where one can."""
        key = deal_contract_id(self.system, deal_id)
        if RECORD_ID.fullmatch(deal_id) and _KEY_CHARACTERS.fullmatch(key):
            return None
        return refused(self.system, deal_id, NO_ID)

    def _row(self, status: ContractStatus) -> tuple[str, JsonObject]:
        """The row of a status: its path by the alternate key, and what it says. It is linked in
        the same write, so that no row is ever without its deal."""
        key = deal_contract_id(self.system, status.deal_id)
        texts = {name: text or None for name, text in status_texts(status).items()}
        bound = {f"{LOOKUP}@odata.bind": f"/opportunities({status.deal_id})"}
        return f"{BILLINGS}({KEY}='{key}')", {**texts, **bound}


def _utc_seconds(moment: datetime) -> str:
    """A time as filters have it, rounded down. Raises ValueError for a time without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a sweep's window needs times with a time zone")
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
