"""What the modules of activities/odoo need, put together model by model."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import activities.odoo
from activities.odoo.needs import ACCOUNTING, SALES, USER, Need
from activities.odoo.requirements import BY_MODULE, NEEDS, merged


def test_needs_of_a_model_are_put_together() -> None:
    one = Need("res.partner", ("name", "email"), access=USER, rights=("create",), only_for="some")
    other = Need("res.partner", ("email", "vat"), access=USER, methods=("merge",))
    [(model, need)] = merged([one, other]).items()
    assert (model, need.fields) == ("res.partner", ("name", "email", "vat"))
    assert (need.rights, need.methods, need.only_for) == (("create",), ("merge",), "")
    assert merged([one, one]) == {"res.partner": one}


def test_a_model_comes_from_one_module_of_odoo() -> None:
    one, other = Need("account.move", (), access=ACCOUNTING), Need("account.move", (), access=SALES)
    with pytest.raises(ValueError, match=r"account\.move is expected of"):
        merged([one, other])


def test_every_module_s_needs_are_checked() -> None:
    """What `c2c check` asks for is all that the modules declare."""
    for need in (item for needs in BY_MODULE.values() for item in needs):
        assert set(need.fields) <= set(NEEDS[need.model].fields)
        assert set(need.rights) <= set(NEEDS[need.model].rights)


def test_no_module_s_needs_are_left_out() -> None:
    """A module is listed, or another that is listed names its needs as its own: what writes the
    rows of an invoice, and what reads them."""
    listed = {need for declared in BY_MODULE.values() for need in declared}
    found = {
        name: module.NEEDS
        for _, name, _ in pkgutil.iter_modules(activities.odoo.__path__, "activities.odoo.")
        if hasattr(module := importlib.import_module(name), "NEEDS")
    }
    del found["activities.odoo.requirements"]
    assert set(BY_MODULE) <= set(found)
    assert [name for name, needs in found.items() if not listed.issuperset(needs)] == []
