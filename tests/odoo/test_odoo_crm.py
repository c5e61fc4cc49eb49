"""Odoo's own CRM: what a won opportunity says, and what is written back to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from contracts.crm import ContractStatus
from contracts.model import JsonObject
from contracts.money import Money
from contracts.validation import InvalidContract, validate
from gateways import errors
from gateways.crm.odoo_crm.crm import PARTNER_KEY, OdooCrm
from gateways.crm.protocol import Crm
from gateways.crm.status import STATUS_LABELS, status_texts
from gateways.errors import FailureKind, GatewayError
from gateways.odoo import LoadRefused, OdooClient
from sandbox.conformance.crm import written

MakeLead = Callable[..., int]


@pytest.fixture
def crm(odoo: OdooClient) -> OdooCrm:
    crm = OdooCrm(odoo)
    crm.ensure_setup()
    return crm


@pytest.fixture
def team(odoo: OdooClient) -> int:
    """A sales team of this test alone, without the contract's properties."""
    return odoo.create("crm.team", [{"name": f"Team {uuid4().hex[:8]}"}])[0]


@pytest.fixture
def customer(odoo: OdooClient) -> int:
    country = odoo.search_read("res.country", [["code", "=", "BE"]], ["id"])[0]["id"]
    company = {
        "name": f"Acme {uuid4().hex[:8]}",
        "is_company": True,
        "vat": "BE0477472701",
        "country_id": country,
        "street": "Rue Haute 1",
        "city": "Brussels",
        "zip": "1000",
        "email": "info@acme.example",
    }
    return odoo.create("res.partner", [company])[0]


@pytest.fixture
def make_lead(odoo: OdooClient, customer: int) -> MakeLead:
    def make(*, won: bool = True, **values: Any) -> int:
        stage = odoo.search_read("crm.stage", [["is_won", "=", won]], ["id"], limit=1)[0]["id"]
        sales = odoo.search_read("crm.team", [], ["id"], limit=1, order="id")[0]["id"]
        lead = {"name": "Website", "type": "opportunity", "partner_id": customer, "team_id": sales}
        return odoo.create("crm.lead", [{**lead, "stage_id": stage, **values}])[0]

    return make


@pytest.fixture
def teamless(odoo: OdooClient, make_lead: MakeLead) -> Iterator[int]:
    """A won opportunity without a team, which others must not meet on a server that all share."""
    lead = make_lead()
    odoo.write("crm.lead", [lead], {"team_id": False})
    yield lead
    odoo.call("crm.lead", "unlink", [lead])


def quote(
    odoo: OdooClient, lead: int, customer: int, lines: list[JsonObject], **values: Any
) -> int:
    commands = [[0, 0, line] for line in lines]
    order = {"partner_id": customer, "opportunity_id": lead, "order_line": commands, **values}
    return odoo.create("sale.order", [order])[0]


def product(odoo: OdooClient, code: str) -> int:
    found = odoo.search_read("product.product", [["default_code", "=", code]], ["id"])
    return int(found[0]["id"])


def line(odoo: OdooClient, code: str, quantity: float, price: float, **values: Any) -> JsonObject:
    base = {"product_id": product(odoo, code), "product_uom_qty": quantity, "price_unit": price}
    return {**base, **values}


def status(lead: int, **values: Any) -> ContractStatus:
    return ContractStatus(deal_id=str(lead), **{"stage": "billing", **values})


def properties(odoo: OdooClient, lead: int) -> dict[str, Any]:
    found = odoo.read("crm.lead", [lead], ["lead_properties"])[0]["lead_properties"]
    return {item["name"]: item.get("value") for item in found}


def complete(contract_data: JsonObject) -> JsonObject:
    return {"contract_id": "C-1", "legal_entity": "be", **contract_data}


def refusal(crm: Crm, deal_id: str) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        crm.read_contract(deal_id)
    assert caught.value.kind is FailureKind.BUSINESS
    return caught.value


