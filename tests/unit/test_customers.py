"""Whether a customer is one that Odoo has: names, numbers, addresses, and what they are worth."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.customers import Made, Score, made
from contracts import names, vat
from contracts.customers import (
    EVIDENCE,
    Candidate,
    Level,
    Linked,
    New,
    Party,
    Uncertain,
    key_of,
    match,
    name_patterns,
    street_patterns,
    telling_patterns,
    weighed,
)
from contracts.names import Likeness

PAGE = Path(__file__).parents[2] / "docs" / "customers.md"
ACME = Party(
    name="Acme Laboratoria NV",
    country="BE",
    email="ap@acme.example",
    street="Kerkstraat 12",
    zip="9000",
    city="Ghent",
    key="c-1",
)
NUMBER, OTHER, DUTCH = "BE0477472701", "BE0403019261", "NL004495445B01"
NUMBERED = replace(ACME, vat_number=NUMBER)
MOVED = {"street": "Nieuwstraat 1", "zip": "1000"}
ELSEWHERE = {**MOVED, "email": "x@other.example"}
UNKNOWN = {"email": "acme@gmail.com", "street": "", "zip": ""}


def candidate(party: Party, record: int = 1, **more: object) -> Candidate:
    return Candidate(record, replace(party, key=""), **more)  # type: ignore[arg-type]


# --- the table: a case for each row ---------------------------------------------------------------


CASES: list[tuple[str, Party, Candidate]] = [
    (
        "known before, with another VAT number",
        NUMBERED,
        candidate(replace(ACME, vat_number=OTHER), is_linked=True),
    ),
    ("known before", ACME, candidate(Party("Zeta", "DE"), is_linked=True)),
    ("same VAT number", NUMBERED, candidate(Party("Zeta", "BE", "be 0477.472.701"))),
    (
        "same name and address, VAT numbers of two countries",
        NUMBERED,
        candidate(replace(ACME, vat_number=DUTCH)),
    ),
    ("another VAT number", NUMBERED, candidate(replace(ACME, vat_number=OTHER))),
    (
        "same name and reference",
        ACME,
        candidate(replace(ACME, **ELSEWHERE), reference="c-1"),
    ),
    ("same reference", ACME, candidate(Party("Zeta", "BE"), reference="c-1")),
    (
        "same name, country and domain or address",
        NUMBERED,
        candidate(replace(ACME, name="ACME Laboratoria", email="x@other.example")),
    ),
    (
        "same name, but another country, or domain and address",
        ACME,
        candidate(replace(ACME, **ELSEWHERE)),
    ),
    (
        "same name, but another legal form",
        ACME,
        candidate(replace(ACME, name="Acme Laboratoria BV", **UNKNOWN)),
    ),
    ("same name", ACME, candidate(replace(ACME, **MOVED))),
    (
        "similar name, same domain or address",
        ACME,
        candidate(replace(ACME, name="Acme Labortaoria", **MOVED)),
    ),
    (
        "similar name",
        ACME,
        candidate(replace(ACME, name="Acme Labortaoria", **UNKNOWN)),
    ),
    (
        "one name within the other, same address",
        ACME,
        candidate(replace(ACME, name="Acme", email="x@other.example")),
    ),
    ("same domain and address", ACME, candidate(replace(ACME, name="Zeta"))),
    ("nothing in common that counts", ACME, candidate(Party("Zeta", "BE"))),
]


@pytest.mark.parametrize(("reason", "party", "other"), CASES, ids=[case[0] for case in CASES])
def test_each_row_of_the_table_applies_where_it_says(
    reason: str, party: Party, other: Candidate
) -> None:
    found = weighed(party, other)
    assert found.reason == reason
    assert found.level is next(row.level for row in EVIDENCE if row.reason == reason)


def test_every_row_has_its_case() -> None:
    assert [case[0] for case in CASES] == [row.reason for row in EVIDENCE]


@pytest.mark.parametrize(
    "changes",
    [
        {"country": "NL"},
        {"name": "Acme Laboratoria BV"},
        {"name": "Acme"},
        {"name": "Acme Labortaoria"},
        {"name": "Zeta"},
        MOVED,
        UNKNOWN,
        ELSEWHERE,
        {"country": ""},
    ],
    ids=str,
)
def test_a_likeness_in_doubt_is_never_linked(changes: dict[str, str]) -> None:
    assert not isinstance(match(ACME, [candidate(replace(ACME, **changes))]), Linked)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "ACME LABORATORIA n.v."},
        {"name": "The Acme, Laboratoria"},
        {"name": "Acmé Laböratoria SA"},
        {"email": "ap@gmail.com"},
        {"email": "x@mail.acme.example"},
        {"street": "", "zip": ""},
        {"street": "KERKSTR. 12", "zip": "B-9000"},
        {"vat_number": NUMBER},
    ],
    ids=str,
)
def test_what_is_only_written_otherwise_is_linked(changes: dict[str, str]) -> None:
    found = match(ACME, [candidate(replace(ACME, **changes))])
    assert found == Linked(1, "same name, country and domain or address")


# --- among several --------------------------------------------------------------------------------


def test_the_best_certain_evidence_counts() -> None:
    same_name = candidate(ACME, 1)
    same_number = candidate(replace(NUMBERED, name="Zeta"), 2)
    known = candidate(Party("Yotta"), 3, is_linked=True)
    assert match(NUMBERED, [same_name, same_number]) == Linked(2, "same VAT number")
    assert match(NUMBERED, [same_name, same_number, known]) == Linked(3, "known before")


def test_two_that_are_equally_certain_are_asked_about() -> None:
    found = match(NUMBERED, [candidate(NUMBERED, 2), candidate(NUMBERED, 1), candidate(ACME, 3)])
    assert isinstance(found, Uncertain)
    assert [item.candidate.id for item in found.candidates] == [1, 2]


def test_an_archived_one_is_asked_about_only_where_no_active_one_is_certain() -> None:
    archived, active = candidate(NUMBERED, 1, is_archived=True), candidate(NUMBERED, 2)
    alone = match(NUMBERED, [archived])
    assert isinstance(alone, Uncertain)
    assert alone.candidates[0].candidate.is_archived
    assert match(NUMBERED, [archived, active]) == Linked(2, "same VAT number")
    unlike = candidate(replace(ACME, **MOVED), 3, is_archived=True)
    assert match(ACME, [unlike]) == New(), "an archived likeness is no candidate"


def test_a_search_that_did_not_see_all_makes_nobody_new() -> None:
    assert match(ACME, [], more=True) == Uncertain((), more=True)
    assert match(ACME, [candidate(ACME)], more=True) == Linked(
        1, "same name, country and domain or address"
    )


def test_a_provider_s_domain_says_nothing_of_a_firm() -> None:
    assert Party("Acme", email="acme@Gmail.com").domain == ""
    assert Party("Acme", email="ap@Acme.example").domain == "acme.example"
    assert Party("Acme", email="no address").domain == ""


TEXTS = st.text("AaEeÉéÖöSsßNnVv .,-&'12", max_size=12)
PARTIES = st.builds(
    Party,
    name=TEXTS,
    country=st.sampled_from(["", "BE", "NL"]),
    vat_number=st.sampled_from(["", NUMBER, OTHER, DUTCH, "0477.472.701", "wrong"]),
    email=st.sampled_from(
        ["", "a@acme.example", "b@acme.example", "c@gmail.com", "d@zeta.example"]
    ),
    street=st.sampled_from(["", "Kerkstraat 1", "Kerkstr. 1", "Kerkstraat 2"]),
    zip=st.sampled_from(["", "9000", "B-9000", "1000"]),
)


@given(PARTIES, PARTIES)
def test_evidence_is_the_same_from_both_sides(one: Party, other: Party) -> None:
    assert weighed(one, candidate(other)).reason == weighed(other, candidate(one)).reason


@given(PARTIES, st.lists(PARTIES, max_size=5), st.randoms())
def test_the_order_of_candidates_does_not_matter(
    party: Party, others: list[Party], chance: object
) -> None:
    found = [candidate(other, number) for number, other in enumerate(others, start=1)]
    shuffled = list(found)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert match(party, found) == match(party, shuffled)


@given(PARTIES)
def test_who_is_described_alike_is_never_another_firm(party: Party) -> None:
    level = weighed(party, candidate(party)).level
    assert level is not Level.NONE or not party.words.joined


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "likeness"),
    [
        ("Acme NV", "ACME n.v.", Likeness.SAME),
        ("Müller GmbH & Co. KG", "Mueller GmbH & Co KG", Likeness.SAME),
        ("Société Générale", "Societe Generale S.A.", Likeness.SAME),
        ("De Smet BVBA", "Desmet", Likeness.SAME),
        ("Kowalski Sp. z o.o.", "KOWALSKI", Likeness.SAME),
        ("Strauß AG", "Strauss", Likeness.SAME),
        ("A.B.C. Services", "ABC Services", Likeness.SAME),
        ("Smith & Sons", "Smith and Sons", Likeness.SAME),
        ("Aurelia Manufacturing", "Aurelia Manufacturng", Likeness.SIMILAR),
        ("Borealis", "Boraelis", Likeness.SIMILAR),
        ("Bouw Peeters", "Peeters Bouw", Likeness.SIMILAR),
        ("Garage 2", "Garage 3", Likeness.OTHER),
        ("Acme", "Acne", Likeness.OTHER),
        ("Acme", "Acme Logistics", Likeness.WITHIN),
        ("Logistics", "Acme Logistics", Likeness.OTHER),
        ("", "Acme", Likeness.OTHER),
        ("NV", "SA", Likeness.OTHER),
    ],
)
def test_names_are_compared(one: str, other: str, likeness: Likeness) -> None:
    assert names.compared(names.firm_name(one), names.firm_name(other)) is likeness
    assert names.compared(names.firm_name(other), names.firm_name(one)) is likeness


@pytest.mark.parametrize(
    ("one", "other", "conflict"),
    [
        ("Acme NV", "Acme BV", True),
        ("Acme NV", "Acme SA", False),
        ("Acme BVBA", "Acme BV", False),
        ("Acme", "Acme BV", False),
        ("Acme GmbH & Co. KG", "Acme GmbH", True),
    ],
)
def test_legal_forms_of_two_kinds_are_in_conflict(one: str, other: str, conflict: bool) -> None:
    assert names.forms_conflict(names.firm_name(one), names.firm_name(other)) is conflict


@given(st.text(max_size=40))
def test_a_name_is_normalised_once_for_all(name: str) -> None:
    found = names.firm_name(name)
    again = names.firm_name(" ".join(found.words))
    assert names.firm_name(name.casefold()).words == found.words
    assert again.words == found.words


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("Kerkstraat 12", "9000"), ("Kerkstr. 12", "B-9000"), True),
        (("12 High Street", "LS1 4AP"), ("High St. 12", "ls14ap"), True),
        (("Hauptstraße 3", "45127"), ("Hauptstr. 3", "45127"), True),
        (("Kerkstraat 12", "9000"), ("Kerkstraat 14", "9000"), False),
        (("Kerkstraat 12", "9000"), ("Kerkstraat 12", "1000"), False),
        (("Kerkstraat 12", "9000"), ("Meir 12", "9000"), False),
        (("Kerkstraat 12", "9000"), ("", "9000"), None),
        (("Kerkstraat 12", "9000"), ("Kerkstraat", "9000"), None),
        (("", ""), ("", ""), None),
    ],
)
def test_addresses_are_compared(
    one: tuple[str, str], other: tuple[str, str], same: bool | None
) -> None:
    assert names.same_house(names.house(*one), names.house(*other)) is same
    assert names.same_house(names.house(*other), names.house(*one)) is same


# --- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "comparison"),
    [
        ((NUMBER, "BE"), ("0477 472 701", "BE"), vat.Comparison.SAME),
        ((NUMBER, "BE"), ("BE0477.472.701", ""), vat.Comparison.SAME),
        (("EL094014201", "GR"), ("GR094014201", "GR"), vat.Comparison.SAME),
        ((NUMBER, "BE"), (OTHER, "BE"), vat.Comparison.DIFFERENT),
        ((NUMBER, "BE"), (DUTCH, "BE"), vat.Comparison.DIFFERENT),
        ((NUMBER, "BE"), ("BE0477472702", "BE"), vat.Comparison.UNKNOWN),
        ((NUMBER, "BE"), ("/", "BE"), vat.Comparison.UNKNOWN),
        (("", "BE"), ("", "BE"), vat.Comparison.UNKNOWN),
    ],
)
def test_vat_numbers_are_compared(
    one: tuple[str, str], other: tuple[str, str], comparison: vat.Comparison
) -> None:
    assert vat.compared(vat.read(*one), vat.read(*other)) is comparison


def test_the_spellings_of_a_number_are_those_that_odoo_may_hold() -> None:
    assert vat.spellings(vat.read(NUMBER, "BE")) == (NUMBER, "0477472701")
    assert vat.spellings(vat.read("GR094014201", "GR")) == (
        "GR094014201",
        "094014201",
        "EL094014201",
    )
    assert vat.spellings(vat.read("", "BE")) == ()


# --- what is searched by --------------------------------------------------------------------------


def like(pattern: str, text: str) -> bool:
    """As Odoo's `=ilike` compares."""
    parts = {"%": ".*", "_": "."}
    expression = "".join(parts.get(letter, letter) for letter in pattern.lower())
    return re.fullmatch(expression, text.lower()) is not None


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("Acme Laboratoria NV", "ACME laboratoria n.v."),
        ("Müller GmbH", "Mueller"),
        ("Mueller GmbH", "Müller"),
        ("École Générale", "Ecole Generale SA"),
        ("Ecole Generale", "École Générale SA"),
        ("Strauß", "Strauss AG"),
        ("ABC Services", "A.B.C. Services"),
        ("Garage 2 BV", "Garage 2"),
        ("Garage 2", "Garage 2 BV"),
        ("O'Neil", "O’Neil Ltd"),
    ],
)
def test_a_name_is_found_however_it_is_written(name: str, stored: str) -> None:
    assert any(like(pattern, stored) for pattern in name_patterns(Party(name)))


