"""Each canonical field has one owner, and Odoo's are written once only."""

from __future__ import annotations

import pytest

from contracts.ownership import OWNERS, Owner, create_once


@pytest.mark.parametrize(
    ("field", "owner"),
    [
        ("deal.stage", Owner.CRM),
        ("deal.c2c_status", Owner.CONTRACT),
        ("customer.identity", Owner.CRM),
        ("customer.vat_number", Owner.ODOO),
        ("contract.milestones", Owner.CONTRACT),
        ("milestone.deadline", Owner.ODOO),
        ("milestone.reached", Owner.CONTRACT),
        ("draft_invoice.lines", Owner.CONTRACT),
        ("invoice.balance", Owner.ODOO),
        ("payment", Owner.ODOO),
    ],
)
def test_who_owns_what(field: str, owner: Owner) -> None:
    assert OWNERS[field] is owner


@pytest.mark.parametrize(
    ("fields", "once"),
    [
        (("customer.name", "customer.vat_number"), True),
        (("project.name",), True),
        (("project.archived",), False),
        (("milestone.reached",), False),
        (("draft_invoice.lines", "draft_invoice.references"), False),
        # One field of Odoo's is enough: the whole write may only create.
        (("milestone.reached", "milestone.name"), True),
        (("deal.stage",), False),
        ((), False),
    ],
)
def test_what_people_edit_in_odoo_is_written_once(fields: tuple[str, ...], once: bool) -> None:
    assert create_once(*fields) is once


def test_a_field_without_an_owner_is_not_written_at_all() -> None:
    with pytest.raises(KeyError):
        create_once("milestone.reached", "milestone.colour")
