"""Which states are the same: those between which nothing that comes makes a difference."""

from __future__ import annotations

from typing import Any

from tests.explore.digests import digest, first_of
from tests.explore.properties import left_in_odoo
from tests.explore.world import Invoice, World


def canonical(world: World) -> int:
    """A number that is the same for the same states (and for others by a chance of 2 ** -64)."""
    return with_budget(place_of(world), world)


def with_budget(place: int, world: World) -> int:
    return hash((place, world.budget))


def place_of(world: World) -> int:
    """The same, whatever may still happen that nobody has to do."""
    return hash(
        (
            digest(world.contract),
            digest(world.odoo),
            world.clock,
            *((number, digest(item)) for number, item in world.invoices.items()),
            digest(world.requests),
            digest(world.landed),
            digest(world.mail),
            world.skipped,
            digest(world.credits),
            world.amended,
        )
    )


def shared(world: World) -> World:
    """The world, with states that were seen before in place of the same ones: what was asked about
    those is known. Of the texts in journals only those count that a property asks for; so all that
    the way here has left in them is checked before."""
    changes: dict[str, Any] = {}
    contract = first_of(world.contract, world.contract.clock)
    if contract is not world.contract:
        changes["contract"] = contract
    invoices = {
        number: first
        for number, invoice in world.invoices.items()
        if (first := _first_invoice(invoice)) is not invoice
    }
    if invoices:
        changes["invoices"] = {**world.invoices, **invoices}
    return world.replace(**changes) if changes else world


def _first_invoice(invoice: Invoice) -> Invoice:
    return first_of(invoice, invoice.state.clock, *left_in_odoo(invoice.state.journal))