def test_a_name_s_number_is_searched_to_its_end() -> None:
    patterns = [*name_patterns(Party("Garage 2")), *telling_patterns(Party("Garage 2"))]
    assert not any(like(pattern, "Garage 23 BV") for pattern in patterns)


def test_a_street_is_found_with_its_number_on_either_side() -> None:
    patterns = street_patterns(Party("", street="12 High Street", zip="LS1"))
    assert all(like(pattern, "High St. 12") for pattern in patterns)


def test_what_a_firm_is_by_itself_does_not_depend_on_who_tells_of_it() -> None:
    assert key_of(NUMBERED) == key_of(replace(NUMBERED, name="x", key="y")) == ("vat", NUMBER)
    assert key_of(ACME) == key_of(replace(ACME, name="ACME laboratoria SA", key="y"))
    assert key_of(ACME) != key_of(replace(ACME, country="NL"))
    assert key_of(replace(ACME, email="a@gmail.com")) is None


# --- two thousand of them -------------------------------------------------------------------------


def test_of_2_000_customers_nobody_is_linked_wrongly_and_few_doubles_are_missed() -> None:
    listed = made()
    assert len(listed) == 2_000
    odoo = Index()
    score = Score()
    for one in listed:
        found = match(one.party, odoo.like(one.party))
        owner = odoo.owners.get(found.partner) if isinstance(found, Linked) else None
        score.count(one, owner, is_parked=isinstance(found, Uncertain))
        if isinstance(found, New):
            odoo.add(one)
    assert score.wrong == 0, score
    assert score.caught >= 0.95, score
    assert score.asked <= 60, score


