"""What the kit holds every payment processor to.

    class TestTill(PaymentsConformance):
        @pytest.fixture(scope="class")
        @classmethod
        def remote(cls): ...   # yields a PaymentsRemote

Each test makes payments of its own, so that one account serves them all.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar

import pytest

from contracts.events import ForPayment, InboundEvent
from contracts.money import Money
from contracts.processors import (
    Changes,
    LinkRequest,
    ObjectKind,
    PayoutStatus,
    ProcessorPayment,
    ReversalKind,
)
from gateways.errors import FailureKind, GatewayError
from gateways.payments.protocol import Processor
from sandbox.conformance.gateway import TIME_ZONE, Call, GatewayConformance
from sandbox.conformance.remote import NAME, Remote
from sandbox.conformance.sweeping import FoundPage, Sweeps
from sandbox.conformance.webhooks import SECRET, WebhookConformance, events_of

INVOICE, NUMBER = "contract/northwind/C-1001/invoice/3", "INV/2026/00003"
_AMOUNT = Money("121.00", "EUR")
_DAY = timedelta(days=1)
_THREADS = 6
_NO_OBJECTS = ("0", "no payment", "../payouts", "a/b?c=d&e#f", "٣")


class PaymentsRemote(Remote):
    """A payment processor, and what customers and banks do there."""

    page_size: ClassVar[int]
    """The most events that one page of the connector's sweeps holds."""

    @abstractmethod
    def pay(self, amount: Money, invoice: str = "", text: str = "") -> str:
        """A payment that is money now; its metadata name the invoice, if any, and its description
        is the text. Returns its id."""

    @abstractmethod
    def begin(self, amount: Money) -> str:
        """A payment that is not money yet; returns its id."""

    @abstractmethod
    def refund(self, payment_id: str, amount: Money) -> str:
        """The firm gives a part back; returns the refund's id."""

    @abstractmethod
    def fail_refund(self, refund_id: str) -> None:
        """The refund does not reach the customer: the money is there again."""

    @abstractmethod
    def charge_back(self, payment_id: str) -> None:
        """The customer's bank takes all of it back."""

    @abstractmethod
    def win(self, payment_id: str) -> None:
        """What the bank took back comes again."""

    @abstractmethod
    def pay_out(self, currency: str) -> tuple[str, Money, Money]:
        """Pay out what there is in a currency; the payout's id, its net and its fees."""

    @abstractmethod
    def return_payout(self, payout_id: str) -> None:
        """The bank sends it back."""

    @abstractmethod
    def pay_link(self, url: str) -> str:
        """Pay on the page with this address; returns the payment's id."""

    def fail(self, payment_id: str) -> None:
        """A payment that was money turns out to be none."""
        raise NotImplementedError("fail, or why not in `cannot`")

    def inquire(self, payment_id: str) -> None:
        """The bank asks about a payment, and takes nothing."""
        raise NotImplementedError("inquire, or why not in `cannot`")


R = TypeVar("R", bound=PaymentsRemote)


