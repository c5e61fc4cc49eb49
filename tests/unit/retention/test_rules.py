"""Rules of retention: what is due is removed, and nothing else; each removal has an entry."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError
from temporalio import activity
from temporalio.service import RPCError, RPCStatusCode

from activities import retention
from activities.retention import (
    Retention,
    RetentionActivities,
    RetentionRequest,
    RetentionSetup,
)
from contracts.audit.entries import ENDED, STARTED, Entry
from contracts.retention import Kind, Page, Progress, Removed
from gateways.audit import anchoring
from gateways.audit.chains import Chains
from gateways.audit.entity_chain import EntityChain
from gateways.audit.reading import Reader
from gateways.audit.removals import removed_chains, verdict_of
from gateways.encryption.large_payloads import LargePayloads
from gateways.errors import FailureKind, GatewayError
from gateways.record_store.folder import FolderStore
from gateways.record_store.protocol import RecordStore
from gateways.retention.erasing import Eraser
from gateways.retention.settings import RetentionSettings
from starters import retention as shown
from tests.unit.encryption.stores import key_ring
from tests.unit.retention.executions import Executions

NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
OLD, YOUNG, OPEN, UNKNOWN = (f"contract/northwind/C-{n}" for n in (1, 2, 3, 4))
ELSEWHERE = "contract/northwind-uk/C-1"
RULES = {
    "decodes_days": 30,
    "payloads_days": 30,
    "entities": {"northwind": {"payloads_days": 30, "keys_days": 60, "audit_days": 90}},
}


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


@pytest.fixture
def setup(tmp_path: Path, store: FolderStore) -> RetentionSetup:
    ring = key_ring(tmp_path)
    day = NOW - timedelta(days=200)
    large = LargePayloads(store, larger_than=10, now=lambda: day)
    return RetentionSetup(
        rules=RetentionSettings.model_validate(RULES),
        store=store,
        large=large,
        eraser=Eraser(store, ring, large),
    )


@pytest.fixture
def temporal() -> Executions:
    return Executions(
        {
            OLD: NOW - timedelta(days=91),
            f"{OLD}/invoice/1": NOW - timedelta(days=100),
            YOUNG: NOW - timedelta(days=29),
            OPEN: None,
            ELSEWHERE: NOW - timedelta(days=1_000),
        }
    )


def fill(setup: RetentionSetup, *contracts: str) -> None:
    """Of each contract a key, two large payloads and an audit record, its invoice's too."""
    assert setup.eraser is not None
    chains = Chains(setup.store, setup.eraser.ring)
    for contract in contracts:
        setup.eraser.ring.key_for(contract)
        for content in (b"the first large payload", b"the second large payload"):
            setup.large.keep(contract, content)
        if contract != UNKNOWN:
            for of in (contract, f"{contract}/invoice/1"):
                entries = [Entry(at=NOW, what=what) for what in (STARTED, ENDED)]
                chains.write(of, 0, "", entries)


async def run(
    setup: RetentionSetup,
    temporal: Executions,
    kind: Kind,
    legal_entity: str = "northwind",
    *,
    is_dry: bool = False,
    at: datetime = NOW,
) -> Removed:
    """All pages of a kind, as the workflow asks for them."""
    found = Retention(setup, cast("Any", temporal), is_dry=is_dry)
    progress = Progress(kind=kind)
    while True:
        request = RetentionRequest(
            legal_entity=legal_entity, kind=kind, at=at, after=progress.after
        )
        progress = progress.with_page(await found.page(request))
        if not progress.after:
            [removed] = progress.done
            return removed


def names(store: RecordStore, prefix: str = "") -> set[str]:
    return {name for name in store.names(prefix) if not name.startswith("audit/entity/")}


def log(store: RecordStore, legal_entity: str = "northwind") -> list[Entry]:
    return list(EntityChain(store, legal_entity).entries())


def of(contract: str, store: RecordStore, prefix: str = "") -> set[str]:
    return {name for name in names(store, prefix) if f"{contract}/" in name}


