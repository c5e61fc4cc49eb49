"""HubSpot: our client against the stand-in, the stand-in against HubSpot's own client
(hubspot-sdk), and our requests against its requests. None of it has met a live account."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import hubspot_sdk
import pytest
import respx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.model import JsonObject
from contracts.money import Money
from contracts.validation import InvalidContract, validate
from gateways.crm.hubspot.api import HubSpotApi
from gateways.crm.hubspot.crm import CUSTOM_PROPERTIES, HubSpotCrm
from gateways.crm.hubspot.errors import Refusals
from gateways.crm.protocol import Crm
from gateways.crm.status import status_texts
from gateways.errors import FailureKind, GatewayError
from gateways.http import pooled_client
from gateways.secrets import Secret
from sandbox.conformance.crm import written
from sandbox.conformance.serving import served
from sandbox.hubspot import HubSpotError, HubSpotStore, hubspot_app
from tests.unit.crm.asking import all_won, complete, problems_of, refusal, status

TOKEN = "pat-test"
LIVE = "https://api.hubapi.com"
ACME = {
    "name": "Acme NV",
    "hs_country_code": "BE",
    "country": "Belgium",
    "vat_number": "BE0477472701",
    "address": "Rue Haute 1",
    "city": "Brussels",
    "zip": "1000",
}
BUILD = {
    "name": "Build",
    "hs_sku": "BUILD",
    "quantity": "2",
    "price": "5000",
    "hs_position_on_quote": "0",
    "c2c_milestones": "Design 40% 2026-03-01; Go-live 60% 2026-06-30",
}
TRAINING = {
    "name": "Training",
    "hs_sku": "TRAINING",
    "price": "500.50",
    "hs_position_on_quote": "1",
}


@dataclass
class Recorded:
    """A request as it arrived."""

    method: str
    path: str
    query: str
    body: Any
    authorization: str


@dataclass
class Recorder:
    """Passes requests on and keeps them."""

    app: ASGIApp
    requests: list[Recorded] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        message: Message = await receive()  # these bodies are small: one message holds them
        body = message.get("body", b"")
        headers = dict(scope["headers"])
        self.requests.append(
            Recorded(
                scope["method"],
                scope["path"],
                scope["query_string"].decode(),
                json.loads(body) if body else None,
                headers.get(b"authorization", b"").decode(),
            )
        )

        async def again() -> Message:
            return message

        await self.app(scope, again, send)


@pytest.fixture
def store() -> Iterator[HubSpotStore]:
    """An account with its custom properties; its clock is a second further at each look."""
    moments = (datetime(2026, 1, 10, tzinfo=UTC) + timedelta(seconds=n) for n in range(1_000_000))
    store = HubSpotStore(":memory:", now=lambda: next(moments))
    for item in CUSTOM_PROPERTIES:
        store.define(item.object_type, {"options": [], **item.definition()})
    yield store
    store.close()


@pytest.fixture
def recorder(store: HubSpotStore) -> Recorder:
    return Recorder(hubspot_app(store, token=TOKEN))


@pytest.fixture
def url(recorder: Recorder) -> Iterator[str]:
    with served(recorder) as address:
        yield address


@pytest.fixture
def crm(url: str) -> Iterator[HubSpotCrm]:
    crm = unhurried(url)
    yield crm
    crm.close()


@pytest.fixture
def official(url: str) -> Iterator[Any]:
    with hubspot_sdk.HubSpot(access_token=TOKEN, base_url=url, max_retries=0) as client:
        yield client


def unhurried(url: str, **options: Any) -> HubSpotCrm:
    """A CRM whose own limits do not slow a test down."""
    limits = {"calls_per_second": 10_000, "searches_per_second": 10_000}
    api = HubSpotApi(pooled_client(url), Secret.of(TOKEN), **{**limits, **options})
    return HubSpotCrm(api)


def connect(token: Secret, *, url: str, **options: Any) -> HubSpotCrm:
    return HubSpotCrm(HubSpotApi(pooled_client(url), token), **options)


def deal(store: HubSpotStore, **changes: Any) -> str:
    return store.add_deal(
        **{
            "name": "Website",
            "amount": "10500.50",
            "closed_at": "2026-01-10T15:00:00.000Z",
            "company": ACME,
            "contacts": [{"email": "boss@acme.example"}],
            "line_items": [TRAINING, BUILD],
            "owner_email": "sam@firm.example",
            **changes,
        }
    )


# Reading


def test_a_won_deal_is_a_valid_contract(store: HubSpotStore, crm: HubSpotCrm) -> None:
    deal_id = deal(
        store, c2c_purchase_order="PO-77", c2c_payment_term="30 Days", c2c_ends_on="2026-12-31"
    )

    contract = validate(complete(crm.read_contract(deal_id)))

    assert (contract.source.system, contract.source.id) == ("hubspot", deal_id)
    assert contract.title == "Website"
    assert str(contract.value) == "10500.50 EUR"
    assert contract.signed_on.isoformat() == "2026-01-10"
    assert contract.ends_on
    assert contract.ends_on.isoformat() == "2026-12-31"
    assert (contract.purchase_order, contract.payment_term) == ("PO-77", "30 Days")
    assert contract.requested_by == "sam@firm.example"
    customer = contract.customer
    assert customer.key.startswith("hubspot-")
    assert (customer.name, customer.country) == ("Acme NV", "BE")
    assert (customer.vat_number, customer.street) == ("BE0477472701", "Rue Haute 1")
    assert customer.billing_email == "boss@acme.example"
    assert [(item.key, str(item.amount)) for item in contract.services] == [
        ("BUILD", "10000.00 EUR"),
        ("TRAINING", "500.50 EUR"),
    ]
    assert [(item.key, str(item.amount), str(item.due_on)) for item in contract.milestones] == [
        ("BUILD-1", "4000.00 EUR", "2026-03-01"),
        ("BUILD-2", "6000.00 EUR", "2026-06-30"),
        ("TRAINING-1", "500.50 EUR", "2026-01-10"),
    ]


def recurring(**changes: str | None) -> dict[str, str | None]:
    """A line item that is billed again and again: 2 x 1,500 a month for a year."""
    line = {
        "name": "Service desk",
        "hs_sku": "RETAINER",
        "quantity": "2",
        "price": "1500",
        "recurringbillingfrequency": "monthly",
        "hs_recurring_billing_start_date": "2026-02-01",
        "hs_recurring_billing_period": "P12M",
        "hs_position_on_quote": "2",
    }
    return {**line, **changes}


def test_a_recurring_line_item_is_a_retainer_whose_estimate_is_what_the_deal_s_amount_leaves(
    store: HubSpotStore, crm: HubSpotCrm
) -> None:
    deal_id = deal(store, amount="46500.50", line_items=[TRAINING, BUILD, recurring()])

    contract = validate(complete(crm.read_contract(deal_id)))

    [plan] = contract.retainers
    assert (plan.key, plan.service, plan.every, plan.in_advance) == (
        "RETAINER-fee",
        "RETAINER",
        "month",
        True,
    )
    assert str(plan.fee) == "3000.00 EUR"
    assert (str(plan.starts_on), plan.ends_on) == ("2026-02-01", None)
    assert str(contract.ends_on) == "2027-01-31"
    assert str(contract.service("RETAINER").amount) == "36000.00 EUR"
    assert [item.service for item in contract.milestones] == ["BUILD", "BUILD", "TRAINING"]


def test_lines_of_different_terms_end_one_by_one_and_the_contract_with_the_last(
    store: HubSpotStore, crm: HubSpotCrm
) -> None:
    lines = [
        recurring(hs_recurring_billing_period="P6M"),
        recurring(hs_sku="SUPPORT", price="500", recurringbillingfrequency="quarterly"),
    ]
    contract = validate(complete(crm.read_contract(deal(store, amount="22000", line_items=lines))))

    assert str(contract.ends_on) == "2027-01-31"
    assert [(item.every, str(item.ends_on)) for item in contract.retainers] == [
        ("month", "2026-07-31"),
        ("quarter", "None"),
    ]
    # 22,000 as 3,000 to 1,000.
    assert [str(item.amount) for item in contract.services] == ["16500.00 EUR", "5500.00 EUR"]


def test_a_line_without_a_term_leaves_the_contract_open(
    store: HubSpotStore, crm: HubSpotCrm
) -> None:
    lines = [recurring(), recurring(hs_sku="SUPPORT", hs_recurring_billing_period=None)]
    contract_data = crm.read_contract(deal(store, line_items=lines))

    assert "ends_on" not in contract_data
    assert contract_data["retainers"][0]["ends_on"] == "2027-01-31"


def test_a_line_s_term_counts_from_the_contract_s_start_where_it_has_none_of_its_own(
    store: HubSpotStore, crm: HubSpotCrm
) -> None:
    line = recurring(hs_recurring_billing_start_date=None, hs_recurring_billing_period="P1Y")
    contract_data = crm.read_contract(deal(store, amount="3000", line_items=[line]))

    assert (contract_data["signed_on"], contract_data["ends_on"]) == ("2026-01-10", "2027-01-09")


@pytest.mark.parametrize(
    ("changes", "field", "shown"),
    [
        (
            {"recurringbillingfrequency": "per_six_months"},
            "retainers.0.every",
            "per_six_months (line item Service desk)",
        ),
        (
            {"hs_recurring_billing_period": "a year"},
            "retainers.0.ends_on",
            "a year (line item Service desk)",
        ),
        (
            {"hs_billing_start_delay_days": "30"},
            "retainers.0.starts_on",
            "30 days after checkout (line item Service desk)",
        ),
    ],
)
def test_what_no_plan_can_say_is_told_with_the_line_item(
    store: HubSpotStore, crm: HubSpotCrm, changes: dict[str, str], field: str, shown: str
) -> None:
    contract_data = crm.read_contract(
        deal(store, amount="36000", line_items=[recurring(**changes)])
    )

    with pytest.raises(InvalidContract) as caught:
        validate(complete(contract_data))
    assert [(item.field, item.value) for item in caught.value.problems] == [(field, shown)]


def test_the_deal_s_terms_are_the_contract_s(store: HubSpotStore, crm: HubSpotCrm) -> None:
    lines = [
        BUILD,
        {"name": "Development", "hs_sku": "DEVELOPMENT", "price": "12000"},
        {"name": "Down payment", "hs_sku": "DEPOSIT", "price": "0"},
        recurring(),
    ]
    text = """
        ends_on = 2027-12-31
        deposit = {percent = "30", service = "DEPOSIT"}

        [[time]]
        key = "dev"
        service = "DEVELOPMENT"
        cap = 12000.00
        rates = [{price = "120.00"}, {price = 147.50, valid_from = 2026-07-01}]

        [[retainers]]
        service = "RETAINER"
        included_hours = "20"
        overage_price = "110.00"
    """
    deal_id = deal(store, amount="58000", line_items=lines, c2c_terms=text)

    contract = validate(complete(crm.read_contract(deal_id)))

    assert str(contract.ends_on) == "2027-12-31"
    assert contract.deposit
    assert str(contract.deposit.amount) == "3000.00 EUR"
    [time_plan], [retainer] = contract.time, contract.retainers
    assert (str(time_plan.cap), str(time_plan.rates[1].price)) == ("12000.00 EUR", "147.50 EUR")
    assert (str(retainer.fee), str(retainer.included_hours)) == ("3000.00 EUR", "20")
    assert str(retainer.ends_on) == "2027-01-31"
    assert [item.service for item in contract.milestones] == ["BUILD", "BUILD"]
    assert {item.key: str(item.amount) for item in contract.services} == {
        "BUILD": "10000.00 EUR",
        "DEVELOPMENT": "12000.00 EUR",
        "DEPOSIT": "0.00 EUR",
        "RETAINER": "36000.00 EUR",
    }


def test_terms_that_cannot_be_used_are_told_by_their_path(
    store: HubSpotStore, crm: HubSpotCrm
) -> None:
    text = json.dumps({"retainers": [{"key": "a", "service": "BUILD", "fee": "x"}], "term": []})
    deal_id = deal(store, line_items=[recurring()], c2c_terms=text)

    problems = problems_of(crm.read_contract(deal_id))

    assert problems["retainers.0.fee"] == "money_malformed"
    assert problems["retainers.0.service"] == "service_unknown"
    assert "term" in problems


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ("[[time]\nkey = 1", "terms_unreadable", "c2c_terms"),
        ('{"time": [}', "terms_unreadable", "c2c_terms"),
        ('value = "1"', "terms_not_allowed", "c2c_terms.value"),
        ('{"customer": {"name": "Other"}}', "terms_not_allowed", "c2c_terms.customer"),
    ],
)
def test_terms_that_are_no_terms_are_refused_with_what_to_do(
    store: HubSpotStore, crm: HubSpotCrm, text: str, code: str, field: str
) -> None:
    deal_id = deal(store, c2c_terms=text)

    error = refusal(lambda: crm.read_contract(deal_id))

    assert (error.kind, error.code, error.field) == (FailureKind.BUSINESS, code, field)
    assert "then retry" in error.message


def test_the_contact_labelled_billing_takes_the_invoices(
    store: HubSpotStore, crm: HubSpotCrm
) -> None:
    contacts = [
        {"email": None, "firstname": "No address"},
        {"email": "boss@acme.example"},
        {"email": "ap@acme.example", "label": "Billing"},
    ]
    labelled = deal(store, contacts=contacts)
    unlabelled = deal(store, contacts=contacts[:2])

    assert crm.read_contract(labelled)["customer"]["billing_email"] == "ap@acme.example"
    assert crm.read_contract(unlabelled)["customer"]["billing_email"] == "boss@acme.example"


@pytest.mark.parametrize(
    ("company", "country"),
    [
        ({"hs_country_code": "BE", "country": "Nonsense"}, "BE"),
        ({"country": "be"}, "BE"),
        ({"country": "Belgium"}, "Belgium"),
    ],
)
def test_the_country_is_a_code_or_left_to_validation(
    store: HubSpotStore, crm: HubSpotCrm, company: dict[str, str], country: str
) -> None:
    contract_data = crm.read_contract(deal(store, company={"name": "Acme", **company}))
    assert contract_data["customer"]["country"] == country


def test_a_deal_without_anything_names_every_gap_at_once(
    store: HubSpotStore, crm: HubSpotCrm
) -> None:
    deal_id = store.add_deal(name="Bare", amount=None, currency=None)

    problems = problems_of(crm.read_contract(deal_id))

    assert {key for key, code in problems.items() if code == "missing"} == {
        "currency",
        "value",
        "customer.key",
        "customer.name",
        "customer.country",
        "customer.billing_email",
        "milestones",
    }
    assert "services" in problems


def test_a_single_currency_account_has_a_default(store: HubSpotStore, url: str) -> None:
    deal_id = deal(store, currency=None)
    with_default = connect(Secret.of(TOKEN), url=url, default_currency="USD")
    assert with_default.read_contract(deal_id)["currency"] == "USD"
    with_default.close()


def test_unreadable_milestones_reach_validation_as_written(
    store: HubSpotStore, crm: HubSpotCrm
) -> None:
    line = {**BUILD, "c2c_milestones": "Design 40%; rest when done"}
    contract_data = crm.read_contract(deal(store, amount="10000", line_items=[line]))

    assert problems_of(contract_data)["milestones.1.percent"] == "percent_malformed"
    assert contract_data["milestones"][1]["percent"] == "rest when done"


@pytest.mark.parametrize(
    ("line", "amount"),
    [
        ({"price": "33.33", "quantity": "3"}, "99.99"),
        ({"price": "100", "quantity": "3", "discount": "10"}, "270"),
        ({"price": "100", "quantity": "3", "hs_discount_percentage": "12.5"}, "262.5"),
        ({"price": "0.1", "quantity": "3"}, "0.3"),
        ({"price": "100", "amount": "77.70"}, "77.7"),
        ({"quantity": "3"}, None),
    ],
)
def test_a_line_items_amount_is_exact(
    store: HubSpotStore,
    crm: HubSpotCrm,
    monkeypatch: pytest.MonkeyPatch,
    line: dict[str, str],
    amount: str | None,
) -> None:
    deal_id = deal(store, line_items=[{"name": "Work", "hs_sku": "BUILD", **line}])

    assert crm.read_contract(deal_id)["services"][0].get("amount") == amount
    # The same where HubSpot has not computed an amount of its own.
    monkeypatch.setattr("sandbox.hubspot._line_amount", lambda properties: {})
    assert crm.read_contract(deal_id)["services"][0].get("amount") == amount


def test_an_amount_finer_than_the_currency_is_reported_not_rounded(
    store: HubSpotStore, crm: HubSpotCrm
) -> None:
    line = {"name": "Work", "hs_sku": "BUILD", "price": "33.333", "quantity": "1"}
    contract_data = crm.read_contract(deal(store, amount="33.333", line_items=[line]))
    assert problems_of(contract_data)["services.0.amount"] == "money_too_precise"


def test_line_items_of_one_code_have_keys_of_their_own(
    store: HubSpotStore, crm: HubSpotCrm
) -> None:
    lines = [BUILD, BUILD, {"name": "Other", "price": "1"}]
    contract_data = crm.read_contract(deal(store, line_items=lines))
    assert [item["key"] for item in contract_data["services"]] == ["BUILD", "BUILD-2", "line"]


def test_more_line_items_than_a_batch_or_a_page_holds(
    store: HubSpotStore, crm: HubSpotCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.hubspot._ASSOCIATION_PAGE", 50)
    lines = [{"name": f"Part {n}", "hs_sku": f"P{n}", "price": "1"} for n in range(230)]

    contract_data = crm.read_contract(deal(store, line_items=lines))

    assert [item["key"] for item in contract_data["services"]] == [f"P{n}" for n in range(230)]


def test_a_company_deleted_in_between_lacks_its_fields(
    store: HubSpotStore, crm: HubSpotCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    deal_id = deal(store)
    get = store.get
    monkeypatch.setattr(
        store, "get", lambda kind, key: None if kind == "companies" else get(kind, key)
    )
    assert problems_of(crm.read_contract(deal_id)) == {
        "customer.name": "missing",
        "customer.country": "missing",
    }


def test_the_parent_company_is_the_customer_s_parent(store: HubSpotStore, crm: HubSpotCrm) -> None:
    holding = {"name": "Acme Holding", "hs_country_code": "LU", "vat_number": "LU26375245"}
    deal_id = deal(store, parent=holding)

    customer = crm.read_contract(deal_id)["customer"]

    [company, parent] = store.all("companies")
    assert customer["key"] == f"hubspot-{company.id}"
    assert customer["parent"] == {
        "key": f"hubspot-{parent.id}",
        "name": "Acme Holding",
        "country": "LU",
        "vat_number": "LU26375245",
    }


def test_the_primary_company_is_the_customer_whatever_its_label_says(
    store: HubSpotStore, crm: HubSpotCrm
) -> None:
    deal_id = deal(store, company=None)
    older, primary = (store.add("companies", {"name": name}) for name in ("Broker", "Acme"))
    plain = {"category": "HUBSPOT_DEFINED", "typeId": 341, "label": None}
    store._associate(deal_id, "companies", older, plain)
    kind = {"category": "HUBSPOT_DEFINED", "typeId": 5, "label": "Deal with Primary Company"}
    store._associate(deal_id, "companies", primary, kind, plain)

    assert crm.read_contract(deal_id)["customer"]["name"] == "Acme"


def test_an_owner_who_is_gone_is_left_out(store: HubSpotStore, crm: HubSpotCrm) -> None:
    contract_data = crm.read_contract(deal(store, owner_email=None, hubspot_owner_id="777"))
    assert "requested_by" not in contract_data


@pytest.mark.parametrize("deal_id", ["999999", "", "abc", "1/../2", "١٢", "1?x=1"])
def test_a_deal_that_is_not_there(crm: HubSpotCrm, deal_id: str) -> None:
    error = refusal(lambda: crm.read_contract(deal_id))
    assert (error.kind, error.code) == (FailureKind.BUSINESS, "deal_not_found")
    assert error.value == deal_id


def test_a_deal_that_is_not_won(store: HubSpotStore, crm: HubSpotCrm) -> None:
    deal_id = deal(store, won=False)
    error = refusal(lambda: crm.read_contract(deal_id))
    assert (error.kind, error.code) == (FailureKind.BUSINESS, "deal_not_won")

    store.update("deals", deal_id, {"dealstage": "closedwon"})
    assert crm.read_contract(deal_id)["title"] == "Website"


def test_many_deals_are_read_in_hardly_more_calls_than_one_each_with_its_own_verdict(
    store: HubSpotStore, crm: HubSpotCrm, recorder: Recorder
) -> None:
    good = [deal(store, name=f"Deal {n}", parent={"name": "Holding"}) for n in range(40)]
    open_deal, unreadable = deal(store, won=False), deal(store, c2c_terms="[[time")
    single = len_of(recorder, lambda: crm.read_contract(good[0]))

    asked = [*good, open_deal, unreadable, "999999", "x"]
    found: list[Any] = []
    many = len_of(recorder, lambda: found.extend(crm.read_contracts(asked)))

    assert single == many == 9
    assert [item["title"] for item in found[:40]] == [f"Deal {n}" for n in range(40)]
    assert found[7] == crm.read_contract(good[7])
    codes = [error.code for error in found[40:]]
    assert codes == ["deal_not_won", "terms_unreadable", "deal_not_found", "deal_not_found"]


def len_of(recorder: Recorder, call: Callable[[], object]) -> int:
    """How many requests a call makes."""
    recorder.requests.clear()
    call()
    return len(recorder.requests)


def test_a_rotated_token_takes_effect_at_once(
    store: HubSpotStore, url: str, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("expired")
    crm = connect(Secret.file(file), url=url)
    deal_id = deal(store)

    error = refusal(lambda: crm.read_contract(deal_id))
    assert (error.kind, error.code) == (FailureKind.CREDENTIALS, "credentials_refused")
    file.write_text(TOKEN + "\n")
    assert crm.read_contract(deal_id)
    crm.close()


# Writing back


def test_a_deal_that_was_merged_into_another_is_written_like_any_other() -> None:
    """Its answer has the id of the deal that is left: only the trace says whose it is."""
    written = [{"id": "9", "objectWriteTraceId": "7"}, {"id": "8", "objectWriteTraceId": "8"}]
    assert Refusals("hubspot").of_records({"results": written}, written, ["7", "8"]) == {}


def test_a_status_is_written_in_one_call_and_nothing_else_changes(
    store: HubSpotStore, crm: HubSpotCrm, recorder: Recorder
) -> None:
    key = deal(store)
    before = store.get("deals", key)
    written = status(
        key,
        invoiced=Money("100.50", "EUR"),
        waiting_on="sam",
        next_invoice_on=date(2026, 3, 1),
        open_exceptions=2,
        burn="40 of 100 hours",
    )

    assert crm.write_statuses([written]) == [None]

    assert [item.path for item in recorder.requests] == ["/crm/objects/2026-03/deals/batch/update"]
    after = store.get("deals", key)
    assert before
    assert after
    texts = {name: text for name, text in status_texts(written).items() if text}
    assert after.properties == {**before.properties, **texts}
    shown = [after.properties[f"c2c_{name}"] for name in ("next_invoice_on", "open_exceptions")]
    assert shown == ["2026-03-01", "2"]


def test_a_repeat_changes_nothing_and_a_missing_value_clears(
    store: HubSpotStore, crm: HubSpotCrm
) -> None:
    key = deal(store)
    crm.write_statuses([status(key, waiting_on="sam", open_exceptions=1)])
    first = store.get("deals", key)
    crm.write_statuses([status(key, waiting_on="sam", open_exceptions=1)])
    again = store.get("deals", key)
    assert first
    assert again
    assert first.properties == again.properties

    crm.write_statuses([status(key)])
    last = store.get("deals", key)
    assert last
    assert not {"c2c_waiting_on", "c2c_open_exceptions"} & last.properties.keys()


def test_statuses_of_many_deals_are_one_call_and_each_has_its_verdict(
    store: HubSpotStore, crm: HubSpotCrm, recorder: Recorder
) -> None:
    there = [deal(store) for _ in range(crm.most_at_once - 1)]
    recorder.requests.clear()

    verdicts = crm.write_statuses([status(key) for key in (*there[:5], "999999", *there[5:])])

    assert len(recorder.requests) == 1
    assert [place for place, error in enumerate(verdicts) if error] == [5]
    shown = [record.properties.get("c2c_stage") for record in store.all("deals")]
    assert shown == ["billing"] * len(there)


@pytest.mark.parametrize(
    ("deal_id", "why"), [("999999", "not exist"), ("abc", "whole numbers"), ("", "whole numbers")]
)
def test_a_deal_that_is_not_there_is_refused(crm: HubSpotCrm, deal_id: str, why: str) -> None:
    [error] = crm.write_statuses([status(deal_id)])
    assert error
    assert (error.kind, error.code) == (FailureKind.BUSINESS, "status_refused")
    assert (error.field, error.value) == ("source.id", deal_id)
    assert why in error.message


def test_a_missing_property_is_named_and_refuses_the_call() -> None:
    store = HubSpotStore(":memory:")
    keys = [store.add("deals", {"dealname": "Website"}) for _ in range(4)]
    recorder = Recorder(hubspot_app(store, token=TOKEN))
    with served(recorder) as url:
        crm = unhurried(url)
        error = refusal(lambda: crm.write_statuses([status(key) for key in keys]))
        crm.close()

    assert (error.kind, error.code) == (FailureKind.BUSINESS, "crm_property_unknown")
    assert error.field == "c2c_stage"
    assert error.value == ", ".join(status_texts(status("1")))
    assert len(recorder.requests) == 1, "it is the account's matter, and no deal's"


def test_a_deal_that_lacks_what_a_rule_requires_is_refused_alone(
    store: HubSpotStore, url: str
) -> None:
    """From version 2026-09 on the account's rules count for the API as well."""
    strict = unhurried(url, version="2026-09")
    good, bad = deal(store), deal(store, amount=None)
    store.require("deals", "amount")

    verdicts = strict.write_statuses([status(bad), status(good)])
    strict.close()

    assert verdicts[1] is None
    assert verdicts[0]
    assert (verdicts[0].kind, verdicts[0].code) == (FailureKind.BUSINESS, "crm_refused")
    assert (verdicts[0].field, verdicts[0].value) == ("amount", "amount")
    assert "['amount']" in verdicts[0].message


