"""A made list of customers with known doubles: who is linked, asked about, or missed."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from stdnum import luhn

from activities.failures import BusinessRefusal
from activities.odoo.partners import find_or_create_customer
from benchmarks.frame import Bench, at_least, at_most, benchmark
from contracts.customers import Party
from contracts.model import Customer, Source, vat_problem
from gateways.odoo import OdooClient

CUSTOMERS, FIRMS = 2_000, 1_200
SEED = 20_260_601
_TYPED_BY_HAND = 0.4
_THREADS = 16

_WORDS = (
    "adel aldo ambi arca aven balt beko bora brix calde cano celt cora dalm dorn ecla elva falk "
    "fero gala gent hald hexa iber indo jura kalm kest lumo maas merc mond nord nova olmo orba "
    "pell quar rhin rova saba sila tarn teno ulmo vald vest wolf xano yser zeel",
    "ria nex tis mont dal ger lux tek vira stone berg plan mar val ton dor via rex",
    "Engineering Logistics Consulting Bakery Software Pharma Steel Interiors Energy Foods "
    "Printing Textiles Chemicals Optics Dental Robotics Ceramics Shipping",
    "Kerkstraat Hauptstrasse Highstreet Stationsplein Lindenlaan Marktweg Molenstraat",
)
_STEMS, _ENDINGS, _TRADES, _STREETS = (words.split() for words in _WORDS)
_FORMS = {
    "BE": ("NV", "BV", "SA", "SRL"),
    "NL": ("BV", "B.V."),
    "DE": ("GmbH", "AG", "GmbH & Co. KG"),
    "FR": ("SARL", "SA", "SAS"),
    "GB": ("Ltd", "Limited", "PLC"),
    "IT": ("SpA", "Srl"),
}
_SPELLED = {
    "NV": "n.v.",
    "BV": "B.V.",
    "SA": "S.A.",
    "GmbH": "GMBH",
    "AG": "A.G.",
    "SARL": "S.A.R.L.",
    "Ltd": "Ltd.",
    "Limited": "Ltd",
    "SpA": "S.p.A.",
    "Srl": "S.r.l.",
    "GmbH & Co. KG": "GmbH u. Co KG",
}
_FREE = ("gmail.com", "outlook.com", "telenet.be", "gmx.de", "orange.fr")
_ACCENTS = str.maketrans({"e": "é", "o": "ö", "a": "à"})


@dataclass(frozen=True)
class Made:
    """A customer as one system has it. `firm` is who it truly is; `first` says that no one before
    was the same firm; `by_hand`, that people typed it into Odoo."""

    firm: int
    customer: Customer
    system: str
    first: bool
    by_hand: bool = False

    @property
    def party(self) -> Party:
        return Party.of(self.customer)


def made(count: int = CUSTOMERS, seed: int = SEED) -> list[Made]:
    """So many customers, three fifths of them firms of their own; the same for one seed."""
    chance = random.Random(seed)  # noqa: S311 (the same list for one seed)
    firms = count * FIRMS // CUSTOMERS
    firsts = _firms(chance, firms)
    doubles = [_double(chance, chance.choice(firsts), number) for number in range(count - firms)]
    return [*firsts, *doubles]


# --- firms ----------------------------------------------------------------------------------------


def _firms(chance: random.Random, count: int) -> list[Made]:
    """Firms of their own, a third of which are easily taken for another one: of its group, at its
    domain or house, of its name elsewhere, or with the next number."""
    found: list[Made] = []
    while len(found) < count:
        number = len(found)
        like = chance.choice(found) if found and chance.random() < 0.33 else None
        customer = _sister(chance, like.customer, number) if like else _firm(chance, number)
        system = chance.choice(("hubspot", "salesforce"))
        by_hand = chance.random() < _TYPED_BY_HAND
        found.append(Made(number, customer, system, first=True, by_hand=by_hand))
    return found


def _firm(chance: random.Random, number: int) -> Customer:
    country = chance.choice(list(_FORMS))
    stem = f"{chance.choice(_STEMS)}{chance.choice(_ENDINGS)}{chance.choice(_STEMS)}".capitalize()
    name = f"{stem} {chance.choice(_TRADES)}"
    domain = f"{stem.lower()}{number}.example"
    if chance.random() < 0.2:
        domain = chance.choice(_FREE)
    return Customer(
        key=f"C{number}",
        name=f"{name} {chance.choice(_FORMS[country])}",
        country=country,
        vat_number=_vat(chance, country) if chance.random() < 0.7 else None,
        billing_email=f"{stem.lower()}.{number}@{domain}",
        **_house(chance),
    )


def _sister(chance: random.Random, like: Customer, number: int) -> Customer:
    """Another firm, with something of that one."""
    country = like.country
    domain = like.billing_email.partition("@")[2]
    own = _firm(chance, number)
    stem, *trade = like.name.split()
    group = {"billing_email": f"ap{number}@{domain}", "vat_number": _vat(chance, country)}
    kinds: list[Callable[[], dict[str, Any]]] = [
        # A subsidiary of the group at its house, with its own number.
        lambda: {
            **group,
            "name": f"{stem} {chance.choice(_TRADES)} {like.name.split()[-1]}",
        },
        # One of the same name in another country.
        lambda: _abroad(chance, like, number),
        # One of the same name in another town, that has nothing to do with it.
        lambda: {"name": like.name, "country": country, "vat_number": None, **_house(chance)},
        # The next of a row.
        lambda: {**group, "name": f"{stem} {number} {' '.join(trade)}"},
        # A neighbour in the same building.
        lambda: {"street": like.street, "zip": like.zip, "city": like.city},
    ]
    base = {"country": country, "vat_number": _vat(chance, country)}
    return _with(own, {**base, **chance.choice(kinds)()})


def _abroad(chance: random.Random, like: Customer, number: int) -> dict[str, Any]:
    country = chance.choice([code for code in _FORMS if code != like.country])
    name = f"{' '.join(like.name.split()[:2])} {_FORMS[country][0]}"
    return {
        "country": country,
        "name": name,
        "vat_number": _vat(chance, country),
        "billing_email": f"ap@abroad{number}.example",
        **_house(chance),
    }


def _house(chance: random.Random) -> dict[str, str]:
    return {
        "street": f"{chance.choice(_STREETS)} {chance.randrange(1, 180)}",
        "zip": str(chance.randrange(1000, 9999)),
        "city": chance.choice(("Ghent", "Lyon", "Essen", "Leeds", "Turin", "Breda")),
    }


def _vat(chance: random.Random, country: str) -> str:
    """A valid number: tried until its check digits add up."""
    while True:
        digits = "".join(chance.choice("0123456789") for _ in range(9))
        number = _written(digits, country)
        if vat_problem(number, country) is None:
            return number


def _written(digits: str, country: str) -> str:
    match country:
        case "BE":
            return f"BE0{digits[:7]}{97 - int(digits[:7]) % 97:02d}"
        case "NL":
            return f"NL{digits}B01"
        case "FR":
            return f"FR{(12 + 3 * (int(digits) % 97)) % 97:02d}{digits}"
        case "GB":
            total = sum(int(digit) * (8 - at) for at, digit in enumerate(digits[:7]))
            return f"GB{digits[:7]}{97 - total % 97:02d}"
        case "IT":
            return f"IT{digits[:7]}001{luhn.calc_check_digit(f'{digits[:7]}001')}"
    return f"{country}{digits}"


# --- doubles --------------------------------------------------------------------------------------


def _double(chance: random.Random, of: Made, number: int) -> Made:
    """The same firm as another system has it: one to three things are otherwise."""
    customer = of.customer.model_copy(update={"key": f"D{number}"})
    for change in chance.sample(_CHANGES, chance.choice((1, 2, 2, 3))):
        customer = _with(customer, change(chance, customer))
    system = "salesforce" if of.system == "hubspot" else "hubspot"
    return Made(of.firm, customer, system, first=False)


def _with(customer: Customer, values: dict[str, Any]) -> Customer:
    return Customer.model_validate({**customer.model_dump(mode="json"), **values})


Change = Callable[[random.Random, Customer], dict[str, Any]]


def _typo(chance: random.Random, customer: Customer) -> dict[str, Any]:
    name, at = customer.name, chance.randrange(2, 8)
    wrong = (
        name[:at] + name[at + 1] + name[at] + name[at + 2 :],
        name[:at] + name[at + 1 :],
        name[:at] + name[at] + name[at:],
    )
    return {"name": chance.choice(wrong)}


def _other_form(chance: random.Random, customer: Customer) -> dict[str, Any]:
    words, form = _parted(customer)
    return {"name": f"{words} {chance.choice(('', _SPELLED.get(form, form), form.lower()))}"}


def _parted(customer: Customer) -> tuple[str, str]:
    """The name without its legal form, and that."""
    forms = sorted(_FORMS[customer.country], key=len, reverse=True)
    form = next((form for form in forms if customer.name.endswith(f" {form}")), "")
    return customer.name.removesuffix(form).strip(), form


def _accents(chance: random.Random, customer: Customer) -> dict[str, Any]:
    words, form = _parted(customer)
    return {"name": f"{words.translate(_ACCENTS)} {form}".strip()}


def _capitals(chance: random.Random, customer: Customer) -> dict[str, Any]:
    return {"name": customer.name.upper().replace(" ", ", ", 1)}


def _no_number(chance: random.Random, customer: Customer) -> dict[str, Any]:
    return {"vat_number": None}


def _moved(chance: random.Random, customer: Customer) -> dict[str, Any]:
    return _house(chance)


def _other_mailbox(chance: random.Random, customer: Customer) -> dict[str, Any]:
    domain = customer.billing_email.partition("@")[2]
    return {"billing_email": f"invoices{chance.randrange(99)}@{domain}"}


def _free_mail(chance: random.Random, customer: Customer) -> dict[str, Any]:
    local = customer.billing_email.partition("@")[0]
    return {"billing_email": f"{local}@{chance.choice(_FREE)}"}


def _no_address(chance: random.Random, customer: Customer) -> dict[str, Any]:
    return {"street": "", "zip": "", "city": ""}


def _short_street(chance: random.Random, customer: Customer) -> dict[str, Any]:
    return {"street": customer.street.replace("straat", "str.").replace("strasse", "str.")}


_CHANGES: tuple[Change, ...] = (
    *(_typo, _other_form, _other_form, _accents, _capitals, _no_number, _no_number, _moved),
    *(_other_mailbox, _other_mailbox, _free_mail, _no_address, _short_street),
)


# --- what came of it ------------------------------------------------------------------------------


@dataclass
class Score:
    """What became of the list. `asked` are firms that are none, and were asked about."""

    doubles: int = 0
    linked: int = 0
    parked: int = 0
    missed: int = 0
    wrong: int = 0
    asked: int = 0

    @property
    def caught(self) -> float:
        return (self.linked + self.parked) / self.doubles

    def count(self, one: Made, firm: int | None, *, is_parked: bool) -> None:
        """`firm` is whose partner it was linked to; None where a new one was created."""
        self.doubles += not one.first
        if is_parked:
            self.parked += not one.first
            self.asked += one.first
        elif firm is not None and firm != one.firm:
            self.wrong += 1
        elif not one.first:
            self.linked += firm is not None
            self.missed += firm is None

    def __str__(self) -> str:
        return (
            f"{self.wrong} wrong, {self.linked} linked, {self.parked} parked, {self.missed} "
            f"missed of {self.doubles} doubles; {self.asked} other firms asked about"
        )


@benchmark("customers", about="doubles among 2,000 customers, found or missed", minutes=20)
async def customers(bench: Bench) -> None:
    """The share of the doubles that are linked to their firm, or that a person is asked about;
    nobody may be linked to another firm."""
    listed = made(bench.size(full=CUSTOMERS, quick=200))
    with bench.odoo() as odoo:
        before, started = odoo.calls(), time.monotonic()
        client = odoo.client()
        try:
            score = await asyncio.to_thread(_tried, client, listed)
        finally:
            client.close()
        seconds = time.monotonic() - started
        calls: Counter[str] = odoo.calls() - before
    bench.say(f"{score}; {calls.total() / len(listed):.2f} calls and {seconds:.0f} s in all")
    bench.report("customers_wrong", score.wrong, at_most(0), customers=len(listed))
    bench.report(
        "customers",
        score.caught,
        at_least(0.95),
        customers=len(listed),
        seconds=seconds,
        calls=calls,
        **vars(score),
    )


def _tried(odoo: OdooClient, listed: Sequence[Made]) -> Score:
    """First the firms, then the doubles, many at the same time; nobody answers a question."""
    score, owner = Score(), dict[int, int]()
    firsts = [one for one in listed if one.first]
    _type_by_hand(odoo, [one for one in firsts if one.by_hand], owner)
    for part in (
        [one for one in firsts if not one.by_hand],
        [one for one in listed if not one.first],
    ):
        with ThreadPoolExecutor(_THREADS) as pool:
            outcomes = list(pool.map(lambda one: _outcome(odoo, one), part))
        for one, partner in zip(part, outcomes, strict=True):
            firm = owner.get(partner) if partner is not None else None
            score.count(one, firm, is_parked=partner is None)
            if partner is not None:
                owner.setdefault(partner, one.firm)
    return score


def _outcome(odoo: OdooClient, one: Made) -> int | None:
    """The partner, or None where a person is asked."""
    try:
        return find_or_create_customer(odoo, one.customer, Source(system=one.system, id="1"))
    except BusinessRefusal:
        return None


def _type_by_hand(odoo: OdooClient, listed: Sequence[Made], owner: dict[int, int]) -> None:
    """As people type customers into Odoo: numbers with blanks and dots, or none."""
    chance = random.Random(SEED)  # noqa: S311
    countries = {
        row["code"]: row["id"]
        for row in odoo.search_read("res.country", [("code", "in", list(_FORMS))], ["code"])
    }
    rows = [_typed(chance, one.customer, countries) for one in listed]
    ids = odoo.create("res.partner", rows, context={"no_vat_validation": True})
    owner.update(zip(ids, (one.firm for one in listed), strict=True))


def _typed(chance: random.Random, customer: Customer, countries: dict[str, int]) -> dict[str, Any]:
    return {
        "name": customer.name,
        "is_company": True,
        "country_id": countries[customer.country],
        "vat": _as_typed(chance, customer.vat_number or "", customer.country),
        "email": customer.billing_email,
        "street": customer.street,
        "zip": customer.zip,
        "city": customer.city,
    }


def _as_typed(chance: random.Random, number: str, country: str) -> str:
    """With blanks and dots where Odoo takes that, or not at all."""
    bare = number.removeprefix(country)
    dotted = f"BE {bare[:4]}.{bare[4:7]}.{bare[7:]}" if country == "BE" and number else number
    return chance.choice((number, number.lower(), dotted, ""))
