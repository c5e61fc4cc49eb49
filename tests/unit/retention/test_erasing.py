"""Erasing a contract, or all of a customer: what may be, what is destroyed, what is recorded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from contracts.audit.entries import ENDED, Entry
from gateways.audit.chains import Chains
from gateways.audit.entity_chain import EntityChain
from gateways.encryption.keys import KeyRing
from gateways.encryption.large_payloads import LargePayloads
from gateways.errors import GatewayError
from gateways.record_store.folder import FolderStore
from gateways.retention.customers import CustomerIndex
from gateways.retention.erasing import Eraser
from gateways.retention.settings import RetentionSettings
from starters.client.errors import NotFound, Refused
from starters.erasing import Erasing, Standing
from tests.unit.encryption.stores import CONTRACT, key_ring
from tests.unit.retention.executions import Executions

NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
ENDED_AT = NOW - timedelta(days=100)
OTHER, OPEN = "contract/northwind/C-1002", "contract/northwind/C-1003"
WORDS: dict[str, Any] = {"by": "ana", "reason": "asked for it", "at": NOW}


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return key_ring(tmp_path)


@pytest.fixture
def eraser(tmp_path: Path, ring: KeyRing) -> Eraser:
    store = FolderStore(tmp_path)
    return Eraser(store, ring, LargePayloads(store, larger_than=10))


@pytest.fixture
def temporal() -> Executions:
    return Executions({CONTRACT: ENDED_AT, f"{CONTRACT}/invoice/1": ENDED_AT, OTHER: ENDED_AT})


def erasing(eraser: Eraser, temporal: Executions, **rules: Any) -> Erasing:
    settings = RetentionSettings.model_validate({"entities": {"northwind": rules}})
    return Erasing(cast("Any", temporal), eraser, settings)


def entries(eraser: Eraser) -> list[tuple[str, str]]:
    found = EntityChain(eraser.store, "northwind").entries()
    return [(item.what, item.actor.person) for item in found]


def sealed_for(eraser: Eraser, *contracts: str) -> None:
    """A key and a large payload of each."""
    for contract in contracts:
        eraser.ring.key_for(contract)
        eraser.large.keep(contract, b"sealed bytes of a payload")


async def test_keys_and_large_payloads_are_destroyed_and_who_and_why_stay_readable(
    eraser: Eraser, temporal: Executions
) -> None:
    sealed_for(eraser, CONTRACT, OTHER)
    done = await erasing(eraser, temporal).erase(f"{CONTRACT}/invoice/1", **WORDS)
    assert (done.scope, done.by, len(done.keys)) == (CONTRACT, "ana", 1)
    assert (list(eraser.ring.wrapped(CONTRACT)), list(eraser.large.of(CONTRACT))) == ([], [])
    assert [len(list(items)) for items in (eraser.ring.wrapped(OTHER), eraser.large.of(OTHER))] == [
        1,
        1,
    ]
    [entry] = EntityChain(eraser.store, "northwind").entries()
    assert (entry.actor.person, entry.why) == ("ana", "asked for it")
    assert entry.details == {"contract": CONTRACT}


@pytest.mark.parametrize("running", [CONTRACT, f"{CONTRACT}/invoice/1"])
async def test_what_runs_is_not_erased(eraser: Eraser, temporal: Executions, running: str) -> None:
    sealed_for(eraser, CONTRACT)
    temporal.ended[running] = None
    with pytest.raises(Refused, match=f"{running} still runs"):
        await erasing(eraser, temporal).erase(CONTRACT, **WORDS)
    assert len(list(eraser.ring.wrapped(CONTRACT))) == 1
    assert entries(eraser) == []


async def test_what_must_be_kept_for_longer_is_not_erased(
    eraser: Eraser, temporal: Executions
) -> None:
    sealed_for(eraser, CONTRACT)
    with pytest.raises(Refused, match=r"kept for 101 days .* it ended on 2026-08-23"):
        await erasing(eraser, temporal, least_days=101).erase(CONTRACT, **WORDS)
    await erasing(eraser, temporal, least_days=100).erase(CONTRACT, **WORDS)
    assert list(eraser.ring.wrapped(CONTRACT)) == []


async def test_where_temporal_has_forgotten_it_the_audit_record_says_when_it_ended(
    eraser: Eraser,
) -> None:
    sealed_for(eraser, CONTRACT)
    ask = erasing(eraser, Executions(), least_days=50)
    found = await ask.candidate(CONTRACT, NOW)
    assert (found.standing, found.ended_at) == (Standing.KEPT, None)
    assert "nothing says when it ended" in found.why
    chains = Chains(eraser.store, eraser.ring)
    chains.write(CONTRACT, 0, "", [Entry(at=ENDED_AT - timedelta(days=9), what=ENDED)])
    chains.write(f"{CONTRACT}/invoice/1", 0, "", [Entry(at=ENDED_AT, what=ENDED)])
    found = await ask.candidate(CONTRACT, NOW)
    assert (found.standing, found.ended_at) == (Standing.DUE, ENDED_AT)


# --- a customer ---------------------------------------------------------------------------------


async def test_a_customer_s_contracts_are_found_also_where_temporal_has_forgotten_them(
    eraser: Eraser, temporal: Executions
) -> None:
    forgotten = "contract/northwind/C-0999"
    for contract in (forgotten, CONTRACT):
        CustomerIndex(eraser.store).note("Acme/& Söhne", contract)
    CustomerIndex(eraser.store).note("another", "contract/northwind/C-7")
    temporal.customers[OTHER] = "Acme/& Söhne"
    found = await erasing(eraser, temporal).of_customer("northwind", "Acme/& Söhne", NOW)
    assert [item.contract for item in found.contracts] == [forgotten, CONTRACT, OTHER]
    assert not any("Acme" in name or "hne" in name for name in eraser.store.names("customers/"))
    with pytest.raises(NotFound, match="northwind-uk has no contract"):
        await erasing(eraser, temporal).of_customer("northwind-uk", "Acme/& Söhne", NOW)


async def test_a_customer_is_erased_whole_or_not_at_all_unless_it_is_said(
    eraser: Eraser, temporal: Executions
) -> None:
    sealed_for(eraser, CONTRACT, OTHER, OPEN)
    temporal.ended[OPEN] = None
    for contract in (CONTRACT, OTHER, OPEN):
        CustomerIndex(eraser.store).note("20001", contract)
    ask = erasing(eraser, temporal)
    with pytest.raises(Refused, match=f"{OPEN} still runs"):
        await ask.erase_customer("northwind", "20001", **WORDS)
    assert entries(eraser) == []
    done = await ask.erase_customer("northwind", "20001", **WORDS, partly=True)
    assert [item.scope for item in done.erased] == [CONTRACT, OTHER]
    assert [item.contract for item in done.left] == [OPEN]
    assert {item.scope for item in eraser.ring.wrapped()} == {OPEN}
    assert entries(eraser) == [
        ("customer_erased", "ana"),
        ("contract_erased", "ana"),
        ("contract_erased", "ana"),
    ]
    assert Chains(eraser.store, None).check("entity/northwind", {}).is_whole


async def test_an_erasure_that_was_cut_off_goes_on_and_a_whole_one_changes_nothing(
    eraser: Eraser, temporal: Executions, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed_for(eraser, CONTRACT, OTHER)
    for contract in (CONTRACT, OTHER):
        CustomerIndex(eraser.store).note("20001", contract)
    ask, erase = erasing(eraser, temporal), eraser.ring.erase

    def cut_off(scope: str, **words: Any) -> Any:
        if scope == OTHER:
            raise ConnectionError("the process was killed")
        return erase(scope, **words)

    monkeypatch.setattr(eraser.ring, "erase", cut_off)
    with pytest.raises(ConnectionError):
        await ask.erase_customer("northwind", "20001", **WORDS)
    assert {item.scope for item in eraser.ring.wrapped()} == {OTHER}
    monkeypatch.setattr(eraser.ring, "erase", erase)
    done = await ask.erase_customer("northwind", "20001", **WORDS)
    assert [item.scope for item in done.erased] == [OTHER]
    assert list(eraser.ring.wrapped()) == []
    before = entries(eraser)
    again = await ask.erase_customer("northwind", "20001", **WORDS)
    assert (list(again.erased), entries(eraser)) == ([], before)


async def test_half_an_erasure_is_done_again(eraser: Eraser, temporal: Executions) -> None:
    """The keys are gone, and a large payload is still there."""
    sealed_for(eraser, CONTRACT)
    eraser.ring.erase(CONTRACT, **WORDS)
    assert (await erasing(eraser, temporal).candidate(CONTRACT, NOW)).standing is Standing.DUE
    await erasing(eraser, temporal).erase(CONTRACT, **WORDS)
    assert list(eraser.large.of(CONTRACT)) == []
    assert (await erasing(eraser, temporal).candidate(CONTRACT, NOW)).standing is Standing.ERASED


async def test_writers_of_one_chain_at_the_same_moment_lose_nothing(tmp_path: Path) -> None:
    class Late(FolderStore):
        """Another process is ahead by one entry, once."""

        is_ahead = False

        def create(self, name: str, content: bytes) -> bool:
            if not self.is_ahead and name.startswith("audit/"):
                self.is_ahead = True
                EntityChain(FolderStore(tmp_path), "northwind").append(
                    Entry(at=NOW, what="customer_erased", why="the other's")
                )
            return super().create(name, content)

    store = Late(tmp_path)
    EntityChain(store, "northwind").append(Entry(at=NOW, what="contract_erased", why="ours"))
    assert [item.why for item in EntityChain(store, "northwind").entries()] == [
        "the other's",
        "ours",
    ]


async def test_without_the_entry_nothing_is_destroyed(
    eraser: Eraser, temporal: Executions, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed_for(eraser, CONTRACT)

    def away(self: object, entry: Entry) -> None:
        raise GatewayError(
            cast("Any", "transient"), system="record_store", code="away", message="away"
        )

    monkeypatch.setattr(EntityChain, "append", away)
    with pytest.raises(GatewayError):
        await erasing(eraser, temporal).erase(CONTRACT, **WORDS)
    assert len(list(eraser.ring.wrapped(CONTRACT))) == 1