@pytest.mark.parametrize("page", [3, 500])
async def test_large_payloads_go_so_many_days_after_the_end(
    setup: RetentionSetup,
    store: FolderStore,
    temporal: Executions,
    monkeypatch: pytest.MonkeyPatch,
    page: int,
) -> None:
    monkeypatch.setattr(retention, "PAGE", page)
    fill(setup, OLD, YOUNG, OPEN, ELSEWHERE)
    before, due = names(store), of(OLD, store, "payloads/")
    tried = await run(setup, temporal, Kind.PAYLOADS, is_dry=True)
    assert (tried.records, names(store), log(store)) == (2, before, [])
    removed = await run(setup, temporal, Kind.PAYLOADS)
    assert (removed.records, removed.undated) == (2, 0)
    assert names(store) == before - due
    entries = log(store)
    assert {item.what for item in entries} == {"retention"}
    assert sum(int(item.details["records"]) for item in entries) == 2
    if page == 500:
        digest = hashlib.sha256("\n".join(sorted(due)).encode()).hexdigest()
        assert entries[0].details == {
            "kind": "payloads",
            "days": 30,
            "records": 2,
            "sha256": digest,
        }
    again = await run(setup, temporal, Kind.PAYLOADS)
    assert (again.records, log(store)) == (0, entries)


async def test_keys_go_so_many_days_after_the_end_and_say_by_which_rule(
    setup: RetentionSetup, store: FolderStore, temporal: Executions
) -> None:
    fill(setup, OLD, YOUNG, OPEN)
    removed = await run(setup, temporal, Kind.KEYS)
    assert (removed.due, removed.records) == (1, 1)
    assert setup.eraser is not None
    assert {item.scope for item in setup.eraser.ring.wrapped()} == {YOUNG, OPEN}
    [erasure] = setup.eraser.ring.erasures()
    assert (erasure.scope, erasure.by) == (OLD, "c2c")
    [entry] = log(store)
    assert (entry.what, entry.actor.system) == ("contract_erased", "c2c")
    assert "kept for 60 days" in entry.why
    assert (await run(setup, temporal, Kind.KEYS)).due == 0
    assert log(store) == [entry]


async def test_an_invoice_that_runs_keeps_all_of_its_contract(
    setup: RetentionSetup, store: FolderStore, temporal: Executions
) -> None:
    fill(setup, OLD)
    temporal.ended[f"{OLD}/invoice/1"] = None
    before = names(store)
    for kind in (Kind.PAYLOADS, Kind.KEYS, Kind.AUDIT):
        assert (await run(setup, temporal, kind)).due == 0
    assert (names(store), log(store)) == (before, [])


async def test_what_nothing_says_the_end_of_is_kept_and_counted(
    setup: RetentionSetup, store: FolderStore, temporal: Executions
) -> None:
    fill(setup, UNKNOWN)
    before = names(store)
    for kind in (Kind.PAYLOADS, Kind.KEYS):
        removed = await run(setup, temporal, kind)
        assert (removed.due, removed.undated) == (0, 1)
    assert names(store) == before


async def test_what_temporal_has_forgotten_ends_by_its_audit_record(
    setup: RetentionSetup, temporal: Executions
) -> None:
    fill(setup, OLD)
    temporal.ended.clear()
    assert (await run(setup, temporal, Kind.KEYS, at=NOW + timedelta(days=59))).due == 0
    assert (await run(setup, temporal, Kind.KEYS, at=NOW + timedelta(days=60))).due == 1


@pytest.mark.parametrize("page", [1, 100])
async def test_an_audit_record_goes_whole_and_its_end_is_kept(
    setup: RetentionSetup,
    store: FolderStore,
    temporal: Executions,
    monkeypatch: pytest.MonkeyPatch,
    page: int,
) -> None:
    monkeypatch.setattr(retention, "CONTRACTS_A_PAGE", page)
    fill(setup, OLD, YOUNG, OPEN, ELSEWHERE)
    chains, bank = Chains(store, None), [f"bank/northwind/{digit * 64}" for digit in "123"]
    for number, file in enumerate(bank):
        chains.write(file, 0, "", [Entry(at=NOW, what=ENDED)])
        temporal.ended[file] = NOW - timedelta(days=89 + number)
    before = names(store)
    due = set().union(*(of(item, store, "audit/") for item in (OLD, *bank[1:])))
    heads = {
        of: chains.hash_of(of, numbers[-1])
        for item in (OLD, *bank[1:])
        for of, numbers in chains.chains(f"audit/{item}/")
    }
    removed = await run(setup, temporal, Kind.AUDIT)
    assert (removed.due, removed.records, removed.held) == (3, 6, 0)
    assert names(store) == before - due
    found = [item.details for item in log(store)]
    assert {str(item["of"]): item["hash"] for item in found} == heads
    assert {item["seq"] for item in found} == {1, 2}
    assert (await run(setup, temporal, Kind.AUDIT)).records == 0
    assert [item.details for item in log(store)] == found