def test_a_won_opportunity_with_a_quotation_is_a_valid_contract(
    odoo: OdooClient, crm: OdooCrm, customer: int, make_lead: MakeLead
) -> None:
    lead = make_lead(name="Website relaunch")
    odoo.create(
        "res.partner",
        [{"name": "Bills", "type": "invoice", "parent_id": customer, "email": "ap@acme.example"}],
    )
    quote(
        odoo,
        lead,
        customer,
        [
            {"display_type": "line_section", "name": "Work"},
            line(odoo, "BUILD", 3, 33.33, discount=10),
            {"display_type": "line_note", "name": "Thank you"},
            line(odoo, "CONSULTING", 0, 500),
            line(odoo, "CONSULTING", 1, 1000.5),
            line(odoo, "BUILD", 1, 2000),
        ],
        client_order_ref="PO-77",
    )

    contract = validate(complete(crm.read_contract(str(lead))))

    assert contract.title == "Website relaunch"
    assert (contract.source.system, contract.source.id) == ("odoo-crm", str(lead))
    assert contract.customer.key == f"{PARTNER_KEY}{customer}"
    assert contract.customer.vat_number == "BE0477472701"
    assert contract.customer.country == "BE"
    assert contract.customer.billing_email == "ap@acme.example"
    assert contract.purchase_order == "PO-77"
    assert contract.requested_by
    assert [(item.key, item.code, str(item.amount)) for item in contract.services] == [
        ("BUILD", "BUILD", "89.99 EUR"),
        ("CONSULTING", "CONSULTING", "1000.50 EUR"),
        ("BUILD-2", "BUILD", "2000.00 EUR"),
    ]
    assert str(contract.value) == "3090.49 EUR"
    assert [item.service for item in contract.milestones] == ["BUILD", "CONSULTING", "BUILD-2"]
    assert {item.due_on for item in contract.milestones} == {contract.signed_on}


def test_the_terms_of_an_opportunity_are_the_contract_s_and_a_status_leaves_them(
    odoo: OdooClient, crm: OdooCrm, customer: int, make_lead: MakeLead
) -> None:
    text = """
        [[time]]
        key = "dev"
        service = "CONSULTING"
        rates = [{price = "120.00"}]

        [retainage]
        percent = "5"
        service = "SUPPORT"
    """
    lead = make_lead()
    odoo.load("crm.lead", [{".id": str(lead), "lead_properties.c2c_terms": text}])
    codes = (("BUILD", 1000), ("CONSULTING", 6000), ("SUPPORT", 0))
    quote(odoo, lead, customer, [line(odoo, code, 1, price) for code, price in codes])

    for _ in range(2):
        contract = validate(complete(crm.read_contract(str(lead))))
        [plan] = contract.time
        assert [str(rate.price) for rate in plan.rates] == ["120.00 EUR"]
        assert contract.retainage
        assert [item.service for item in contract.milestones] == ["BUILD"]
        assert crm.write_statuses([status(lead)]) == [None]
    assert properties(odoo, lead)["c2c_terms"] == text


def test_terms_that_cannot_be_read_are_refused(crm: OdooCrm, make_lead: MakeLead) -> None:
    terms = {".id": str(make_lead()), "lead_properties.c2c_terms": "[[time"}
    crm._odoo.load("crm.lead", [terms])
    assert refusal(crm, terms[".id"]).code == "terms_unreadable"


def test_the_company_above_the_customer_is_its_parent(
    odoo: OdooClient, crm: OdooCrm, customer: int, make_lead: MakeLead
) -> None:
    [luxembourg] = odoo.search_read("res.country", [("code", "=", "LU")], ["id"])
    holding = {
        "name": "Acme Holding",
        "is_company": True,
        "vat": "LU26375245",
        "country_id": luxembourg["id"],
    }
    [parent] = odoo.create("res.partner", [holding])
    [desk] = odoo.create("res.partner", [{"name": "Head office", "parent_id": parent}])
    odoo.write("res.partner", [customer], {"parent_id": desk})

    said = crm.read_contract(str(make_lead()))["customer"]

    assert said["key"] == f"{PARTNER_KEY}{customer}"
    assert said["parent"] == {
        "key": f"{PARTNER_KEY}{parent}",
        "name": "Acme Holding",
        "country": "LU",
        "vat_number": "LU26375245",
        "odoo_partner": parent,
    }


def test_the_newest_open_quotation_counts(
    odoo: OdooClient, crm: OdooCrm, customer: int, make_lead: MakeLead
) -> None:
    lead = make_lead()
    quote(odoo, lead, customer, [line(odoo, "BUILD", 1, 100)])
    quote(odoo, lead, customer, [line(odoo, "BUILD", 1, 200)])
    dropped = quote(odoo, lead, customer, [line(odoo, "BUILD", 1, 300)])
    odoo.call("sale.order", "action_cancel", [dropped])

    assert crm.read_contract(str(lead))["value"] == "200.00"


def test_a_currency_without_decimals_stays_without(
    odoo: OdooClient, crm: OdooCrm, customer: int, make_lead: MakeLead
) -> None:
    lead = make_lead()
    yen = odoo.search_read("product.pricelist", [["currency_id.name", "=", "JPY"]], ["id"])[0]["id"]
    quote(odoo, lead, customer, [line(odoo, "BUILD", 1, 150000)], pricelist_id=yen)

    contract_data = crm.read_contract(str(lead))

    assert (contract_data["currency"], contract_data["value"]) == ("JPY", "150000")


