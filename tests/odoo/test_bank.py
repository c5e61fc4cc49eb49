"""Lines of bank files in both Odoos: what is booked, what parks, and that each is booked once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import pytest

from activities.bank import (
    DetailsRequest,
    LineRequest,
    PageApplied,
    PageRequest,
)
from activities.failures import BusinessRefusal
from activities.odoo import bank_booking
from activities.odoo.bank_ledger import SettledBy, settled_by
from activities.odoo.payments import register_payment
from contracts.bank.statement import BankLine, Details, Notification
from contracts.invoice.messages import PaymentReceived
from contracts.money import Money
from gateways.errors import GatewayError, transient
from gateways.odoo import OdooClient
from sandbox.bank_files import notification_file
from tests.bank_source import ACCOUNT, paid
from tests.odoo.bank_books import ITEM, LINE, MOVE, Books, Open
from tests.odoo.helpers import locked
from tests.world import unique


@pytest.fixture(scope="module")
def books(odoo: OdooClient) -> Books:
    return Books.of(odoo)


def counted(applied: PageApplied) -> dict[str, int]:
    return {name: count for name, count in applied.counts if count}


def codes(applied: PageApplied) -> list[str]:
    return [line.problem.code for line in applied.parked]


def plus(amount: Money, more: str) -> str:
    return str((amount + Money(more, amount.currency)).amount)


def test_lines_are_booked_by_number_with_several_invoices_part_payments_and_tolerance(
    books: Books,
) -> None:
    one, small, part, short = (books.invoice(price) for price in ("100.00", "40", "70", "55.50"))
    exact = paid(str(one.total.amount), f"Payment of {one.number}", one.customer)
    within = paid(plus(short.total, "-0.40"), short.number, short.customer)
    partly = paid("30.00", part.number, part.customer)
    more = paid(plus(small.total, "0.60"), small.number, small.customer)
    out = paid("-12.50", "Rent", "Landlord")
    applied = books.apply(exact, within, partly, more, out)
    assert (counted(applied), codes(applied)) == ({"booked": 4, "not_ours": 1}, [])
    nothing = Money.zero("EUR")
    assert [it.of(books.odoo) for it in (one, small, short)] == [("paid", nothing)] * 3
    assert part.of(books.odoo) == ("partial", part.total - Money("30.00", "EUR"))
    total = float(short.total.amount)
    assert books.balances(within) == [round(total - 0.4, 2), 0.4, -total]
    assert books.balances(more)[1:] == [-0.6, -float(small.total.amount)]
    assert books.balances(out) == [12.5, -12.5]


def test_a_file_and_a_line_that_come_twice_change_nothing(books: Books) -> None:
    one, other = books.invoice(), books.invoice()
    lines = [paid(str(it.total.amount), it.number, it.customer) for it in (one, other)]
    file = books.file(*lines, paid("7.00", "thanks"))
    first = books.applied(file)
    assert counted(first) == {"booked": 2}
    before = [books.items(line) for line in lines]
    again = books.applied(file)
    assert (counted(again), codes(again)) == ({"booked": 2}, ["payment_unidentified"])
    [content] = [books.source.read(file.name)]
    resent = books.source.take_bytes(content.replace(b"MSG-1", b"MSG-2"))
    assert resent.sha256 != file.sha256
    read = books.activities.read_bank_file(resent)
    assert (read.lines, read.repeated) == (0, [0])
    overlapping = books.apply(*lines, paid("8.00", "thanks"))
    assert (counted(overlapping), len(overlapping.parked)) == ({"known": 2}, 1)
    assert [books.items(line) for line in lines] == before


def test_a_person_settles_a_parked_line_and_its_account_is_known_then(books: Books) -> None:
    one = books.invoice()
    two = books.invoice("60.00", of=one)
    iban = "DE89370400440532013000"
    total = one.total + two.total
    line = paid(str(total.amount), "thank you", "Somebody", iban)
    assert codes(books.apply(line)) == ["payment_unidentified"]
    with pytest.raises(BusinessRefusal) as refused:
        books.settle(line, one.number, "INV/1999/1", "INV/1999/2")
    assert [item.value for item in refused.value.detail.problems] == ["INV/1999/1", "INV/1999/2"]
    with pytest.raises(BusinessRefusal, match="payment_amount_differs"):
        books.settle(line, one.number)
    assert not books.settle(line, one.number, two.number)
    assert [it.of(books.odoo)[0] for it in (one, two)] == ["paid", "paid"]
    assert books.settle(line, one.number), "it was settled before"
    third = books.invoice("33.00")
    alone = paid(str(third.total.amount), third.number, "Somebody", iban)
    assert codes(books.apply(alone)) == ["payer_differs"], "the account is the first customer's"


def test_a_learned_account_that_people_edit_stays_as_they_left_it(books: Books) -> None:
    one, iban = books.invoice(), "BE71096123456769"
    known = [("partner_id.name", "=", one.customer)]
    line = paid(str(one.total.amount), one.number, one.customer, iban)
    assert counted(books.apply(line)) == {"booked": 1}
    [account] = books.odoo.search_read("res.partner.bank", known, ["sequence"])
    books.odoo.write("res.partner.bank", [account["id"]], {"sequence": 77})
    for _ in range(3):
        two = books.invoice(of=one)
        books.apply(line, paid(str(two.total.amount), two.number, two.customer, iban))
        found = books.odoo.search_read("res.partner.bank", known, ["sequence"])
        assert found == [{"id": account["id"], "sequence": 77}]


def test_a_payment_that_came_back_opens_its_invoices_again(books: Books) -> None:
    one = books.invoice()
    two = books.invoice(of=one)
    id = unique("e2e")
    both = paid(
        str((one.total + two.total).amount), f"{one.number} {two.number}", one.customer, id=id
    )
    assert counted(books.apply(both)) == {"booked": 1}
    assert [it.of(books.odoo)[0] for it in (one, two)] == ["paid", "paid"]
    back = paid(str(-both.amount.amount), "returned", id=id, returned="AM04")
    applied = books.apply(back)
    assert (counted(applied), codes(applied)) == ({"returned": 1}, [])
    assert [it.of(books.odoo) for it in (one, two)] == [
        ("not_paid", one.total),
        ("not_paid", two.total),
    ]
    again = paid(str(one.total.amount), one.number, one.customer)
    assert counted(books.apply(again)) == {"booked": 1}
    assert one.of(books.odoo)[0] == "paid"
    same_day = books.invoice()
    there = paid(str(same_day.total.amount), same_day.number, same_day.customer, id=unique("e2e"))
    back_at_once = paid(str(-there.amount.amount), id=there.end_to_end_id, returned="AC04")
    applied = books.apply(there, back_at_once)
    assert (counted(applied), codes(applied)) == ({"booked": 1, "returned": 1}, [])
    assert same_day.of(books.odoo) == ("not_paid", same_day.total)
    twice = paid(str(-both.amount.amount), "returned", id=id, returned="AM04")
    assert codes(books.apply(twice)) == ["return_unidentified"]


def test_a_payment_that_was_registered_is_matched_on_its_outstanding_account(books: Books) -> None:
    one = books.invoice()
    payment = PaymentReceived(reference=unique("pay"), amount=one.total, paid_on="2026-03-02")
    register_payment(books.odoo, one.id, payment)
    assert one.of(books.odoo)[1].is_zero
    line = paid(str(one.total.amount), one.number, one.customer)
    assert counted(books.apply(line)) == {"booked": 1}
    assert [item["reconciled"] for item in books.items(line)][1:] == [True]
    accounts = [item["account_id"][1] for item in books.items(line)]
    assert "Outstanding Receipts" in accounts[1]
    [booked] = books.odoo.search_read(
        "account.payment", [("memo", "=", payment.reference)], ["outstanding_account_id"]
    )
    assert booked["outstanding_account_id"][1] in accounts[1]
    second = paid(str(one.total.amount), one.number, one.customer)
    assert codes(books.apply(second)) == ["invoice_paid_already"]


def test_a_line_in_a_closed_period_is_refused_before_anything_is_booked(
    books: Books, admin_odoo: OdooClient
) -> None:
    one = books.invoice()
    line = paid(str(one.total.amount), one.number, one.customer, on=date(2026, 1, 15))
    file = books.file(line)
    with (
        locked(books.odoo, admin_odoo, "2026-01-31"),
        pytest.raises(BusinessRefusal) as refused,
    ):
        books.applied(file)
    assert refused.value.detail.code == "bank_period_locked"
    assert one.of(books.odoo) == ("not_paid", one.total)
    assert counted(books.applied(file)) == {"booked": 1}
    assert {item["date"] for item in books.items(line)} == {"2026-01-15"}


def test_payments_that_an_entry_sums_come_with_a_notification(books: Books) -> None:
    one = books.invoice()
    two, three = books.invoice(of=one), books.invoice(of=one)
    entry = paid(str((one.total + two.total + three.total).amount), "Collection")
    whole = entry.replace(key=entry.entry_key, details=Details.AWAITED)
    statement = books.apply(whole)
    assert codes(statement) == ["payment_details_awaited"]
    parts = [
        entry.replace(
            key=f"{entry.entry_key}/{place}",
            amount=it.total,
            counterparty=it.customer,
            texts=(text,),
        )
        for place, (it, text) in enumerate(
            [(one, one.number), (two, two.number), (three, "thank you")]
        )
    ]
    notification = notification_file([Notification(account=ACCOUNT, lines=tuple(parts))])
    file = books.source.take_bytes(notification)
    read = books.activities.read_bank_file(file)
    assert (read.lines, read.has_details) == (0, True)
    asked = DetailsRequest(file=file, repeated=[], detailed=[], most_parked=10)
    for _ in range(2):
        applied = books.activities.apply_bank_details(asked)
        assert (applied.counts.booked, len(applied.parked)) == (2, 1)
        assert (applied.detailed, applied.awaits) == ([entry.entry_key], False)
    assert [it.of(books.odoo)[0] for it in (one, two, three)] == ["paid", "paid", "not_paid"]
    with pytest.raises(BusinessRefusal) as refused:
        books.settle(whole, three.number)
    assert refused.value.detail.code == "line_split"
    [part] = applied.parked
    request = LineRequest(file=file, key=part.within, part=part, invoices=[three.number])
    assert not books.activities.settle_bank_line(request).elsewhere
    assert three.of(books.odoo)[0] == "paid"
    assert books.balances(whole)[0] == float(entry.amount.amount)
    assert len(books.balances(whole)) == 4
    assert books.settle(whole, three.number), "nothing of it is on suspense any more"


@pytest.mark.parametrize("lost", [(LINE, "load"), (MOVE, "write"), (ITEM, "reconcile")])
def test_an_attempt_that_is_lost_on_the_way_is_repeated_without_booking_twice(
    books: Books, monkeypatch: pytest.MonkeyPatch, lost: tuple[str, str]
) -> None:
    """After each call that changes something its answer may be lost, with the worker."""
    whole, part = books.invoice(), books.invoice()
    lines = [
        paid(str(whole.total.amount), whole.number, whole.customer),
        paid("30.00", part.number, part.customer),
    ]
    file = books.file(*lines)
    losing = [lost]

    def answered(method: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def call(odoo: OdooClient, model: str, *arguments: Any, **named: Any) -> Any:
            answer = act(odoo, model, *arguments, **named)
            name = arguments[0] if method == "call" else method
            if (model, name) in losing:
                losing.remove((model, name))
                raise transient("odoo", "no_answer", "the answer is lost")
            return answer

        return call

    with monkeypatch.context() as patch:
        for method in ("load", "call"):
            patch.setattr(OdooClient, method, answered(method, getattr(OdooClient, method)))
        with pytest.raises(GatewayError, match="lost"):
            books.applied(file)
    assert counted(books.applied(file)) == {"booked": 2}
    assert whole.of(books.odoo) == ("paid", Money.zero("EUR"))
    assert part.of(books.odoo) == ("partial", part.total - Money("30.00", "EUR"))
    assert [len(books.balances(line)) for line in lines] == [2, 2]
    assert all(item["reconciled"] for line in lines for item in books.items(line)[1:])


def test_an_account_in_another_currency_pays_invoices_of_that_currency(
    books: Books, admin_odoo: OdooClient
) -> None:
    dollars = books.in_dollars(admin_odoo)
    one = dollars.invoice("70.00", currency="USD")
    two = dollars.invoice("33.33", currency="USD", of=one)
    both = paid(
        str((one.total + two.total).amount),
        f"{one.number} {two.number}",
        one.customer,
        currency="USD",
        own=dollars.account.number,
    )
    euros = books.invoice()
    wrong = paid(
        str(euros.total.amount),
        euros.number,
        euros.customer,
        currency="USD",
        own=dollars.account.number,
    )
    applied = dollars.apply(both, wrong)
    assert (counted(applied), codes(applied)) == ({"booked": 1}, ["payment_currency_differs"])
    assert [it.of(books.odoo) for it in (one, two)] == [("paid", Money.zero("USD"))] * 2
    assert sum(dollars.balances(both)) == pytest.approx(0)


def test_what_somebody_else_settles_in_the_same_moment_is_not_paid_twice(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = books.invoice(), books.invoice()
    lines = [paid(str(it.total.amount), it.number, it.customer) for it in (one, two)]
    meanwhile = paid(str(one.total.amount), one.number, one.customer)
    file = books.file(*lines)
    other = PageRequest(file=books.file(meanwhile), repeated=[], first=0, count=1)
    load = OdooClient.load
    told: list[str] = []

    def after_the_other(
        odoo: OdooClient, model: str, rows: Sequence[Any], **more: Any
    ) -> list[int]:
        if model == LINE and not told:
            told.append(model)
            assert counted(books.activities.apply_bank_lines(other)) == {"booked": 1}
        return load(odoo, model, rows, **more)

    monkeypatch.setattr(OdooClient, "load", after_the_other)
    applied = books.applied(file)
    assert (counted(applied), codes(applied)) == ({"booked": 1}, ["invoice_paid_already"])
    assert [it.of(books.odoo)[0] for it in (one, two)] == ["paid", "paid"]
    assert [len(books.balances(line)) for line in lines] == [2, 2]


@pytest.mark.parametrize("details", [Details.AWAITED, Details.DIFFERENT])
def test_an_entry_whose_payment_was_booked_comes_again_without_it(
    books: Books, details: Details
) -> None:
    one = books.invoice()
    line = paid(str(one.total.amount), one.number, one.customer)
    assert counted(books.apply(line)) == {"booked": 1}
    whole = line.replace(key=line.entry_key, details=details, texts=())
    applied = books.apply(whole)
    assert (counted(applied), codes(applied)) == ({"known": 1}, [])


def _lose_reconciling(
    books: Books, monkeypatch: pytest.MonkeyPatch, back: BankLine, after: int
) -> None:
    """The worker is lost before Odoo hears of a match, once so many were undone."""
    call = OdooClient.call
    undone: list[str] = []

    def lost(odoo: OdooClient, model: str, name: str, *arguments: Any, **named: Any) -> Any:
        if name == "reconcile" and len(undone) == after:
            raise transient("odoo", "no_answer", "the worker is lost")
        undone.extend([name] * (name == "remove_move_reconcile"))
        return call(odoo, model, name, *arguments, **named)

    file = books.file(back)
    with monkeypatch.context() as patch:
        patch.setattr(OdooClient, "call", lost)
        with pytest.raises(GatewayError, match="lost"):
            books.applied(file)
    applied = books.applied(file)
    assert (counted(applied), codes(applied)) == ({"returned": 1}, [])


@pytest.mark.parametrize("after", [1, 2])
def test_a_return_that_is_lost_on_the_way_takes_back_a_credit_note_too(
    books: Books, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    one = books.invoice()
    note = books.credit_note("40.00", of=one)
    id = unique("e2e")
    left = one.total - note.total
    there = paid(str(left.amount), f"{one.number} {note.number}", one.customer, id=id)
    assert counted(books.apply(there)) == {"booked": 1}
    back = paid(str(-left.amount), "returned", id=id, returned="AM04")
    _lose_reconciling(books, monkeypatch, back, after)
    assert sorted(books.balances(back)) == sorted(-it for it in books.balances(there))
    assert all(item["reconciled"] for item in books.items(back) if item["balance"] > 0)
    assert [it.of(books.odoo)[0] for it in (one, note)] == ["not_paid", "not_paid"]


def test_a_return_of_a_registered_payment_that_is_lost_on_the_way_is_repeated(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, id = books.invoice(), unique("e2e")
    payment = PaymentReceived(reference=unique("pay"), amount=one.total, paid_on="2026-03-02")
    register_payment(books.odoo, one.id, payment)
    there = paid(str(one.total.amount), one.number, one.customer, id=id)
    assert counted(books.apply(there)) == {"booked": 1}
    back = paid(str(-one.total.amount), "returned", id=id, returned="AM04")
    _lose_reconciling(books, monkeypatch, back, 1)
    assert one.of(books.odoo) == ("not_paid", one.total)
    before = books.items(back)
    twice = paid(str(-one.total.amount), "returned", id=id, returned="AM04")
    assert codes(books.apply(twice)) == ["return_unidentified"]
    assert books.items(back) == before


def _collection(books: Books, *invoices: Open, says: str = "") -> tuple[BankLine, DetailsRequest]:
    """An entry on a statement that sums payments of these, and the notification of them."""
    total = Money.total((it.total for it in invoices), "EUR")
    entry = paid(str(total.amount), "Collection")
    whole = entry.replace(key=entry.entry_key, details=Details.AWAITED)
    assert codes(books.apply(whole)) == ["payment_details_awaited"]
    parts = tuple(
        entry.replace(
            key=f"{entry.entry_key}/{place}",
            amount=it.total,
            counterparty=it.customer,
            texts=(says or it.number,),
        )
        for place, it in enumerate(invoices)
    )
    file = books.source.take_bytes(notification_file([Notification(account=ACCOUNT, lines=parts)]))
    return whole, DetailsRequest(file=file, repeated=[], detailed=[], most_parked=10)


@pytest.mark.parametrize("after", [0, 1])
def test_payments_of_an_entry_that_are_lost_on_the_way_are_all_matched(
    books: Books, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    one = books.invoice()
    two = books.invoice(of=one)
    whole, asked = _collection(books, one, two)
    call = OdooClient.call
    matched: list[str] = []

    def lost(odoo: OdooClient, model: str, name: str, *arguments: Any, **named: Any) -> Any:
        if name == "reconcile" and len(matched) == after:
            raise transient("odoo", "no_answer", "the worker is lost")
        matched.extend([name] * (name == "reconcile"))
        return call(odoo, model, name, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(OdooClient, "call", lost)
        with pytest.raises(GatewayError, match="lost"):
            books.activities.apply_bank_details(asked)
    applied = books.activities.apply_bank_details(asked)
    assert (applied.counts.booked, applied.parked) == (2, [])
    assert [it.of(books.odoo)[0] for it in (one, two)] == ["paid", "paid"]
    assert len(books.balances(whole)) == 3


def test_a_payment_of_an_entry_that_is_registered_in_the_same_moment_is_matched_with_that(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = books.invoice()
    two = books.invoice(of=one)
    whole, asked = _collection(books, one, two)
    other = PaymentReceived(reference=unique("pay"), amount=two.total, paid_on="2026-03-02")
    call = OdooClient.call
    told: list[str] = []

    def after_the_other(
        odoo: OdooClient, model: str, name: str, *arguments: Any, **named: Any
    ) -> Any:
        if name == "reconcile" and not told:
            told.append(name)
            register_payment(books.odoo, two.id, other)
        return call(odoo, model, name, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(OdooClient, "call", after_the_other)
        with pytest.raises(GatewayError):
            books.activities.apply_bank_details(asked)
    applied = books.activities.apply_bank_details(asked)
    assert (applied.counts.booked, applied.parked) == (2, [])
    accounts = [item["account_id"][1] for item in books.items(whole)]
    assert sum("Outstanding Receipts" in account for account in accounts) == 1
    assert [item["reconciled"] for item in books.items(whole)][1:] == [True, True]


def test_a_return_takes_back_what_its_line_settled_and_no_other_amount(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left of it would be booked as a small difference."""
    one = books.invoice()
    two, id = books.invoice(of=one), unique("e2e")
    there = paid(
        str((one.total + two.total).amount), f"{one.number} {two.number}", one.customer, id=id
    )
    assert counted(books.apply(there)) == {"booked": 1}
    wrong = paid("-50.00", "returned", returned="AM04")
    assert codes(books.apply(wrong)) == ["return_unidentified"]
    with pytest.raises(BusinessRefusal, match="payment_amount_differs"):
        books.settle(wrong, undoes=there.key)
    assert books.balances(wrong) == [50.0, -50.0]

    def moved(*arguments: Any) -> dict[int, SettledBy]:
        """As if people had moved what paid the second invoice to something else."""
        found = settled_by(*arguments)
        return {it: SettledBy(by.parts, by.items[:1]) for it, by in found.items()}

    monkeypatch.setattr(bank_booking, "settled_by", moved)
    back = paid(str(-there.amount.amount), "returned", id=id, returned="AM04")
    assert codes(books.apply(back)) == ["payment_amount_differs"]
    assert len(books.balances(back)) == 2
    assert [it.of(books.odoo)[0] for it in (one, two)] == ["paid", "paid"]