class PaymentsConformance(GatewayConformance[R], WebhookConformance[R]):
    """The tests of a connector of the group `c2c.payments`."""

    @pytest.fixture
    def processor(self, gateway: Any) -> Processor:
        found: Processor = gateway
        return found

    def calls(self, remote: R) -> Mapping[str, Call]:
        payment, since = self.record(remote), remote.now() - _DAY
        refund = remote.refund(payment, Money("1.00", "EUR"))
        payout, _, _ = remote.pay_out("EUR")
        link = LinkRequest(invoice=INVOICE, number=NUMBER, customer="Acme", amount=_AMOUNT)

        def swept(processor: Processor) -> object:
            page = processor.changed(since)
            return page.changes, page.next

        def read(kind: ObjectKind, object_id: str) -> Call:
            def call(processor: Processor) -> object:
                return told(processor, object_id, kind)

            return call

        return {
            "read_payment": read(ObjectKind.PAYMENT, payment),
            "read_payment, of a refund": read(ObjectKind.REFUND, refund),
            "read_payout": lambda processor: processor.read_payout(payout),
            "changed": swept,
            "create_link": lambda processor: processor.create_link(link),
            "missing_setup": lambda processor: processor.missing_setup(),
        }

    # --- payments ---------------------------------------------------------------------------------

    def test_a_payment_says_what_was_paid_for_which_invoice(
        self, remote: R, processor: Processor
    ) -> None:
        payment_id = remote.pay(_AMOUNT, INVOICE, f"for {NUMBER}, thanks")
        found = told(processor, payment_id)
        assert (found.payment_id, found.amount, found.is_money) == (payment_id, _AMOUNT, True)
        assert (found.invoice, found.reversals) == (INVOICE, ())
        assert NUMBER in found.text
        assert abs(found.paid_on - remote.now().date()) <= _DAY

    @pytest.mark.parametrize("amount", ["1 JPY", "0.99 USD", "1234567.89 EUR"])
    def test_amounts_are_exact_in_every_currency(
        self, remote: R, processor: Processor, amount: str
    ) -> None:
        if not remote.can("pay") or Money.parse(amount).currency not in self.currencies(remote):
            return
        money = Money.parse(amount)
        assert told(processor, remote.pay(money)).amount == money

    def currencies(self, remote: R) -> tuple[str, ...]:
        """Those that the remote knows."""
        return ("EUR", "USD", "JPY")

    def test_a_payment_that_names_no_invoice_has_none(
        self, remote: R, processor: Processor
    ) -> None:
        assert told(processor, remote.pay(_AMOUNT)).invoice == ""

    def test_a_payment_that_is_not_there_yet_is_no_money(
        self, remote: R, processor: Processor
    ) -> None:
        found = told(processor, remote.begin(_AMOUNT))
        assert not found.is_money
        assert found.rest == Money.zero("EUR")

    def test_a_refund_undoes_a_part_as_long_as_it_stands(
        self, remote: R, processor: Processor
    ) -> None:
        payment_id = remote.pay(_AMOUNT, INVOICE)
        refund_id = remote.refund(payment_id, Money("21.00", "EUR"))
        found = told(processor, refund_id, ObjectKind.REFUND)
        assert found.payment_id == payment_id
        [undone] = found.reversals
        assert (undone.kind, undone.amount) == (ReversalKind.REFUND, Money("21.00", "EUR"))
        assert found.rest == Money("100.00", "EUR")
        remote.fail_refund(refund_id)
        found = told(processor, payment_id)
        assert found.reversals == ()
        assert undone.id in found.revoked

    def test_a_chargeback_undoes_a_payment_until_it_is_won(
        self, remote: R, processor: Processor
    ) -> None:
        payment_id = remote.pay(_AMOUNT, INVOICE)
        remote.charge_back(payment_id)
        [undone] = told(processor, payment_id).reversals
        assert (undone.kind, undone.amount) == (ReversalKind.CHARGEBACK, _AMOUNT)
        assert told(processor, payment_id).rest == Money.zero("EUR")
        remote.win(payment_id)
        found = told(processor, payment_id)
        assert (found.reversals, found.is_money) == ((), True)
        assert undone.id in found.revoked

    def test_an_inquiry_takes_nothing(self, remote: R, processor: Processor) -> None:
        if remote.can("inquire"):
            payment_id = remote.pay(_AMOUNT, INVOICE)
            remote.inquire(payment_id)
            assert told(processor, payment_id).reversals == ()

    def test_a_payment_that_fails_late_is_undone(self, remote: R, processor: Processor) -> None:
        if remote.can("fail"):
            payment_id = remote.pay(_AMOUNT, INVOICE)
            remote.fail(payment_id)
            found = told(processor, payment_id)
            [undone] = found.reversals
            assert (undone.kind, undone.amount) == (ReversalKind.FAILURE, _AMOUNT)
            assert not found.rest.is_positive

    @pytest.mark.parametrize("object_id", _NO_OBJECTS)
    def test_an_id_of_nothing_is_said_to_be_none(
        self, processor: Processor, object_id: str
    ) -> None:
        calls = (
            lambda: processor.read_payment(ObjectKind.PAYMENT, object_id),
            lambda: processor.read_payment(ObjectKind.REFUND, object_id),
            lambda: processor.read_payout(object_id),
        )
        for call in calls:
            with pytest.raises(GatewayError) as caught:
                call()
            assert caught.value.kind is FailureKind.BUSINESS
            assert caught.value.code == "payment_not_found"

    def test_many_threads_share_it(self, remote: R, processor: Processor) -> None:
        ids = [remote.pay(_AMOUNT) for _ in range(_THREADS)]
        with ThreadPoolExecutor(_THREADS) as pool:
            found = list(pool.map(lambda item: told(processor, item), ids))
        assert [item.payment_id for item in found] == ids

    # --- payouts ----------------------------------------------------------------------------------

    def test_a_payout_says_what_comes_and_what_was_kept(
        self, remote: R, processor: Processor
    ) -> None:
        payment_id = remote.pay(_AMOUNT, INVOICE)
        remote.refund(payment_id, Money("21.00", "EUR"))
        payout_id, net, fees = remote.pay_out("EUR")
        found = processor.read_payout(payout_id)
        assert (found.payout_id, found.status) == (payout_id, PayoutStatus.PAID)
        assert (found.net, found.fees) == (net, fees)
        assert fees.is_positive
        assert abs(found.on - remote.now().date()) <= _DAY
        remote.return_payout(payout_id)
        returned = processor.read_payout(payout_id)
        assert (returned.status, returned.fees) == (PayoutStatus.FAILED, fees), "they are kept"

    # --- links ------------------------------------------------------------------------------------

    def test_a_link_is_made_once_and_its_payment_names_the_invoice(
        self, remote: R, processor: Processor
    ) -> None:
        invoice = f"{INVOICE}0"
        asked = LinkRequest(invoice=invoice, number=NUMBER, customer="Acme", amount=_AMOUNT)
        link = processor.create_link(asked)
        assert link.words
        assert processor.create_link(asked) == link
        found = told(processor, remote.pay_link(link.url))
        assert (found.invoice, found.amount) == (invoice, _AMOUNT)
        assert NUMBER in found.text

    def test_a_link_is_made_for_an_invoice_however_long_its_name_is(
        self, remote: R, processor: Processor
    ) -> None:
        invoice = f"contract/{'n' * 64}/{'c' * 64}/invoice/1"
        asked = LinkRequest(invoice=invoice, number=NUMBER, customer="Acme", amount=_AMOUNT)
        assert told(processor, remote.pay_link(processor.create_link(asked).url)).invoice == invoice

    # --- sweeps -----------------------------------------------------------------------------------

    def sweeps(self, remote: R, processor: Processor) -> Sweeps:
        def read(since: datetime, after: str) -> FoundPage:
            page: Changes = processor.changed(since, after)
            assert page.as_of.tzinfo is not None
            assert len(page.changes) <= remote.page_size
            found = [(item.event_id, item.changed_at) for item in page.changes]
            return FoundPage(found, page.as_of, page.next)

        return Sweeps(remote.connector, read, time_zone=TIME_ZONE)

    def test_each_event_is_found_once(self, remote: R, processor: Processor) -> None:
        sweeps = self.sweeps(remote, processor)
        sweeps.run(remote.now())
        payment_id = remote.pay(_AMOUNT, INVOICE)
        found = sweeps.run(remote.now())
        assert found
        assert sweeps.run(remote.now()) == []
        about = [
            item
            for item in processor.changed(remote.now() - _DAY).changes
            if item.object_id == payment_id
        ]
        assert {item.event_id for item in about} == set(found)
        remote.charge_back(payment_id)
        assert sweeps.run(remote.now())

    def test_more_events_than_a_page_holds_are_all_found(
        self, remote: R, processor: Processor
    ) -> None:
        """Also those that come while pages are read, at the latest by the next sweep."""
        sweeps, pages, late = self.sweeps(remote, processor), 0, []
        made = {remote.pay(_AMOUNT) for _ in range(remote.page_size + 2)}

        def one_more(page: FoundPage) -> None:
            nonlocal pages
            pages += 1
            if pages == 1:
                late.append(remote.pay(_AMOUNT))

        found = {*sweeps.run(remote.now(), one_more), *sweeps.run(remote.now())}
        assert pages > 1
        about = {item.object_id: item.event_id for item in every_change(processor, remote)}
        assert {about[item] for item in (*made, *late)} <= found

    def test_a_sweep_costs_what_changed(self, remote: R, processor: Processor) -> None:
        remote.pay(_AMOUNT)
        assert processor.changed(remote.now() + _DAY).changes == []

    # --- webhooks ---------------------------------------------------------------------------------

    def record(self, remote: R) -> str:
        return remote.pay(_AMOUNT, INVOICE)

    def is_about(self, event: InboundEvent, record_id: str) -> bool:
        task = event.task
        return isinstance(task, ForPayment) and (task.system, task.object_id) == (NAME, record_id)

    def test_a_webhook_and_a_sweep_have_one_key(self, remote: R, processor: Processor) -> None:
        payment_id = self.record(remote)
        declared = remote.connector.webhook
        assert declared is not None
        [event] = events_of(declared, remote.webhook(payment_id, SECRET))
        [swept] = [
            item
            for item in processor.changed(remote.now() - _DAY).changes
            if item.object_id == payment_id
        ]
        assert event.key == swept.event_id


def told(
    processor: Processor, object_id: str, kind: ObjectKind = ObjectKind.PAYMENT
) -> ProcessorPayment:
    found = processor.read_payment(kind, object_id)
    assert found is not None
    return found


def every_change(processor: Processor, remote: PaymentsRemote) -> list[Any]:
    """Of all pages."""
    since = remote.now() - _DAY
    page = processor.changed(since)
    found = list(page.changes)
    while page.next:
        page = processor.changed(since, page.next)
        found += page.changes
    return found
