"""Odoo's own CRM behind the Crm protocol, over the gateway to Odoo.

A deal is an opportunity (`crm.lead`) in a won stage, with its quotation from the module
`sale_crm`: its newest draft or sent order holds the services. The quotation itself is never
confirmed: the contract's own order takes its place.

What its fields cannot say of the billing stands in the property `c2c_terms`.

The status is written to properties of the opportunity (`lead_properties`), which each sales team
defines for its opportunities. It is written with `load` by database id, measured on Odoo 19:

- `write` replaces all of a record's properties by those it is given, and so would empty the ones
  people added; `load` merges the given ones into the others within one transaction;
- `load` takes any number of opportunities, also of different teams, in one call, which the client
  makes for many contracts together;
- for an opportunity whose team lacks a property `load` drops the value without a word, so what
  an opportunity can hold is read first.

Alternatives were worse: notes in the chatter pile up with each repeat, and fields of our own on
`crm.lead` need an administrator.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from contracts.crm import ContractStatus, WonDeal, WonDeals
from contracts.currencies import EXPONENTS
from contracts.model import JsonObject
from contracts.money import Money
from contracts.validation import Problem
from gateways import errors
from gateways.crm import terms
from gateways.crm.contract_data import local_date, present, unique_keys
from gateways.crm.odoo_crm.setup import WON, OdooCrmSetup, missing_names
from gateways.crm.status import STARTED, STATUS_LABELS, refused, status_texts
from gateways.errors import GatewayError
from gateways.fields import names
from gateways.odoo import LoadRefused, OdooClient
from gateways.odoo.errors import is_conflict

PARTNER_KEY = "odoo-partner-"
"""A customer's key is this and the database id of its commercial partner."""

_MAX_ID = 2**31 - 1  # PostgreSQL's integer; a greater number would be an error of the database
_MOST_STATUSES = 100
_PAGE = 500
_MAX_LINES = 2_000
_MAX_DESCRIPTION = 200
_OPEN_STATES = ("draft", "sent")
_CONFIRMED_STATES = ("sale", "done")  # "done": Odoo before 17
_ALSO_ARCHIVED = ["active", "in", [True, False]]

_LEAD = names("""
    name active stage_id partner_id email_from user_id date_closed lead_properties
""")
_ORDER = names("""
    name state currency_id amount_untaxed client_order_ref payment_term_id signed_on
    partner_id partner_invoice_id
""")
_LINE = names("name product_id display_type price_subtotal product_uom_qty")
_PARTNER = names("name commercial_partner_id parent_id email vat country_code street city zip")