def test_an_invoice_in_a_currency_that_is_no_more_holds_up_no_line(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kuna of long ago that nobody wrote off."""
    old, one = books.invoice(), books.invoice()
    search_read = OdooClient.search_read

    def in_kuna(odoo: OdooClient, model: str, *arguments: Any, **named: Any) -> Any:
        rows = search_read(odoo, model, *arguments, **named)
        for row in rows:
            if model == MOVE and row["id"] == old.id and "currency_id" in row:
                row["currency_id"] = [999, "HRK"]
        return rows

    monkeypatch.setattr(OdooClient, "search_read", in_kuna)
    line = paid(str(one.total.amount), one.number, one.customer)
    theirs = paid(str(old.total.amount), old.number, old.customer)
    applied = books.apply(line, theirs)
    assert (counted(applied), len(applied.parked)) == ({"booked": 1}, 1)


def test_of_more_payments_than_may_wait_the_first_have_candidates(books: Books) -> None:
    """An entry has thousands: what is remembered of them must fit into the workflow's state."""
    one = books.invoice()
    _, asked = _collection(
        books, one, books.invoice(of=one), books.invoice(of=one), says="thank you"
    )
    applied = books.activities.apply_bank_details(asked.model_copy(update={"most_parked": 2}))
    assert [bool(it.candidates) for it in applied.parked] == [True, True, False]
