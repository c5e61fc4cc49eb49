"""The invoice proposal, and the hash that binds an approval to all of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.billing import account
from contracts.billing.account import Composition
from contracts.billing.lines import InvoiceKind, InvoiceProposal, Line
from contracts.model import Contract
from contracts.money import Money
from tests.unit.examples import MONDAY, contract, euros, proposal

LINE = proposal().lines[0]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
keys = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,9}", fullmatch=True)
lines = st.builds(
    Line,
    key=keys,
    order_line=keys,
    service_code=texts,
    description=texts,
    quantity=st.decimals("-9", "9", places=2),
    unit_price=st.decimals(0, 10**6, places=6),
    amount=st.integers(1, 10**9).map(lambda cents: Money.rounded(cents, "EUR")),
)
proposals = st.builds(
    InvoiceProposal,
    contract_id=keys,
    legal_entity=keys,
    number=st.integers(1, 500),
    kind=st.sampled_from(InvoiceKind),
    credited_number=st.integers(0, 3),
    title=texts,
    customer_key=keys,
    reason=texts,
    as_planned=st.booleans(),
    customer_name=texts,
    billing_email=st.sampled_from(["ap@acme.example", "ap@acme.example.com"]),
    lines=st.lists(lines, min_size=1, max_size=3).map(tuple),
    payment_term=st.sampled_from(["", "30 Days"]),
    purchase_order=st.sampled_from(["", "PO-77"]),
    proposed_on=st.dates(),
)

CHANGES: dict[str, Any] = {
    "contract_id": "C-2",
    "legal_entity": "southwind",
    "number": 2,
    "kind": InvoiceKind.CREDIT_NOTE,
    "credited_number": 1,
    "title": "another",
    "customer_key": "other",
    "reason": "because",
    "as_planned": False,
    "customer_name": "Acme SA",
    "billing_email": "invoices@acme.example",
    "lines": (LINE, LINE),
    "payment_term": "60 Days",
    "purchase_order": "PO-78",
    "proposed_on": MONDAY + timedelta(days=1),
}
LINE_CHANGES: dict[str, Any] = {
    "key": "design-2",
    "order_line": "design-2",
    "quantity": LINE.quantity * 2,
    "unit_price": LINE.unit_price * 2,
    "service_code": "TRAIN",
    "description": f"{LINE.description} ",
    "amount": LINE.amount + euros("0.01"),
}


def proposals_of(agreed: Contract, *milestones: str) -> list[InvoiceProposal]:
    """The milestones' invoices, all proposed on that Monday."""
    billing, made = account.begin(agreed, MONDAY), []
    for number, key in enumerate(milestones, start=1):
        billing = account.reach(billing, key, MONDAY)
        composed = account.compose(billing, f"milestone:{key}", number, MONDAY)
        assert isinstance(composed, Composition)
        assert composed.proposal is not None
        billing = account.propose(billing, composed)
        made.append(composed.proposal)
    return made


def test_a_reached_milestone_becomes_a_proposal_of_one_line() -> None:
    made = proposal()
    assert made.lines == (
        Line(
            key="1.1",
            order_line="design",
            service_code="BUILD",
            description="ERP roll-out – Design",
            unit_price=Decimal(3000),
            amount=euros("3000.00"),
        ),
    )
    assert (made.contract_id, made.legal_entity, made.number) == ("C-1", "northwind", 1)
    assert (made.title, made.customer_key) == ("ERP roll-out – Design", "acme")
    assert (made.customer_name, made.billing_email) == ("Acme NV", "ap@acme.example")
    assert (made.payment_term, made.purchase_order) == ("30 Days", "PO-77")
    assert (made.kind, made.as_planned) == (InvoiceKind.INVOICE, True)
    assert made.proposed_on == MONDAY


def test_it_is_billed_to_the_customer_as_the_contract_stands_now() -> None:
    signed = contract()
    customer = {"name": "Acme Holding", "billing_email": "holding@acme.example"}
    moved = signed.customer.model_copy(update=customer)
    now = signed.model_copy(update={"customer": moved})
    billing = account.reach(account.begin(signed, MONDAY), "design", MONDAY)
    billing = account.adopt(billing, now, MONDAY)
    made = account.compose(billing, "milestone:design", 1, MONDAY)
    assert isinstance(made, Composition)
    assert made.proposal is not None
    assert made.proposal.customer_name == "Acme Holding"
    assert made.proposal.billing_email == "holding@acme.example"


def test_the_proposals_of_a_contract_add_up_to_its_value() -> None:
    signed = contract()
    made = proposals_of(signed, *(item.key for item in signed.milestones))
    assert Money.total((item.amount for item in made), "EUR") == signed.value
    assert len({item.content_hash for item in made}) == len(made)


def test_a_proposals_amount_is_the_sum_of_its_lines() -> None:
    two = proposal().model_copy(update={"lines": (LINE, LINE)})
    assert two.amount == euros("6000.00")


def test_a_proposal_of_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least 1"):
        InvoiceProposal.model_validate(proposal().model_dump() | {"lines": []})


def test_a_proposal_to_no_address_is_refused() -> None:
    with pytest.raises(ValidationError, match="e-mail address"):
        InvoiceProposal.model_validate(proposal().model_dump() | {"billing_email": "Mr. Acme"})


# --- the content an approval is bound to ----------------------------------------------------


def test_no_field_is_forgotten_below() -> None:
    assert CHANGES.keys() == InvoiceProposal.model_fields.keys()
    assert LINE_CHANGES.keys() == Line.model_fields.keys()


@pytest.mark.parametrize("field", CHANGES)
def test_a_change_of_any_field_changes_the_hash(field: str) -> None:
    changed = proposal().model_copy(update={field: CHANGES[field]})
    assert changed.content_hash != proposal().content_hash


@pytest.mark.parametrize("field", LINE_CHANGES)
def test_a_change_of_any_field_of_a_line_changes_the_hash(field: str) -> None:
    line = LINE.model_copy(update={field: LINE_CHANGES[field]})
    assert proposal().model_copy(update={"lines": (line,)}).content_hash != proposal().content_hash


@given(proposals, proposals, st.data())
def test_two_contents_have_two_hashes_and_one_content_has_one(
    one: InvoiceProposal, other: InvoiceProposal, data: st.DataObject
) -> None:
    """From one proposal to the other by any of the fields, in any combination."""
    fields = data.draw(st.sets(st.sampled_from(sorted(InvoiceProposal.model_fields))))
    mixed = one.model_copy(update={name: getattr(other, name) for name in fields})
    assert (mixed.content_hash == one.content_hash) == (mixed == one)


@given(proposals)
def test_the_hash_survives_json(made: InvoiceProposal) -> None:
    read = InvoiceProposal.model_validate_json(made.model_dump_json())
    assert read == made
    assert read.content_hash == made.content_hash


def test_the_hash_is_the_same_in_every_release() -> None:
    """Approvals given under one release hold under the next, unless the content's shape changes:
    then change this, and say in the change log that open approvals are asked for again."""
    expected = "c3b96431c2e1178fd032d23ce5397c0cc8268b7d3f8b853a3d9f82c4eb9d1a60"
    assert proposal().content_hash == expected
