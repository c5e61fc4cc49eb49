"""Payments of ours: booked once for each reference, and to the same books as Odoo's wizard."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from activities.failures import BusinessRefusal
from activities.odoo.given_up import discard_payment
from activities.odoo.payments import register_payment
from contracts.invoice.messages import PaymentReceived
from contracts.money import Money
from gateways.errors import FailureKind, GatewayError
from gateways.odoo import OdooClient
from sandbox.clearing_books import JOURNAL, clearing_books
from sandbox.real_odoo import RealOdoo
from tests.odoo.engagement import Engagement, engagement
from tests.odoo.helpers import UK, business
from tests.servers import OdooServer, RealServer
from tests.world import unique

AT_ONCE = 8
ITEM = ("USAGE", "10", "10.00")


def paid(made: Engagement, invoice: int, reference: str, amount: str) -> None:
    payment = PaymentReceived(
        reference=reference, amount=Money(amount, made.currency), paid_on="2026-05-02"
    )
    register_payment(made.odoo, invoice, payment)


def payments(odoo: OdooClient, reference: str) -> list[dict[str, Any]]:
    """Of this reference, with what makes them up in the books."""
    fields = [
        *("state", "amount", "date", "payment_type", "partner_type", "partner_id", "company_id"),
        *("journal_id", "payment_method_line_id", "currency_id", "destination_account_id"),
        *("outstanding_account_id", "reconciled_invoice_ids", "move_id"),
    ]
    found = odoo.search_read("account.payment", [("memo", "=", reference)], fields)
    for row in found:
        move = row.pop("move_id")[0]
        row.pop("id")
        wanted = ["account_id", "amount_currency", "debit", "credit", "reconciled", "partner_id"]
        lines = odoo.search_read(
            "account.move.line", [("move_id", "=", move)], wanted, order="amount_currency"
        )
        row["lines"] = [{name: line[name] for name in wanted} for line in lines]
        [entry] = odoo.read("account.move", [move], ["state", "ref", "date", "move_type"])
        row["entry"] = (entry["state"], entry["ref"] == reference, entry["date"])
    return found


@pytest.mark.parametrize("kind", ["part", "all", "too much", "refund", "other company"])
def test_the_books_are_those_of_odoo_s_wizard(odoo: OdooClient, kind: str) -> None:
    amount = {"part": "40.00", "too much": "130.00"}.get(kind, "100.00")
    seen = []
    elsewhere: dict[str, Any] = {"company": UK, "currency": "GBP", "country": "fr"}
    made = engagement(odoo, "USAGE", **(elsewhere if kind == "other company" else {}))
    for by_wizard in (True, False):
        invoice = made.credit(None, ITEM) if kind == "refund" else made.invoice(ITEM)
        reference = unique("pay")
        if by_wizard:
            made.pay(invoice, float(amount), reference)
        else:
            paid(made, invoice, reference, amount)
        [payment] = payments(odoo, reference)
        assert payment.pop("reconciled_invoice_ids") == [invoice]
        seen.append((payment, made.standing(invoice)))
    assert seen[0] == seen[1]


def test_what_is_asked_for_again_is_there_once(odoo: OdooClient) -> None:
    made = engagement(odoo, "USAGE")
    invoice, reference = made.invoice(ITEM), unique("pay")
    for _ in range(3):
        paid(made, invoice, reference, "40.00")
    paid(made, invoice, unique("pay"), "25.00")
    assert len(payments(odoo, reference)) == 1
    assert made.standing(invoice) == (35.0, "partial")


def test_what_comes_many_times_in_the_same_instant_is_booked_once(
    odoo_server: OdooServer, odoo: OdooClient
) -> None:
    made = engagement(odoo, "USAGE")
    invoice, reference = made.invoice(ITEM), unique("pay")
    payment = PaymentReceived(
        reference=reference, amount=Money("40.00", "EUR"), paid_on="2026-05-02"
    )
    clients = [odoo_server.client() for _ in range(AT_ONCE)]  # else they would share calls

    def pay(client: OdooClient) -> GatewayError | None:
        try:
            register_payment(client, invoice, payment)
        except GatewayError as error:
            return error
        return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        failures = [failure for failure in pool.map(pay, clients) if failure]
    for client in clients:
        client.close()
    assert {failure.kind for failure in failures} <= {FailureKind.TRANSIENT}
    paid(made, invoice, reference, "40.00")
    assert len(payments(odoo, reference)) == 1
    assert made.standing(invoice) == (60.0, "partial")


def test_what_people_booked_under_the_reference_counts(odoo: OdooClient) -> None:
    made = engagement(odoo, "USAGE")
    invoice, reference = made.invoice(ITEM), unique("pay")
    made.pay(invoice, 40.0, reference)
    paid(made, invoice, reference, "40.00")
    assert len(payments(odoo, reference)) == 1
    assert made.standing(invoice) == (60.0, "partial")


def test_a_payment_that_a_killed_worker_left_as_a_draft_is_finished(
    odoo: OdooClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = engagement(odoo, "USAGE")
    invoice, reference = made.invoice(ITEM), unique("pay")
    with monkeypatch.context() as patch:
        patch.setattr(OdooClient, "press", _killed)
        with pytest.raises(KeyboardInterrupt):
            paid(made, invoice, reference, "40.00")
    assert states(odoo, reference) == ["draft"]
    paid(made, invoice, reference, "40.00")
    assert len(payments(odoo, reference)) == 1
    assert made.standing(invoice) == (60.0, "partial")


def _killed(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_nothing_is_booked_where_nothing_is_open(odoo: OdooClient) -> None:
    made = engagement(odoo, "USAGE")
    invoice, reference = made.invoice(ITEM), unique("pay")
    paid(made, invoice, unique("pay"), "100.00")
    assert business(lambda: paid(made, invoice, reference, "5.00")) == "odoo_refused"
    assert payments(odoo, reference) == []


@pytest.mark.real
def test_a_discount_for_paying_early_is_booked_with_the_payment(real: RealOdoo) -> None:
    """The stand-in has no such term."""
    odoo = RealServer(real).client()
    made = engagement(odoo, "USAGE")
    invoice = made.invoice(ITEM, invoice_payment_term_id="2/7 Net 30")
    reference = unique("pay")
    admin = RealServer(real).client("admin")
    clearing_books(admin)
    admin.close()
    by_card = PaymentReceived(
        reference=reference, amount=Money("98.00", "EUR"), paid_on="2026-05-02", journal=JOURNAL
    )
    with pytest.raises(BusinessRefusal) as refused:
        register_payment(odoo, invoice, by_card)
    assert refused.value.detail.code == "discount_in_clearing"
    for _ in range(2):
        paid(made, invoice, reference, "98.00")
    assert len(payments(odoo, reference)) == 1
    assert made.standing(invoice) == (0.0, "paid")
    odoo.close()


# --- what is given up -----------------------------------------------------------------------------


def states(odoo: OdooClient, reference: str) -> list[str]:
    found = odoo.search_read("account.payment", [("memo", "=", reference)], ["state"])
    return [row["state"] for row in found]


def left_as_a_draft(made: Engagement, invoice: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """The reference of a payment that was made, and not posted."""
    reference = unique("pay")
    with monkeypatch.context() as patch:
        patch.setattr(OdooClient, "press", _killed)
        with pytest.raises(KeyboardInterrupt):
            paid(made, invoice, reference, "40.00")
    return reference


def test_the_draft_of_a_payment_that_is_given_up_is_cancelled_once(
    odoo: OdooClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = engagement(odoo, "USAGE")
    invoice = made.invoice(ITEM)
    reference = left_as_a_draft(made, invoice, monkeypatch)
    other = left_as_a_draft(made, made.invoice(ITEM), monkeypatch)
    for _ in range(3):
        discard_payment(odoo, invoice, reference)
    assert states(odoo, reference) == ["canceled"]
    assert states(odoo, other) == ["draft"], "of another invoice"
    assert made.standing(invoice) == (100.0, "not_paid")
    discard_payment(odoo, invoice, unique("never made"))


def test_a_payment_that_somebody_posted_is_not_cancelled(
    odoo: OdooClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = engagement(odoo, "USAGE")
    invoice = made.invoice(ITEM)
    reference = left_as_a_draft(made, invoice, monkeypatch)
    [draft] = odoo.search_read("account.payment", [("memo", "=", reference)], ["state"])
    odoo.call("account.payment", "action_post", [draft["id"]])
    with pytest.raises(BusinessRefusal, match=r"posted in Odoo by now \(.*account.payment \d+\)"):
        discard_payment(odoo, invoice, reference)
    assert states(odoo, reference) != ["canceled"]


def test_a_draft_that_odoo_does_not_cancel_is_named(
    odoo: OdooClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = engagement(odoo, "USAGE")
    invoice = made.invoice(ITEM)
    reference = left_as_a_draft(made, invoice, monkeypatch)
    [draft] = odoo.search_read("account.payment", [("memo", "=", reference)], ["state"])

    def refuses(*_: object, **__: object) -> None:
        raise GatewayError(
            FailureKind.BUSINESS, system="odoo", code="odoo_refused", message="not by you"
        )

    monkeypatch.setattr(OdooClient, "press", refuses)
    with pytest.raises(BusinessRefusal, match=rf"stays a draft.* account.payment {draft['id']}\)"):
        discard_payment(odoo, invoice, reference)
