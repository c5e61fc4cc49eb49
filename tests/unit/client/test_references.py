"""References: every way people name a contract or an invoice, and the ways that name neither."""

from __future__ import annotations

import pytest

from starters.client.references import (
    BadReference,
    Entities,
    any_id,
    contract_id,
    invoice_id,
    short,
)

ONE = Entities(default=lambda: "northwind", known=lambda: frozenset({"northwind"}))


def _unknown() -> str:
    raise BadReference("which legal entity?")


NONE = Entities(default=_unknown)


@pytest.mark.parametrize("text", ["C-1", "northwind/C-1", "contract/northwind/C-1", " /C-1/ "])
def test_every_form_of_a_contract(text: str) -> None:
    assert contract_id(text, ONE) == "contract/northwind/C-1"


@pytest.mark.parametrize(
    "text",
    [
        "C-1/2",
        "C-1/invoice/2",
        "northwind/C-1/2",
        "northwind/C-1/invoice/2",
        "contract/northwind/C-1/2",
        "contract/northwind/C-1/invoice/2",
    ],
)
def test_every_form_of_an_invoice(text: str) -> None:
    assert invoice_id(text, ONE) == "contract/northwind/C-1/invoice/2"
    assert any_id(text, ONE) == "contract/northwind/C-1/invoice/2"


def test_full_references_need_no_configuration() -> None:
    assert contract_id("acme/C-1", NONE) == "contract/acme/C-1"
    assert invoice_id("acme/C-1/1", NONE) == "contract/acme/C-1/invoice/1"
    with pytest.raises(BadReference, match="which legal entity"):
        contract_id("C-1", NONE)


def test_a_number_after_a_legal_entity_is_a_contract() -> None:
    assert any_id("northwind/1001", ONE) == "contract/northwind/1001"
    assert any_id("C-1/1001", ONE) == "contract/northwind/C-1/invoice/1001"
    assert any_id("contract/elsewhere/1001", ONE) == "contract/elsewhere/1001"
    with pytest.raises(BadReference, match="which invoice"):
        invoice_id("northwind/1001", ONE)


def test_an_invoice_is_no_contract_and_says_so() -> None:
    with pytest.raises(BadReference, match="'C-1/2' is an invoice; write its contract as"):
        contract_id("C-1/2", ONE)
    assert contract_id("contract/C-1/2", ONE) == "contract/C-1/2"
    assert contract_id("acme/2", NONE) == "contract/acme/2"


@pytest.mark.parametrize("text", ["", "a/b/c/d/e", "a b", "../x", "contract/a/b/c", "a//b"])
def test_what_names_nothing_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(BadReference, match="write it as"):
        contract_id(text, ONE)


@pytest.mark.parametrize("text", ["C-1", "northwind/C-1", "C-1/0", "C-1/x", "contract/a/1"])
def test_an_invoice_needs_its_number(text: str) -> None:
    with pytest.raises(BadReference, match="invoice"):
        invoice_id(text, ONE)


def test_short_is_what_people_type() -> None:
    assert short("contract/northwind/C-1") == "northwind/C-1"
    assert short("contract/northwind/C-1/invoice/2") == "northwind/C-1/2"
    assert short("something-else") == "something-else"