class OdooCrm:
    """A Crm. Thread-safe, as the client is.

    The client's user needs Odoo's group "Sales / Administrator", which may add properties to
    sales teams. `system` is the name it is configured under. `time_zone` (IANA) is the legal
    entity's: its date counts as the day of signature. Opportunities won before `closed_since`, a
    date there, are not found by sweeps.
    """

    most_at_once = _MOST_STATUSES

    def __init__(
        self,
        odoo: OdooClient,
        *,
        system: str = "odoo-crm",
        time_zone: str = "UTC",
        closed_since: date | None = None,
    ) -> None:
        self.system = system
        self._odoo = odoo
        self._setup = OdooCrmSetup(odoo, system)
        self._zone = ZoneInfo(time_zone)
        self._closed_since = closed_since

    def read_contract(self, deal_id: str) -> JsonObject:
        """See Crm. Also raises `order_already_confirmed`, of kind business."""
        lead = self._won_lead(deal_id)
        order = self._quotation(lead["id"])
        currency = _name(order.get("currency_id"))
        contract_data = present(
            {
                "title": lead["name"],
                "currency": currency,
                "value": _amount(order.get("amount_untaxed"), currency),
                "signed_on": local_date(
                    order.get("signed_on") or lead["date_closed"] or "", self._zone
                ),
                "payment_term": _name(order.get("payment_term_id")),
                "purchase_order": order.get("client_order_ref"),
                "requested_by": self._user_email(lead["user_id"]),
            }
        )
        contract_data["source"] = {"system": self.system, "id": str(lead["id"])}
        contract_data["customer"] = self._customer(lead, order)
        contract_data["services"] = self._services(order, currency)
        written = {item["name"]: item.get("value") for item in lead["lead_properties"] or ()}
        stated = terms.terms_of(str(written.get(terms.PROPERTY) or ""), self.system)
        contract_data = terms.with_terms(contract_data, stated)
        return contract_data | {"milestones": terms.milestones(contract_data)}

    def write_statuses(self, statuses: Sequence[ContractStatus]) -> list[GatewayError | None]:
        """See Crm. One read and one write, and one more write where Odoo refuses some of them; no
        write where nothing changes."""
        ids = [found for status in statuses if (found := _record_id(status.deal_id)) is not None]
        fields = ["team_id", "lead_properties"]
        leads = self._odoo.by_id("crm.lead", ids, fields, also=[_ALSO_ARCHIVED])
        verdicts: dict[str, GatewayError] = {}
        rows: list[dict[str, str]] = []
        for status in statuses:
            lead = leads.get(_record_id(status.deal_id) or 0)
            reason = _why_not(lead)
            if reason:
                verdicts[status.deal_id] = refused(self.system, status.deal_id, reason)
            elif lead is not None and _is_news(status, lead):
                rows.append(_row(status))
        verdicts |= self._load(rows)
        return [verdicts.get(status.deal_id) for status in statuses]

    def _load(self, rows: Sequence[dict[str, str]]) -> dict[str, GatewayError]:
        """Load the rows; returns why Odoo refused those that it names. It saves nothing of a call
        that has such a row, so the others are loaded once more; a refusal that names none is
        raised."""
        if not rows:
            return {}
        try:
            self._odoo.load("crm.lead", rows)
        except LoadRefused as error:
            if is_conflict(error) or not error.by_record:
                raise
            rest = [row for place, row in enumerate(rows) if place not in error.by_record]
            self._odoo.load("crm.lead", rest)
            return {rows[place][".id"]: refusal for place, refusal in error.by_record.items()}
        return {}

    def won_deals(self, since: datetime, after: str = "") -> WonDeals:
        """See Crm. Odoo compares to the second. Its clock is what stamps its records: the newest
        change of any opportunity.

        An opportunity whose team lacks our properties has no stage, as Odoo sees it.
        """
        newest = self._odoo.search_read(
            "crm.lead", [_ALSO_ARCHIVED], ["write_date"], order="write_date desc", limit=1
        )
        domain = [*self._due(), ["write_date", ">=", since]]
        leads = self._page("crm.lead", domain, ["write_date"], _record_id(after) or 0)
        return WonDeals(
            deals=[
                WonDeal(deal_id=str(lead["id"]), modified_at=_utc(lead["write_date"]))
                for lead in leads
            ],
            as_of=max([since, *(_utc(row["write_date"]) for row in newest)]),
            next=str(leads[-1]["id"]) if len(leads) == _PAGE else "",
        )

    def is_due(self, deal_id: str) -> bool:
        """See Crm."""
        lead_id = _record_id(deal_id)
        domain = [*self._due(), ["id", "=", lead_id]]
        return bool(lead_id and self._odoo.search_read("crm.lead", domain, ["id"], limit=1))

    def _due(self) -> list[Any]:
        """Which opportunities have yet to become contracts."""
        domain: list[Any] = [*WON, [f"lead_properties.{STARTED}", "=", False]]
        if self._closed_since is not None:
            adopted = datetime.combine(self._closed_since, time(), self._zone)
            domain.append(["date_closed", ">=", adopted])
        return domain

    def missing_setup(self) -> list[Problem]:
        """See Crm."""
        return self._setup.missing()

    def ensure_setup(self) -> list[Problem]:
        """See Crm."""
        return self._setup.ensure()

    def _won_lead(self, deal_id: str) -> JsonObject:
        lead_id = _record_id(deal_id)
        domain = [["id", "=", lead_id], _ALSO_ARCHIVED]
        leads = self._odoo.search_read("crm.lead", domain, _LEAD) if lead_id else []
        if not leads:
            raise self._refusal("deal_not_found", f"there is no opportunity {deal_id!r}", deal_id)
        lead = leads[0]
        stage = lead["stage_id"]
        won = stage and self._odoo.read("crm.stage", [stage[0]], ["is_won"])[0]["is_won"]
        if not (won and lead["active"]):
            state = _name(stage) if lead["active"] else "archived or lost"
            raise self._refusal("deal_not_won", f"opportunity {deal_id} is {state}", deal_id)
        return lead

    def _refusal(self, code: str, message: str, value: str) -> GatewayError:
        field = "deal_id" if code == "deal_not_found" else ""
        return errors.business(self.system, code, message, field=field, value=value)

    def _quotation(self, lead_id: int) -> JsonObject:
        """The newest quotation; empty where there is none. Raises if one is confirmed already."""
        domain = [["opportunity_id", "=", lead_id]]
        orders = self._odoo.search_read("sale.order", domain, _ORDER, order="id desc")
        for order in orders:
            if order["state"] in _CONFIRMED_STATES:
                raise self._refusal(
                    "order_already_confirmed",
                    f"order {order['name']} of this opportunity is confirmed already; cancel it "
                    "and leave the quotation unconfirmed, because the contract makes its own order",
                    order["name"],
                )
        return next((order for order in orders if order["state"] in _OPEN_STATES), {})

    def _user_email(self, user: Any) -> str | None:
        if not user:
            return None
        found = self._odoo.read("res.users", [user[0]], ["email", "login"])[0]
        return str(found["email"] or found["login"])

    def _customer(self, lead: JsonObject, order: JsonObject) -> JsonObject:
        """The commercial partner, with the e-mail address of whoever takes the invoices."""
        contact = order.get("partner_id") or lead["partner_id"]
        if not contact:
            return present({"billing_email": lead["email_from"]})
        invoiced = order.get("partner_invoice_id") or contact
        partners = self._partners({contact[0], invoiced[0]})
        company_id = partners[contact[0]]["commercial_partner_id"][0]
        company = partners.get(company_id) or self._partners({company_id})[company_id]
        emails = (
            partners[invoiced[0]]["email"],
            partners[contact[0]]["email"],
            company["email"],
            lead["email_from"],
        )
        return present(
            {
                "key": f"{PARTNER_KEY}{company_id}",
                "name": company["name"],
                "country": company["country_code"],
                "vat_number": company["vat"],
                "billing_email": next((email for email in emails if email), None),
                "street": company["street"],
                "city": company["city"],
                "zip": company["zip"],
                "odoo_partner": company_id,
                "parent": self._parent(company),
            }
        )

    def _parent(self, company: JsonObject) -> JsonObject | None:
        """The company that this company belongs to."""
        if not company["parent_id"]:
            return None
        above = self._partners({company["parent_id"][0]})[company["parent_id"][0]]
        parent_id = above["commercial_partner_id"][0]
        if parent_id != above["id"]:
            above = self._partners({parent_id})[parent_id]
        return present(
            {
                "key": f"{PARTNER_KEY}{parent_id}",
                "name": above["name"],
                "country": above["country_code"],
                "vat_number": above["vat"],
                "odoo_partner": parent_id,
            }
        )

    def _partners(self, ids: set[int]) -> dict[int, JsonObject]:
        return {item["id"]: item for item in self._odoo.read("res.partner", sorted(ids), _PARTNER)}

    def _services(self, order: JsonObject, currency: str) -> list[JsonObject]:
        """One service a line; sections, notes and lines of no quantity (options) sell nothing."""
        if not order:
            return []
        domain = [["order_id", "=", order["id"]]]
        lines = self._odoo.search_read(
            "sale.order.line", domain, _LINE, order="sequence, id", limit=_MAX_LINES
        )
        lines = [line for line in lines if not line["display_type"] and line["product_uom_qty"]]
        codes = self._product_codes(lines)
        stems = [codes.get(line["id"], "") for line in lines]
        return [
            present(
                {
                    "key": key,
                    "code": code,
                    "description": _description(line["name"], code),
                    "amount": _amount(line["price_subtotal"], currency),
                }
            )
            for key, code, line in zip(unique_keys(stems, "line"), stems, lines, strict=True)
        ]

    def _product_codes(self, lines: Sequence[JsonObject]) -> dict[int, str]:
        """By line: the internal reference of its product, where it has one."""
        products = {line["product_id"][0] for line in lines if line["product_id"]}
        found = self._odoo.read("product.product", sorted(products), ["default_code"])
        codes = {product["id"]: product["default_code"] or "" for product in found}
        return {line["id"]: codes[line["product_id"][0]] for line in lines if line["product_id"]}

    def _page(
        self, model: str, domain: Sequence[Any], fields: Sequence[str], after: int
    ) -> list[JsonObject]:
        """Matches by ascending id, beyond the last one seen: an offset would skip a record
        whenever one before it changes and leaves the result."""
        beyond = [*domain, ["id", ">", after]]
        return self._odoo.search_read(model, beyond, fields, limit=_PAGE, order="id")