def test_the_one_that_makes_hubspot_refuse_a_whole_call_is_found(
    store: HubSpotStore, crm: HubSpotCrm, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accounts need not answer for each record by itself."""
    keys = [deal(store) for _ in range(16)]
    update = HubSpotStore.update

    def refuse(self: HubSpotStore, kind: str, key: str, *args: Any, **more: Any) -> Any:
        if key == keys[5]:
            error = HubSpotError(400, "VALIDATION_ERROR", "no such option")
            raise error
        return update(self, kind, key, *args, **more)

    monkeypatch.setattr(HubSpotStore, "update", refuse)
    monkeypatch.setattr("sandbox.hubspot._answers_each", lambda inputs: False)
    recorder.requests.clear()

    error = refusal(lambda: crm.write_statuses([status(key) for key in keys]))
    assert "no such option" in error.message
    assert len(recorder.requests) == 1, "asking for less is the caller's"

    recorder.requests.clear()
    verdicts = written(crm, keys)
    assert [place for place, found in enumerate(verdicts) if found] == [5]
    assert "no such option" in str(verdicts[5])
    assert len(recorder.requests) == 9, "the call, and two halves four times"


def errors_within(*errors: JsonObject, results: tuple[JsonObject, ...] = ()) -> Any:
    """What comes of the statuses of the deals 1 and 2, if HubSpot answers this."""
    answer = {"status": "COMPLETE", "results": list(results), "errors": list(errors)}
    with respx.mock(base_url=LIVE) as mocked:
        mocked.post("/crm/objects/2026-03/deals/batch/update").respond(207, json=answer)
        return unhurried(LIVE).write_statuses([status("1"), status("2")])


@pytest.mark.parametrize(
    ("category", "kind"),
    [
        ("VALIDATION_ERROR", FailureKind.BUSINESS),
        ("RATE_LIMITS", FailureKind.TRANSIENT),
        ("INTERNAL_ERROR", FailureKind.TRANSIENT),
    ],
)
def test_an_error_that_names_no_deal_is_of_those_that_have_no_result(
    category: str, kind: FailureKind
) -> None:
    error = {"category": category, "message": "why", "context": {}}
    verdicts = errors_within(error, results=({"id": "2"},))
    assert verdicts[1] is None
    assert verdicts[0].kind is kind
    assert "why" in verdicts[0].message


def test_a_deal_without_result_and_error_is_not_taken_for_written() -> None:
    error = refusal(lambda: errors_within(results=({"id": "2"},)))
    assert (error.kind, error.code) == (FailureKind.DEFECT, "unexpected_answer")


# Sweeping


def test_a_sweep_is_complete_under_paging(
    store: HubSpotStore, crm: HubSpotCrm, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateways.crm.hubspot.api.MAX_PAGE", 20)
    won = [store.add("deals", {"dealstage": "closedwon"}) for _ in range(60)]
    store.add("deals", {"dealstage": "contractsent"})

    found = all_won(crm, datetime(2026, 1, 1, tzinfo=UTC))

    assert [item.deal_id for item in found] == won
    assert all(item.modified_at.tzinfo for item in found)
    assert all("after" not in item.body for item in recorder.requests)


def test_a_deal_that_shows_a_contract_is_left_out(store: HubSpotStore, crm: HubSpotCrm) -> None:
    started, other = (store.add("deals", {"dealstage": "closedwon"}) for _ in range(2))
    since = datetime(2026, 1, 1, tzinfo=UTC)
    crm.write_statuses([status(started)])
    assert [item.deal_id for item in crm.won_deals(since).deals] == [other]


def test_a_sweep_without_the_setup_names_the_property_it_misses() -> None:
    with served(hubspot_app(HubSpotStore(":memory:"), token=TOKEN)) as url:
        since = datetime(2026, 1, 1, tzinfo=UTC)
        error = refusal(lambda: unhurried(url).won_deals(since))
    assert error.kind is FailureKind.BUSINESS
    assert "c2c_stage" in error.message


def test_a_deal_that_changes_during_the_sweep_hides_no_other(
    store: HubSpotStore, crm: HubSpotCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateways.crm.hubspot.api.MAX_PAGE", 5)
    won = [store.add("deals", {"dealstage": "closedwon"}) for _ in range(15)]
    search = HubSpotStore.all

    def and_then_change(self: HubSpotStore, kind: str) -> Any:
        answer = search(self, kind)
        self.update("deals", won[0], {"dealname": "changed"})
        return answer

    monkeypatch.setattr(HubSpotStore, "all", and_then_change)
    found = all_won(crm, datetime(2026, 1, 1, tzinfo=UTC))

    assert [item.deal_id for item in found] == won


def test_a_sweep_begins_at_a_moment_of_hubspots_own_clock(
    store: HubSpotStore, crm: HubSpotCrm
) -> None:
    ids = [store.add("deals", {"dealstage": "closedwon"}) for _ in range(4)]
    middle = datetime.fromtimestamp(store.all("deals")[2].modified_ms / 1000, UTC)
    found = crm.won_deals(middle)
    assert [item.deal_id for item in found.deals] == ids[2:]
    with pytest.raises(ValueError, match="time zone"):
        crm.won_deals(datetime(2026, 1, 1))  # noqa: DTZ001


def test_the_time_of_a_sweep_is_the_date_of_hubspots_answer(
    store: HubSpotStore, crm: HubSpotCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own clock may be wrong by hours."""
    stated = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
    monkeypatch.setattr("gateways.crm.hubspot.api.date_of", lambda response: stated)
    store.add("deals", {"dealstage": "closedwon"})
    since = datetime(2026, 1, 1, tzinfo=UTC)
    assert crm.won_deals(since).as_of == stated
    monkeypatch.setattr("gateways.crm.hubspot.api.date_of", lambda response: None)
    assert crm.won_deals(since).as_of == since, "without a clock nothing is taken for read"


def test_a_deal_won_before_adoption_is_not_found_however_late_it_is_edited(
    store: HubSpotStore, crm: HubSpotCrm
) -> None:
    adopted = HubSpotCrm(crm._api, time_zone="Europe/Brussels", closed_since=date(2026, 3, 1))
    # Midnight in Brussels is 23:00 of the day before in UTC.
    old = store.add_deal(name="Old", amount="1", closed_at="2026-02-28T22:59:59Z")
    new = store.add_deal(name="New", amount="1", closed_at="2026-02-28T23:00:00Z")
    store.update("deals", old, {"dealname": "Edited"})
    found = {item.deal_id for item in adopted.won_deals(datetime(2026, 1, 1, tzinfo=UTC)).deals}
    assert found == {new}


def test_the_day_of_signature_is_the_legal_entitys(store: HubSpotStore, crm: HubSpotCrm) -> None:
    late = store.add_deal(name="Late", amount="1", closed_at="2026-02-28T23:30:00Z")
    in_brussels = HubSpotCrm(crm._api, time_zone="Europe/Brussels")
    assert in_brussels.read_contract(late)["signed_on"] == "2026-03-01"
    assert crm.read_contract(late)["signed_on"] == "2026-02-28"


def test_a_sweep_goes_on_where_hubspots_own_paging_ends(
    store: HubSpotStore, crm: HubSpotCrm, official: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HubSpot ends at 10,000 results; here at 100, to be quick."""
    monkeypatch.setattr("sandbox.hubspot.MAX_RESULTS", 100)
    monkeypatch.setattr("gateways.crm.hubspot.api.MAX_PAGE", 50)
    ids = [store.add("deals", {"dealstage": "closedwon"}) for _ in range(130)]

    found = all_won(crm, datetime(2026, 1, 1, tzinfo=UTC))

    assert [item.deal_id for item in found] == ids
    with pytest.raises(hubspot_sdk.BadRequestError):
        searched(official, limit=50, after="100")


# Setting up


def test_the_setup_is_reported_and_made_once() -> None:
    store = HubSpotStore(":memory:")
    recorder = Recorder(hubspot_app(store, token=TOKEN))
    with served(recorder) as url:
        crm = unhurried(url)
        missing = crm.missing_setup()
        assert {problem.field for problem in missing} == {
            f"{item.object_type}.{item.name}" for item in CUSTOM_PROPERTIES
        }
        assert crm.ensure_setup() == []
        recorder.requests.clear()
        assert crm.ensure_setup() == []
        assert {item.method for item in recorder.requests} == {"GET"}
        crm.close()


def test_two_setups_at_once_are_one(url: str, store: HubSpotStore) -> None:
    store._db.execute("DELETE FROM property WHERE name LIKE 'c2c%'")
    crm = unhurried(url)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: crm.ensure_setup(), range(4)))
    crm.close()
    assert answers == [[]] * 4


def test_a_property_of_another_type_is_left_for_a_person(
    store: HubSpotStore, crm: HubSpotCrm
) -> None:
    store._db.execute("DELETE FROM property WHERE name = 'c2c_ends_on'")
    text = {"name": "c2c_ends_on", "type": "string", "options": []}
    store.define("deals", text)

    (problem,) = crm.ensure_setup()

    assert (problem.code, problem.field) == ("crm_property_wrong", "deals.c2c_ends_on")
    assert problem.value == "string"


def test_our_custom_properties_are_those_we_read_and_write() -> None:
    from gateways.crm.hubspot import crm as ours
    from gateways.crm.hubspot import surrounding
    from sandbox.hubspot import _STANDARD

    asked = {
        "deals": {*ours._DEAL, *status_texts(status("1"))},
        "companies": set(surrounding.COMPANY),
        "line_items": set(surrounding.LINE_ITEM),
    }
    for kind, names in asked.items():
        custom = {item.name for item in CUSTOM_PROPERTIES if item.object_type == kind}
        assert names - _STANDARD[kind].keys() == custom


# Errors


def answered(
    status_code: int, body: Any = None, headers: dict[str, str] | None = None, **options: Any
) -> GatewayError:
    """How one answer of HubSpot's to reading a deal is told."""
    with respx.mock(base_url=LIVE) as mocked:
        reply = httpx.Response(status_code, json=body or {}, headers=headers)
        mocked.post("/crm/objects/2026-03/deals/batch/read").mock(return_value=reply)
        return refusal(lambda: unhurried(LIVE, **options).read_contract("1"))


def failed(error: Exception) -> GatewayError:
    with respx.mock(base_url=LIVE) as mocked:
        mocked.post("/crm/objects/2026-03/deals/batch/read").mock(side_effect=error)
        return refusal(lambda: unhurried(LIVE).read_contract("1"))


@pytest.mark.parametrize(
    ("status_code", "kind", "code"),
    [
        (400, FailureKind.BUSINESS, "crm_refused"),
        (401, FailureKind.CREDENTIALS, "credentials_refused"),
        (403, FailureKind.BUSINESS, "access_denied"),
        (404, FailureKind.BUSINESS, "not_found"),
        (405, FailureKind.DEFECT, "unexpected_answer"),
        (409, FailureKind.BUSINESS, "already_exists"),
        (423, FailureKind.TRANSIENT, "locked"),
        (429, FailureKind.TRANSIENT, "rate_limited"),
        (477, FailureKind.TRANSIENT, "unavailable"),
        (500, FailureKind.TRANSIENT, "unavailable"),
        (502, FailureKind.TRANSIENT, "unavailable"),
        (524, FailureKind.TRANSIENT, "unavailable"),
        (302, FailureKind.DEFECT, "unexpected_answer"),
    ],
)
def test_each_answer_has_its_kind(status_code: int, kind: FailureKind, code: str) -> None:
    error = answered(status_code, {"message": "why", "correlationId": "c-1"})
    assert (error.kind, error.code, error.system) == (kind, code, "hubspot")
    assert "why" in error.message
    assert "c-1" in error.message


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        ({"policyName": "SECONDLY"}, {}, 1),
        ({"policyName": "TEN_SECONDLY_ROLLING"}, {}, 10),
        ({"policyName": "SECONDLY"}, {"Retry-After": "7"}, 7),
        ({"policyName": "DAILY"}, {}, 3600),
        ({}, {}, 10),
    ],
)
def test_a_limit_says_when_to_come_back(
    body: JsonObject, headers: dict[str, str], seconds: int
) -> None:
    assert answered(429, body, headers).retry_after == timedelta(seconds=seconds)