class Index:
    """Partners by what a search finds them by."""

    def __init__(self) -> None:
        self.owners: dict[int, int] = {}
        self._by: dict[str, list[Candidate]] = defaultdict(list)

    def add(self, one: Made) -> None:
        record = len(self.owners) + 1
        self.owners[record] = one.firm
        for key in self._keys(one.party):
            self._by[key].append(candidate(one.party, record))

    def like(self, party: Party) -> list[Candidate]:
        found = [item for key in self._keys(party) for item in self._by[key]]
        return list({item.id: item for item in found}.values())

    def _keys(self, party: Party) -> Iterable[str]:
        yield party.words.joined
        yield from filter(None, (party.vat.text, party.domain))
        if party.house.zip:
            yield f"{party.house.zip} {party.house.street[:5]}"


# --- the page -------------------------------------------------------------------------------------


def test_the_page_shows_the_table() -> None:
    verdicts = {Level.NONE: "none", Level.UNCERTAIN: "asked"}
    rows = [
        f"| {row.reason} | {verdicts.get(row.level, 'linked')} | {row.remark} |" for row in EVIDENCE
    ]
    assert "\n".join(rows) in PAGE.read_text(encoding="utf-8")


def test_the_page_can_be_read_in_one_sitting() -> None:
    assert len(PAGE.read_bytes()) <= 6_144
