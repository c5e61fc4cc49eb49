"""Reading won deals: what is asked for, and which column says what of the contract."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from contracts.model import JsonObject
from gateways import errors
from gateways.crm import terms
from gateways.crm.contract_data import local_date, milestones_of, present, unique_keys
from gateways.crm.dynamics import lines
from gateways.crm.dynamics.api import FORMATTED, DynamicsApi
from gateways.crm.dynamics.columns import Columns
from gateways.errors import GatewayError

WON = 1
"""`statecode` of an opportunity."""
_WON_QUOTE = 2
RECORD_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NO_ID = "Dataverse's record ids are GUIDs in small letters"
_ADDRESS = "emailaddress1,address1_line1,address1_city,address1_postalcode"

_Request = tuple[str, Mapping[str, str]]
"""What is asked for: a path, and the options of its query."""


class _Deal(NamedTuple):
    """What was read of a won deal; `quote` is empty where none was won, `contacts` are those in
    the billing role."""

    id: str
    row: JsonObject
    quote: JsonObject
    contacts: list[JsonObject]

    @property
    def email_of_role(self) -> str | None:
        """Of several the oldest that has one."""
        oldest = sorted(self.contacts, key=lambda row: (row["createdon"], row["connectionid"]))
        emails = ((row.get("record2id_contact") or {}).get("emailaddress1") for row in oldest)
        return next((email for email in emails if email), None)


def is_won(api: DynamicsApi, row: JsonObject) -> bool:
    """Whether the opportunity is won. Raises GatewayError for an answer that does not say."""
    if "statecode" not in row:
        raise api.unexpected(f"an opportunity without its state, but with {sorted(row)}")
    return bool(row["statecode"] == WON)


class DealReader:
    """Reads deals by the columns that the firm has; see DynamicsCrm for the settings."""

    def __init__(
        self, api: DynamicsApi, *, zone: ZoneInfo, billing_role: str, columns: Columns
    ) -> None:
        self._api = api
        self._zone = zone
        self._billing_role = billing_role
        self._columns = columns

    def read(self, deal_ids: Sequence[str]) -> list[JsonObject | GatewayError]:
        """Contract data of each deal, in order, or why there is none.

        One batch reads the deals, their quotes and who has the billing role; another one the lines
        of what was sold.
        """
        fit = [deal_id for deal_id in dict.fromkeys(deal_ids) if RECORD_ID.fullmatch(deal_id)]
        asked = [self._asked_of(deal_id) for deal_id in fit]
        answers = iter(self._api.gets([request for requests in asked for request in requests]))
        deals = {
            deal_id: self._deal(deal_id, [next(answers) for _ in requests])
            for deal_id, requests in zip(fit, asked, strict=True)
        }
        sold = {key: deal for key, deal in deals.items() if isinstance(deal, _Deal)}
        rows = self._api.gets([self._lines_of(deal) for deal in sold.values()])
        found: dict[str, JsonObject | GatewayError] = {
            key: deal for key, deal in deals.items() if isinstance(deal, GatewayError)
        }
        for (key, deal), answer in zip(sold.items(), rows, strict=True):
            found[key] = self._contract_data(deal, answer)
        return [found.get(key) or self._no_deal(key, NO_ID) for key in deal_ids]

    def _no_deal(self, deal_id: str, message: str) -> GatewayError:
        return errors.business(
            self._api.system, "deal_not_found", message, field="deal_id", value=deal_id
        )

    def _asked_of(self, deal_id: str) -> list[_Request]:
        """The deal, the quotes that were won for it, and the contacts in the billing role."""
        columns = self._columns
        own = (
            columns.value,
            columns.terms,
            columns.starts_on,
            columns.ends_on,
            columns.payment_term,
            columns.purchase_order,
        )
        select = dict.fromkeys(["name", "statecode", "actualclosedate", *filter(None, own)])
        deal = {"$select": ",".join(select), "$expand": self._expand()}
        quotes = {
            "$select": "quoteid,totalamountlessfreight,modifiedon",
            "$expand": "transactioncurrencyid($select=isocurrencycode)",
            "$filter": f"_opportunityid_value eq {deal_id} and statecode eq {_WON_QUOTE}",
        }
        wanted: list[_Request] = [(f"opportunities({deal_id})", deal), ("quotes", quotes)]
        if self._billing_role:
            role = self._billing_role.replace("'", "''")
            contacts = {
                "$select": "connectionid,createdon",
                "$expand": "record2id_contact($select=emailaddress1)",
                "$filter": f"_record1id_value eq {deal_id} and record2roleid/name eq '{role}'",
            }
            wanted.append(("connections", contacts))
        return wanted

    def _deal(
        self, deal_id: str, answers: Sequence[JsonObject | GatewayError]
    ) -> _Deal | GatewayError:
        """What was read of one deal, or why it is no won deal."""
        try:
            row, quotes, *connections = map(_raised, answers)
            if not is_won(self._api, row):
                return self._not_won(deal_id, row)
            won = self._rows(quotes)
            quote = max(won, key=lambda item: (item["modifiedon"], item["quoteid"]), default={})
            contacts = [item for answer in connections for item in self._rows(answer)]
            return _Deal(deal_id, row, quote, contacts)
        except GatewayError as error:
            is_gone = error is answers[0] and error.code == "not_found"
            return self._no_deal(deal_id, error.message) if is_gone else error

    def _not_won(self, deal_id: str, row: JsonObject) -> GatewayError:
        state = str(row.get(f"statecode@{FORMATTED}") or row.get("statecode"))
        return errors.business(
            self._api.system,
            "deal_not_won",
            f"opportunity {deal_id} is not won, but {state}",
            field="statecode",
            value=state,
        )

    def _rows(self, answer: JsonObject) -> list[JsonObject]:
        """The rows of an answer within a batch, which has all of them or is of no use."""
        if "@odata.nextLink" in answer:
            raise self._api.unexpected("more rows of one deal than a page of Dataverse holds")
        return self._api.rows_of(answer)

    def _lines_of(self, deal: _Deal) -> _Request:
        """The lines that are sold: the quote's, else the deal's."""
        path, parent = ("opportunityproducts", f"_opportunityid_value eq {deal.id}")
        if deal.quote:
            path, parent = "quotedetails", f"_quoteid_value eq {deal.quote['quoteid']}"
        select = filter(None, (*lines.COLUMNS, self._columns.milestones))
        return path, {
            "$select": ",".join(select),
            "$expand": "productid($select=name,productnumber)",
            "$filter": parent,
        }

    def _contract_data(
        self, deal: _Deal, answer: JsonObject | GatewayError
    ) -> JsonObject | GatewayError:
        """The contract data of a won deal and its lines, or why there is none."""
        row, quote, columns = deal.row, deal.quote, self._columns
        worth = quote.get("totalamountlessfreight") if quote else _of(row, columns.value)
        currency = quote.get("transactioncurrencyid") or row.get("transactioncurrencyid") or {}
        contract_data = present(
            {
                "title": row.get("name"),
                "currency": currency.get("isocurrencycode"),
                "value": lines.amount(worth),
                "signed_on": local_date(row.get("actualclosedate") or "", self._zone),
                "starts_on": local_date(_of(row, columns.starts_on) or "", self._zone),
                "ends_on": local_date(_of(row, columns.ends_on) or "", self._zone),
                "payment_term": _shown(row, columns.payment_term),
                "purchase_order": _of(row, columns.purchase_order),
                "requested_by": (row.get("owninguser") or {}).get("internalemailaddress"),
            }
        )
        contract_data["source"] = {"system": self._api.system, "id": deal.id}
        contract_data["customer"] = self._customer(deal)
        try:
            sold = lines.sold(self._rows(_raised(answer)))
            written = terms.terms_of(_of(row, columns.terms) or "", self._api.system)
        except GatewayError as error:
            return error
        return self._billed(contract_data, sold, written)

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

    def _customer(self, deal: _Deal) -> JsonObject:
        """The account, else the person, who buys; a deal without either lacks its identity."""
        account, person = deal.row.get("customerid_account"), deal.row.get("customerid_contact")
        buyer = account or person or {}
        emails = (
            deal.email_of_role,
            (deal.row.get("parentcontactid") or {}).get("emailaddress1"),
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
            "key": f"{self._api.system}-{account['accountid']}",
            "name": account.get("name"),
            "country": _country(_shown(account, self._columns.country)),
            "vat_number": _of(account, self._columns.vat_number),
        }

    def _person(self, contact: JsonObject) -> JsonObject:
        key = f"{self._api.system}-{contact['contactid']}" if contact else None
        country = _country(contact.get("address1_country"))
        return {"key": key, "name": contact.get("fullname"), "country": country}


def _raised(answer: JsonObject | GatewayError) -> JsonObject:
    if isinstance(answer, GatewayError):
        raise answer
    return answer


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