def test_a_refused_search_holds_back_searches_only() -> None:
    slept: list[float] = []
    api = HubSpotApi(pooled_client(LIVE), Secret.of(TOKEN))
    for throttle in (api._calls, api._searches):
        throttle._sleep = slept.append
    with respx.mock(base_url=LIVE) as mocked:
        mocked.post("/crm/objects/2026-03/deals/search").respond(
            429, json={"policyName": "SECONDLY"}
        )
        mocked.get("/crm/properties/2026-03/deals").respond(200, json={"results": []})
        refusal(lambda: api.search("deals", [], []))
        slept.clear()
        api.properties("deals")
        assert sum(slept) < 0.2
        refusal(lambda: api.search("deals", [], []))
        assert sum(slept) > 0.5


@pytest.mark.parametrize(
    "body",
    [
        {"errors": [{"message": "no", "context": {"propertyName": ["c2c_stage"]}}]},
        {
            "message": "Property values were not valid: "
            '[{"isValid":false,"error":"PROPERTY_DOESNT_EXIST","name":"c2c_stage"}]'
        },
    ],
)
def test_a_400_names_the_property(body: JsonObject) -> None:
    assert answered(400, body).field == "c2c_stage"


def test_missing_scopes_are_named() -> None:
    context = {"requiredGranularScopes": ["crm.objects.deals.read"]}
    body = {"category": "MISSING_SCOPES", "errors": [{"message": "x", "context": context}]}
    error = answered(403, body)
    assert (error.field, error.value) == ("scopes", "crm.objects.deals.read")


