"""Business keys: the same contract gives the same ids, two contracts never share one."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from contracts.identifiers import (
    KEY,
    contract_workflow_id,
    deal_contract_id,
    external_id,
    invoice_workflow_id,
    is_invoice_workflow_id,
)

keys = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True)


def test_ids_are_made_of_business_keys() -> None:
    workflow_id = contract_workflow_id("northwind", "C-1")
    assert workflow_id == "contract/northwind/C-1"
    assert invoice_workflow_id(workflow_id, 2) == "contract/northwind/C-1/invoice/2"
    assert deal_contract_id("hubspot", "9001") == "hubspot-9001"


@pytest.mark.parametrize("text", ["a", "C-1", "9001", "hubspot-9001", "a_b", "x" * 64])
def test_what_a_key_may_be(text: str) -> None:
    assert KEY.match(text)


@pytest.mark.parametrize(
    "text", ["", "-a", "_a", "a b", "a/b", "a.b", "é", "a\n", "a\r", "٣", "x" * 65, "../a"]
)
def test_what_a_key_may_not_be(text: str) -> None:
    assert not KEY.match(text)


@given(keys, keys, keys, keys)
def test_two_contracts_have_two_workflows(a: str, b: str, c: str, d: str) -> None:
    assert (contract_workflow_id(a, b) == contract_workflow_id(c, d)) == ((a, b) == (c, d))


@given(keys, keys, st.integers(1, 500))
@pytest.mark.parametrize("word", [None, "invoice", "contract"])
def test_a_contracts_workflow_is_told_from_its_invoices(
    word: str | None, entity: str, contract: str, number: int
) -> None:
    """Even where the legal entity, or the contract, is called "invoice"."""
    for workflow_id in (
        contract_workflow_id(word or entity, contract),
        contract_workflow_id(entity, word or contract),
    ):
        assert not is_invoice_workflow_id(workflow_id)
        assert is_invoice_workflow_id(invoice_workflow_id(workflow_id, number))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SO0042",
        "contract/northwind/C-1/invoice/",
        "contract/northwind/C-1/invoice/two",
        "see contract/northwind/C-1/invoice/2",
        "contract/northwind/C-1/invoice/2 (copy)",
        "contract/northwind/C-1/invoice/2\n",
    ],
)
def test_what_people_write_for_an_origin_is_no_workflow(text: str) -> None:
    assert not is_invoice_workflow_id(text)


# --- Odoo's external ids --------------------------------------------------------------------


def test_an_external_id_never_changes_once_given() -> None:
    """Odoo holds records by these: a release that made others would create everything again."""
    assert external_id("order", "northwind", "C-1") == "c2c.order_northwind-C-1_7b6d7669"
    assert external_id("invoice", "northwind", "C-1", 2) == "c2c.invoice_northwind-C-1-2_e6826777"


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_odoo_accepts_every_external_id(parts: list[str]) -> None:
    assert re.fullmatch(
        r"c2c\.order-line_[A-Za-z0-9-]{0,80}_[0-9a-f]{8}", external_id("order-line", *parts)
    )


@given(st.lists(keys, min_size=1, max_size=3), st.lists(keys, min_size=1, max_size=3))
def test_two_records_have_two_external_ids(one: list[str], other: list[str]) -> None:
    assume(one != other)
    assert external_id("task", *one) != external_id("task", *other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "b-c"), ("a-b", "c")),
        (("a_b", "c"), ("a-b", "c")),
        (("a", "b"), ("a", "b", "")),
        (("x" * 64, "y" * 64, "1"), ("x" * 64, "y" * 64, "2")),
    ],
)
def test_keys_that_look_alike_once_joined_are_kept_apart(
    one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    assert external_id("task", *one) != external_id("task", *other)


@given(keys)
def test_two_kinds_of_record_have_two_external_ids(key: str) -> None:
    kinds = ["customer", "project", "order", "order-line", "invoice", "invoice-line", "task"]
    assert len({external_id(kind, key) for kind in kinds}) == len(kinds)
