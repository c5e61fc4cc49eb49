"""What the modules of activities/odoo need, put together model by model."""

from __future__ import annotations

import pytest

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


def test_every_module_that_declares_needs_is_found() -> None:
    assert {"activities.odoo.invoices", "activities.odoo.invoice_content"} <= set(BY_MODULE)
    assert "activities.odoo.requirements" not in BY_MODULE
    assert len(BY_MODULE) > 15