def _record_id(deal_id: str) -> int | None:
    """The database id, or None where the text cannot be one."""
    if not (deal_id.isascii() and deal_id.isdigit() and deal_id[0] != "0"):
        return None
    number = int(deal_id) if len(deal_id) <= 10 else _MAX_ID + 1
    return number if number <= _MAX_ID else None


def _name(many2one: Any) -> str:
    """The display name of a many2one, as Odoo gives it: `[id, name]` or False."""
    return many2one[1] if many2one else ""


def _amount(value: float | None, currency: str) -> str | None:
    """Odoo's double as the text it stands for; as it is where the currency is not known."""
    if value is None:
        return None
    if currency not in EXPONENTS:
        return str(Decimal(str(value)))
    return str(Money.rounded(value, currency).amount)


def _utc(text: str) -> datetime:
    """Odoo's naive UTC time as an aware one."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _description(line_name: str, code: str) -> str:
    """The first line of an order line's text; Odoo puts the code before it in brackets."""
    first = (line_name or "").strip().split("\n")[0]
    return first.removeprefix(f"[{code}] ")[:_MAX_DESCRIPTION]


def _why_not(lead: JsonObject | None) -> str | None:
    """Why an opportunity cannot hold a status; None if it can."""
    if lead is None:
        return "there is no such opportunity"
    if not lead["team_id"]:
        return "the opportunity has no sales team, which would define the contract's properties"
    if missing_names(lead["lead_properties"] or [], STATUS_LABELS):
        return f"sales team {_name(lead['team_id'])} lacks the contract's properties; run the setup"
    return None


def _is_news(status: ContractStatus, lead: JsonObject) -> bool:
    there = {item["name"]: item.get("value") or "" for item in lead["lead_properties"]}
    return any(there[name] != value for name, value in status_texts(status).items())


def _row(status: ContractStatus) -> dict[str, str]:
    values = {f"lead_properties.{name}": value for name, value in status_texts(status).items()}
    return {".id": status.deal_id, **values}
