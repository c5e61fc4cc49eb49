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
from gateways import errors
from gateways.crm import terms
from gateways.crm.contract_data import local_date, milestones_of, present, unique_keys
from gateways.crm.dynamics import lines, setup
from gateways.crm.dynamics.api import FORMATTED, MAX_BATCH, DynamicsApi
from gateways.crm.dynamics.columns import Columns
from gateways.crm.dynamics.setup import BILLINGS, KEY, LOOKUP, NAVIGATION
from gateways.crm.status import refused, status_texts
from gateways.errors import GatewayError

_WON = 1
_WON_QUOTE = 2
_RECORD_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NO_ID = "Dataverse's record ids are GUIDs in small letters"
_KEY_CHARACTERS = re.compile(r"[A-Za-z0-9_-]+")
"""An alternate key must not have / < > * % & : \\ ? + in it; a contract's id has none of these."""

_ADDRESS = "emailaddress1,address1_line1,address1_city,address1_postalcode"
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
        self._zone = ZoneInfo(time_zone)
        self._billing_role = billing_role
        self._columns = columns or Columns()

    @property
    def system(self) -> str:
        return self._api.system

    @property
    def most_at_once(self) -> int:
        """See Crm."""
        return MAX_BATCH

    def close(self) -> None:
        """Close the connections. Calls still under way end with an error."""
        self._api.close()

    def read_contract(self, deal_id: str) -> JsonObject:
        """See Crm. Takes three calls, and a fourth where a role names the billing contact."""
        deal = self._won_deal(deal_id)
        quote = self._won_quote(deal_id)
        columns = self._columns
        worth = quote.get("totalamountlessfreight") if quote else _of(deal, columns.value)
        currency = quote.get("transactioncurrencyid") or deal.get("transactioncurrencyid") or {}
        contract_data = present(
            {
                "title": deal.get("name"),
                "currency": currency.get("isocurrencycode"),
                "value": lines.amount(worth),
                "signed_on": local_date(deal.get("actualclosedate") or "", self._zone),
                "starts_on": local_date(_of(deal, columns.starts_on) or "", self._zone),
                "ends_on": local_date(_of(deal, columns.ends_on) or "", self._zone),
                "payment_term": _shown(deal, columns.payment_term),
                "purchase_order": _of(deal, columns.purchase_order),
                "requested_by": (deal.get("owninguser") or {}).get("internalemailaddress"),
            }
        )
        contract_data["source"] = {"system": self.system, "id": deal_id}
        written = terms.terms_of(_of(deal, columns.terms) or "", self.system)
        contract_data["customer"] = self._customer(deal_id, deal)
        return self._billed(contract_data, self._lines(deal_id, quote), written)

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
                        f"statecode eq {_WON}",
                        f"actualclosedate ge {self._closed_since.isoformat()}",
                        f"modifiedon ge {_utc_seconds(since)}",
                    ]
                ),
                "$orderby": "opportunityid asc",
            },
            after,
        )
        deals = [
            WonDeal(deal_id=str(row["opportunityid"]), modified_at=_moment(row["modifiedon"]))
            for row in page.rows
            if not row.get(NAVIGATION)
        ]
        return WonDeals(deals=deals, as_of=page.as_of or since, next=page.next)

    def is_due(self, deal_id: str) -> bool:
        """See Crm. One call."""
        try:
            deal = self._read_deal(deal_id, "statecode,actualclosedate", _BILLING)
        except GatewayError as error:
            if error.code == "deal_not_found":
                return False
            raise
        closed_on = str(deal.get("actualclosedate") or "")[:10]
        is_won = deal.get("statecode") == _WON and not deal.get(NAVIGATION)
        return bool(is_won and closed_on >= self._closed_since.isoformat())

    def missing_setup(self) -> list[Problem]:
        """See Crm: the table and its key, the columns, and the rights to them."""
        return setup.missing(self._api, self._columns, with_role=bool(self._billing_role))

    def ensure_setup(self) -> list[Problem]:
        """See Crm. Creates table, columns and key where the application may; a column of the wrong
        type is left for a person: it may hold their data."""
        refusal = setup.create(self._api, self.missing_setup(), self._columns)
        return [*([refusal] if refusal else []), *self.missing_setup()]

    def _read_deal(self, deal_id: str, select: str, expand: str) -> JsonObject:
        if not _RECORD_ID.fullmatch(deal_id):
            raise self._no_deal(deal_id, _NO_ID)
        path, options = f"opportunities({deal_id})", {"$select": select, "$expand": expand}
        try:
            deal = self._api.get(path, options)
        except GatewayError as error:
            if error.code == "not_found":
                raise self._no_deal(deal_id, error.message) from error
            raise
        if "statecode" not in deal:
            text = f"an opportunity without its state: {sorted(deal)}"
            raise errors.defect(self.system, "unexpected_answer", text)
        return deal

    def _no_deal(self, deal_id: str, message: str) -> GatewayError:
        return errors.business(
            self.system, "deal_not_found", message, field="deal_id", value=deal_id
        )

    def _won_deal(self, deal_id: str) -> JsonObject:
        columns = self._columns
        own = (
            columns.value,
            columns.terms,
            columns.starts_on,
            columns.ends_on,
            columns.payment_term,
            columns.purchase_order,
        )
        select = ["name", "statecode", "actualclosedate", *filter(None, own)]
        deal = self._read_deal(deal_id, ",".join(dict.fromkeys(select)), self._expand())
        if deal.get("statecode") != _WON:
            state = str(deal.get(f"statecode@{FORMATTED}") or deal.get("statecode"))
            raise errors.business(
                self.system,
                "deal_not_won",
                f"opportunity {deal_id} is not won, but {state}",
                field="statecode",
                value=state,
            )
        return deal

    def _expand(self) -> str:
        """Everything about the customer in the same call; no lookup leads to more than one row."""
        company = ",".join(filter(None, ("name", self._columns.country, self._columns.vat_number)))
        account = (
            f"$select=accountid,{company},{_ADDRESS};$expand="
            f"primarycontactid($select=emailaddress1),parentaccountid($select=accountid,{company})"
        )
        return ",".join(
            [
                f"customerid_account({account})",
                f"customerid_contact($select=contactid,fullname,address1_country,{_ADDRESS})",
                "parentcontactid($select=emailaddress1)",
                "owninguser($select=internalemailaddress)",
                "transactioncurrencyid($select=isocurrencycode)",
            ]
        )

    def _won_quote(self, deal_id: str) -> JsonObject:
        """The quote that was won, the newest of several; empty where there is none."""
        found = self._api.rows(
            "quotes",
            {
                "$select": "quoteid,totalamountlessfreight,modifiedon",
                "$expand": "transactioncurrencyid($select=isocurrencycode)",
                "$filter": f"_opportunityid_value eq {deal_id} and statecode eq {_WON_QUOTE}",
            },
        )
        return max(found, key=lambda row: (row["modifiedon"], row["quoteid"]), default={})

    def _lines(self, deal_id: str, quote: JsonObject) -> list[JsonObject]:
        """The lines that are sold, in the order people gave them: the quote's, else the deal's."""
        path, parent = ("opportunityproducts", f"_opportunityid_value eq {deal_id}")
        if quote:
            path, parent = "quotedetails", f"_quoteid_value eq {quote['quoteid']}"
        select = filter(None, (*lines.COLUMNS, self._columns.milestones))
        options = {
            "$select": ",".join(select),
            "$expand": "productid($select=name,productnumber)",
            "$filter": parent,
        }
        return lines.sold(self._api.rows(path, options))

    def _billed(
        self, contract_data: JsonObject, sold: Sequence[JsonObject], written: JsonObject
    ) -> JsonObject:
        """The contract data with its services, and how lines and the deal's terms bill them."""
        keys = unique_keys((lines.code(line) for line in sold), default="line")
        contract_data["services"] = [
            lines.service(key, line) for key, line in zip(keys, sold, strict=True)
        ]
        stated = {
            key: milestones_of(key, _of(line, self._columns.milestones) or "")
            for key, line in zip(keys, sold, strict=True)
        }
        contract_data = terms.with_terms(contract_data, written)
        return contract_data | {"milestones": terms.milestones(contract_data, stated)}

    def _customer(self, deal_id: str, deal: JsonObject) -> JsonObject:
        """The account, else the person, who buys; a deal without either lacks its identity."""
        account, person = deal.get("customerid_account"), deal.get("customerid_contact")
        buyer = account or person or {}
        emails = (
            self._email_of_role(deal_id),
            (deal.get("parentcontactid") or {}).get("emailaddress1"),
            (buyer.get("primarycontactid") or {}).get("emailaddress1"),
            buyer.get("emailaddress1"),
        )
        found = {
            **(self._company(account) if account else self._person(buyer)),
            "billing_email": next((email for email in emails if email), None),
            "street": buyer.get("address1_line1"),
            "city": buyer.get("address1_city"),
            "zip": buyer.get("address1_postalcode"),
        }
        parent = (account or {}).get("parentaccountid")
        return present(found) | ({"parent": present(self._company(parent))} if parent else {})

    def _company(self, account: JsonObject) -> JsonObject:
        return {
            "key": f"{self.system}-{account['accountid']}",
            "name": account.get("name"),
            "country": _country(_shown(account, self._columns.country)),
            "vat_number": _of(account, self._columns.vat_number),
        }

    def _person(self, contact: JsonObject) -> JsonObject:
        key = f"{self.system}-{contact['contactid']}" if contact else None
        country = _country(contact.get("address1_country"))
        return {"key": key, "name": contact.get("fullname"), "country": country}

    def _email_of_role(self, deal_id: str) -> str | None:
        """Of the contact connected to the deal in the configured role; of several the oldest."""
        if not self._billing_role:
            return None
        role = self._billing_role.replace("'", "''")
        found = self._api.rows(
            "connections",
            {
                "$select": "connectionid,createdon",
                "$expand": "record2id_contact($select=emailaddress1)",
                "$filter": f"_record1id_value eq {deal_id} and record2roleid/name eq '{role}'",
            },
        )
        found.sort(key=lambda row: (row["createdon"], row["connectionid"]))
        emails = ((row.get("record2id_contact") or {}).get("emailaddress1") for row in found)
        return next((email for email in emails if email), None)

    def _unfit(self, deal_id: str) -> GatewayError | None:
        """Why no row can be written for a deal of this id; None where one can."""
        key = deal_contract_id(self.system, deal_id)
        if _RECORD_ID.fullmatch(deal_id) and _KEY_CHARACTERS.fullmatch(key):
            return None
        return refused(self.system, deal_id, _NO_ID)

    def _row(self, status: ContractStatus) -> tuple[str, JsonObject]:
        """The row of a status: its path by the alternate key, and what it says. It is linked in
        the same write, so that no row is ever without its deal."""
        key = deal_contract_id(self.system, status.deal_id)
        texts = {name: text or None for name, text in status_texts(status).items()}
        bound = {f"{LOOKUP}@odata.bind": f"/opportunities({status.deal_id})"}
        return f"{BILLINGS}({KEY}='{key}')", {**texts, **bound}


def _of(row: JsonObject, column: str) -> str | None:
    """A column's value, where the firm has such a column."""
    return row.get(column) if column else None


def _shown(row: JsonObject, column: str) -> str | None:
    """What people see of a value: of a choice its label."""
    return row.get(f"{column}@{FORMATTED}") or _of(row, column)


def _country(stated: str | None) -> str:
    """The ISO code; a country's name stays as it is, and validation asks for the code."""
    text = (stated or "").strip()
    return text.upper() if len(text) == 2 else text


def _utc_seconds(moment: datetime) -> str:
    """A time as filters have it, rounded down. Raises ValueError for a time without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a sweep's window needs times with a time zone")
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