@pytest.mark.parametrize(
    ("raised", "code", "maybe_done"),
    [
        (httpx.ConnectError("no route"), "unreachable", False),
        (httpx.ConnectTimeout("slow"), "unreachable", False),
        (httpx.ReadTimeout("slow"), "no_answer", True),
        (httpx.RemoteProtocolError("cut off"), "no_answer", True),
    ],
)
def test_a_call_without_an_answer_says_whether_it_may_be_done(
    raised: Exception, code: str, maybe_done: bool
) -> None:
    error = failed(raised)
    assert (error.kind, error.code) == (FailureKind.TRANSIENT, code)
    assert error.maybe_done is maybe_done


@pytest.mark.parametrize("token", ["schlüssel", "two\nlines"])
def test_a_token_that_cannot_be_sent_is_not_shown(url: str, token: str) -> None:
    crm = connect(Secret.of(token), url=url)
    error = refusal(lambda: crm.read_contract("1"))
    crm.close()
    assert error.kind is FailureKind.CREDENTIALS
    assert token not in str(error)
    assert error.__cause__ is None


def test_a_page_of_a_proxy_is_no_answer() -> None:
    with respx.mock(base_url=LIVE) as mocked:
        mocked.post("/crm/objects/2026-03/deals/batch/read").respond(
            200, html="<p>Please log in</p>"
        )
        error = refusal(lambda: unhurried(LIVE).read_contract("1"))
    assert error.kind is FailureKind.DEFECT


