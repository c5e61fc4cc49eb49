"""The partners in Odoo that a customer may be: searched in few calls, never all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from activities.odoo.needs import CONTACTS, Need
from contracts import customers, vat
from contracts.customers import Candidate, Linked, Match, Party
from gateways.fields import names
from gateways.odoo import OdooClient

FIELDS = names("name is_company parent_id vat country_code email street city zip ref active")
NEEDS = (Need("res.partner", (*FIELDS, "country_id"), access=CONTACTS),)

SEARCHING_CALLS = 3
"""How many calls to Odoo a search takes in a row at most."""
_MOST_EXACT, _MOST_LIKE = 20, 100
"""How many records a search looks at. Of what more are like a customer, a person decides."""
_FIRM = ["|", ("is_company", "=", True), ("parent_id", "=", False)]
"""No contact persons: they share the VAT number of their company."""
ARCHIVED_TOO = ("active", "in", [True, False])

Row = dict[str, Any]
Domain = list[Any]


def search(odoo: OdooClient, party: Party, link: str) -> Match:
    """Who of Odoo's partners the firm is; `link` is the reference by which it was known before.

    Numbers and references first, which Odoo has an index of; names, domains and addresses only
    where those do not tell.
    """
    found = _Candidates(odoo, link)
    found.add(_exact(party, link), _MOST_EXACT)
    decided = customers.match(party, found.all())
    if isinstance(decided, Linked):
        return decided
    more = not found.add(_like(party), _MOST_LIKE)
    return customers.match(party, found.all(), more=more)


def read(odoo: OdooClient, partner: int) -> Row | None:
    """A partner as it is now, archived or not; None where it is gone."""
    return odoo.by_id("res.partner", [partner], FIELDS, also=[ARCHIVED_TOO]).get(partner)


def candidate(row: Row, *, is_linked: bool = False) -> Candidate:
    party = Party(
        name=row["name"] or "",
        country=row["country_code"] or "",
        vat_number=row["vat"] or "",
        email=row["email"] or "",
        street=row["street"] or "",
        zip=row["zip"] or "",
        city=row["city"] or "",
    )
    return Candidate(row["id"], party, row["ref"] or "", is_linked, not row["active"])


class _Candidates:
    """The partners found so far, and who of them the firm was known as."""

    def __init__(self, odoo: OdooClient, link: str) -> None:
        self._odoo = odoo
        self._link = link
        self._rows: dict[int, Row] = {}
        self._linked: set[int] = set()

    def add(self, domain: Domain, limit: int) -> bool:
        """Add what matches; false where there may be more. Calls are shared with others."""
        found = self._odoo.matching("res.partner", domain, FIELDS, limit=limit)
        self._take(found.rows)
        return found.is_complete

    def all(self) -> list[Candidate]:
        missing = self._linked - self._rows.keys()
        if missing:
            self._rows |= self._odoo.by_id("res.partner", missing, FIELDS, also=[ARCHIVED_TOO])
        return [
            candidate(row, is_linked=partner in self._linked) for partner, row in self._rows.items()
        ]

    def _take(self, rows: Sequence[Row]) -> None:
        for row in rows:
            is_firm = row["is_company"] or not row["parent_id"]
            if is_firm:
                self._rows[row["id"]] = row
            if row["ref"] == self._link:
                self._linked.add(row["id"] if is_firm else row["parent_id"][0])


def _exact(party: Party, link: str) -> Domain:
    """By what Odoo has an index of: the VAT number as usually written, and references."""
    references = ("ref", "in", [link, *([party.key] if party.key else [])])
    numbers = list(vat.spellings(party.vat))
    if not numbers:
        return [ARCHIVED_TOO, references]
    return [ARCHIVED_TOO, "|", references, "&", ("vat", "in", numbers), *_FIRM]


def _like(party: Party) -> Domain:
    """By any spelling of the VAT number, or by likeness. Who has another number is another firm:
    so a firm with a number is only like those without one."""
    if not party.vat.text:
        return [ARCHIVED_TOO, *_FIRM, *_likenesses(party)]
    number = ("vat", "=ilike", vat.pattern(party.vat.text))
    if not party.vat.is_valid:
        return [ARCHIVED_TOO, *_FIRM, "|", number, *_likenesses(party)]
    return [ARCHIVED_TOO, *_FIRM, "|", number, "&", ("vat", "=", False), *_likenesses(party)]


def _likenesses(party: Party) -> Domain:
    """The same name in the country, or the same domain with a like name, or the same house."""
    here = ["|", ("country_code", "=", party.country), ("country_id", "=", False)]
    terms: list[Domain] = [["&", *here, *_names(customers.name_patterns(party))]]
    if party.domain:
        domain = ("email", "=ilike", f"%{party.domain}%")
        terms.append(["&", domain, *_names(customers.telling_patterns(party))])
    if party.house.zip and party.house.street:
        patterns = customers.street_patterns(party)
        street = [[("street", "=ilike", pattern)] for pattern in patterns]
        terms.append(_joined("&", [[("zip", "=ilike", f"%{party.house.zip}")], *street]))
    return _joined("|", terms)


def _names(patterns: Sequence[str]) -> Domain:
    return _joined("|", [[("name", "=ilike", pattern)] for pattern in patterns])


def _joined(connective: str, terms: Sequence[Domain]) -> Domain:
    """Several conditions as one; without any, what nothing matches."""
    if not terms:
        return [("id", "=", 0)]
    return [*[connective] * (len(terms) - 1), *(term for domain in terms for term in domain)]
