"""Users of Odoo by their e-mail addresses: how people are named everywhere outside it."""

from __future__ import annotations

from collections.abc import Collection

from activities.odoo.needs import USER, Need
from gateways.odoo import OdooClient

NEEDS = (Need("res.users", ("email",), access=USER),)


def users_by_email(odoo: OdooClient, people: Collection[str]) -> dict[str, int]:
    """The ids of those who are users there, by their addresses in lower case; of two with one
    address the first."""
    wanted = sorted(set(people))
    if not wanted:
        return {}
    anyone = [*["|"] * (len(wanted) - 1), *(("email", "=ilike", item) for item in wanted)]
    found = odoo.search_read("res.users", anyone, ["email"], order="id desc")
    known = {str(row["email"]).lower(): int(row["id"]) for row in found}
    # `=ilike` takes an underscore for any letter.
    return {item.lower(): known[item.lower()] for item in wanted if item.lower() in known}
