"""What the activities need of Odoo: what their modules declare, put together model by model.

`c2c check` asks an Odoo for all of it. A test runs every activity and compares what each module
uses with what it declares.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import activities.odoo
from activities.odoo.needs import Need


def _declared() -> Iterator[tuple[str, tuple[Need, ...]]]:
    """What each module beside this one that calls Odoo declares, by the module's name."""
    prefix = f"{activities.odoo.__name__}."
    for found in pkgutil.iter_modules(activities.odoo.__path__, prefix):
        if found.name != __name__ and hasattr(
            module := importlib.import_module(found.name), "NEEDS"
        ):
            yield found.name, module.NEEDS


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


BY_MODULE: Mapping[str, tuple[Need, ...]] = dict(_declared())
"""What each module that calls Odoo declares."""

NEEDS: Mapping[str, Need] = merged(need for declared in BY_MODULE.values() for need in declared)
"""Every model the activities touch."""
