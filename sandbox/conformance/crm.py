"""What the kit holds every CRM to.

    class TestLedgerline(CrmConformance):
        @pytest.fixture(scope="class")
        def remote(self): ...   # yields a CrmRemote

Each test makes deals of its own, so that one account serves them all.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

import pytest

from activities.crm import statuses_of
from contracts.crm import ContractStatus
from contracts.events import ForDeal, InboundEvent
from contracts.model import JsonObject
from contracts.money import Money
from contracts.validation import validate
from gateways.crm.protocol import Crm, ReadsTogether
from gateways.crm.status import status_texts
from gateways.errors import FailureKind, GatewayError
from sandbox.conformance.gateway import (
    ADOPTED_DAYS_AGO,
    ENTITY,
    TIME_ZONE,
    Call,
    GatewayConformance,
)
from sandbox.conformance.remote import NAME, Remote
from sandbox.conformance.sweeping import FoundPage, Sweeps
from sandbox.conformance.webhooks import WebhookConformance
from sandbox.conformance.wire import Wire

_THREADS = 6
_DAY = timedelta(days=1)
_NO_DEALS = ("0", "-1", "no deal", "x' OR '1'='1", "../deals", "٣", "9" * 40, "a/b?c=d&e#f", " ")


@dataclass(frozen=True)
class Line:
    """What is sold: a product's code, a description, and its net price in the deal's currency."""

    code: str
    name: str
    amount: Decimal


@dataclass(frozen=True)
class Deal:
    """A deal as people make it. `closed_on` None: today."""

    title: str = "Website"
    currency: str = "EUR"
    customer: str = "Acme NV"
    country: str = "BE"
    vat_number: str = "BE0477472701"
    email: str = "boss@acme.example"
    lines: tuple[Line, ...] = (
        Line("BUILD", "Build", Decimal("10000.00")),
        Line("TRAINING", "Training", Decimal("500.50")),
    )
    won: bool = True
    closed_on: date | None = None

    @property
    def value(self) -> Decimal:
        return sum((line.amount for line in self.lines), Decimal())


class CrmRemote(Remote):
    """A CRM, and what people do there. A deal is named by the id that the connector gives it."""

    page_size: ClassVar[int]
    """The most deals that one page of the connector's sweeps holds."""

    @abstractmethod
    def add(self, deal: Deal) -> str:
        """Make a deal with its customer and lines; returns its id."""

    def add_many(self, count: int) -> list[str]:
        """Make so many won deals, which nobody reads."""
        return [self.add(Deal(title=f"Deal {number}")) for number in range(count)]

    @abstractmethod
    def win(self, deal_id: str) -> None:
        """An open deal is won, today."""

    @abstractmethod
    def edit(self, deal_id: str, text: str) -> None:
        """Somebody changes a text of the deal."""

    @abstractmethod
    def shown(self, deal_id: str) -> Mapping[str, str]:
        """What people see of the contract at the deal: the texts of `gateways.crm.status` by name.
        What is empty may be left out."""

    def delete(self, deal_id: str) -> None:
        """Somebody deletes the deal."""
        raise NotImplementedError("delete, or why not in `cannot`")

    def reopen(self, deal_id: str) -> None:
        """A won deal is won no more."""
        raise NotImplementedError("reopen, or why not in `cannot`")

    def add_late(self, deal: Deal, behind: timedelta) -> str:
        """Make a deal that shows only now, and is stamped as if it had been changed before: its
        transaction took so long."""
        raise NotImplementedError("add_late, or why not in `cannot`")

    def refuse_writes(self, deal_id: str) -> None:
        """From now on this deal refuses every change of a status, for a reason of the firm's."""
        raise NotImplementedError("refuse_writes, or why not in `cannot`")


R = TypeVar("R", bound=CrmRemote)