@pytest.mark.parametrize("is_anchored", [True, False])
async def test_a_removed_audit_record_verifies_and_one_that_was_taken_away_does_not(
    setup: RetentionSetup, store: FolderStore, temporal: Executions, is_anchored: bool
) -> None:
    fill(setup, OLD, YOUNG)
    chains, at = Chains(store, None), NOW.isoformat()
    if is_anchored:
        anchoring.make(chains, "northwind", at, None)
    await run(setup, temporal, Kind.AUDIT)

    def broken() -> set[str]:
        reader = Reader(chains, None, {})
        verdicts = reader.every("northwind", reader.anchors("northwind"))
        return {item.of for item in verdicts if not item.is_whole}

    assert broken() == set()
    made = anchoring.make(chains, "northwind", (NOW + timedelta(days=1)).isoformat(), None)
    assert made.broken == ()
    assert "entity/northwind" in made.anchor.heads
    assert Reader(chains, None, {}).contract(OLD).is_whole
    # Somebody takes another one away, and then one that says what was removed.
    taken = [*of(YOUNG, store, "audit/"), "audit/entity/northwind/entries/00000001"]
    for name in taken:
        store.delete(name)
    lost = {YOUNG, f"{YOUNG}/invoice/1", "entity/northwind"}
    assert broken() == (lost | {OLD} if is_anchored else lost)


async def test_what_was_anchored_later_than_an_entry_says_was_not_removed_by_it(
    setup: RetentionSetup, store: FolderStore, temporal: Executions
) -> None:
    fill(setup, OLD)
    chains = Chains(store, None)
    await run(setup, temporal, Kind.AUDIT)
    removed = removed_chains(store, "northwind")[OLD]
    assert verdict_of(OLD, removed, {removed.seq: removed.hash}) is not None
    assert verdict_of(OLD, removed, {removed.seq: "another"}) is None
    assert verdict_of(OLD, removed, {removed.seq + 1: "later"}) is None
    assert chains.check(OLD, {removed.seq: removed.hash}).findings


class Locked(FolderStore):
    """Refuses to delete some records, as a bucket does while its lock holds them."""

    locked = ""

    def delete(self, name: str) -> bool:
        if self.locked and self.locked in name:
            raise GatewayError(
                FailureKind.CREDENTIALS, system="s3", code="record_store_refused", message="locked"
            )
        return super().delete(name)


async def test_what_a_lock_holds_is_kept_and_counted(
    setup: RetentionSetup, store: FolderStore, temporal: Executions
) -> None:
    fill(setup, OLD)
    before = names(store)
    locked = replace(setup, lock_days=365)
    removed = await run(locked, temporal, Kind.AUDIT)
    assert (removed.due, removed.records, removed.held) == (0, 0, 4)
    assert (names(store), log(store)) == (before, [])


async def test_what_the_store_refuses_to_delete_is_counted(
    setup: RetentionSetup, tmp_path: Path, temporal: Executions
) -> None:
    fill(setup, OLD)
    store = Locked(tmp_path)
    store.locked = "/invoice/1/"
    removed = await run(replace(setup, store=store), temporal, Kind.AUDIT)
    assert (removed.records, removed.held) == (2, 2)
    assert {name.rpartition("/entries/")[0] for name in of(OLD, store, "audit/")} == {
        f"audit/{OLD}/invoice/1"
    }


