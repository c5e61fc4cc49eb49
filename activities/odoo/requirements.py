"""What the activities need of Odoo: what their modules declare, put together model by model.

`c2c check` asks an Odoo for all of it. A test runs every activity and compares what each module
uses with what it declares.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from activities.odoo import (
    balances,
    catalogue,
    chatter,
    delivery,
    entries,
    expenses,
    invoices,
    milestones,
    order_totals,
    orders,
    partners,
    payments,
    projects,
    reconciliation,
    sweeps,
    tasks,
    timesheets,
    write_offs,
)
from activities.odoo.needs import Need

BY_MODULE: Mapping[str, tuple[Need, ...]] = {
    module.__name__: module.NEEDS
    for module in (
        balances,
        catalogue,
        chatter,
        delivery,
        entries,
        expenses,
        invoices,
        milestones,
        order_totals,
        orders,
        partners,
        payments,
        projects,
        reconciliation,
        sweeps,
        tasks,
        timesheets,
        write_offs,
    )
}
"""What each module that calls Odoo declares."""


def merged(needs: Iterable[Need]) -> dict[str, Need]:
    """One need for each model, with the fields, rights and methods of all; by model.

    Raises ValueError where two of them expect different modules or groups to give the same model.
    """
    found: dict[str, Need] = {}
    for need in needs:
        found[need.model] = _both(found.get(need.model, need), need)
    return dict(sorted(found.items()))


def _both(one: Need, other: Need) -> Need:
    if one.access != other.access:
        raise ValueError(f"{one.model} is expected of {one.access} and of {other.access}")
    return replace(
        one,
        fields=_union(one.fields, other.fields),
        rights=_union(one.rights, other.rights),
        methods=_union(one.methods, other.methods),
        # Where any contract needs the model, they all do.
        only_for=one.only_for if one.only_for == other.only_for else "",
    )


def _union(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))


NEEDS: Mapping[str, Need] = merged(need for declared in BY_MODULE.values() for need in declared)
"""Every model the activities touch."""