def test_what_an_opportunity_lacks_is_left_to_validation(crm: OdooCrm, make_lead: MakeLead) -> None:
    contract_data = crm.read_contract(
        str(make_lead(partner_id=False, email_from="boss@new.example"))
    )

    with pytest.raises(InvalidContract) as caught:
        validate(complete(contract_data))
    fields = {problem.field for problem in caught.value.problems}
    assert {"customer.key", "customer.name", "customer.country", "currency", "value"} <= fields
    assert {"services", "milestones"} <= fields
    assert "customer.billing_email" not in fields


def test_a_confirmed_order_is_refused_with_what_to_do(
    odoo: OdooClient, crm: OdooCrm, customer: int, make_lead: MakeLead
) -> None:
    lead = make_lead()
    order = quote(odoo, lead, customer, [line(odoo, "SUPPORT", 1, 100)])
    odoo.call("sale.order", "action_confirm", [order])

    error = refusal(crm, str(lead))

    assert error.code == "order_already_confirmed"
    assert "cancel it" in error.message


def test_open_lost_and_unknown_opportunities_are_refused(
    odoo: OdooClient, crm: OdooCrm, make_lead: MakeLead
) -> None:
    lost = make_lead()
    odoo.write("crm.lead", [lost], {"active": False})

    assert refusal(crm, str(make_lead(won=False))).code == "deal_not_won"
    assert refusal(crm, str(lost)).code == "deal_not_won"
    for unknown in ("2000000000", "99999999999999", "0", "x", "", "1.0", "¹"):
        assert refusal(crm, unknown).code == "deal_not_found"


def test_the_setup_reports_a_team_and_mends_it_once(
    odoo: OdooClient, crm: OdooCrm, team: int
) -> None:
    people = [{"name": "abc", "string": "Lead source", "type": "char"}]
    odoo.write("crm.team", [team], {"lead_properties_definition": people})

    assert f"crm.team.{team}.lead_properties_definition" in {
        problem.field for problem in crm.missing_setup()
    }
    for _ in range(2):
        remaining = crm.ensure_setup()
        assert not [problem for problem in remaining if f".{team}." in problem.field]
    there = odoo.read("crm.team", [team], ["lead_properties_definition"])[0]
    names = [item["name"] for item in there["lead_properties_definition"]]
    assert names == ["abc", *STATUS_LABELS, "c2c_terms"]


def test_a_status_is_shown_and_peoples_properties_stay(
    odoo: OdooClient, crm: OdooCrm, team: int, make_lead: MakeLead
) -> None:
    people = [{"name": "abc", "string": "Lead source", "type": "char"}]
    odoo.write("crm.team", [team], {"lead_properties_definition": people})
    crm.ensure_setup()
    first, second = make_lead(team_id=team), make_lead()
    odoo.write("crm.lead", [first], {"lead_properties": {"abc": "the fair"}})
    statuses = [
        status(
            first,
            project_reference="P-9",
            invoiced=Money("100.50", "EUR"),
            next_invoice_on=date(2026, 3, 1),
            open_exceptions=2,
        ),
        status(second, waiting_on="approval"),
    ]

    assert crm.write_statuses(statuses) == [None, None]

    assert properties(odoo, first)["abc"] == "the fair"
    for expected in statuses:
        shown = properties(odoo, int(expected.deal_id))
        assert {name: shown[name] or "" for name in STATUS_LABELS} == status_texts(expected)


def test_a_repeat_writes_nothing_and_a_change_clears(
    odoo: OdooClient, crm: OdooCrm, make_lead: MakeLead
) -> None:
    calls: list[str] = []
    watched = OdooCrm(OdooClient(odoo._transport, on_call=lambda _m, name, *_: calls.append(name)))
    lead = make_lead()
    watched.write_statuses([status(lead, waiting_on="approval")])
    calls.clear()

    watched.write_statuses([status(lead, waiting_on="approval")])
    assert calls == ["search_read"]

    watched.write_statuses([status(lead)])
    assert calls.count("load") == 1
    assert not properties(odoo, lead)["c2c_waiting_on"]


def test_deals_that_cannot_hold_a_status_are_refused_and_the_others_are_written(
    odoo: OdooClient, crm: OdooCrm, team: int, teamless: int, make_lead: MakeLead
) -> None:
    unprepared, good = make_lead(team_id=team), make_lead()
    expected = {
        "2000000000": "no such opportunity",
        "x": "no such opportunity",
        str(teamless): "no sales team",
        str(unprepared): "run the setup",
    }
    statuses = [ContractStatus(deal_id=deal_id, stage="billing") for deal_id in expected]

    *refused, written = crm.write_statuses([*statuses, status(good)])

    assert written is None
    assert properties(odoo, good)["c2c_stage"] == "billing"
    for (deal_id, why), error in zip(expected.items(), refused, strict=True):
        assert error
        assert (error.kind, error.code) == (FailureKind.BUSINESS, "status_refused")
        assert (error.field, error.value) == ("source.id", deal_id)
        assert why in error.message


