"""`/audit`: entries found by who, what and when; a chain with its proof and its verdict; files."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contracts.access import EVERYWHERE
from contracts.audit import records
from contracts.audit.entries import Entry, Who
from contracts.bank.file import BankFileState, FileRef, view
from contracts.events import chain_of_event
from gateways.audit import anchoring, looking
from gateways.audit.chains import Chains
from gateways.audit.entity_chain import EntityChain
from gateways.encryption.keys import KeyRing
from starters.client.errors import NoAnswer, NotFound
from starters.web.pages import audit
from starters.web.pages.audit_chains import chain_path, of_path
from tests.unit import engagements
from tests.unit.command import Calls
from tests.unit.web.pages.conftest import CORA, EVE, OLE, SUE, VIC, Desk

CONTRACT = "contract/northwind/C-1"
INVOICE = f"{CONTRACT}/invoice/3"
FILE = FileRef(bank="main", legal_entity="northwind", name="march.xml", sha256="ab" * 32)
EVENT = chain_of_event("tickets", "msg/2f?")
SOUTH = "contract/southwind/S-1"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>"
ANA = Who(
    person="ana@northwind.example",
    roles=("controller",),
    issuer="https://id.example",
    subject="u-7",
    token_id="t-1",
)


@pytest.fixture(autouse=True)
def kept(chains: Chains, calls: Calls) -> None:
    """A contract, its invoice, a bank's file, an event, and another legal entity's contract."""
    hold = Entry(
        at=NOON,
        what="hold_request",
        actor=ANA,
        why=f"asked {HOSTILE}",
        before={"hold on billing": "–"},
        after={"hold on billing": "until released"},
        content_hash="c0" * 32,
    )
    chains.write(CONTRACT, 0, "", [Entry(at=NOON, what="started"), hold])
    posted = Entry(at=NOON + timedelta(days=1), what="post_invoice", remote_id="account.move 12")
    chains.write(INVOICE, 0, "", [posted])
    settled = Entry(at=NOON, what="settlement", actor=ANA, details={"line": 3})
    chains.write(FILE.workflow_id, 0, "", [settled])
    chains.write(EVENT, 0, "", [Entry(at=NOON, what="dismissal", why="a test")])
    chains.write(SOUTH, 0, "", [Entry(at=NOON, what="hold_request", actor=ANA)])
    calls.answer("contract", NotFound("nothing"))
    calls.answer("invoice", NotFound("nothing"))


def decodes(chains: Chains) -> list[dict[str, object]]:
    found = (chains.store.read(name) for name in chains.store.names("decodes/"))
    return [json.loads(item) for item in found if item]


# --- found ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("narrowed", "there", "not_there"),
    [
        ("", ("changed a hold", "posted the invoice", "closed the contract out"), "S-1"),
        ("?of=C-1", ("changed a hold", "posted the invoice"), "closed the contract out"),
        ("?of=northwind/C-1/3", ("posted the invoice",), "changed a hold</td>"),
        ("?person=ANA", ("decided about a line of a bank", "until released"), "[account.move 12]"),
        ("?what=post_invoice", ("[account.move 12]",), "until released"),
        ("?from=2026-03-03", ("[account.move 12]",), "until released"),
        ("?to=2026-03-02&from=2026-03-02", ("until released",), "[account.move 12]"),
    ],
)
async def test_entries_are_found_by_what_the_address_says(
    desk: Desk, narrowed: str, there: tuple[str, ...], not_there: str
) -> None:
    text = (await desk.open(f"/audit{narrowed}", VIC)).partition("<tbody>")[2]
    assert desk.status == 200
    for said in there:
        assert said in text, said
    assert not_there not in text


async def test_what_others_wrote_is_escaped_and_another_entity_is_not_there(desk: Desk) -> None:
    for address in ("/audit", "/audit/northwind/C-1"):
        text = await desk.open(address, VIC)
        assert HOSTILE not in text
        assert "&lt;script&gt;" in text
    for address in ("/audit?entity=southwind", "/audit?of=southwind/S-1", "/audit/southwind/S-1"):
        await desk.open(address, VIC)
        assert desk.status == 404, address
    assert "S-1" in await desk.open("/audit", SUE)


async def test_what_cannot_be_meant_is_said(desk: Desk) -> None:
    assert "is no day" in await desk.open("/audit?from=yesterday", VIC)
    assert desk.status == 422
    assert "is no reference" in await desk.open("/audit?of=a/b/c/d/e", VIC)
    assert desk.status == 422
    await desk.open("/audit?after=bm9uZQ==", VIC)
    assert desk.status == 404


async def test_a_long_record_is_found_page_by_page_and_none_of_it_twice(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "MAX_SEARCHED", 2)
    seen: list[str] = []
    address = "/audit"
    for _ in range(10):
        text = await desk.open(address, VIC)
        seen += [part.partition('"')[0] for part in text.split('data-row="')[1:]]
        following = text.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
        if 'rel="next"' not in text:
            break
        assert "There are more" in text
        address = following.replace("&amp;", "&")
    assert len(seen) == len(set(seen)) == 7
    assert f"{CONTRACT}-2" in seen


async def test_events_are_for_whoever_may_read_everywhere(desk: Desk) -> None:
    place = chain_path(EVENT)
    assert place not in await desk.open("/audit?what=dismissal", VIC)
    await desk.open(place, VIC)
    assert desk.status == 404
    assert place in await desk.open("/audit?what=dismissal", EVE)
    assert "Because: a test" in await desk.open(place, EVE)


def test_addresses_lead_to_their_chains_and_back() -> None:
    for of in (CONTRACT, INVOICE, FILE.workflow_id, EVENT, "entity/northwind"):
        _, _, entity, path = chain_path(of).split("/", 3)
        assert of_path(entity, path) == of
    for entity, path in (
        ("northwind", ""),
        ("northwind", "../x"),
        ("northwind", "C-1/invoices/0"),
        ("northwind", "events/tickets/" + "ab" * 32),
        (EVERYWHERE, "C-1"),
        ("northwind", "bank/ab"),
    ):
        assert of_path(entity, path) == ""


# --- one chain ------------------------------------------------------------------------------------


async def test_a_chain_says_who_when_why_what_changed_and_its_proof(desk: Desk) -> None:
    text = await desk.open("/audit/northwind/C-1", VIC)
    for said in (
        "ana@northwind.example (controller)",
        "https://id.example",
        "u-7",
        "t-1",
        "2 Mar 2026, 13:00",  # in Brussels
        "hold on billing: – → until released",
        "c0" * 32,
        "whole</span> 2 entries",
        "none yet: a cut-off end",
        "/audit/northwind/C-1/invoices/3",
        "Temporal does not keep it any more",
    ):
        assert said in text, said
    invoice = await desk.open("/audit/northwind/C-1/invoices/3", VIC)
    assert "https://odoo.example/web#id=12&amp;model=account.move" in invoice
    await desk.open("/audit/northwind/C-2", VIC)
    assert desk.status == 404


async def test_the_last_anchor_is_shown_and_what_is_cut_off_behind_it_is_found(
    desk: Desk, chains: Chains
) -> None:
    made = anchoring.make(chains, "northwind", "2026-03-04T01:00:00+00:00", None).anchor
    text = await desk.open("/audit/northwind/C-1", VIC)
    for said in ("number 1, 4 Mar 2026", made.root, "anchored up to entry 2", "not signed"):
        assert said in text, said
    assert made.root in await desk.open("/audit", VIC)
    chains.store.delete(records.record_name(CONTRACT, 2))
    text = await desk.open("/audit/northwind/C-1", VIC)
    assert "not whole" in text
    assert "<code>cut_off</code>" in text


async def test_a_changed_entry_spoils_its_row_and_the_verdict_only(
    desk: Desk, chains: Chains, tmp_path: Path
) -> None:
    place = tmp_path / f"{records.record_name(CONTRACT, 1)}.record"
    place.write_bytes(b"{}")
    text = await desk.open("/audit/northwind/C-1", VIC)
    assert desk.status == 200
    assert "<code>changed</code>" in text
    assert "the record was changed" in text
    assert "until released" in text
    assert "the record was changed" in await desk.open("/audit?of=C-1", VIC)


async def test_a_running_workflow_is_asked_how_its_chain_ends(
    desk: Desk, chains: Chains, calls: Calls
) -> None:
    state = engagements.mixed()
    trail = state.audit.replace(made=3, seq=3, head="ab" * 32, pending=())
    calls.answer("contract", state.replace(audit=trail))
    text = await desk.open("/audit/northwind/C-1", VIC)
    assert "<code>cut_off</code>" in text
    assert "does not keep it" not in text
    calls.answer("contract", NoAnswer("no worker"))
    text = await desk.open("/audit/northwind/C-1", VIC)
    assert "gives no answer now" in text
    assert "not whole" not in text


async def test_a_banks_file_has_a_chain_of_its_own(desk: Desk, calls: Calls) -> None:
    state = BankFileState(file=FILE, received_at=NOON)
    calls.answer("bank_file", view(state))
    text = await desk.open(chain_path(FILE.workflow_id), VIC)
    assert "decided about a line of a bank&#39;s file – line 3" in text
    assert f'href="/{FILE.workflow_id}"' in text


async def test_what_was_erased_and_removed_is_in_a_chain_of_the_legal_entity(
    desk: Desk, chains: Chains
) -> None:
    log = EntityChain(chains.store, "northwind")
    head = chains.hash_of(INVOICE, 1)
    log.append(Entry(at=NOON, what="customer_erased", actor=ANA, why="asked by them"))
    log.append(
        Entry(at=NOON, what="audit_removed", details={"of": INVOICE, "seq": 1, "hash": head})
    )
    anchoring.make(chains, "northwind", "2026-03-03", None)
    chains.store.delete(records.record_name(INVOICE, 1))
    place = chain_path(log.of)
    assert place in await desk.open("/audit?what=customer_erased", VIC)
    text = await desk.open(place, VIC)
    assert "erased a customer" in text
    assert "asked by them" in text
    assert "forgotten" not in text
    await desk.open(place, SUE)
    assert desk.status == 404
    await desk.open(chain_path(INVOICE), VIC)
    assert desk.status == 404, "removed by a rule: nothing is wrong with it, and nothing is there"
    chains.store.delete(records.record_name(CONTRACT, 2))
    assert "cut off" in (await desk.open(chain_path(CONTRACT), VIC)).lower().replace("_", " ")


async def test_of_a_long_chain_a_page_is_shown_and_the_rest_is_said_to_be_left_out(
    desk: Desk, chains: Chains, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "contract/northwind/C-7"
    chains.write(long, 0, "", [Entry(at=NOON, what="usage_report")] * 120)
    monkeypatch.setattr(looking, "MAX_OF_A_CHAIN", 110)
    text = await desk.open("/audit/northwind/C-7", VIC)
    assert "1 to 100 of 120" in text
    assert "10 more were not looked at" in text
    assert "not whole" not in text
    assert "101 to 120 of 120" in await desk.open("/audit/northwind/C-7?page=2", VIC)


async def test_whoever_is_shown_what_was_sealed_is_recorded_before(
    desk: Desk, chains: Chains
) -> None:
    await desk.open("/audit/northwind/C-1", VIC)
    await desk.open("/audit?of=C-9", VIC)
    chain, search = sorted(decodes(chains), key=lambda item: str(item["action"]))
    assert (chain["action"], chain["who"]) == (f"audit {CONTRACT}", VIC.person)
    assert (search["action"], search["payloads"]) == ("audit search", 3)


async def test_an_erased_contract_is_shown_without_names(
    desk: Desk, chains: Chains, ring: KeyRing
) -> None:
    ring.erase(CONTRACT, by="olga", reason="asked for", at=NOON)
    text = await desk.open("/audit/northwind/C-1", VIC)
    assert "whole</span> 2 entries" in text
    assert "by olga: no names can be read" in text
    assert "until released" not in text
    assert decodes(chains) == []


# --- files ----------------------------------------------------------------------------------------


async def test_a_controller_takes_a_contract_with_its_invoices_as_files(
    desk: Desk, chains: Chains
) -> None:
    lines = [
        json.loads(line)
        for line in (await desk.open("/audit/northwind/C-1.jsonl", CORA)).splitlines()
    ]
    assert [(item["of"], item["seq"]) for item in lines] == [
        (CONTRACT, 1),
        (CONTRACT, 2),
        (INVOICE, 1),
    ]
    assert lines[1]["actor"]["subject"] == "u-7"
    rows = list(csv.DictReader(io.StringIO(await desk.open("/audit/northwind/C-1.csv", CORA))))
    assert [row["what"] for row in rows] == ["started", "hold_request", "post_invoice"]
    assert json.loads(rows[1]["after"]) == {"hold on billing": "until released"}
    assert {item["action"] for item in decodes(chains)} == {f"audit export {CONTRACT}"}


async def test_a_file_is_for_whoever_may_export_and_is_no_larger_than_it_may_be(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for person, status in ((VIC, 403), (OLE, 403), (SUE, 404), (CORA, 200)):
        await desk.open("/audit/northwind/C-1.csv", person)
        assert desk.status == status, person
    assert "C-1.csv" in await desk.open("/audit/northwind/C-1", CORA)
    assert "C-1.csv" not in await desk.open("/audit/northwind/C-1", VIC)
    monkeypatch.setattr("starters.web.pages.audit.MAX_EXPORTED", 2)
    await desk.open("/audit/northwind/C-1.csv", CORA)
    assert desk.status == 413
    await desk.open("/audit/northwind/C-2.csv", CORA)
    assert desk.status == 404


def test_a_cell_of_a_file_is_no_formula(chains: Chains) -> None:
    chains.write("contract/northwind/C-5", 0, "", [Entry(at=NOON, what="started", why="=1+1")])
    [item] = chains.entries("contract/northwind/C-5")
    assert "'=1+1" in audit._row(item)