def test_an_answer_without_results_is_told_as_such() -> None:
    with respx.mock(base_url=LIVE) as mocked:
        mocked.get("/crm/properties/2026-03/deals").respond(200, json={"status": "PENDING"})
        error = refusal(lambda: unhurried(LIVE)._api.properties("deals"))
    assert (error.kind, error.code) == (FailureKind.DEFECT, "unexpected_answer")
    assert "PENDING" in error.message


def test_a_used_up_day_stops_our_own_calls_for_a_minute_only() -> None:
    api = HubSpotApi(pooled_client(LIVE), Secret.of(TOKEN))
    with respx.mock(base_url=LIVE) as mocked:
        mocked.get("/crm/properties/2026-03/deals").respond(429, json={"policyName": "DAILY"})
        assert refusal(lambda: api.properties("deals")).retry_after == timedelta(hours=1)
        held_back = refusal(lambda: api.properties("deals"))
    assert held_back.code == "throttled"
    assert held_back.retry_after
    assert held_back.retry_after <= timedelta(minutes=1)


def test_an_error_inside_a_207_is_not_taken_for_nothing_there() -> None:
    answer = {
        "status": "COMPLETE",
        "results": [],
        "numErrors": 1,
        "errors": [{"category": "INTERNAL_ERROR", "message": "try later", "context": {}}],
    }
    with respx.mock(base_url=LIVE) as mocked:
        mocked.post("/crm/associations/2026-03/deals/contacts/batch/read").respond(207, json=answer)
        api = HubSpotApi(pooled_client(LIVE), Secret.of(TOKEN))
        error = refusal(lambda: api.associated("deals", ["1"], "contacts"))
    assert "try later" in error.message


