"""What invoices, credit notes and journal entries have in common in Odoo: they are posted."""

from __future__ import annotations

from activities.odoo.buttons import press
from activities.odoo.contexts import UNTRACKED
from activities.odoo.needs import ACCOUNTING, Need
from gateways.odoo import OdooClient

NEEDS = (Need("account.move", ("state",), access=ACCOUNTING, methods=("action_post",)),)


def post(odoo: OdooClient, entry: int) -> None:
    """Post a draft; one that was posted meanwhile is a success."""
    press(
        odoo,
        "account.move",
        "action_post",
        entry,
        is_pressed=lambda: state_of(odoo, entry) == "posted",
        context=UNTRACKED,
    )


def state_of(odoo: OdooClient, entry: int) -> str:
    """`draft`, `posted` or `cancel`."""
    [row] = odoo.read("account.move", [entry], ["state"])
    return str(row["state"])
