"""Salesforce: our connector against the stand-in. None of it has met a live org."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.money import Money
from contracts.validation import validate
from gateways.crm.salesforce import CONNECTOR, queries, setup
from gateways.crm.salesforce.crm import SalesforceCrm
from gateways.crm.salesforce.features import Features as OrgFeatures
from gateways.crm.salesforce.ids import whole_id
from gateways.crm.salesforce.settings import FieldNames
from gateways.crm.status import status_texts
from gateways.errors import FailureKind
from sandbox.conformance.serving import served
from sandbox.salesforce import Features, SalesforceError, SalesforceOrg, soql
from tests.unit.crm.asking import SINCE, all_won, complete, pages, problems_of, refusal, status
from tests.unit.crm.salesforce.connected import (
    ACME,
    BUILD,
    MISSING,
    SYSTEM,
    TRAINING,
    Connected,
    crm_at,
    deal,
    new_app,
    new_org,
    recorded,
)

# Reading


def test_a_won_opportunity_is_a_valid_contract(sf: Connected, sf_crm: SalesforceCrm) -> None:
    deal_id = deal(
        sf.org,
        c2c_purchase_order__c="PO-77",
        c2c_payment_term__c="30 Days",
        c2c_ends_on__c="2026-12-31",
    )

    contract = validate(complete(sf_crm.read_contract(deal_id)))

    assert (contract.source.system, contract.source.id) == (SYSTEM, deal_id)
    assert contract.title == "Website"
    assert str(contract.value) == "10500.50 EUR"
    assert (str(contract.signed_on), str(contract.ends_on)) == ("2026-01-10", "2026-12-31")
    assert (contract.purchase_order, contract.payment_term) == ("PO-77", "30 Days")
    assert contract.requested_by == "sam@firm.example"
    customer = contract.customer
    assert customer.key.startswith(f"{SYSTEM}-001")
    assert (customer.name, customer.country, customer.vat_number) == (
        "Acme NV",
        "BE",
        "BE0477472701",
    )
    assert (customer.street, customer.city, customer.zip) == (
        "Rue Haute 1, Bus 2",
        "Brussels",
        "1000",
    )
    assert customer.billing_email == "boss@acme.example"
    assert [(item.key, item.code, str(item.amount)) for item in contract.services] == [
        ("BUILD", "BUILD", "10000.00 EUR"),
        ("TRAINING", "TRAINING", "500.50 EUR"),
    ]
    assert [(item.key, str(item.amount), str(item.due_on)) for item in contract.milestones] == [
        ("BUILD-1", "4000.00 EUR", "2026-03-01"),
        ("BUILD-2", "6000.00 EUR", "2026-06-30"),
        ("TRAINING-1", "500.50 EUR", "2026-01-10"),
    ]


def test_an_opportunity_is_read_in_one_call_once_the_org_is_known(
    sf: Connected, sf_crm: SalesforceCrm
) -> None:
    deal_id = deal(sf.org)
    sf_crm.read_contract(deal_id)
    sf.recorder.requests.clear()

    sf_crm.read_contract(deal_id)

    assert [item.path for item in sf.recorder.requests] == ["/services/data/v67.0/query"]


def test_the_account_s_parent_is_the_customer_s(sf: Connected, sf_crm: SalesforceCrm) -> None:
    group = {"Name": "Acme Group", "BillingCountryCode": "DE", "c2c_vat_number__c": "DE136695976"}
    customer = sf_crm.read_contract(deal(sf.org, account={**ACME, "parent": group}))["customer"]

    assert customer["parent"].pop("key").startswith(f"{SYSTEM}-001")
    assert customer["parent"] == {
        "name": "Acme Group",
        "country": "DE",
        "vat_number": "DE136695976",
    }


def test_a_customer_without_a_parent_names_none(sf: Connected, sf_crm: SalesforceCrm) -> None:
    assert "parent" not in sf_crm.read_contract(deal(sf.org))["customer"]


@pytest.mark.parametrize(
    ("contacts", "email"),
    [
        ([{"Email": "a@acme.example"}, {"Email": "ap@acme.example", "Role": "billing"}], "ap"),
        ([{"Email": "a@acme.example"}, {"Email": "ap@acme.example", "IsPrimary": True}], "ap"),
        (
            [
                {"Email": "boss@acme.example", "IsPrimary": True},
                {"Email": "ap@acme.example", "Role": "Billing"},
            ],
            "ap",
        ),
        ([{"LastName": "No address", "IsPrimary": True}, {"Email": "ap@acme.example"}], "ap"),
    ],
    ids=["role", "primary", "role before primary", "without an address"],
)
def test_the_contact_in_the_billing_role_receives_the_invoices(
    sf: Connected, sf_crm: SalesforceCrm, contacts: list[dict[str, Any]], email: str
) -> None:
    contract_data = sf_crm.read_contract(deal(sf.org, contacts=contacts))
    assert contract_data["customer"]["billing_email"] == f"{email}@acme.example"


def test_the_billing_role_is_a_setting(sf: Connected) -> None:
    contacts = [
        {"Email": "boss@acme.example", "IsPrimary": True},
        {"Email": "ap@acme.example", "Role": "Rechnungsempfänger"},
    ]
    crm = sf.crm(billing_role="rechnungsempfänger")
    contract_data = crm.read_contract(deal(sf.org, contacts=contacts))
    crm.close()
    assert contract_data["customer"]["billing_email"] == "ap@acme.example"


@pytest.mark.parametrize(
    ("account", "country"),
    [
        ({"BillingCountryCode": "BE", "BillingCountry": "Nonsense"}, "BE"),
        ({"BillingCountry": "be"}, "BE"),
        ({"BillingCountry": "Belgium"}, "Belgium"),
    ],
)
def test_the_country_is_a_code_or_left_to_validation(
    sf: Connected, sf_crm: SalesforceCrm, account: dict[str, str], country: str
) -> None:
    contract_data = sf_crm.read_contract(deal(sf.org, account={"Name": "Acme", **account}))
    assert contract_data["customer"]["country"] == country


def test_names_of_fields_are_settings(sf: Connected) -> None:
    for kind, name, type_ in (
        ("Opportunity", "Signed__c", "datetime"),
        ("Account", "UID__c", "string"),
        ("Account", "ISO__c", "string"),
    ):
        sf.org.define(kind, name, type_)
    fields = {
        "signed_on": "Signed__c",
        "vat_number": "UID__c",
        "country": "ISO__c",
        "purchase_order": "",
    }
    crm = sf.crm(fields=fields)
    account = {"Name": "Acme", "BillingCountry": "Austria", "ISO__c": "at", "UID__c": "ATU1"}

    contract_data = crm.read_contract(
        deal(
            sf.org,
            account=account,
            Signed__c="2026-02-28T23:30:00.000+0000",
            c2c_purchase_order__c="not read",
        )
    )
    crm.close()

    assert contract_data["signed_on"] == "2026-03-01", "the legal entity's date"
    assert contract_data["customer"]["vat_number"] == "ATU1"
    assert contract_data["customer"]["country"] == "AT"
    assert "purchase_order" not in contract_data


@pytest.mark.parametrize("name", ["Signed On", "Id FROM Account", "1st", "A.B", "a" * 81, "'"])
def test_the_name_of_a_field_is_nothing_but_a_name(sf: Connected, name: str) -> None:
    with pytest.raises(ValueError, match="signed_on"):
        sf.crm(fields={"signed_on": name})


def test_an_opportunity_without_anything_names_every_gap_at_once(
    sf: Connected, sf_crm: SalesforceCrm
) -> None:
    deal_id = sf.org.add_deal(name="Bare", amount=None, currency=None)

    problems = problems_of(sf_crm.read_contract(deal_id))

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


def test_an_org_with_everything_switched_off_is_read_as_well() -> None:
    org = new_org(
        features=Features(currencies=False, country_codes=False, quotes=False, schedules=False)
    )
    with served(recorded(org, new_app())) as url:
        crm = crm_at(url, default_currency="USD")
        account = {"Name": "Acme", "BillingCountry": "BE"}
        contract_data = crm.read_contract(deal(org, account=account))
        crm.close()

    assert contract_data["currency"] == "USD"
    assert contract_data["customer"]["country"] == "BE"
    assert validate(complete(contract_data))


def test_a_feature_that_is_switched_off_is_noticed(sf: Connected, sf_crm: SalesforceCrm) -> None:
    deal_id = deal(sf.org)
    assert sf_crm.read_contract(deal_id)
    sf.org.objects.hide("OpportunityLineItem", "HasSchedule")

    error = refusal(lambda: sf_crm.read_contract(deal_id))

    assert (error.kind, error.code) == (FailureKind.BUSINESS, "crm_refused")
    assert error.field == "HasSchedule"
    assert sf_crm.read_contract(deal_id)


def test_threads_ask_for_the_org_s_features_once(sf: Connected, sf_crm: SalesforceCrm) -> None:
    ids = [deal(sf.org, name=f"Deal {n}") for n in range(8)]
    with ThreadPoolExecutor(4) as pool:
        titles = [data["title"] for data in pool.map(sf_crm.read_contract, ids)]
    assert titles == [f"Deal {n}" for n in range(8)]
    assert sum(item.path.endswith("/describe") for item in sf.calls) == 4
    assert sf.client.sign_ins == 1


@pytest.mark.parametrize(
    ("product", "amount"),
    [
        ({"UnitPrice": "33.33", "Quantity": "3"}, "99.99"),
        ({"UnitPrice": "100", "Quantity": "3", "Discount": "12.5"}, "262.5"),
        ({"UnitPrice": "0.1", "Quantity": "3"}, "0.3"),
        ({"UnitPrice": "100", "TotalPrice": "77.70"}, "77.7"),
        ({"UnitPrice": "12345678.91", "Quantity": "1"}, "12345678.91"),
        ({"Quantity": "3"}, None),
    ],
)
def test_a_product_s_amount_is_exact(
    sf: Connected, sf_crm: SalesforceCrm, product: dict[str, str], amount: str | None
) -> None:
    deal_id = deal(sf.org, products=[{"name": "Work", "code": "BUILD", **product}])
    assert sf_crm.read_contract(deal_id)["services"][0].get("amount") == amount


def test_a_product_is_described_by_its_text_else_by_its_name(
    sf: Connected, sf_crm: SalesforceCrm
) -> None:
    products = [{**TRAINING, "Description": "Two days\non site "}, BUILD, {"UnitPrice": "1"}]
    services = sf_crm.read_contract(deal(sf.org, products=products))["services"]
    assert sorted(item["description"] for item in services) == [
        "Build",
        "Two days, on site",
        "product without a name",
    ]


def test_products_of_one_code_have_keys_of_their_own(sf: Connected, sf_crm: SalesforceCrm) -> None:
    products = [BUILD, BUILD, {"name": "Other", "UnitPrice": "1", "SortOrder": 9}]
    contract_data = sf_crm.read_contract(deal(sf.org, products=products))
    assert [item["key"] for item in contract_data["services"]] == ["BUILD", "BUILD-2", "line"]


def test_a_product_with_a_date_is_due_on_it(sf: Connected, sf_crm: SalesforceCrm) -> None:
    products = [{**TRAINING, "ServiceDate": "2026-05-05"}, {**BUILD, "ServiceDate": "2026-05-06"}]
    contract_data = sf_crm.read_contract(deal(sf.org, products=products))
    assert [(item["key"], item["due_on"]) for item in contract_data["milestones"]] == [
        ("BUILD-1", "2026-03-01"),
        ("BUILD-2", "2026-06-30"),
        ("TRAINING-1", "2026-05-05"),
    ]


def test_a_revenue_schedule_is_the_product_s_milestones(
    sf: Connected, sf_crm: SalesforceCrm
) -> None:
    schedule = [
        {"Revenue": "600.50", "ScheduleDate": "2026-04-01", "Description": "Second half"},
        {"Revenue": "400", "ScheduleDate": "2026-02-01"},
        {"Type": "Quantity", "ScheduleDate": "2026-03-01"},
    ]
    products = [{"name": "Audit", "code": "AUDIT", "UnitPrice": "1000.50", "schedule": schedule}]

    contract = validate(
        complete(sf_crm.read_contract(deal(sf.org, amount="1000.50", products=products)))
    )

    assert [(item.name, str(item.amount), str(item.due_on)) for item in contract.milestones] == [
        ("Audit 2026-02-01", "400.00 EUR", "2026-02-01"),
        ("Second half", "600.50 EUR", "2026-04-01"),
    ]


def test_the_lines_of_a_synced_quote_count_with_what_their_products_say(
    sf: Connected, sf_crm: SalesforceCrm
) -> None:
    quote_lines = [
        {"name": "Build", "code": "BUILD", "UnitPrice": "4500", "Quantity": "2", "SortOrder": 2},
        {"name": "Hosting", "code": "HOSTING", "UnitPrice": "1000", "SortOrder": 1},
    ]
    deal_id = deal(sf.org, amount="10000", quote_lines=quote_lines)

    contract = validate(complete(sf_crm.read_contract(deal_id)))

    assert [(item.code, str(item.amount)) for item in contract.services] == [
        ("HOSTING", "1000.00 EUR"),
        ("BUILD", "9000.00 EUR"),
    ]
    assert [(item.key, str(item.amount)) for item in contract.milestones] == [
        ("HOSTING-1", "1000.00 EUR"),
        ("BUILD-1", "3600.00 EUR"),
        ("BUILD-2", "5400.00 EUR"),
    ]


FREQUENCY = {"billing_frequency": "c2c_billing_frequency__c"}


def test_a_product_with_a_billing_frequency_is_a_retainer(sf: Connected) -> None:
    desk = {
        "name": "Service desk",
        "code": "DESK",
        "Quantity": "2",
        "UnitPrice": "1500",
        "ServiceDate": "2026-02-01",
        "SortOrder": 3,
        "c2c_billing_frequency__c": "Monthly",
        "c2c_milestones__c": "not read 100%",
    }
    crm = sf.crm(fields=FREQUENCY)
    contract = validate(
        complete(
            crm.read_contract(deal(sf.org, amount="46500.50", products=[TRAINING, BUILD, desk]))
        )
    )
    crm.close()

    [plan] = contract.retainers
    assert (plan.key, plan.service, plan.every, str(plan.fee)) == (
        "DESK-fee",
        "DESK",
        "month",
        "3000.00 EUR",
    )
    assert str(plan.starts_on) == "2026-02-01"
    assert str(contract.service("DESK").amount) == "36000.00 EUR"
    assert {item.service for item in contract.milestones} == {"BUILD", "TRAINING"}


def test_a_frequency_that_no_plan_bills_by_is_reported_with_the_product(sf: Connected) -> None:
    desk = {"name": "Desk", "code": "DESK", "UnitPrice": "10", "c2c_billing_frequency__c": "Daily"}
    crm = sf.crm(fields=FREQUENCY)
    contract_data = crm.read_contract(deal(sf.org, amount="10", products=[desk]))
    crm.close()
    assert contract_data["retainers"][0]["every"] == "Daily (Desk)"
    assert "retainers.0.every" in problems_of(contract_data)


def test_the_terms_of_an_opportunity_are_the_contract_s(
    sf: Connected, sf_crm: SalesforceCrm
) -> None:
    text = """
        ends_on = 2027-12-31
        deposit = {percent = "30", service = "DEPOSIT"}

        [[time]]
        key = "dev"
        service = "DEVELOPMENT"
        cap = 12000.00
        rates = [{price = "120.00"}]
    """
    products = [
        BUILD,
        {"name": "Development", "code": "DEVELOPMENT", "UnitPrice": "12000"},
        {"name": "Deposit", "code": "DEPOSIT", "UnitPrice": "0"},
    ]
    deal_id = deal(sf.org, amount="22000", products=products, c2c_terms__c=text)

    contract = validate(complete(sf_crm.read_contract(deal_id)))

    assert str(contract.ends_on) == "2027-12-31"
    assert contract.deposit
    assert str(contract.deposit.amount) == "3000.00 EUR"
    assert str(contract.time[0].cap) == "12000.00 EUR"
    assert [item.service for item in contract.milestones] == ["BUILD", "BUILD"]


def test_terms_that_cannot_be_read_park(sf: Connected, sf_crm: SalesforceCrm) -> None:
    deal_id = deal(sf.org, c2c_terms__c="[[time]\nkey = 1")
    error = refusal(lambda: sf_crm.read_contract(deal_id))
    assert (error.kind, error.code, error.system) == (
        FailureKind.BUSINESS,
        "terms_unreadable",
        SYSTEM,
    )


def test_more_products_than_an_answer_holds(sf: Connected, sf_crm: SalesforceCrm) -> None:
    sf.org.batch_size = 50
    products = [{"code": f"P{n}", "UnitPrice": "1", "SortOrder": n} for n in range(130)]

    contract_data = sf_crm.read_contract(deal(sf.org, products=products))

    assert [item["key"] for item in contract_data["services"]] == [f"P{n}" for n in range(130)]


@pytest.mark.parametrize(
    ("deal_id", "why"),
    [
        (MISSING, "no such opportunity"),
        ("", "18 letters"),
        ("abc", "18 letters"),
        ("1/../2", "18 letters"),
        ("006' OR Name != '", "18 letters"),
    ],
)
def test_an_opportunity_that_is_not_there(sf_crm: SalesforceCrm, deal_id: str, why: str) -> None:
    error = refusal(lambda: sf_crm.read_contract(deal_id))
    assert (error.kind, error.code) == (FailureKind.BUSINESS, "deal_not_found")
    assert (error.field, error.value) == ("deal_id", deal_id)
    assert why in error.message
    assert not sf_crm.is_due(deal_id)


def test_an_id_of_15_characters_is_refused_with_the_whole_one(
    sf: Connected, sf_crm: SalesforceCrm
) -> None:
    """It would be a second contract for the same opportunity."""
    deal_id = deal(sf.org)
    error = refusal(lambda: sf_crm.read_contract(deal_id[:15]))
    assert error.code == "deal_not_found"
    assert deal_id in error.message
    assert not sf_crm.is_due(deal_id[:15])


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        ("001A0000006Vm9r", "001A0000006Vm9rIAC"),  # Salesforce's own example
        ("001A0000006Vm9rIAC", "001A0000006Vm9rIAC"),
        ("001a0000006vm9rIAC", ""),
        ("001A0000006Vm9rIA", ""),
    ],
)
def test_the_whole_id_holds_the_case_of_the_short_one(given: str, whole: str) -> None:
    assert whole_id(given) == whole


def test_an_opportunity_that_is_not_won(sf: Connected, sf_crm: SalesforceCrm) -> None:
    deal_id = deal(sf.org, won=False)
    error = refusal(lambda: sf_crm.read_contract(deal_id))
    assert (error.kind, error.code) == (FailureKind.BUSINESS, "deal_not_won")

    sf.org.change(deal_id, StageName="Closed Won")
    assert sf_crm.read_contract(deal_id)["title"] == "Website"


def test_a_deleted_opportunity_is_not_ours(sf: Connected, sf_crm: SalesforceCrm) -> None:
    deal_id = deal(sf.org)
    sf.org.delete(deal_id)
    assert refusal(lambda: sf_crm.read_contract(deal_id)).code == "deal_not_found"
    assert all_won(sf_crm) == []
    assert not sf_crm.is_due(deal_id)


# Writing back


def test_statuses_of_many_deals_are_written_in_one_call_and_nothing_else_changes(
    sf: Connected, sf_crm: SalesforceCrm
) -> None:
    ids = [deal(sf.org) for _ in range(sf_crm.most_at_once)]
    before = {key: sf.org.get(key) for key in ids}
    written = [status(key, invoiced=Money("100.50", "EUR"), waiting_on="sam") for key in ids]

    assert sf_crm.write_statuses(written) == [None] * len(ids)

    [call] = sf.calls
    assert (call.method, call.path) == ("PATCH", "/services/data/v67.0/composite/sobjects")
    texts = {f"{name}__c": text for name, text in status_texts(written[0]).items() if text}
    for key in ids:
        was, now = before[key], sf.org.get(key)
        assert was
        assert now
        assert now.fields == {**was.fields, **texts}


def test_no_statuses_are_no_call(sf: Connected, sf_crm: SalesforceCrm) -> None:
    assert sf_crm.write_statuses([]) == []
    assert sf.recorder.requests == []


def test_deals_that_cannot_be_are_no_call(sf: Connected, sf_crm: SalesforceCrm) -> None:
    [error] = sf_crm.write_statuses([status("abc")])
    assert error
    assert error.code == "status_refused"
    assert sf.recorder.requests == []


def test_a_repeat_changes_nothing_and_a_missing_value_clears(
    sf: Connected, sf_crm: SalesforceCrm
) -> None:
    key = deal(sf.org)
    sf_crm.write_statuses([status(key, waiting_on="sam")])
    first = sf.org.get(key)
    sf_crm.write_statuses([status(key, waiting_on="sam")])
    again = sf.org.get(key)
    assert first
    assert again
    assert first.fields == again.fields

    sf_crm.write_statuses([status(key)])
    last = sf.org.get(key)
    assert last
    assert "c2c_waiting_on__c" not in last.fields


def test_a_text_longer_than_its_field_is_cut(sf: Connected, sf_crm: SalesforceCrm) -> None:
    key = deal(sf.org)
    assert sf_crm.write_statuses([status(key, waiting_on="x" * 300)]) == [None]
    record = sf.org.get(key)
    assert record
    assert record.fields["c2c_waiting_on__c"] == "x" * 255


@pytest.mark.parametrize(
    ("stated", "kind", "code", "field"),
    [
        (
            SalesforceError(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access"),
            FailureKind.TRANSIENT,
            "locked",
            "",
        ),
        (
            SalesforceError(400, "DUPLICATE_VALUE", "duplicate value found"),
            FailureKind.TRANSIENT,
            "conflict",
            "",
        ),
        (
            SalesforceError(
                400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Won deals are frozen", ["StageName"]
            ),
            FailureKind.BUSINESS,
            "status_refused",
            "StageName",
        ),
        (
            SalesforceError(400, "ENTITY_IS_LOCKED", "the entity is locked for editing"),
            FailureKind.BUSINESS,
            "status_refused",
            "",
        ),
        (
            SalesforceError(400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "Trigger: no"),
            FailureKind.BUSINESS,
            "status_refused",
            "",
        ),
        (
            SalesforceError(400, "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights"),
            FailureKind.BUSINESS,
            "access_denied",
            "",
        ),
        (
            SalesforceError(400, "STRING_TOO_LONG", "data value too large", ["c2c_stage__c"]),
            FailureKind.BUSINESS,
            "crm_refused",
            "c2c_stage__c",
        ),
    ],
    ids=lambda value: value.code if isinstance(value, SalesforceError) else None,
)
def test_one_deal_that_is_refused_holds_up_no_other(
    sf: Connected,
    sf_crm: SalesforceCrm,
    stated: SalesforceError,
    kind: FailureKind,
    code: str,
    field: str,
) -> None:
    ids = [deal(sf.org) for _ in range(3)]
    sf.org.refuse_next(ids[1], stated)

    first, error, last = sf_crm.write_statuses([status(key) for key in ids])

    assert (first, last) == (None, None)
    assert error
    assert (error.kind, error.code, error.field) == (kind, code, field)
    assert stated.message in error.message
    assert sf_crm.write_statuses([status(ids[1])]) == [None]


def test_deals_that_are_not_there_are_refused_one_by_one(
    sf: Connected, sf_crm: SalesforceCrm
) -> None:
    there, deleted = deal(sf.org), deal(sf.org)
    sf.org.delete(deleted)
    asked = [MISSING, there, "abc", deleted, there[:15]]

    verdicts = sf_crm.write_statuses([status(key) for key in asked])

    assert verdicts[1] is None
    for key, error in zip(asked, verdicts, strict=True):
        if key != there:
            assert error
            assert (error.kind, error.code) == (FailureKind.BUSINESS, "status_refused")
            assert (error.field, error.value) == ("source.id", key)


def test_a_field_that_is_read_only_for_the_user_is_named(
    sf: Connected, sf_crm: SalesforceCrm
) -> None:
    sf.org.objects.make_read_only("Opportunity", "c2c_stage__c")
    [error] = sf_crm.write_statuses([status(deal(sf.org))])
    assert error
    assert (error.code, error.field) == ("access_denied", "c2c_stage__c")


def test_a_field_that_is_hidden_refuses_the_whole_call_and_is_named(
    sf: Connected, sf_crm: SalesforceCrm
) -> None:
    key = deal(sf.org)
    sf.org.objects.hide("Opportunity", "c2c_paid__c")
    error = refusal(lambda: sf_crm.write_statuses([status(key)]))
    assert (error.kind, error.code, error.field) == (
        FailureKind.BUSINESS,
        "crm_refused",
        "c2c_paid__c",
    )


# Sweeping


def test_a_sweep_is_complete_under_paging(
    sf: Connected, sf_crm: SalesforceCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateways.crm.salesforce.queries.PAGE", 7)
    sf.org.batch_size = 3  # so that a page has more than one answer
    won = [deal(sf.org) for _ in range(30)]
    deal(sf.org, won=False)

    found = list(pages(sf_crm, SINCE))

    assert [item.deal_id for page in found for item in page] == won
    assert [len(page) for page in found] == [7, 7, 7, 7, 2]
    assert all(item.modified_at.tzinfo for page in found for item in page)
    assert any("/query/" in item.path for item in sf.calls)


def test_a_sweep_is_complete_where_many_rows_changed_in_one_second(
    sf: Connected, sf_crm: SalesforceCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateways.crm.salesforce.queries.PAGE", 4)
    moment = datetime(2026, 1, 10, 12, tzinfo=UTC)
    won = [deal(sf.org, modified_at=moment) for _ in range(11)]
    later = deal(sf.org, modified_at=moment + timedelta(seconds=1))

    assert [item.deal_id for item in all_won(sf_crm)] == [*won, later]


def test_a_row_that_is_committed_late_is_within_the_overlap(
    sf: Connected, sf_crm: SalesforceCrm
) -> None:
    """Its stamp is older than rows that an earlier sweep found."""
    assert CONNECTOR.sweep
    now = datetime(2026, 1, 10, 12, tzinfo=UTC)
    early = deal(sf.org, modified_at=now)
    assert [item.deal_id for item in all_won(sf_crm, now)] == [early]

    late = deal(sf.org, modified_at=now - timedelta(minutes=14))

    found = {item.deal_id for item in all_won(sf_crm, now - CONNECTOR.sweep.overlap)}
    assert found == {early, late}


def test_a_deal_that_shows_a_contract_is_left_out(sf: Connected, sf_crm: SalesforceCrm) -> None:
    started, other = deal(sf.org), deal(sf.org)
    sf_crm.write_statuses([status(started)])
    assert [item.deal_id for item in all_won(sf_crm)] == [other]
    assert sf_crm.is_due(other)
    assert not sf_crm.is_due(started)


def test_a_deal_closed_before_adoption_is_left_out_however_late_it_is_edited(
    sf: Connected,
) -> None:
    crm = sf.crm(closed_since=date(2026, 3, 1))
    old, new = deal(sf.org, closed_on="2026-02-28"), deal(sf.org, closed_on="2026-03-01")
    sf.org.change(old, Name="Edited")
    assert [item.deal_id for item in all_won(crm)] == [new]
    assert crm.is_due(new)
    assert not crm.is_due(old)
    crm.close()


def test_a_deal_that_changes_during_the_sweep_hides_no_other(
    sf: Connected, sf_crm: SalesforceCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateways.crm.salesforce.queries.PAGE", 5)
    won = [deal(sf.org) for _ in range(15)]
    found: list[str] = []
    for number, page in enumerate(pages(sf_crm, SINCE)):
        found += [item.deal_id for item in page]
        if number < 2:
            sf.org.change(won[number], Name="changed")
    assert set(found) == set(won)
    assert found[:15] == won


def test_a_sweep_begins_at_a_moment_of_salesforce_s_own_clock(
    sf: Connected, sf_crm: SalesforceCrm
) -> None:
    ids = [deal(sf.org) for _ in range(4)]
    middle = sf.org.get(ids[2])
    assert middle
    moment = datetime.fromtimestamp(middle.modified, UTC)
    assert [item.deal_id for item in sf_crm.won_deals(moment).deals] == ids[2:]
    with pytest.raises(ValueError, match="time zone"):
        sf_crm.won_deals(datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="no mark"):
        sf_crm.won_deals(moment, "x' OR Name != '")


def test_the_time_of_a_sweep_is_the_date_of_salesforce_s_answer(
    sf: Connected, sf_crm: SalesforceCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    stated = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
    monkeypatch.setattr("gateways.crm.salesforce.api.date_of", lambda response: stated)
    assert sf_crm.won_deals(SINCE).as_of == stated
    monkeypatch.setattr("gateways.crm.salesforce.api.date_of", lambda response: None)
    assert sf_crm.won_deals(SINCE).as_of == SINCE, "without a clock nothing counts as read"


# Setting up


def test_an_org_with_everything_lacks_nothing(sf: Connected, sf_crm: SalesforceCrm) -> None:
    assert sf_crm.missing_setup() == []
    assert sf_crm.ensure_setup() == []
    assert {item.method for item in sf.calls} == {"GET"}


def test_a_new_org_lacks_every_field_of_ours_and_is_told_what_to_create() -> None:
    org = SalesforceOrg(":memory:")
    with served(recorded(org, new_app())) as url:
        crm = crm_at(url)
        problems = crm.ensure_setup()
        crm.close()

    assert {problem.code for problem in problems} == {"crm_property_missing"}
    by_field = {problem.field: problem.expected for problem in problems}
    for field, words in {
        "Opportunity.c2c_stage__c": "'Contract stage' of type Text(255) on Opportunity",
        "Opportunity.c2c_terms__c": "of type Long Text Area on Opportunity",
        "Opportunity.c2c_starts_on__c": "of type Date on Opportunity",
        "Account.c2c_vat_number__c": "of type Text(255) on Account",
        "OpportunityLineItem.c2c_milestones__c": "of type Long Text Area on OpportunityLineItem",
    }.items():
        assert words in by_field[field]
    assert "may edit" in by_field["Opportunity.c2c_stage__c"]
    assert "may read" in by_field["Account.c2c_vat_number__c"]


def test_what_is_hidden_wrong_or_read_only_is_named(sf: Connected, sf_crm: SalesforceCrm) -> None:
    sf.org.objects.hide("Account", "BillingCity")
    sf.org.objects.hide("Contact")
    sf.org.objects.make_read_only("Opportunity", "c2c_paid__c")
    sf.org.define("Opportunity", "c2c_stage__c", "double")
    sf.org.define("Opportunity", "c2c_overdue__c", "string", length=80)
    sf.org.define("Opportunity", "c2c_starts_on__c", "string")

    problems = {problem.field: problem for problem in sf_crm.missing_setup()}

    assert {name: (item.code, item.value) for name, item in problems.items()} == {
        "Account.BillingCity": ("crm_property_missing", ""),
        "Contact": ("crm_property_missing", ""),
        "Opportunity.c2c_paid__c": ("crm_property_wrong", "read-only for the user"),
        "Opportunity.c2c_stage__c": ("crm_property_wrong", "double"),
        "Opportunity.c2c_overdue__c": ("crm_property_wrong", "string of 80"),
        "Opportunity.c2c_starts_on__c": ("crm_property_wrong", "string"),
    }


def test_an_org_without_quotes_and_schedules_lacks_nothing_of_them() -> None:
    org = new_org(features=Features(quotes=False, schedules=False))
    with served(recorded(org, new_app())) as url:
        crm = crm_at(url)
        assert crm.missing_setup() == []
        crm.close()


def test_a_version_that_the_org_does_not_offer_is_refused_with_those_it_does(
    sf: Connected,
) -> None:
    crm = sf.crm(api_version="v20.0")
    [problem] = crm.missing_setup()
    assert (problem.code, problem.field, problem.value) == (
        "crm_version_gone",
        "api_version",
        "v20.0",
    )
    assert "v65.0, v66.0, v67.0" in problem.expected
    error = refusal(lambda: crm.won_deals(SINCE))
    crm.close()
    assert (error.kind, error.code, error.value) == (
        FailureKind.BUSINESS,
        "crm_version_gone",
        "v20.0",
    )


def test_a_version_that_is_not_there_yet_is_refused(sf: Connected) -> None:
    crm = sf.crm(api_version="v99.0")
    assert refusal(lambda: crm.won_deals(SINCE)).code == "crm_version_gone"
    assert refusal(lambda: crm.write_statuses([status(deal(sf.org))])).code == "crm_version_gone"
    crm.close()


def test_every_field_that_is_read_is_asked_for_by_the_check() -> None:
    """Salesforce refuses a whole query for one hidden field, so the check names each."""
    every = FieldNames(country="c2c_country__c", billing_frequency="c2c_billing_frequency__c")
    sent = [
        queries.deal(MISSING, every, OrgFeatures(True, True, True, True, True)),
        queries.won_deals(SINCE, "", date(2026, 1, 1)),
        queries.quote_lines(MISSING, OrgFeatures(True, True, True, True, True)),
        queries.schedules(MISSING),
    ]
    named = {problem.field for problem in setup.missing(every, lambda kind: {})}
    by_feature = {
        "Account.BillingCountryCode",
        "Opportunity.CurrencyIsoCode",
        "Opportunity.SyncedQuoteId",
        "OpportunityLineItem.HasSchedule",
        "QuoteLineItem.OpportunityLineItemId",
    }
    # A line belongs to its opportunity by a field that nobody can hide.
    by_feature.add("OpportunityLineItem.OpportunityId")
    asked = {field for text in sent for field in fields_of(soql.parsed(text))}
    assert asked - named == by_feature


def test_the_set_up_page_names_every_field_of_ours() -> None:
    page = (Path(__file__).parents[4] / "docs/connectors/salesforce.md").read_text("utf-8")
    ours = [item.name for item in setup.custom_fields(FieldNames()) if item.name.endswith("__c")]
    assert [name for name in ours if f"`{name}`" not in page] == []


def fields_of(query: soql.Query) -> Iterator[str]:
    """The fields that a query names, with their objects."""
    objects = {
        "OpportunityLineItems": "OpportunityLineItem",
        "OpportunityContactRoles": "OpportunityContactRole",
        "Parent": "Account",
        "Owner": "User",
    }
    conditions = [item.field for item in soql.comparisons(query.where)]
    for path in (*query.fields, *conditions, *(name for name, _ in query.order)):
        *parents, name = path.split(".")
        kind = parents[-1] if parents else query.source
        yield f"{objects.get(kind, kind)}.{name}"
    for child in query.children:
        yield from fields_of(child)


# The stand-in


def test_the_org_survives_a_restart(tmp_path: Path) -> None:
    first = new_org(path=str(tmp_path / "org.sqlite"))
    key = deal(first)
    first.close()
    second = SalesforceOrg(tmp_path / "org.sqlite")
    assert second.get(key)
    assert second.rows(f"SELECT c2c_stage__c FROM Opportunity WHERE Id = '{key}'")
    assert second.add("Opportunity", {}) > key
    second.close()