@pytest.mark.long
def test_the_stand_ins_search_limit_is_told_as_hubspots(store: HubSpotStore) -> None:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    with served(hubspot_app(store, token=TOKEN, searches_per_second=5)) as url:
        hasty, patient = unhurried(url), connect(Secret.of(TOKEN), url=url)
        errors = [refusal(lambda: [hasty.won_deals(since) for _ in range(6)])]
        assert errors[0].retry_after == timedelta(seconds=1)
        time.sleep(1.05)
        for _ in range(7):  # our own limit keeps below HubSpot's
            patient.won_deals(since)
        hasty.close()
        patient.close()


def test_threads_share_one_crm(store: HubSpotStore, crm: HubSpotCrm) -> None:
    ids = [deal(store, name=f"Deal {n}") for n in range(12)]
    with ThreadPoolExecutor(6) as pool:
        documents = list(pool.map(crm.read_contract, ids))
    assert [contract_data["title"] for contract_data in documents] == [
        f"Deal {n}" for n in range(12)
    ]


# HubSpot's own client against the stand-in, and our requests against its requests


def request_of(recorder: Recorder, call: Callable[[], object]) -> Recorded:
    """The one request a call makes."""
    recorder.requests.clear()
    call()
    (request,) = recorder.requests
    return request


def searched(official: Any, *filters: JsonObject, **more: Any) -> Any:
    """A search by HubSpot's client, which insists on arguments that HubSpot itself does not."""
    by_age = [{"propertyName": "hs_object_id", "direction": "ASCENDING"}]
    given = {"after": hubspot_sdk.omit, "properties": [], "sorts": by_age, **more}
    objects = official.crm.objects.generic_objects
    return objects.search("deals", filter_groups=[{"filters": filters}], **given)


