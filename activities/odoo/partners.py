"""The customer as a partner in Odoo: found, asked about, or created once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from activities.failures import BusinessRefusal
from activities.odoo import external_ids, partner_search
from activities.odoo.contexts import UNTRACKED
from activities.odoo.needs import ACCOUNTING, CONTACTS, PROJECT, SALES, UPSERT, Need
from contracts import customers
from contracts.customers import Candidate, Found, Linked, Party, Uncertain
from contracts.model import NEW_PARTNER, Customer, ParentCompany, Source
from contracts.ownership import create_once
from contracts.problems import Problem
from gateways.errors import GatewayError
from gateways.fields import names
from gateways.odoo import OdooClient

NEEDS = (
    Need(
        "res.partner",
        names("""
            name is_company parent_id child_ids email vat active ref type
            country_id street city zip
        """),
        access=CONTACTS,
        rights=UPSERT,
    ),
    Need("project.project", ("partner_id",), access=PROJECT),
    Need("sale.order", ("partner_id",), access=SALES),
    Need("account.move", ("partner_id",), access=ACCOUNTING),
)

CUSTOMER_CALLS = 2 * (partner_search.SEARCHING_CALLS + 4)
"""How many calls to Odoo it takes in a row at most, the parent company included."""

_CONTRACT_FIELDS = {"vat": "vat_number", "email": "billing_email", "country_id": "country"}
"""Fields that Odoo may refuse, by what they are called in the contract, where they are amended."""
_MOST_SHOWN = 10
_LINK_NAME = "Contract to Cash"


@dataclass(frozen=True)
class _Firm:
    """A customer or its parent company: `path` is where the contract describes it."""

    stated: Customer | ParentCompany
    source: Source
    path: str

    @property
    def system(self) -> str:
        return self.source.system

    @property
    def party(self) -> Party:
        return Party.of(self.stated)

    @property
    def link(self) -> str:
        """The reference that remembers which partner the firm is."""
        return f"{self.system}:{self.stated.key}"

    @property
    def link_id(self) -> str:
        return external_ids.customer_link_id(self.system, self.stated.key)


def find_or_create_customer(odoo: OdooClient, customer: Customer, source: Source) -> int:
    """The customer's partner: the one it certainly is, or that a person chose, or a new one.

    A business failure `customer_ambiguous` shows the partners that it may be, for a person to
    choose by `customer.odoo_partner`; the same of its parent company.
    """
    return _find_or_create(odoo, _Firm(customer, source, "customer"))


def _find_or_create(odoo: OdooClient, firm: _Firm) -> int:
    choice = firm.stated.odoo_partner
    if choice == NEW_PARTNER:
        return _another(odoo, firm)
    found = partner_search.search(odoo, firm.party, firm.link)
    if isinstance(choice, int):
        return _chosen(odoo, firm, choice, found)
    if isinstance(found, Linked):
        return found.partner
    if isinstance(found, Uncertain):
        raise _ambiguous(firm, found)
    return _create_itself(odoo, firm)


def for_partner(
    odoo: OdooClient, partner: int, of: tuple[str, int], load: Callable[[int], int]
) -> int:
    """What `load` makes for the partner. Where people have merged it into another since, it is made
    for that one: a merge changes the partner on all records, such as `of` (model, id)."""
    try:
        return load(partner)
    except GatewayError as refused:
        if refused.code != "reference_unknown":
            raise
        now = partner_of(odoo, *of)
        if now == partner:
            raise
    return load(now)


def partner_of(odoo: OdooClient, model: str, record: int) -> int:
    """Whose a record is now."""
    [row] = odoo.read(model, [record], ["partner_id"])
    return int(row["partner_id"][0])


# --- what a person chose --------------------------------------------------------------------------


def _chosen(odoo: OdooClient, firm: _Firm, choice: int, found: customers.Match) -> int:
    """The partner that was chosen, remembered for the customer's other contracts. One that was
    merged into another since is that one."""
    if found == Linked(choice, getattr(found, "reason", "")):
        return choice
    if partner_search.read(odoo, choice) is not None:
        return _remembered(odoo, firm, choice)
    if isinstance(found, Linked):
        return found.partner
    uncertain = found if isinstance(found, Uncertain) else Uncertain(())
    raise _ambiguous(firm, uncertain, f"the partner chosen, {choice}, is gone from Odoo")


def _another(odoo: OdooClient, firm: _Firm) -> int:
    """A new partner for this contract. Who is asked for one has seen those that Odoo has, and c2c
    may have made one of them for the same key: so it has an external id of its own."""
    own = external_ids.new_customer_id(firm.system, firm.stated.key, firm.source.id)
    return _remembered(odoo, firm, _create(odoo, firm, own))


def _remembered(odoo: OdooClient, firm: _Firm, partner: int) -> int:
    """The partner, once Odoo says of it, and of no other, that it is the firm."""
    row = {"parent_id/.id": partner, **_link(firm)}
    odoo.load("res.partner", [row], context=UNTRACKED)
    return partner


def _link(firm: _Firm, prefix: str = "") -> dict[str, Any]:
    """An archived contact below the partner, which remembers whose it is: so the partner's own
    fields stay as people have them, and a merge in Odoo moves it along."""
    row = {
        "id": firm.link_id,
        "name": _LINK_NAME,
        "type": "Other",
        "ref": firm.link,
        "active": False,
    }
    return {f"{prefix}{name}": value for name, value in row.items()}


def _ambiguous(firm: _Firm, found: Uncertain, why: str = "") -> BusinessRefusal:
    """What a person is asked: each candidate with what speaks for it, and how to answer."""
    field = f"{firm.path}.odoo_partner"
    shown = found.candidates[:_MOST_SHOWN]
    listed = "; ".join(f"{_described(item.candidate)}: {item.reason}" for item in shown)
    left = found.more or len(found.candidates) > len(shown)
    reasons = [
        why,
        f"{firm.stated.name} may be in Odoo already: {listed}" if listed else "",
        "Odoo has more partners of such a name than are looked at" if left else "",
    ]
    answers = [*(_answer(field, item) for item in shown), _answer(field, None)]
    return BusinessRefusal(
        "customer_ambiguous",
        f"{'; '.join(filter(None, reasons))}; choose by {field}: the id of one, or {NEW_PARTNER}",
        field=field,
        value=firm.stated.name,
        problems=answers,
    )


def _answer(field: str, found: Found | None) -> Problem:
    expected = f'"{NEW_PARTNER}" for a customer that Odoo does not have'
    if found is not None:
        expected = f"{found.candidate.id} for {_described(found.candidate)} ({found.reason})"
    return Problem(code="customer_ambiguous", field=field, expected=expected)


def _described(found: Candidate) -> str:
    party = found.party
    known = [party.vat_number, party.city, "archived" if found.is_archived else ""]
    return ", ".join(filter(None, (f"{party.name} (id {found.id})", *known)))


# --- a new one ------------------------------------------------------------------------------------


def _create_itself(odoo: OdooClient, firm: _Firm) -> int:
    """A new partner, named by what the firm is and not by who tells of it: two contracts that come
    at once from two systems create one."""
    own = external_ids.customer_id(firm.system, firm.stated.key)
    key = customers.key_of(firm.party)
    if key is None:
        return _create(odoo, firm, own)
    partner = _create(odoo, firm, external_ids.firm_id(*key))
    row = partner_search.read(odoo, partner)
    # One of that name from before may have become another firm since, by what people corrected.
    if row is not None and isinstance(_is_it(firm, row), Linked):
        return partner
    return _create(odoo, firm, own)


def _is_it(firm: _Firm, row: dict[str, Any]) -> customers.Match:
    return customers.match(firm.party, [partner_search.candidate(row)])


def _create(odoo: OdooClient, firm: _Firm, external_id: str) -> int:
    stated = firm.stated
    row: dict[str, Any] = {
        "id": external_id,
        "name": stated.name,
        "is_company": True,
        "vat": stated.vat_number or "",
        "country_id/id": f"base.{_country_xml_id(stated.country)}",
        **_link(firm, "child_ids/"),
    }
    if isinstance(stated, Customer):
        parent = _parent(odoo, stated, firm.source)
        row |= {
            "email": stated.billing_email,
            "street": stated.street,
            "city": stated.city,
            "zip": stated.zip,
            # Odoo lets a contact and its parent share one address, but not another address.
            "type": "Other" if parent else "Contact",
            "parent_id/.id": parent or "",
        }
    once = create_once("customer.name", "customer.vat_number", "customer.parent")
    try:
        [partner] = odoo.load("res.partner", [row], create_once=once, context=UNTRACKED)
    except GatewayError as refusal:
        if refusal.field in _CONTRACT_FIELDS:
            refusal.field = f"{firm.path}.{_CONTRACT_FIELDS[refusal.field]}"
        raise
    return partner


def _parent(odoo: OdooClient, customer: Customer, source: Source) -> int | None:
    """The partner of the company above a new customer, found or created as the customer is."""
    if customer.parent is None or customer.parent.key == customer.key:
        return None
    return _find_or_create(odoo, _Firm(customer.parent, source, "customer.parent"))


def _country_xml_id(country: str) -> str:
    # Odoo names its country records by the ISO code in lower case, but for the United Kingdom.
    return "uk" if country == "GB" else country.lower()
