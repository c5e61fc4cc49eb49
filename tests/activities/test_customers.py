"""The customer of a contract in Odoo: linked, asked about or created, on both Odoos."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import sandbox.vies
from activities.failures import BusinessRefusal
from activities.odoo.delivery import ReminderRequest
from activities.odoo.orders import create_order
from activities.odoo.partners import find_or_create_customer
from activities.odoo.projects import set_up_project
from activities.odoo.provisioning import OdooProvisioning, ProvisionRequest
from contracts.contract.state import OdooRefs
from contracts.model import NEW_PARTNER, Customer, JsonObject, Source
from gateways.crm.odoo_crm.crm import PARTNER_KEY
from gateways.odoo import connect
from gateways.secrets import Secret
from gateways.vies import Vies
from gateways.vies_settings import ViesSettings
from tests.activities.firm import Firm
from tests.activities.refusals import code, refused
from tests.world import belgian_vat, single, unique

HUBSPOT = Source(system="hubspot", id="1")
SALESFORCE = Source(system="salesforce", id="1")
ALL = ("active", "in", [True, False])


def customer(**changes: Any) -> Customer:
    """A customer that is like no other."""
    name = unique("Firm").replace("-", "")
    data: JsonObject = {
        "key": name,
        "name": f"{name} NV",
        "country": "BE",
        "vat_number": None,
        "billing_email": f"ap@{name.lower()}.example.com",
        "street": "Kerkstraat 12",
        "zip": "9000",
        "city": "Ghent",
    }
    return Customer.model_validate(data | changes)


def found(firm: Firm, wanted: Customer, source: Source = HUBSPOT) -> int:
    return find_or_create_customer(firm.client, wanted, source)


def asked(firm: Firm, wanted: Customer, source: Source = HUBSPOT) -> BusinessRefusal:
    refusal = refused(lambda: found(firm, wanted, source))
    assert code(refusal) == "customer_ambiguous"
    return refusal


def by_hand(firm: Firm, **values: Any) -> int:
    """A customer that people entered, whatever they wrote as VAT number."""
    [country] = firm.odoo.search_read("res.country", [("code", "=", "BE")], ["id"])
    row = {"name": unique("By hand"), "is_company": True, "country_id": country["id"]} | values
    [partner] = firm.odoo.create("res.partner", [row], context={"no_vat_validation": True})
    return partner


def partner(firm: Firm, record: int) -> dict[str, Any]:
    fields = ["name", "city", "street", "email", "vat", "ref", "parent_id", "type", "active"]
    [row] = firm.odoo.read("res.partner", [record], fields)
    return row


def merge(firm: Firm, gone: int, kept: int) -> None:
    """As people merge two contacts in Odoo."""
    values = {"partner_ids": [(6, 0, [gone, kept])], "dst_partner_id": kept}
    wizard = "base.partner.merge.automatic.wizard"
    [merging] = firm.odoo.create(wizard, [values])
    firm.odoo.call(wizard, "action_merge", [merging])
    assert not firm.odoo.search_read("res.partner", [("id", "=", gone), ALL], ["id"])


# --- found by its number --------------------------------------------------------------------------


def test_a_customer_with_the_same_vat_number_is_found_and_left_alone(firm: Firm) -> None:
    vat = belgian_vat()
    first = customer(vat_number=vat)
    record = found(firm, first)
    firm.odoo.write("res.partner", [record], {"name": "Acme Group", "city": "Bruges"})
    other = customer(vat_number=vat, name=first.name.upper())
    assert found(firm, other, SALESFORCE) == record
    assert found(firm, first) == record
    row = partner(firm, record)
    assert (row["name"], row["city"], row["email"]) == (
        "Acme Group",
        "Bruges",
        first.billing_email,
    )
    assert not row["ref"], "that field is the firm's own"


@pytest.mark.parametrize("written", ["{digits}", "BE {digits}", "BE 0{a}.{b}.{c}", "be0{rest}"])
def test_a_customer_is_found_however_people_have_written_the_number(
    firm: Firm, written: str
) -> None:
    number = belgian_vat()
    digits = number.removeprefix("BE")
    parts = {"digits": digits, "rest": digits[1:], "a": digits[1:4], "b": digits[4:7]}
    known = by_hand(firm, vat=written.format(**parts, c=digits[7:]))
    assert found(firm, customer(vat_number=number)) == known


def test_two_customers_with_one_vat_number_are_named_for_a_person_to_choose(firm: Firm) -> None:
    number = belgian_vat()
    both = [by_hand(firm, vat=number), by_hand(firm, vat=number.removeprefix("BE"))]
    wanted = customer(vat_number=number)
    detail = asked(firm, wanted).detail
    assert (detail.field, detail.value) == ("customer.odoo_partner", wanted.name)
    assert all(f"(id {record})" in detail.message for record in both)
    expected = [problem.expected.split()[0] for problem in detail.problems]
    assert expected == [*map(str, both), f'"{NEW_PARTNER}"']
    firm.odoo.write("res.partner", both[1:], {"active": False})
    assert found(firm, wanted) == both[0]


def test_contact_persons_of_a_company_are_no_candidates(firm: Firm) -> None:
    number = belgian_vat()
    company = by_hand(firm, vat=number)
    by_hand(firm, parent_id=company, is_company=False)
    assert found(firm, customer(vat_number=number)) == company


def test_an_archived_customer_is_asked_about_and_not_made_anew(firm: Firm) -> None:
    number = belgian_vat()
    known = by_hand(firm, vat=number)
    firm.odoo.write("res.partner", [known], {"active": False})
    wanted = customer(vat_number=number)
    message = asked(firm, wanted).detail.message
    assert f"id {known})" in message
    assert "archived" in message
    firm.odoo.write("res.partner", [known], {"active": True})
    assert found(firm, wanted) == known


# --- found by name, domain, address ---------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "{name} N.V."},
        {"name": "{name}", "street": "", "zip": "", "city": ""},
        {"billing_email": "somebody@gmail.com", "street": "Kerkstr. 12"},
        {"billing_email": "ap@mail.{domain}"},
    ],
    ids=["legal form", "no address", "free mail", "another mailbox"],
)
def test_a_customer_without_a_number_is_linked_by_name_and_domain_or_address(
    firm: Firm, changes: dict[str, str]
) -> None:
    first = customer()
    record = found(firm, first)
    name, domain = first.name.removesuffix(" NV"), first.billing_email.partition("@")[2]
    values = {path: text.format(name=name, domain=domain) for path, text in changes.items()}
    again = first.model_copy(update={"key": unique("Key"), **values})
    assert found(firm, again, SALESFORCE) == record


def test_a_customer_who_moved_is_asked_about(firm: Firm) -> None:
    first = customer()
    record = found(firm, first)
    moved = first.model_copy(update={"key": unique("Key"), "zip": "1000", "street": "Nieuw 1"})
    detail = asked(firm, moved, SALESFORCE).detail
    assert f"id {record})" in detail.message
    assert "same name" in detail.message


def test_a_typing_error_is_asked_about(firm: Firm) -> None:
    first = customer(name="Brightwater Laboratoria NV")
    record = found(firm, first)
    wrong = first.model_copy(update={"key": unique("Key"), "name": "Brigthwater Laboratoria"})
    assert f"id {record})" in asked(firm, wrong, SALESFORCE).detail.message


def test_a_firm_of_the_group_with_its_own_number_is_new(firm: Firm) -> None:
    first = customer(vat_number=belgian_vat())
    record = found(firm, first)
    sister = first.model_copy(update={"key": unique("Key"), "vat_number": belgian_vat()})
    assert found(firm, sister) != record


def test_a_name_that_many_share_is_asked_about_where_not_all_were_looked_at(firm: Firm) -> None:
    word = unique("Common").replace("-", "x")
    rows = [{"name": f"{word} {number} West", "is_company": True} for number in range(110)]
    firm.odoo.create("res.partner", rows)
    assert "more partners" in asked(firm, customer(name=f"{word} BV")).detail.message
    assert found(firm, customer(name=f"{word} Hyperbaric BV")), "no other has that name"


# --- what a person chose --------------------------------------------------------------------------


def test_a_person_s_choice_holds_for_the_customer_s_other_contracts(firm: Firm) -> None:
    first = customer()
    record = found(firm, first)
    moved = first.model_copy(update={"key": unique("Key"), "zip": "1000"})
    asked(firm, moved, SALESFORCE)
    before = partner(firm, record)
    chosen = moved.model_copy(update={"odoo_partner": record})
    for _ in range(2):
        assert found(firm, chosen, SALESFORCE) == record
    assert found(firm, moved, SALESFORCE) == record
    assert partner(firm, record) == before


def test_a_person_may_say_that_the_customer_is_new(firm: Firm) -> None:
    first = customer()
    record = found(firm, first)
    other = first.model_copy(
        update={"key": unique("Key"), "zip": "1000", "odoo_partner": NEW_PARTNER}
    )
    made = found(firm, other, SALESFORCE)
    assert made != record
    assert found(firm, other, SALESFORCE) == made
    second = other.model_copy(update={"odoo_partner": None})
    assert found(firm, second, SALESFORCE) == made, "its other contracts are not asked about"


def test_a_new_partner_is_none_of_those_that_were_shown(firm: Firm) -> None:
    """Also where c2c made the one that was shown, for the same key: people may have made it another
    firm, or archived it."""
    first = customer(billing_email="ap@gmail.com", odoo_partner=NEW_PARTNER)
    before = found(firm, first)
    firm.odoo.write("res.partner", [before], {"active": False})
    source = Source(system="hubspot", id="2")
    asked(firm, first.model_copy(update={"odoo_partner": None}), source)
    made = found(firm, first, source)
    assert made != before
    assert found(firm, first, source) == made, "a repeat makes no other"
    assert found(firm, first) == before, "nor one of the first contract"
    later = first.model_copy(update={"odoo_partner": None})
    assert found(firm, later, Source(system="hubspot", id="3")) == made


def test_a_choice_that_is_gone_is_asked_about_again(firm: Firm) -> None:
    gone = by_hand(firm)
    firm.odoo.call("res.partner", "unlink", [gone])
    message = asked(firm, customer(odoo_partner=gone)).detail.message
    assert f"the partner chosen, {gone}, is gone from Odoo" in message


def test_odoo_s_own_crm_names_the_customer_itself(firm: Firm) -> None:
    number = belgian_vat()
    first = found(firm, customer(vat_number=number))
    branch = by_hand(firm, vat=number)
    wanted = customer(key=f"{PARTNER_KEY}{branch}", vat_number=number, odoo_partner=branch)
    source = Source(system="odoo-crm", id="1")
    for _ in range(2):
        assert found(firm, wanted, source) == branch != first


def test_a_known_customer_with_another_number_is_asked_about(firm: Firm) -> None:
    first = customer(vat_number=belgian_vat())
    record = found(firm, first)
    other = first.model_copy(update={"vat_number": belgian_vat()})
    message = asked(firm, other).detail.message
    assert f"id {record})" in message
    assert "known before, with another VAT number" in message


# --- merged and archived in Odoo ------------------------------------------------------------------


@pytest.mark.parametrize("vat", [None, "number"])
def test_a_customer_that_was_merged_is_the_one_that_is_left(firm: Firm, vat: str | None) -> None:
    first = customer(vat_number=belgian_vat() if vat else None)
    gone = found(firm, first)
    kept = by_hand(firm, name="Another name altogether")
    merge(firm, gone, kept)
    renamed = first.model_copy(update={"name": unique("Renamed"), "zip": "1000"})
    assert found(firm, renamed) == kept


def test_a_corrected_number_does_not_link_the_next_customer_who_has_it(firm: Firm) -> None:
    number = belgian_vat()
    wrong = found(firm, customer(vat_number=number))
    firm.odoo.write("res.partner", [wrong], {"vat": belgian_vat()})
    right = found(firm, customer(vat_number=number), SALESFORCE)
    assert right != wrong
    assert partner(firm, right)["vat"] == number


def test_a_known_customer_whose_partner_was_archived_is_the_active_one_with_its_number(
    firm: Firm,
) -> None:
    first = customer(vat_number=belgian_vat())
    old = found(firm, first)
    firm.odoo.write("res.partner", [old], {"active": False})
    assert f"id {old})" in asked(firm, first).detail.message
    now = by_hand(firm, vat=first.vat_number)
    assert found(firm, first) == now


# --- companies above ------------------------------------------------------------------------------


def parent_of(**changes: Any) -> JsonObject:
    name = unique("Group").replace("-", "")
    return {"key": name, "name": f"{name} Holding NV", "country": "BE"} | changes


def test_a_new_customer_has_its_parent_company_and_its_own_address(firm: Firm) -> None:
    above = by_hand(firm, vat=belgian_vat(), street="Meir 1", city="Antwerp", zip="2000")
    number = partner(firm, above)["vat"]
    wanted = customer(vat_number=belgian_vat(), parent=parent_of(vat_number=number))
    row = partner(firm, found(firm, wanted))
    assert row["parent_id"][0] == above
    assert (row["street"], row["city"]) == ("Kerkstraat 12", "Ghent")
    assert partner(firm, above)["street"] == "Meir 1", "each keeps its own"


def test_a_parent_that_odoo_does_not_have_is_created_once(firm: Firm) -> None:
    parent = parent_of()
    records = [found(firm, customer(parent=parent)) for _ in range(2)]
    above = {partner(firm, record)["parent_id"][0] for record in records}
    assert len(above) == 1
    row = partner(firm, above.pop())
    assert row["name"] == parent["name"]
    assert not row["street"]


def test_a_parent_that_may_be_another_is_asked_about_by_its_own_field(firm: Firm) -> None:
    parent = parent_of()
    record = by_hand(firm, name=parent["name"])
    wanted = customer(parent=parent)
    assert asked(firm, wanted).detail.field == "customer.parent.odoo_partner"
    chosen = customer(parent=parent | {"odoo_partner": record})
    assert partner(firm, found(firm, chosen))["parent_id"][0] == record


def test_a_customer_that_odoo_has_keeps_the_parent_people_gave_it(firm: Firm) -> None:
    first = customer(vat_number=belgian_vat())
    record = found(firm, first)
    again = first.model_copy(update={"parent": customer(parent=parent_of()).parent})
    assert found(firm, again) == record
    assert not partner(firm, record)["parent_id"]


# --- at the same time -----------------------------------------------------------------------------


@pytest.mark.parametrize("has_number", [True, False])
def test_two_systems_that_bring_a_new_customer_at_once_make_one_partner(
    firm: Firm, has_number: bool
) -> None:
    first = customer(vat_number=belgian_vat() if has_number else None)
    second = first.model_copy(update={"key": unique("Key"), "name": first.name.upper()})
    calls = [(first, HUBSPOT), (second, SALESFORCE)] * 3
    with ThreadPoolExecutor(len(calls)) as pool:
        records = set(pool.map(lambda call: found(firm, *call), calls))
    assert len(records) == 1
    domain = [("email", "=", first.billing_email), ("parent_id", "=", False)]
    assert len(firm.odoo.search_read("res.partner", domain, ["id"])) == 1


def test_many_customers_at_once_are_searched_in_few_calls(firm: Firm) -> None:
    wanted = [customer(vat_number=belgian_vat()) for _ in range(20)]
    calls: list[tuple[str, int]] = []
    client = connect(
        firm.server.url,
        firm.server.database,
        Secret.file(firm.server.keys["c2c"]),
        on_call=lambda model, method, seconds, outcome, requests: calls.append((method, requests)),
    )
    try:
        with ThreadPoolExecutor(len(wanted)) as pool:
            records = set(
                pool.map(lambda one: find_or_create_customer(client, one, HUBSPOT), wanted)
            )
    finally:
        client.close()
    assert len(records) == len(wanted)
    assert len(calls) < 2 * len(wanted), "each by itself takes four calls"


# --- a contract that runs while its customer is merged --------------------------------------------


def test_a_running_contract_s_invoices_and_reminders_go_to_the_merged_customer(firm: Firm) -> None:
    made, request = firm.drafted(single())
    first = firm.invoices.create_draft(request)
    firm.invoices.post_invoice(made.post_request(first))
    email = "ap@merged.example.com"
    kept = by_hand(firm, email=email)
    merge(firm, made.partner, kept)
    proposal = request.proposal.model_copy(update={"number": 2})
    draft = firm.invoices.create_draft(request.model_copy(update={"proposal": proposal}))
    assert draft.content.customer_id == kept
    reminder = ReminderRequest(
        invoice_id=first.invoice_id, partner_id=made.partner, subject=unique("Due"), text="Pay."
    )
    firm.delivery.send_reminder(reminder)
    assert firm.server.mails(email)


def test_an_order_is_made_for_the_customer_that_the_project_s_was_merged_into(firm: Firm) -> None:
    accepted, company = firm.accepted(single())
    made = OdooRefs(company_id=company)
    set_up_project(firm.client, accepted, made)
    kept = by_hand(firm)
    merge(firm, made.partner_id or 0, kept)
    create_order(firm.client, firm.catalogue, accepted, made)
    [order] = firm.odoo.read("sale.order", [made.order_id or 0], ["partner_id"])
    assert order["partner_id"][0] == kept


# --- VIES -----------------------------------------------------------------------------------------


def test_what_vies_says_is_kept_and_holds_nothing_up(firm: Firm) -> None:
    contract = single()
    register = sandbox.vies.Vies(away={"BE"})
    vies = Vies(ViesSettings(enabled=True, requester="BE0403019261"), register.transport)
    provisioning = OdooProvisioning(firm.client, firm.catalogue, vies)
    accepted, company = firm.accepted(contract)
    made = provisioning.provision(
        ProvisionRequest(contract=accepted, made=OdooRefs(company_id=company))
    )
    number = accepted.customer.vat_number
    assert made.vat_check == f"VIES did not answer about {number} (MS_UNAVAILABLE)"
    assert made.order_confirmed
    again = provisioning.provision(ProvisionRequest(contract=accepted, made=made))
    assert again.vat_check == made.vat_check
    assert len(register.asked) == 1
