"""Dynamics 365 behind the Crm protocol, over the stand-in: what is read, written and found."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from contracts.money import Money
from contracts.validation import InvalidContract, validate
from gateways.crm.dynamics import api as api_module
from gateways.crm.dynamics.columns import Columns
from gateways.crm.dynamics.crm import DynamicsCrm
from gateways.crm.protocol import Crm
from gateways.crm.status import STATUS_LABELS, status_texts
from gateways.errors import FailureKind, GatewayError
from sandbox.conformance.serving import served
from tests.standins import dataverse
from tests.standins.dataverse import DataverseError
from tests.standins.dynamics import Failure, Organisation, dynamics_app
from tests.unit.crm.asking import SINCE, all_won, complete, refusal, status
from tests.unit.crm.dynamics import (
    ACME,
    TRAINING,
    connect,
    deal,
)

NOBODY = "00000000-0000-4000-8000-000000000000"


def problems_of(contract_data: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidContract) as caught:
        validate(complete(contract_data))
    return {problem.field: problem.code for problem in caught.value.problems}


def test_it_is_a_crm(dynamics: DynamicsCrm) -> None:
    crm: Crm = dynamics
    assert (crm.system, crm.most_at_once) == ("dynamics", 100)


# Reading


def test_a_won_deal_is_a_valid_contract(organisation: Organisation, dynamics: DynamicsCrm) -> None:
    key = deal(
        organisation,
        c2c_purchase_order="PO-77",
        c2c_payment_term="30 Days",
        c2c_ends_on=date(2026, 12, 31),
    )

    contract = validate(complete(dynamics.read_contract(key)))

    assert (contract.source.system, contract.source.id) == ("dynamics", key)
    assert (contract.title, str(contract.value)) == ("Website", "10500.50 EUR")
    assert str(contract.signed_on) == "2026-01-10"
    assert str(contract.ends_on) == "2026-12-31"
    assert (contract.purchase_order, contract.payment_term) == ("PO-77", "30 Days")
    assert contract.requested_by == "sam@firm.example"
    customer = contract.customer
    assert customer.key.startswith("dynamics-")
    assert (customer.name, customer.country) == ("Acme NV", "BE")
    assert (customer.vat_number, customer.street) == ("BE0477472701", "Rue Haute 1")
    assert (customer.city, customer.zip) == ("Brussels", "1000")
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


def test_a_contract_takes_two_calls_and_so_do_a_hundred(
    organisation: Organisation, dynamics: DynamicsCrm
) -> None:
    one = deal(organisation)
    dynamics.read_contract(one)
    assert organisation.calls() == {"$batch": 2}

    quoted, unready = deal(organisation), deal(organisation, won=False)
    organisation.add_quote(quoted, won=True, value="7", lines=[TRAINING])
    unreadable = deal(organisation, c2c_terms="[[time")
    others = [deal(organisation) for _ in range(95)]
    keys = [one, quoted, unready, NOBODY, "no-guid", unreadable, *others]
    found = dynamics.read_contracts(keys)

    assert organisation.calls() == {"$batch": 4}
    codes = [item.code for item in found if isinstance(item, GatewayError)]
    assert codes == ["deal_not_won", "deal_not_found", "deal_not_found", "terms_unreadable"]
    read = [item for item in found if not isinstance(item, GatewayError)]
    assert [item["source"]["id"] for item in read] == [one, quoted, *others]
    assert read[1]["value"] == "7"
    assert read[2] == dynamics.read_contract(others[0])


def test_deals_of_which_none_is_won_take_one_call(
    organisation: Organisation, dynamics: DynamicsCrm
) -> None:
    assert dynamics.read_contracts([]) == []
    assert organisation.calls() == {}
    dynamics.read_contracts([NOBODY])
    assert organisation.calls() == {"$batch": 1}


def test_a_customer_has_its_parent_account(
    organisation: Organisation, dynamics: DynamicsCrm
) -> None:
    parent = {"name": "Acme Group", "address1_country": "nl", "c2c_vat_number": "NL004495445B01"}
    key = deal(organisation, account=ACME | {"parent": parent})

    customer = dynamics.read_contract(key)["customer"]

    found = customer["parent"]
    assert found.pop("key") != customer["key"]
    assert found == {"name": "Acme Group", "country": "NL", "vat_number": "NL004495445B01"}


def test_a_person_may_be_the_customer(organisation: Organisation, dynamics: DynamicsCrm) -> None:
    contact = {"fullname": "Jo Doe", "address1_country": "be", "emailaddress1": "jo@doe.example"}
    key = organisation.tables.insert("contact", contact)
    bound = {"customerid_contact@odata.bind": f"/contacts({key})"}

    contract_data = dynamics.read_contract(deal(organisation, account=None, **bound))

    assert contract_data["customer"] == {
        "key": f"dynamics-{key}",
        "name": "Jo Doe",
        "country": "BE",
        "billing_email": "jo@doe.example",
    }


@pytest.mark.parametrize(
    ("changes", "email"),
    [
        ({}, "boss@acme.example"),
        ({"contact": {"emailaddress1": "buyer@acme.example"}}, "buyer@acme.example"),
        ({"contact": {"emailaddress1": None}}, "boss@acme.example"),
        ({"account": {"name": "Acme", "emailaddress1": "info@acme.example"}}, "info@acme.example"),
    ],
)
def test_invoices_go_to_the_deal_s_contact_else_the_account_s(
    organisation: Organisation, dynamics: DynamicsCrm, changes: dict[str, Any], email: str
) -> None:
    contract_data = dynamics.read_contract(deal(organisation, **changes))
    assert contract_data["customer"]["billing_email"] == email


def test_a_configured_role_names_who_takes_the_invoices(
    organisation: Organisation, dynamics_url: str
) -> None:
    with_role, without = deal(organisation), deal(organisation)
    for key in (with_role, without):
        organisation.connect(key, "cfo@acme.example", "Decision Maker")
    organisation.connect(with_role, None, "Chef d'accueil")
    organisation.connect(with_role, "ap@acme.example", "Chef d'accueil")
    crm = connect(dynamics_url, billing_role="Chef d'accueil")

    emails = [crm.read_contract(key)["customer"]["billing_email"] for key in (with_role, without)]

    crm.close()
    assert emails == ["ap@acme.example", "boss@acme.example"]


def test_the_won_quote_counts_and_not_the_deal_s_own_lines(
    organisation: Organisation, dynamics: DynamicsCrm
) -> None:
    key = deal(organisation, currency="USD")
    organisation.add_quote(key, won=False, value="1", lines=[])
    organisation.add_quote(key, won=True, value="1", lines=[])
    line = TRAINING | {"extendedamount": "7000.10"}
    organisation.add_quote(key, won=True, value="7000.10", lines=[line])

    contract = validate(complete(dynamics.read_contract(key)))

    assert str(contract.value) == "7000.10 EUR"
    assert [(item.key, str(item.amount)) for item in contract.services] == [
        ("TRAINING", "7000.10 EUR")
    ]


def test_lines_keep_people_s_order_and_what_a_bundle_holds_is_sold_with_it(
    organisation: Organisation, dynamics: DynamicsCrm
) -> None:
    lines = [
        {"product": "C", "extendedamount": "1", "lineitemnumber": 1, "sequencenumber": 3},
        {"product": "PART", "extendedamount": "0", "producttypecode": 3, "lineitemnumber": 2},
        {"product": "EXTRA", "extendedamount": "5", "producttypecode": 4, "sequencenumber": 2},
        {"product": "A", "extendedamount": "2", "producttypecode": 2, "sequencenumber": 1},
        {"productdescription": "Written in\nby hand", "extendedamount": "3"},
        {"product": "A", "extendedamount": "4", "lineitemnumber": 9},
    ]

    services = dynamics.read_contract(deal(organisation, lines=lines))["services"]

    assert [item["key"] for item in services] == ["A", "EXTRA", "C", "A-2", "line"]
    assert services[-1] == {"key": "line", "description": "Written in", "amount": "3"}


def test_the_deal_s_terms_are_the_contract_s(
    organisation: Organisation, dynamics: DynamicsCrm
) -> None:
    text = """
        ends_on = 2027-12-31

        [[retainers]]
        key = "desk"
        service = "TRAINING"
        fee = "500.50"
    """
    contract = validate(complete(dynamics.read_contract(deal(organisation, c2c_terms=text))))

    assert str(contract.ends_on) == "2027-12-31"
    assert [(item.key, str(item.fee)) for item in contract.retainers] == [("desk", "500.50 EUR")]
    assert {item.service for item in contract.milestones} == {"BUILD"}


def test_terms_that_are_no_terms_are_refused(
    organisation: Organisation, dynamics: DynamicsCrm
) -> None:
    key = deal(organisation, c2c_terms="[[time")
    error = refusal(lambda: dynamics.read_contract(key))
    assert (error.kind, error.code) == (FailureKind.BUSINESS, "terms_unreadable")
    assert error.system == "dynamics"


def test_a_firm_s_own_columns_are_read_instead(
    organisation: Organisation, dynamics_url: str
) -> None:
    key = deal(organisation, new_terms=2, actualvalue="12600.60", c2c_purchase_order="PO-1")
    columns = Columns(payment_term="new_terms", value="actualvalue", purchase_order="", terms="")
    crm = connect(dynamics_url, columns=columns)

    contract_data = crm.read_contract(key)

    crm.close()
    assert contract_data["payment_term"] == "60 Days"
    assert contract_data["value"] == "12600.6"
    assert "purchase_order" not in contract_data
    assert b"c2c_terms" not in organisation.requests[0].body


def test_numbers_are_exact_and_what_is_finer_than_the_currency_is_told(
    organisation: Organisation, dynamics: DynamicsCrm
) -> None:
    line = {"product": "BUILD", "extendedamount": "0.1000000001", "tax": "0.0000000001"}
    key = deal(organisation, value="33.333", lines=[line])

    contract_data = dynamics.read_contract(key)

    assert contract_data["services"][0]["amount"] == "0.1"
    assert problems_of(contract_data)["value"] == "money_too_precise"


def test_a_deal_without_anything_names_every_gap_at_once(
    organisation: Organisation, dynamics: DynamicsCrm
) -> None:
    key = organisation.add_deal(name="Bare", value=None, currency=None)

    problems = problems_of(dynamics.read_contract(key))

    assert {field for field, code in problems.items() if code == "missing"} == {
        "currency",
        "value",
        "customer.key",
        "customer.name",
        "customer.country",
        "customer.billing_email",
        "milestones",
    }


@pytest.mark.parametrize("key", [NOBODY, "", "1", NOBODY.upper() + "A", f"{NOBODY})/x", "١" * 36])
def test_a_deal_that_is_not_there(dynamics: DynamicsCrm, key: str) -> None:
    error = refusal(lambda: dynamics.read_contract(key))
    assert (error.kind, error.code) == (FailureKind.BUSINESS, "deal_not_found")
    assert (error.field, error.value) == ("deal_id", key)
    assert not dynamics.is_due(key)


def test_a_deal_that_is_not_won_says_what_it_is(
    organisation: Organisation, dynamics: DynamicsCrm
) -> None:
    key = deal(organisation, won=False)
    error = refusal(lambda: dynamics.read_contract(key))
    assert (error.kind, error.code, error.value) == (FailureKind.BUSINESS, "deal_not_won", "Open")

    organisation.change(key, statecode=1)
    assert dynamics.read_contract(key)["title"] == "Website"


def test_more_lines_than_dataverse_gives_at_once_are_not_half_a_contract(
    organisation: Organisation, dynamics: DynamicsCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = deal(organisation, lines=[TRAINING] * 3)
    monkeypatch.setattr(dataverse, "MAX_PAGE", 2)
    error = refusal(lambda: dynamics.read_contract(key))
    assert (error.kind, error.code) == (FailureKind.DEFECT, "unexpected_answer")


def test_a_right_that_a_part_of_the_reading_lacks_is_named(
    organisation: Organisation, dynamics: DynamicsCrm
) -> None:
    key = deal(organisation)
    for table in ("opportunity", "quote", "opportunityproduct"):
        organisation.denied = {f"prvRead{table}"}
        error = refusal(lambda: dynamics.read_contract(key))
        assert (error.kind, error.code) == (FailureKind.BUSINESS, "access_denied")
        assert error.value == f"prvRead{table}"


# Writing


def test_a_status_is_a_row_of_its_own_and_the_deal_stays_as_it_is(
    organisation: Organisation, dynamics: DynamicsCrm
) -> None:
    key = deal(organisation)
    before = {**organisation.tables.get("opportunity", key)}
    written = status(key, invoiced=Money("100.50", "EUR"), waiting_on="sam")

    assert dynamics.write_statuses([written]) == [None]

    row = organisation.billing(key)
    assert row is not None
    assert row["c2c_contract"] == f"dynamics-{key}"
    texts = {name: text or None for name, text in status_texts(written).items()}
    assert {name: row.get(name) for name in texts} == texts
    assert organisation.tables.get("opportunity", key) == before
    assert organisation.calls() == {"$batch": 1}


def test_a_repeat_changes_nothing_and_a_missing_value_clears(
    organisation: Organisation, dynamics: DynamicsCrm
) -> None:
    key = deal(organisation)
    for _ in range(2):
        dynamics.write_statuses([status(key, waiting_on="sam")])
    assert len(organisation.tables.rows["c2c_billing"]) == 1

    dynamics.write_statuses([status(key)])

    row = organisation.billing(key)
    assert row
    assert row["c2c_waiting_on"] is None


def test_many_statuses_are_few_calls_with_a_verdict_each(
    organisation: Organisation, dynamics: DynamicsCrm
) -> None:
    keys = [organisation.add_deal() for _ in range(250)]
    organisation.delete(keys[7])
    organisation.row_failures[f"dynamics-{keys[120]}"] = DataverseError(
        429, "0x80072321", "Combined execution time exceeded the limit."
    )
    mixed = [*keys[:3], "no-guid", *keys[3:]]

    verdicts = dynamics.write_statuses([status(key) for key in mixed])

    assert organisation.calls() == {"$batch": 3}
    failed = {mixed[n]: verdict for n, verdict in enumerate(verdicts) if verdict is not None}
    assert {key: (error.kind, error.code) for key, error in failed.items()} == {
        "no-guid": (FailureKind.BUSINESS, "status_refused"),
        keys[7]: (FailureKind.BUSINESS, "status_refused"),
        keys[120]: (FailureKind.TRANSIENT, "rate_limited"),
    }
    assert failed[keys[7]].value == keys[7]
    assert "Does Not Exist" in failed[keys[7]].message
    assert len(organisation.tables.rows["c2c_billing"]) == 248


def test_nothing_to_write_is_no_call(organisation: Organisation, dynamics: DynamicsCrm) -> None:
    assert dynamics.write_statuses([]) == []
    assert [error and error.code for error in dynamics.write_statuses([status("x")])] == [
        "status_refused"
    ]
    assert organisation.requests == []


def test_two_that_make_the_same_row_at_once_are_tried_again(
    organisation: Organisation, dynamics: DynamicsCrm
) -> None:
    key = deal(organisation)
    conflict = DataverseError(412, "0x80060892", "A record with matching key values exists.")
    organisation.row_failures[f"dynamics-{key}"] = conflict
    [verdict] = dynamics.write_statuses([status(key)])
    assert verdict
    assert (verdict.kind, verdict.code) == (FailureKind.TRANSIENT, "conflict")


@pytest.mark.parametrize("failure", [Failure.BATCH_SHORT, Failure.NOT_JSON])
def test_a_batch_that_is_half_answered_is_no_verdict(
    organisation: Organisation, dynamics: DynamicsCrm, failure: Failure
) -> None:
    keys = [organisation.add_deal() for _ in range(3)]
    organisation.fail_next(failure)
    error = refusal(lambda: dynamics.write_statuses([status(key) for key in keys]))
    assert (error.kind, error.code) == (FailureKind.DEFECT, "unexpected_answer")


def test_a_missing_column_is_named(organisation: Organisation, dynamics: DynamicsCrm) -> None:
    key = deal(organisation)
    del organisation.tables.tables["c2c_billing"].columns["c2c_stage"]
    [verdict] = dynamics.write_statuses([status(key)])
    assert verdict
    assert (verdict.kind, verdict.code) == (FailureKind.BUSINESS, "crm_property_unknown")
    assert verdict.field == "c2c_stage"


def test_a_missing_right_is_named(organisation: Organisation, dynamics: DynamicsCrm) -> None:
    organisation.denied.add("prvCreatec2c_billing")
    [verdict] = dynamics.write_statuses([status(deal(organisation))])
    assert verdict
    assert (verdict.kind, verdict.code) == (FailureKind.BUSINESS, "access_denied")
    assert (verdict.field, verdict.value) == ("privilege", "prvCreatec2c_billing")


def test_every_text_of_a_status_has_its_column(organisation: Organisation) -> None:
    assert set(STATUS_LABELS) <= organisation.tables.tables["c2c_billing"].columns.keys()


# Sweeping


def test_a_sweep_is_complete_under_paging(
    organisation: Organisation, dynamics: DynamicsCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_module, "PAGE", 20)
    won = [organisation.add_deal() for _ in range(50)]
    organisation.add_deal(won=False)
    organisation.add_deal(closed_on="2025-12-31")
    organisation.add_deal(closed_on=None)

    found = all_won(dynamics)

    assert [item.deal_id for item in found] == sorted(won)
    assert all(item.modified_at.tzinfo for item in found)
    assert organisation.calls() == {"opportunities": 3}
    assert {item.headers["prefer"] for item in organisation.requests} == {"odata.maxpagesize=20"}


def test_a_deal_with_a_contract_is_left_out_even_of_a_page_of_its_own(
    organisation: Organisation, dynamics: DynamicsCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_module, "PAGE", 1)
    first, other = sorted(organisation.add_deal() for _ in range(2))
    dynamics.write_statuses([status(first)])

    assert [item.deal_id for item in all_won(dynamics)] == [other]
    assert [dynamics.is_due(key) for key in (first, other)] == [False, True]


def test_our_own_write_back_is_no_change_of_the_deal(
    organisation: Organisation, dynamics: DynamicsCrm
) -> None:
    key = organisation.add_deal()
    before = organisation.tables.get("opportunity", key)["modifiedon"]
    dynamics.write_statuses([status(key)])
    assert organisation.tables.get("opportunity", key)["modifiedon"] == before


def test_a_deal_that_changes_during_the_sweep_comes_once(
    organisation: Organisation, dynamics: DynamicsCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_module, "PAGE", 5)
    keys = sorted(organisation.add_deal() for _ in range(15))
    page = dynamics.won_deals(SINCE)
    organisation.change(keys[0], name="Renamed")
    organisation.delete(keys[1])
    organisation.change(keys[9], name="Renamed")

    found = [item.deal_id for item in page.deals]
    while page.next:
        page = dynamics.won_deals(SINCE, page.next)
        found += [item.deal_id for item in page.deals]

    assert found == keys


def test_a_sweep_sees_the_same_second_and_what_was_committed_late(
    organisation: Organisation, dynamics: DynamicsCrm
) -> None:
    since = datetime(2026, 1, 10, 12, 0, 0, 900_000, tzinfo=UTC)
    same = organisation.add_deal(modified_at=since.replace(microsecond=0))
    assert [item.deal_id for item in dynamics.won_deals(since).deals] == [same]

    late = organisation.add_deal(modified_at=since - timedelta(minutes=2))
    overlapping = dynamics.won_deals(since - timedelta(minutes=5))
    assert {item.deal_id for item in overlapping.deals} == {same, late}


def test_a_sweep_reads_the_time_off_the_answer(
    organisation: Organisation, dynamics: DynamicsCrm
) -> None:
    assert abs(dynamics.won_deals(SINCE).as_of - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_window_without_a_zone_is_a_mistake_of_ours(dynamics: DynamicsCrm) -> None:
    with pytest.raises(ValueError, match="time zone"):
        dynamics.won_deals(datetime(2026, 1, 1))  # noqa: DTZ001 - what it refuses


@pytest.mark.parametrize("mark", ["accounts?$select=name", "http://127.0.0.1:9/opportunities?x"])
def test_a_mark_that_is_none_of_ours_is_not_followed(dynamics: DynamicsCrm, mark: str) -> None:
    with pytest.raises(ValueError, match="no mark"):
        dynamics.won_deals(SINCE, mark)


def test_a_sweep_without_the_setup_names_what_it_misses() -> None:
    with served(dynamics_app(Organisation(set_up=False))) as url:
        crm = connect(url)
        error = refusal(lambda: crm.won_deals(SINCE))
        crm.close()
    assert (error.kind, error.code) == (FailureKind.BUSINESS, "crm_refused")
    assert "c2c_opportunity_billings" in error.message


@pytest.mark.parametrize(
    ("changes", "is_due"),
    [
        ({}, True),
        ({"won": False}, False),
        ({"closed_on": "2025-12-31"}, False),
        ({"closed_on": None}, False),
        ({"closed_on": "2026-01-01"}, True),
    ],
)
def test_one_deal_is_due_exactly_when_a_sweep_finds_it(
    organisation: Organisation, dynamics: DynamicsCrm, changes: dict[str, Any], is_due: bool
) -> None:
    key = organisation.add_deal(**changes)
    assert dynamics.is_due(key) is is_due
    assert [item.deal_id for item in dynamics.won_deals(SINCE).deals] == ([key] if is_due else [])


# Setup


def test_what_is_set_up_lacks_nothing(dynamics: DynamicsCrm) -> None:
    assert dynamics.missing_setup() == []


def test_the_setup_creates_all_that_is_missing_once() -> None:
    organisation = Organisation(set_up=False)
    with served(dynamics_app(organisation)) as url:
        crm = connect(url)
        before = {item.field: item.code for item in crm.missing_setup()}
        assert crm.ensure_setup() == []
        posted = organisation.calls("POST")
        assert crm.ensure_setup() == []
        assert organisation.calls("POST") == posted
        key = deal(organisation)
        assert crm.write_statuses([status(key)]) == [None]
        assert validate(complete(crm.read_contract(key)))
        assert not crm.is_due(key)
        crm.close()
    assert before["c2c_billing"] == "crm_table_missing"
    assert before["c2c_billing.c2c_contract.key"] == "crm_key_missing"
    assert before["opportunity.c2c_opportunity_billings"] == "crm_property_missing"
    assert before["opportunity.c2c_terms"] == "crm_property_missing"
    assert before["quotedetail.c2c_milestones"] == "crm_property_missing"
    assert posted["publishers"] == posted["solutions"] == 1
    definitions = [
        item.headers.get("mscrm.solutionuniquename")
        for item in organisation.requests
        if item.method == "POST" and "Definitions" in item.path
    ]
    assert set(definitions) == {"ContractToCash"}


def test_a_key_whose_index_is_being_built_is_told() -> None:
    organisation = Organisation(set_up=False)
    organisation.key_state = "Pending"
    with served(dynamics_app(organisation)) as url:
        crm = connect(url)
        [problem] = crm.ensure_setup()
        crm.close()
    assert (problem.code, problem.value) == ("crm_key_not_active", "Pending")


def test_what_the_application_may_not_create_is_left_to_a_person() -> None:
    organisation = Organisation(set_up=False)
    organisation.denied.add("prvCreateentity")
    with served(dynamics_app(organisation)) as url:
        crm = connect(url)
        first, *others = crm.ensure_setup()
        crm.close()
    assert (first.code, first.value) == ("crm_right_missing", "prvCreateentity")
    assert "System Customizer" in first.expected
    assert "c2c_billing" in {item.field for item in others}


def test_a_column_of_another_type_is_left_alone(
    organisation: Organisation, dynamics: DynamicsCrm
) -> None:
    organisation.tables.tables["account"].columns["c2c_vat_number"].type = "Integer"
    [problem] = dynamics.ensure_setup()
    assert (problem.code, problem.value) == ("crm_property_wrong", "Integer")
    assert problem.field == "account.c2c_vat_number"


def test_a_firm_s_own_column_is_not_created(organisation: Organisation, dynamics_url: str) -> None:
    crm = connect(dynamics_url, columns=Columns(vat_number="new_vat", starts_on=""))
    [problem] = crm.ensure_setup()
    crm.close()
    assert (problem.code, problem.field) == ("crm_property_missing", "account.new_vat")


@pytest.mark.parametrize(
    ("privilege", "table"),
    [
        ("prvReadopportunity", "opportunity"),
        ("prvAppendToopportunity", "opportunity"),
        ("prvReadquotedetail", "quotedetail"),
        ("prvWritec2c_billing", "c2c_billing"),
        ("prvAppendc2c_billing", "c2c_billing"),
    ],
)
def test_a_right_that_is_missing_or_of_a_part_only_is_told(
    organisation: Organisation, dynamics: DynamicsCrm, privilege: str, table: str
) -> None:
    organisation.depths[privilege] = "Basic"
    [partial] = dynamics.missing_setup()
    organisation.denied.add(privilege)
    [missing] = dynamics.missing_setup()

    for problem, depth in ((partial, "Basic"), (missing, "none")):
        assert (problem.code, problem.field) == ("crm_right_missing", table)
        assert problem.value == depth
        assert privilege in problem.expected


def test_the_rights_of_a_role_are_asked_for_where_one_is_configured(
    organisation: Organisation, dynamics: DynamicsCrm, dynamics_url: str
) -> None:
    organisation.denied |= {"prvReadconnection", "prvReadconnectionrole"}
    assert dynamics.missing_setup() == []
    crm = connect(dynamics_url, billing_role="Billing")
    problems = crm.missing_setup()
    crm.close()
    assert [item.field for item in problems] == ["connection", "connectionrole"]


def test_a_payment_term_may_be_a_lookup(organisation: Organisation, dynamics_url: str) -> None:
    crm = connect(dynamics_url, columns=Columns(payment_term="_new_term_value"))
    [before] = crm.missing_setup()
    link = dataverse.Lookup("new_term", "new_term", "product")
    organisation.tables.relate("new_term_deals", "opportunity", link)
    after = crm.missing_setup()
    crm.close()
    assert (before.code, before.field) == ("crm_property_missing", "opportunity._new_term_value")
    assert after == []