def test_the_official_client_reads_and_updates_a_single_deal(
    store: HubSpotStore, official: Any
) -> None:
    """As scripts do that the benchmarks compare with."""
    key = deal(store)
    objects = official.crm.objects.generic_objects
    objects.update(key, object_type="deals", properties={"c2c_stage": "billing"})
    read = objects.get(key, object_type="deals", properties=["c2c_stage", "hs_is_closed_won"])
    assert read.id == key
    assert (read.properties["c2c_stage"], read.properties["hs_is_closed_won"]) == (
        "billing",
        "true",
    )
    with pytest.raises(hubspot_sdk.NotFoundError) as caught:
        objects.get("999999", object_type="deals")
    body: Any = caught.value.body
    assert set(body) >= {"status", "message", "correlationId", "category"}


def test_the_official_client_reads_a_batch(
    store: HubSpotStore, crm: HubSpotCrm, official: Any, recorder: Recorder
) -> None:
    ids = [deal(store), "999999"]

    def read() -> Any:
        return official.crm.objects.generic_objects.batch.get(
            "deals",
            inputs=[{"id": key} for key in ids],
            properties=["dealname"],
            properties_with_history=[],
        )

    theirs = request_of(recorder, read)
    ours = request_of(recorder, lambda: crm._api.read_many("deals", ids, ["dealname"]))
    assert ours == theirs

    answer = read()
    assert [item.id for item in answer.results] == ids[:1]
    assert answer.errors[0]["context"] == {"ids": ["999999"]}