@pytest.mark.parametrize("page", [2, 500])
async def test_what_belongs_to_no_entity_goes_by_its_day(
    setup: RetentionSetup,
    store: FolderStore,
    temporal: Executions,
    monkeypatch: pytest.MonkeyPatch,
    page: int,
) -> None:
    monkeypatch.setattr(retention, "PAGE", page)
    for day in ("2026-10-30", "2026-10-31", "2026-11-01", "2026-11-30"):
        for number in (1, 2):
            store.create(f"decodes/{day}/12000{number}-abc", b"{}")
    for days in (31, 29):
        at = NOW - timedelta(days=days)
        kept = LargePayloads(store, larger_than=10, now=lambda at=at: at)  # type: ignore[misc]
        kept.keep("shared", f"payload of a day {days}".encode())
    assert (await run(setup, temporal, Kind.DECODES, "", is_dry=True)).records == 4
    removed = await run(setup, temporal, Kind.DECODES, "")
    assert (removed.due, removed.records) == (2, 4)
    assert {name.split("/")[1] for name in store.names("decodes/")} == {"2026-11-01", "2026-11-30"}
    # A bank's file of that month still waits for a person, and may have begun with one of these.
    temporal.others.append(NOW - timedelta(days=31))
    assert (await run(setup, temporal, Kind.PAYLOADS, "")).records == 0
    temporal.others[:] = [NOW - timedelta(days=29)]
    assert (await run(setup, temporal, Kind.PAYLOADS, "")).records == 1
    [left] = store.names("payloads/shared/")
    assert "2026-11-02" in left
    entries = log(store, "")
    assert sum(int(item.details["records"]) for item in entries) == 5
    assert Chains(store, None).check("installation", {}).is_whole
    locked = replace(setup, lock_days=365)
    held = await run(locked, temporal, Kind.DECODES, "", at=NOW + timedelta(days=30))
    assert (held.records, held.held) == (0, 4)


async def test_without_a_rule_or_keys_nothing_is_looked_at(
    setup: RetentionSetup, store: FolderStore, temporal: Executions
) -> None:
    fill(setup, ELSEWHERE)
    before = names(store)
    for kind in Kind:
        nothing = await run(setup, temporal, kind, "northwind-uk")
        assert nothing == Removed(kind=kind)
    without = replace(setup, eraser=None)
    assert await run(without, temporal, Kind.KEYS) == Removed(kind=Kind.KEYS)
    assert names(store) == before


async def test_where_temporal_does_not_answer_it_is_tried_again(
    setup: RetentionSetup, temporal: Executions, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(setup, OLD)

    def away(*_: object, **__: object) -> None:
        raise RPCError("no connection", RPCStatusCode.UNAVAILABLE, b"")

    monkeypatch.setattr(Executions, "get_workflow_handle", away)
    monkeypatch.setattr(activity, "client", lambda: temporal)
    request = RetentionRequest(legal_entity="northwind", kind=Kind.KEYS, at=NOW)
    with pytest.raises(GatewayError, match="no connection") as caught:
        await RetentionActivities(setup).apply_retention(request)
    assert caught.value.kind is FailureKind.TRANSIENT
    nothing = await RetentionActivities(None).apply_retention(request)
    assert nothing == Page(removed=Removed(kind=Kind.KEYS))


async def test_people_see_each_rule_with_what_is_due(
    setup: RetentionSetup, store: FolderStore, temporal: Executions
) -> None:
    fill(setup, OLD, OPEN)
    before = names(store)
    found = await shown.rules(cast("Any", temporal), setup, ["", "northwind", "northwind-uk"], NOW)
    assert [(item.legal_entity, item.removed.kind, item.days) for item in found] == [
        ("", Kind.PAYLOADS, 30),
        ("", Kind.DECODES, 30),
        ("northwind", Kind.PAYLOADS, 30),
        ("northwind", Kind.KEYS, 60),
        ("northwind", Kind.AUDIT, 90),
        ("northwind-uk", Kind.PAYLOADS, None),
        ("northwind-uk", Kind.KEYS, None),
        ("northwind-uk", Kind.AUDIT, None),
    ]
    assert [item.removed.records for item in found] == [0, 0, 2, 1, 4, 0, 0, 0]
    assert (names(store), shown.entries(store, "northwind")) == (before, [])
    assert await shown.rules(cast("Any", temporal), None, [""], NOW) == []


def test_progress_adds_up_by_kind() -> None:
    progress = Progress(kind=Kind.PAYLOADS)
    for after in ("a", ""):
        progress = progress.with_page(Page(removed=Removed(kind=Kind.PAYLOADS, due=1), after=after))
    progress = progress.replace(kind=Kind.KEYS)
    progress = progress.with_page(Page(removed=Removed(kind=Kind.KEYS, records=2)))
    assert progress.done == (
        Removed(kind=Kind.PAYLOADS, due=2),
        Removed(kind=Kind.KEYS, records=2),
    )


@pytest.mark.parametrize(
    "given", [{"keys_days": 0}, {"keys_days": 10, "least_days": 11}, {"days": 1}], ids=str
)
def test_what_is_no_rule_is_refused(given: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        RetentionSettings.model_validate({"entities": {"northwind": given}})
    with pytest.raises(ValidationError):
        RetentionSettings.model_validate({"payloads_days": 29})