def test_statuses_of_many_deals_are_one_read_and_one_write(
    odoo: OdooClient, crm: OdooCrm, make_lead: MakeLead
) -> None:
    calls: list[str] = []
    watched = OdooCrm(OdooClient(odoo._transport, on_call=lambda _m, name, *_: calls.append(name)))
    leads = [make_lead() for _ in range(8)]

    assert watched.write_statuses([status(lead) for lead in leads]) == [None] * 8

    assert calls == ["search_read", "load"]
    assert {properties(odoo, lead)["c2c_stage"] for lead in leads} == {"billing"}


@pytest.mark.parametrize("names_it", [True, False])
def test_a_deal_that_odoo_refuses_keeps_no_other_from_being_written(
    odoo: OdooClient,
    crm: OdooCrm,
    make_lead: MakeLead,
    monkeypatch: pytest.MonkeyPatch,
    names_it: bool,
) -> None:
    """Odoo saves nothing of such a call, and may not say which row it is."""
    leads = [make_lead() for _ in range(5)]
    refused, load = str(leads[3]), OdooClient.load

    def refuse(self: OdooClient, model: str, rows: Any, **more: Any) -> list[int]:
        found = {place for place, row in enumerate(rows) if row.get(".id") == refused}
        if found:
            error = errors.business("odoo", "odoo_refused", "a rule of this firm")
            raise LoadRefused(error, dict.fromkeys(found, error) if names_it else {})
        return load(self, model, rows, **more)

    monkeypatch.setattr(OdooClient, "load", refuse)
    verdicts = written(crm, [str(lead) for lead in leads])

    assert [place for place, error in enumerate(verdicts) if error] == [3]
    assert "a rule of this firm" in str(verdicts[3])
    shown = [properties(odoo, lead)["c2c_stage"] for lead in leads]
    assert shown == ["billing", "billing", "billing", shown[3], "billing"]
    assert not shown[3]


def test_a_sweep_finds_won_deals_of_its_window_only(
    odoo: OdooClient, crm: OdooCrm, make_lead: MakeLead, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateways.crm.odoo_crm.crm._PAGE", 2)
    won = {str(make_lead()) for _ in range(5)}
    still_open = str(make_lead(won=False))
    changes = {
        str(lead["id"]): datetime.fromisoformat(lead["write_date"]).replace(tzinfo=UTC)
        for lead in odoo.read("crm.lead", [int(key) for key in won], ["write_date"])
    }
    since, until = min(changes.values()), max(changes.values()) + timedelta(seconds=1)

    window = page = crm.won_deals(since)
    deals = list(window.deals)
    while page.next:
        page = crm.won_deals(since, page.next)
        deals += page.deals
    found = {deal.deal_id: deal.modified_at for deal in deals}

    assert len(deals) == len(found)
    assert won <= found.keys()
    assert still_open not in found
    assert all(found[key] == moment for key, moment in changes.items())
    assert not won & {deal.deal_id for deal in crm.won_deals(until).deals}
    # By Odoo's own clock, which stamps them.
    assert window.as_of >= max(changes.values())
    assert crm.won_deals(until + timedelta(days=9)).as_of == until + timedelta(days=9)


def test_an_opportunity_won_before_adoption_starts_nothing_when_it_is_edited(
    odoo: OdooClient, make_lead: MakeLead
) -> None:
    lead = make_lead()
    since = datetime.now(UTC) - timedelta(days=1)
    today = datetime.now(UTC).date()

    def found(closed_since: date) -> bool:
        crm = OdooCrm(odoo, closed_since=closed_since)
        return str(lead) in {deal.deal_id for deal in crm.won_deals(since).deals}

    odoo.write("crm.lead", [lead], {"name": "Edited"})
    assert found(today - timedelta(days=1))
    assert not found(today + timedelta(days=2))


def test_a_sweep_leaves_out_what_shows_a_contract_until_a_person_clears_it(
    odoo: OdooClient, crm: OdooCrm, team: int, teamless: int, make_lead: MakeLead
) -> None:
    started, other, unprepared = make_lead(), make_lead(), make_lead(team_id=team)
    since = datetime.now(UTC) - timedelta(days=1)

    def found() -> set[str]:
        ours = {str(lead) for lead in (started, other, unprepared, teamless)}
        return ours & {deal.deal_id for deal in crm.won_deals(since).deals}

    crm.write_statuses([status(started)])
    assert found() == {str(lead) for lead in (other, unprepared, teamless)}
    odoo.load("crm.lead", [{".id": started, "lead_properties.c2c_stage": ""}])
    assert str(started) in found()


@pytest.mark.usefixtures("teamless")
def test_a_won_opportunity_without_a_team_is_reported(crm: OdooCrm) -> None:
    assert "crm_team_missing" in {problem.code for problem in crm.missing_setup()}