class CrmConformance(GatewayConformance[R], WebhookConformance[R]):
    """The tests of a connector of the group `c2c.crm`."""

    @pytest.fixture
    def crm(self, gateway: Any) -> Crm:
        found: Crm = gateway
        return found

    def calls(self, remote: R) -> Mapping[str, Call]:
        deal, since = remote.add(Deal()), remote.now() - _DAY
        written = remote.add(Deal())
        done = 0

        def write(crm: Crm) -> object:
            """Another status once the last is written; a repeat of the same where it failed."""
            nonlocal done
            wanted = status(written).model_copy(update={"waiting_on": f"approval {done}"})
            verdicts = crm.write_statuses([wanted])
            assert verdicts == [None]
            assert remote.shown(written)["c2c_waiting_on"] == wanted.waiting_on
            done += 1
            return verdicts

        def swept(crm: Crm) -> object:
            page = crm.won_deals(since)
            return [item.deal_id for item in page.deals], page.next

        return {
            "read_contract": lambda crm: crm.read_contract(deal),
            "is_due": lambda crm: crm.is_due(deal),
            "write_statuses": write,
            "won_deals": swept,
            "missing_setup": lambda crm: crm.missing_setup(),
        }

    # --- reading ----------------------------------------------------------------------------------

    def test_a_won_deal_is_a_valid_contract(self, remote: R, crm: Crm) -> None:
        deal = Deal()
        deal_id = remote.add(deal)
        contract = validate(complete(crm.read_contract(deal_id)))
        assert (contract.source.system, contract.source.id) == (NAME, deal_id)
        assert contract.title == deal.title
        assert contract.value == Money(deal.value, deal.currency)
        assert contract.customer.name == deal.customer
        assert contract.customer.country == deal.country
        assert contract.customer.vat_number == deal.vat_number
        assert contract.customer.billing_email == deal.email
        sold = sorted((item.code, item.amount.amount) for item in contract.services)
        assert sold == sorted((line.code, line.amount) for line in deal.lines)
        today = remote.now().date()
        assert contract.signed_on is not None
        assert abs(contract.signed_on - today) <= _DAY

    def test_what_a_deal_does_not_say_is_left_out(self, remote: R, crm: Crm) -> None:
        deal_id = remote.add(Deal(vat_number="", email="", lines=()))
        found = crm.read_contract(deal_id)
        assert "vat_number" not in found["customer"]
        assert "billing_email" not in found["customer"]
        assert found.get("services", []) == []

    def test_text_of_any_kind_comes_as_it_is(self, remote: R, crm: Crm) -> None:
        title = "O'Neil & Söhne <b>“%s”</b> \\ ; -- 日本 {0}"
        assert crm.read_contract(remote.add(Deal(title=title)))["title"] == title

    @pytest.mark.parametrize("deal_id", _NO_DEALS)
    def test_an_id_of_no_deal_is_said_to_be_none(self, crm: Crm, deal_id: str) -> None:
        assert business(lambda: crm.read_contract(deal_id)) == "deal_not_found"
        assert not crm.is_due(deal_id)
        [verdict] = crm.write_statuses([status(deal_id)])
        assert verdict is not None
        assert (verdict.kind, verdict.code) == (FailureKind.BUSINESS, "status_refused")

    def test_an_open_deal_is_no_contract(self, remote: R, crm: Crm) -> None:
        deal_id = remote.add(Deal(won=False))
        assert business(lambda: crm.read_contract(deal_id)) == "deal_not_won"
        assert not crm.is_due(deal_id)
        remote.win(deal_id)
        assert crm.is_due(deal_id)
        assert crm.read_contract(deal_id)["title"] == Deal().title

    def test_deals_that_are_read_together_are_read_as_one_by_one(self, remote: R, crm: Crm) -> None:
        """By a CRM that reads many deals in hardly more calls than one."""
        if isinstance(crm, ReadsTogether):
            first, second, still_open = (remote.add(Deal(won=won)) for won in (True, True, False))
            found = crm.read_contracts([first, _NO_DEALS[0], second, still_open])
            assert found[::2] == [crm.read_contract(first), crm.read_contract(second)]
            codes = [item.code for item in found[1::2] if isinstance(item, GatewayError)]
            assert codes == ["deal_not_found", "deal_not_won"]

    def test_many_threads_share_it(self, remote: R, crm: Crm) -> None:
        titles = [f"Deal of thread {number}" for number in range(_THREADS)]
        ids = [remote.add(Deal(title=title)) for title in titles]
        with ThreadPoolExecutor(_THREADS) as pool:
            found = list(pool.map(crm.read_contract, ids))
        assert [item["title"] for item in found] == titles

    # --- sweeps -----------------------------------------------------------------------------------

    def sweeps(self, remote: R, crm: Crm) -> Sweeps:
        def read(since: datetime, after: str) -> FoundPage:
            page = crm.won_deals(since, after)
            assert page.as_of.tzinfo is not None
            assert all(item.modified_at.tzinfo is not None for item in page.deals)
            assert len(page.deals) <= remote.page_size
            found = [(item.deal_id, item.modified_at) for item in page.deals]
            return FoundPage(found, page.as_of, page.next)

        return Sweeps(remote.connector, read, time_zone=TIME_ZONE)

    def test_each_won_deal_is_found_once(self, remote: R, crm: Crm) -> None:
        sweeps = self.sweeps(remote, crm)
        first = {remote.add(Deal()) for _ in range(3)}
        found = sweeps.run(remote.now())
        assert first <= set(found)
        assert len(found) == len(set(found))
        later = remote.add(Deal())
        assert set(sweeps.run(remote.now())) == {later}
        assert sweeps.run(remote.now()) == []

    def test_more_deals_than_a_page_holds_are_all_found(self, remote: R, crm: Crm) -> None:
        made = set(remote.add_many(remote.page_size + 2))
        pages: list[FoundPage] = []
        found = self.sweeps(remote, crm).run(remote.now(), pages.append)
        assert made <= set(found)
        assert len(pages) > 1
        assert len(found) == len(set(found)), "nothing changed, and a deal came twice"

    def test_a_sweep_that_takes_long_goes_on_where_it_ended(self, remote: R, crm: Crm) -> None:
        made = set(remote.add_many(remote.page_size + 2))
        sweeps, pages = self.sweeps(remote, crm), list[FoundPage]()
        first = sweeps.run(remote.now(), most_pages=1)
        assert not made <= set(first)
        second = sweeps.run(remote.now(), pages.append)
        assert made <= {*first, *second}
        assert not set(first) & {key for key, _ in pages[0].found}, "a page was read again"

    def test_what_changes_between_pages_leaves_nothing_out(self, remote: R, crm: Crm) -> None:
        made = remote.add_many(remote.page_size + 2)
        can_delete = remote.can("delete")
        changed: set[str] = set()

        def change(page: FoundPage) -> None:
            if changed:
                return
            contract, edited, gone = [key for key, _ in page.found][:3]
            changed.update((contract, edited, gone))
            assert crm.write_statuses([status(contract)]) == [None]
            remote.edit(edited, "Edited meanwhile")
            if can_delete:
                remote.delete(gone)

        found = self.sweeps(remote, crm).run(remote.now(), change)
        assert changed
        assert set(made) <= set(found)

    def test_a_sweep_costs_what_changed(self, remote: R, crm: Crm) -> None:
        deal_id = remote.add(Deal())
        at = modified_at(remote, crm, deal_id)
        assert deal_id in won(crm, at), "a deal changed at `since` is found: at or after"
        assert deal_id not in won(crm, at + _DAY)

    def test_a_deal_won_after_the_last_sweep_is_found(self, remote: R, crm: Crm) -> None:
        sweeps, deal_id = self.sweeps(remote, crm), remote.add(Deal(won=False))
        assert deal_id not in sweeps.run(remote.now())
        remote.win(deal_id)
        assert sweeps.run(remote.now()) == [deal_id]

    def test_a_deal_that_is_committed_late_is_found(self, remote: R, crm: Crm) -> None:
        """Behind the mark of the last sweep: soon by the overlap, at the latest once a day."""
        if not remote.can("add_late"):
            return
        sweeps, now = self.sweeps(remote, crm), remote.now()
        sweeps.run(now)
        declared = sweeps.sweep
        soon = remote.add_late(Deal(), declared.overlap * 0.9)
        assert soon in sweeps.run(now)
        if declared.nightly > declared.overlap:
            late = remote.add_late(Deal(), declared.nightly * 0.9)
            assert late not in sweeps.run(now)
            assert late in sweeps.run(now + _DAY)

    def test_what_has_a_contract_is_left_out_whoever_edits_it(self, remote: R, crm: Crm) -> None:
        deal_id, since = remote.add(Deal()), remote.now() - _DAY
        assert crm.write_statuses([status(deal_id)]) == [None]
        remote.edit(deal_id, "Edited after its contract began")
        assert deal_id not in won(crm, since)
        assert not crm.is_due(deal_id)

    def test_what_was_closed_before_the_day_of_adoption_is_left_out(
        self, remote: R, crm: Crm
    ) -> None:
        today, since = remote.now().date(), remote.now() - _DAY
        days = (ADOPTED_DAYS_AGO + 2, ADOPTED_DAYS_AGO - 2)
        old, recent = (remote.add(Deal(closed_on=today - timedelta(days=item))) for item in days)
        found = won(crm, since)
        assert (old in found, recent in found) == (False, True)
        assert (crm.is_due(old), crm.is_due(recent)) == (False, True)

    def test_a_deal_that_is_opened_again_is_left_out(self, remote: R, crm: Crm) -> None:
        if remote.can("reopen"):
            deal_id = remote.add(Deal())
            remote.reopen(deal_id)
            assert not crm.is_due(deal_id)
            assert deal_id not in won(crm, remote.now() - _DAY)

    def test_a_deal_that_is_deleted_holds_up_no_other(self, remote: R, crm: Crm) -> None:
        if not remote.can("delete"):
            return
        gone, there = remote.add(Deal()), remote.add(Deal())
        remote.delete(gone)
        found = won(crm, remote.now() - _DAY)
        assert (gone in found, there in found) == (False, True)
        assert not crm.is_due(gone)
        assert business(lambda: crm.read_contract(gone)) == "deal_not_found"
        refused, written = crm.write_statuses([status(gone), status(there)])
        assert refused is not None
        assert refused.code == "status_refused"
        assert written is None

    # --- statuses ---------------------------------------------------------------------------------

    def test_a_status_is_shown_and_cleared_where_it_has_no_value(self, remote: R, crm: Crm) -> None:
        deal_id = remote.add(Deal())
        full = replace_status(status(deal_id))
        assert crm.write_statuses([full]) == [None]
        assert shown(remote, deal_id) == {
            key: text for key, text in status_texts(full).items() if text
        }
        bare = ContractStatus(deal_id=deal_id, stage="closed")
        assert crm.write_statuses([bare]) == [None]
        assert shown(remote, deal_id) == {"c2c_stage": "closed"}
        assert crm.write_statuses([bare]) == [None]
        assert shown(remote, deal_id) == {"c2c_stage": "closed"}

    def test_a_status_changes_nothing_else_of_the_deal(self, remote: R, crm: Crm) -> None:
        deal_id = remote.add(Deal())
        before = crm.read_contract(deal_id)
        assert crm.write_statuses([status(deal_id)]) == [None]
        assert crm.read_contract(deal_id) == before

    def test_what_one_deal_refuses_holds_up_no_other(self, remote: R, crm: Crm) -> None:
        good = [remote.add(Deal()) for _ in range(3)]
        batch = [good[0], _NO_DEALS[0], good[1], _NO_DEALS[2], good[2]]
        if remote.can("refuse_writes"):
            stubborn = remote.add(Deal())
            remote.refuse_writes(stubborn)
            batch.insert(2, stubborn)
        for deal_id, verdict in zip(batch, written(crm, batch), strict=True):
            if deal_id in good:
                assert verdict is None, verdict
                assert shown(remote, deal_id)["c2c_stage"] == "billing"
            else:
                assert isinstance(verdict, GatewayError), f"{deal_id!r}: {verdict!r}"
                assert verdict.kind is FailureKind.BUSINESS

    def test_as_many_statuses_as_it_declares_share_their_calls(
        self, remote: R, crm: Crm, wire: Wire
    ) -> None:
        assert crm.most_at_once > 0
        ids = remote.add_many(crm.most_at_once)
        wire.clear()
        assert crm.write_statuses([status(item) for item in ids]) == [None] * len(ids)
        assert len(wire.requests) <= max(5, len(ids) // 10), "statuses share calls"
        assert all(shown(remote, item)["c2c_stage"] == "billing" for item in ids)

    def test_no_status_is_no_call(self, crm: Crm, wire: Wire) -> None:
        assert crm.write_statuses([]) == []
        assert wire.requests == []

    # --- webhooks ---------------------------------------------------------------------------------

    def record(self, remote: R) -> str:
        return remote.add(Deal())

    def is_about(self, event: InboundEvent, record_id: str) -> bool:
        task = event.task
        return isinstance(task, ForDeal) and (task.system, task.deal_id) == (NAME, record_id)


def status(deal_id: str) -> ContractStatus:
    return ContractStatus(deal_id=deal_id, stage="billing")


def written(crm: Crm, deal_ids: Sequence[str]) -> list[BaseException | None]:
    """What comes of each deal's status as the product writes them: together, and by halves where
    the CRM refuses a whole call because of one."""

    async def asked() -> list[BaseException | None]:
        shared = statuses_of(crm, gather_seconds=0.05)
        calls = (shared.ask(status(deal_id)) for deal_id in deal_ids)
        return await asyncio.gather(*calls, return_exceptions=True)

    return asyncio.run(asked())


def replace_status(given: ContractStatus) -> ContractStatus:
    """With a value in every field."""
    amounts = {name: Money(Decimal("1234.50"), "EUR") for name in ("invoiced", "paid", "overdue")}
    return given.model_copy(
        update={
            **amounts,
            "project_reference": "Website, phase 1 (S00042)",
            "waiting_on": "finance: O'Neil, “second” approver",
            "next_invoice_on": date(2026, 12, 31),
            "open_exceptions": 2,
            "burn": "12.5 of 40 h",
        }
    )


def shown(remote: CrmRemote, deal_id: str) -> dict[str, str]:
    return {name: text for name, text in remote.shown(deal_id).items() if text}


def complete(contract_data: JsonObject) -> JsonObject:
    """The contract data with what the caller of a CRM adds."""
    return {"contract_id": "kit-1", "legal_entity": ENTITY, **contract_data}


def business(call: Any) -> str:
    """The code of the refusal, of kind business, that a call raises."""
    with pytest.raises(GatewayError) as caught:
        call()
    assert caught.value.kind is FailureKind.BUSINESS
    return caught.value.code


def won(crm: Crm, since: datetime) -> dict[str, datetime]:
    """The deals of all pages, with the time of their change."""
    page = crm.won_deals(since)
    found = list(page.deals)
    while page.next:
        page = crm.won_deals(since, page.next)
        found += page.deals
    return {item.deal_id: item.modified_at for item in found}


def modified_at(remote: CrmRemote, crm: Crm, deal_id: str) -> datetime:
    return won(crm, remote.now() - _DAY)[deal_id]
