"""Templates, and how money, days, ages and remote text are shown in them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from contracts.approvals import HASH_PREFIX
from contracts.money import Money
from contracts.page_addresses import place_of
from starters.client.references import short
from starters.web.pages import static

CUT = 300
"""How much of a text of others is shown in a row."""
NOTHING = "–"


def money(value: Money | None) -> Markup:
    """An amount with its digits in groups and its currency; no line breaks within it."""
    if value is None:
        return Markup('<span class="none">–</span>')
    # Digits and three letters: there is nothing to escape, and a list has hundreds of them.
    text = f'<span class="money">{value.amount:,f}&nbsp;<small>{value.currency}</small></span>'
    return Markup(text)  # noqa: S704


def day(value: date | datetime | None, zone: str = "UTC") -> str:
    """A day such as `14 Aug 2026`; of a moment (aware), the day in the zone."""
    if value is None:
        return NOTHING
    if isinstance(value, datetime):
        value = value.astimezone(ZoneInfo(zone)).date()
    return f"{value.day} {value:%b %Y}"


def moment(value: datetime | None, zone: str = "UTC") -> str:
    """A moment (aware) to the minute, in the zone."""
    if value is None:
        return NOTHING
    there = value.astimezone(ZoneInfo(zone))
    return f"{day(value, zone)}, {there:%H:%M}"


def age(value: date | datetime | None, zone: str = "UTC", now: datetime | None = None) -> str:
    """How long ago that was, in whole days in the zone: `today`, `1 day`, `12 days`."""
    if value is None:
        return NOTHING
    today = (now or datetime.now(UTC)).astimezone(ZoneInfo(zone)).date()
    since = value.astimezone(ZoneInfo(zone)).date() if isinstance(value, datetime) else value
    days = (today - since).days
    if days == 0:
        return "today"
    return f"{days} day" if days == 1 else f"{days} days"


def cut(text: object, letters: int = CUT) -> str:
    """Text of others: one line, without what is invisible or turns the direction of writing, and
    no longer than this. The template escapes it."""
    text = str(text)
    if len(text) <= letters and text.isprintable() and "  " not in text:
        return text.strip()
    shown = "".join(
        " " if letter.isspace() else letter
        for letter in text[: letters * 4]
        if letter.isspace() or unicodedata.category(letter) not in ("Cc", "Cf", "Co", "Cn", "Cs")
    )
    shown = " ".join(shown.split())
    return shown if len(shown) <= letters else shown[: letters - 1].rstrip() + "…"


def near(text: object, person: str) -> str:
    """A text in which people of the same domain as this person are named without it."""
    _, at, domain = person.partition("@")
    return str(text).replace(f"@{domain}", "") if at and domain else str(text)


def prefix(content_hash: str) -> str:
    """What people see of a content hash."""
    return content_hash[:HASH_PREFIX]


def address(path: str, params: Mapping[str, object] | None = None, **changes: object) -> str:
    """A path with what narrows it: `params` with some changed; what is empty is left out."""
    chosen = {**(params or {}), **changes}
    query = urlencode([(name, str(value)) for name, value in chosen.items() if value])
    return f"{path}?{query}" if query else path


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("starters.web.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    filters = (money, day, moment, age, cut, near, prefix, short, place_of)
    environment.filters.update({item.__name__: item for item in filters})
    environment.globals.update(static=static.address, address=address)
    return environment


ENVIRONMENT = _environment()


def rendered(template: str, context: Mapping[str, Any]) -> str:
    """A page; of one that is `is_partial` what is inside the layout."""
    return ENVIRONMENT.get_template(template).render(context)
