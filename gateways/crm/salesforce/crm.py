"""Salesforce behind the Crm protocol: which field says what.

Read: the opportunity, its account with the parent account, its contacts by their roles, its
products or those of its synced quote with their schedules, and its owner. Terms that products
cannot say stand in one text of the opportunity. Written: the status's texts in fields of the
opportunity, and nothing else.

The status is updated by the opportunity's id, 200 in one call. An upsert by an external id would
create an opportunity where it finds none, and an object of its own would cost the firm an object, a
tab and a lookup and us a second query for every sweep: here `won_deals` filters by the stage that
the opportunity itself shows, and reports and lists have it. Where an org's validation rules or
approvals lock won opportunities, the integration user needs an exception to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from contracts.crm import ContractStatus, WonDeal, WonDeals
from contracts.model import JsonObject
from contracts.validation import Problem
from gateways import errors
from gateways.crm import terms
from gateways.crm.salesforce import queries, reading, setup
from gateways.crm.salesforce.api import MAX_BATCH, SalesforceApi
from gateways.crm.salesforce.features import OrgFeatures
from gateways.crm.salesforce.ids import whole_id
from gateways.crm.salesforce.settings import FieldNames
from gateways.crm.status import refused, status_texts
from gateways.errors import GatewayError

_NO_ID = "Salesforce's record ids have 18 letters and digits, capitals as it shows them"


class SalesforceCrm:
    """A Crm. Thread-safe: it holds nothing but its connections, settings and the org's features.

    `system` is the name that the org is configured under. `time_zone` (IANA) is the legal entity's:
    a time of signature counts as its date there. Opportunities closed before `closed_since` are not
    found by sweeps.
    """

    most_at_once = MAX_BATCH

    def __init__(
        self,
        api: SalesforceApi,
        *,
        system: str,
        fields: FieldNames | None = None,
        billing_role: str = "Billing",
        default_currency: str = "",
        time_zone: str = "UTC",
        closed_since: date | None = None,
    ) -> None:
        self.system = system
        self._api = api
        self._features = OrgFeatures(api)
        self._fields = fields or FieldNames()
        self._billing_role = billing_role
        self._default_currency = default_currency
        self._zone = ZoneInfo(time_zone)
        self._closed_since = closed_since

    def close(self) -> None:
        """Close the connections. Calls still under way end with an error."""
        self._api.close()

    def read_contract(self, deal_id: str) -> JsonObject:
        """See Crm. One call; one more each for the lines of a synced quote and for schedules."""
        deal = self._won_deal(deal_id)
        contract_data = reading.contract_of(
            deal,
            self._fields,
            system=self.system,
            default_currency=self._default_currency,
            zone=self._zone,
        )
        contract_data["customer"] = reading.customer_of(
            deal,
            self._api.children(deal, "OpportunityContactRoles"),
            self._fields,
            system=self.system,
            billing_role=self._billing_role,
        )
        written = terms.terms_of(str(deal.get(self._fields.terms) or ""), self.system)
        products = self._api.children(deal, "OpportunityLineItems")
        schedules = self._schedules(deal_id, products)
        lines = self._quoted(deal, products)
        return reading.billed(contract_data, lines, schedules, written, self._fields)

    def write_statuses(self, statuses: Sequence[ContractStatus]) -> list[GatewayError | None]:
        """See Crm. One call."""
        verdicts = [self._unusable(status.deal_id) for status in statuses]
        sent = [item for item, verdict in zip(statuses, verdicts, strict=True) if not verdict]
        if not sent:
            return verdicts
        answers = iter(self._api.update_many("Opportunity", [_record(item) for item in sent]))
        return [
            verdict or self._verdict(status.deal_id, next(answers))
            for status, verdict in zip(statuses, verdicts, strict=True)
        ]

    def won_deals(self, since: datetime, after: str = "") -> WonDeals:
        """See Crm. A page goes on behind the time of change and id of its predecessor's last row,
        so a deal that changes meanwhile may come twice. Salesforce's clock is the Date of its
        answers."""
        found = self._api.query(queries.won_deals(since, after, self._closed_since))
        deals = [self._listed(row) for row in found.records]
        last = deals[-1] if len(deals) == queries.PAGE else None
        mark = queries.mark(last.modified_at, last.deal_id) if last else ""
        return WonDeals(deals=deals, as_of=found.as_of or since, next=mark)

    def is_due(self, deal_id: str) -> bool:
        """See Crm. One call."""
        if _why_no_id(deal_id):
            return False
        return bool(self._api.query(queries.is_due(deal_id, self._closed_since)).records)

    def missing_setup(self) -> list[Problem]:
        """See Crm: an API version that the org still offers, and fields that the user sees."""
        offered = self._api.versions()
        if self._api.version not in offered:
            return [
                Problem(
                    code="crm_version_gone",
                    field="api_version",
                    value=self._api.version,
                    expected=f"one of those that the org offers: {', '.join(offered)}",
                )
            ]
        return setup.missing(self._fields, self._api.fields)

    def ensure_setup(self) -> list[Problem]:
        """See Crm. Creates nothing: see `gateways.crm.salesforce.setup`."""
        return self.missing_setup()

    def _won_deal(self, deal_id: str) -> JsonObject:
        if reason := _why_no_id(deal_id):
            raise self._no_deal(deal_id, reason)
        try:
            query = queries.deal(deal_id, self._fields, self._features.now())
            found = self._api.query(query).records
        except GatewayError as error:
            if error.code == "crm_refused":
                self._features.forget()
            raise
        if not found:
            raise self._no_deal(deal_id, "Salesforce has no such opportunity that the user may see")
        deal = found[0]
        if deal.get("IsWon") is not True:
            raise errors.business(
                self.system,
                "deal_not_won",
                f"opportunity {deal_id} is not in a stage that counts as won",
                field="IsWon",
                value=str(deal.get("IsWon")),
            )
        return deal | {"Id": deal_id}

    def _quoted(self, deal: JsonObject, products: list[JsonObject]) -> list[JsonObject]:
        """The lines of the synced quote, which are what the customer signed; without one the
        opportunity's products. What a quote's line has no field for, its product says."""
        quote_id = deal.get("SyncedQuoteId")
        if not quote_id:
            return products
        lines = self._api.query(queries.quote_lines(str(quote_id), self._features.now())).records
        by_id = {str(product.get("Id")): product for product in products}
        quoted = []
        for line in lines:
            product = by_id.get(str(line.get("OpportunityLineItemId")), {})
            stated = {name: value for name, value in line.items() if value is not None}
            quoted.append(line | product | stated | {"Id": product.get("Id")})
        return quoted

    def _schedules(
        self, deal_id: str, products: Sequence[JsonObject]
    ) -> Mapping[str, Sequence[JsonObject]]:
        """The dates on which the products' revenue falls, by the product's line."""
        found: dict[str, list[JsonObject]] = {}
        if any(product.get("HasSchedule") for product in products):
            for row in self._api.query(queries.schedules(deal_id)).records:
                found.setdefault(str(row.get("OpportunityLineItemId")), []).append(row)
        return found

    def _unusable(self, deal_id: str) -> GatewayError | None:
        reason = _why_no_id(deal_id)
        return refused(self.system, deal_id, reason) if reason else None

    def _verdict(self, deal_id: str, answer: GatewayError | None) -> GatewayError | None:
        if answer is not None and answer.code == "not_found":
            return refused(self.system, deal_id, answer.message)
        return answer

    def _listed(self, row: JsonObject) -> WonDeal:
        try:
            return WonDeal(
                deal_id=row["Id"], modified_at=datetime.fromisoformat(row["SystemModstamp"])
            )
        except (KeyError, TypeError, ValueError):
            text = f"an opportunity without its id or its time of change: {sorted(row)}"
            raise errors.defect(self.system, "unexpected_answer", text) from None

    def _no_deal(self, deal_id: str, message: str) -> GatewayError:
        return errors.business(
            self.system, "deal_not_found", message, field="deal_id", value=deal_id
        )


def _why_no_id(deal_id: str) -> str:
    """Why a text cannot be the id of a deal; "" where it can. The id of 15 characters is the same
    record, but would give its contract another id, hence a second contract."""
    whole = whole_id(deal_id)
    if whole == deal_id != "":
        return ""
    return f"use the id of 18 characters, {whole}" if whole else _NO_ID


def _record(status: ContractStatus) -> JsonObject:
    """Null clears a field. A text that is too long would refuse the whole status: it is cut."""
    texts = status_texts(status)
    values = {
        field: texts[name][: setup.STATUS_LENGTH] or None
        for name, field in setup.STATUS_FIELDS.items()
    }
    return {"id": status.deal_id, **values}
