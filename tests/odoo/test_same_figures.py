"""Random invoices come to the same figures, to the cent, in the stand-in and in the real Odoo."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from gateways.odoo import OdooClient
from sandbox.real_odoo import RealOdoo
from sandbox.server import Sandbox
from tests.odoo.engagement import Engagement, engagement
from tests.odoo.helpers import COMPANY, UK, the
from tests.servers import RealServer, SandboxServer

pytestmark = pytest.mark.real

CODES = ("TRAINING", "RETAINER", "USAGE", "DEVELOPMENT", "RETAINAGE", "DEPOSIT")
INVOICES = 4
TOTALS = (
    *("amount_untaxed", "amount_tax", "amount_total"),
    *("amount_untaxed_signed", "amount_total_signed"),
)
LINE = (
    *("qty_invoiced", "qty_to_invoice", "invoice_status"),
    *("untaxed_amount_invoiced", "untaxed_amount_to_invoice"),
)
Item = tuple[str, str, str]


@pytest.fixture(scope="module")
def odoos(sandbox: Sandbox, real: RealOdoo) -> Iterator[tuple[OdooClient, OdooClient]]:
    clients = SandboxServer(sandbox).client(), RealServer(real).client()
    yield clients
    for client in clients:
        client.close()


def items(dice: random.Random) -> list[Item]:
    """Lines of any size and sign, at prices of up to six decimals."""
    found = []
    for _ in range(dice.randint(1, 6)):
        quantity = dice.choice((1, 1, 1, -1)) * dice.randint(1, 5000) / 100
        price = f"{dice.uniform(0.001, 300):.{dice.choice((0, 2, 2, 3, 6))}f}"
        found.append((dice.choice(CODES), f"{quantity:.2f}", price))
    return found


def figures(made: Engagement, move: int) -> dict[str, Any]:
    """All that either says about an invoice and its order, less the ids."""
    domain = [("move_id", "=", move)]
    fields = ["display_type", "balance", "amount_currency", "price_subtotal", "tax_base_amount"]
    lines = made.odoo.search_read("account.move.line", domain, fields)
    return {
        "invoice": _plain(the(made.odoo, "account.move", move, *TOTALS)),
        "lines": sorted(map(_plain, lines)),
        "order lines": {code: _plain(made.line(code, *LINE)) for code in CODES},
        "open": made.standing(move),
    }


def _plain(row: dict[str, Any]) -> list[tuple[str, Any]]:
    rounded = {k: round(v, 6) if isinstance(v, float) else v for k, v in row.items() if k != "id"}
    return sorted(rounded.items())


@pytest.mark.parametrize(
    ("currency", "company", "country"),
    [
        ("EUR", COMPANY, "us"),
        ("USD", COMPANY, "us"),
        ("JPY", COMPANY, "us"),
        ("KWD", COMPANY, "us"),
        ("EUR", COMPANY, "be"),
        ("GBP", UK, "uk"),
        ("EUR", UK, "uk"),
    ],
)
def test_random_invoices_come_to_the_same(
    odoos: tuple[OdooClient, OdooClient], currency: str, company: int, country: str
) -> None:
    dice = random.Random(f"{currency} {company} {country}")  # noqa: S311
    both = [
        engagement(odoo, *CODES, company=company, currency=currency, country=country)
        for odoo in odoos
    ]
    for _ in range(INVOICES):
        lines = items(dice)
        credit = dice.random() < 0.3
        drafted = [made.draft_credit(*lines) if credit else made.draft(*lines) for made in both]
        ours, theirs = (figures(made, move) for made, move in zip(both, drafted, strict=True))
        assert ours == theirs, lines
        if dict(theirs["invoice"])["amount_total"] < 0:  # neither would post that
            continue
        for made, move in zip(both, drafted, strict=True):
            made.odoo.call("account.move", "action_post", [move])
        ours, theirs = (figures(made, move) for made, move in zip(both, drafted, strict=True))
        assert ours == theirs, lines