def test_the_official_client_updates_deals(
    store: HubSpotStore, crm: HubSpotCrm, official: Any, recorder: Recorder
) -> None:
    written = [status(deal(store), waiting_on="sam"), status("999999")]

    def update(**more: str) -> Any:
        inputs = [
            {
                "id": item.deal_id,
                "object_write_trace_id": item.deal_id,
                "properties": {**status_texts(item), **more},
            }
            for item in written
        ]
        return official.crm.objects.generic_objects.batch.update("deals", inputs=inputs)

    theirs = request_of(recorder, update)
    ours = request_of(recorder, lambda: crm.write_statuses(written))
    assert ours == theirs

    answer = update()
    (result,) = answer.results
    assert (result.id, result.object_write_trace_id) == (written[0].deal_id, written[0].deal_id)
    assert result.properties["c2c_waiting_on"] == "sam"
    assert answer.errors[0]["category"] == "OBJECT_NOT_FOUND"
    with pytest.raises(hubspot_sdk.BadRequestError) as caught:
        update(nonsense="x")
    assert "PROPERTY_DOESNT_EXIST" in str(caught.value.body)


def test_the_official_client_searches(
    store: HubSpotStore, crm: HubSpotCrm, official: Any, recorder: Recorder
) -> None:
    ids = [deal(store) for _ in range(3)]
    since = datetime(2026, 1, 1, tzinfo=UTC)
    milliseconds = str(int(since.timestamp() * 1000))
    filters = [
        {"property_name": "c2c_stage", "operator": "NOT_HAS_PROPERTY"},
        {"property_name": "hs_is_closed_won", "operator": "EQ", "value": "true"},
        {"property_name": "hs_lastmodifieddate", "operator": "GTE", "value": milliseconds},
        {"property_name": "hs_object_id", "operator": "GT", "value": "0"},
    ]
    asked = {"properties": ["hs_lastmodifieddate"]}
    theirs = request_of(recorder, lambda: searched(official, *filters, limit=200, **asked))
    ours = request_of(recorder, lambda: crm.won_deals(since))
    assert ours == theirs

    page = searched(official, *filters, limit=2)
    assert (page.total, [item.id for item in page.results]) == (3, ids[:2])
    rest = searched(official, *filters, limit=2, after=page.paging.next.after)
    assert [item.id for item in rest.results] == ids[2:]
    assert rest.paging is None


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("EQ", "20", [20]),
        ("GT", "20", [100]),
        ("GTE", "20", [20, 100]),
        ("LT", "20", [3]),
        ("LTE", "20", [3, 20]),
        ("IN", ["3", "100"], [3, 100]),
    ],
)
def test_the_stand_in_compares_numbers_as_numbers(
    store: HubSpotStore, official: Any, operator: str, value: Any, expected: list[int]
) -> None:
    for amount in ("100", "3", "20", None):
        store.add("deals", {"amount": amount})
    key = "values" if operator == "IN" else "value"
    condition = {"property_name": "amount", "operator": operator, key: value}
    found = searched(official, condition, limit=10, sorts=["amount"], properties=["amount"])
    assert [int(item.properties["amount"]) for item in found.results] == expected


def test_the_official_client_reads_associations(
    store: HubSpotStore, crm: HubSpotCrm, official: Any, recorder: Recorder
) -> None:
    key = deal(store, contacts=[{"email": "ap@acme.example", "label": "Billing"}])
    bare_deal = store.add("deals", {})

    def read(deal_id: str) -> Any:
        return official.crm.associations.batch.get(
            "contacts", from_object_type="deals", inputs=[{"id": deal_id}]
        )

    theirs = request_of(recorder, lambda: read(key))
    ours = request_of(recorder, lambda: crm._api.associated("deals", [key], "contacts"))
    assert ours == theirs

    (result,) = read(key).results
    assert result.from_.id == key
    labels = [(kind.label, kind.category) for kind in result.to[0].association_types]
    assert labels == [("Billing", "USER_DEFINED"), (None, "HUBSPOT_DEFINED")]
    assert read(bare_deal).results == []
    assert crm._api.associated("deals", [bare_deal], "contacts") == {bare_deal: []}


def test_the_official_client_reads_an_owner(
    store: HubSpotStore, crm: HubSpotCrm, official: Any, recorder: Recorder
) -> None:
    owner_id = store.add_owner("sam@firm.example")
    owners = official.crm.owners
    theirs = request_of(
        recorder, lambda: owners.get(int(owner_id), id_property="id", archived=False)
    )
    ours = request_of(recorder, lambda: crm._api.owner_email(owner_id))
    for request in (ours, theirs):
        request.query = "&".join(sorted(request.query.split("&")))
    assert ours == theirs
    assert owners.get(int(owner_id)).email == "sam@firm.example"


def test_the_official_client_handles_properties(
    store: HubSpotStore, crm: HubSpotCrm, official: Any, recorder: Recorder
) -> None:
    api = official.crm.properties
    theirs = request_of(recorder, lambda: api.list("deals"))
    ours = request_of(recorder, lambda: crm._api.properties("deals"))
    assert ours == theirs
    assert {item.name for item in api.list("deals").results} >= {"dealname", "c2c_stage"}

    def create() -> Any:
        return api.create(
            "deals",
            name="c2c_new",
            label="New",
            type="string",
            field_type="text",
            group_name="dealinformation",
            description="d",
        )

    new = {
        "name": "c2c_new",
        "label": "New",
        "type": "string",
        "fieldType": "text",
        "groupName": "dealinformation",
        "description": "d",
    }
    theirs = request_of(recorder, create)
    ours = request_of(recorder, lambda: crm._api.create_property("deals", new))  # a 409 by now
    assert ours == theirs
    with pytest.raises(hubspot_sdk.ConflictError):
        create()


def test_the_store_survives_a_restart(tmp_path: Path) -> None:
    first = HubSpotStore(tmp_path / "hubspot.sqlite")
    key = first.add_deal(name="Website", amount="1", company={"name": "Acme"})
    first.close()
    second = HubSpotStore(tmp_path / "hubspot.sqlite")
    assert second.get("deals", key)
    assert int(second.add("deals", {})) > int(key)
    assert second.associated(key, "companies", 0, 10)
    second.close()


def test_hubspot_is_a_crm(crm: HubSpotCrm) -> None:
    generic: Crm = crm
    assert generic.system == "hubspot"
