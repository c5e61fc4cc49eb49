"""Requests that share calls have the effects, on both Odoos, that each would have alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from contracts.model import JsonObject
from gateways.errors import FailureKind, GatewayError
from gateways.odoo import LoadRefused, Mailed, OdooClient, connect
from gateways.secrets import Secret
from tests.odoo.helpers import ADDRESS, customer, invoice, product, refusal, the, xid
from tests.servers import OdooServer
from tests.world import unique

CALLERS = 60

TO = {"mailed_to": ADDRESS}


@dataclass
class Connected:
    """A client, and the methods of its calls."""

    client: OdooClient
    methods: list[str]

    def calls(self, method: str) -> int:
        return self.methods.count(method)


def connected(server: OdooServer, **limits: int) -> Connected:
    methods: list[str] = []
    client = connect(
        server.url,
        server.database,
        Secret.file(server.keys["c2c"]),
        on_call=lambda _model, method, *_: methods.append(method),
        calls_at_once=limits.get("calls_at_once", 4),
        batch_size=limits.get("batch_size", 100),
    )
    return Connected(client, methods)


@pytest.fixture
def batched(odoo_server: OdooServer) -> Iterator[Connected]:
    client = connected(odoo_server)
    yield client
    client.client.close()


@pytest.fixture
def single(odoo_server: OdooServer) -> Iterator[Connected]:
    """The same, but nothing shares a call."""
    client = connected(odoo_server, batch_size=1, calls_at_once=2)
    yield client
    client.client.close()


def at_once(requests: Sequence[Callable[[], Any]]) -> tuple[list[Any], float]:
    """What came of requests that all began at the same moment, and how long it took."""
    ready = threading.Barrier(len(requests))

    def outcome(request: Callable[[], Any]) -> Any:
        ready.wait()
        try:
            return request()
        except GatewayError as error:
            return error

    with ThreadPoolExecutor(len(requests)) as pool:
        started = time.perf_counter()
        outcomes = list(pool.map(outcome, requests))
        return outcomes, time.perf_counter() - started


def invoice_row(partner: int, service: int, **change: Any) -> JsonObject:
    name = unique("invoice")
    return {
        "id": f"c2c.{name}",
        "move_type": "Customer Invoice",
        "partner_id/.id": partner,
        "currency_id/id": "base.EUR",
        "invoice_date": "2026-03-02",
        "invoice_payment_term_id": "30 Days",
        "ref": name,
        "invoice_line_ids/id": f"c2c.{name}-line",
        "invoice_line_ids/product_id/.id": service,
        "invoice_line_ids/quantity": 1,
        "invoice_line_ids/price_unit": "100.00",
        **change,
    }


def test_one_bad_invoice_of_sixty_fails_and_the_others_exist_once(
    odoo: OdooClient, batched: Connected, single: Connected
) -> None:
    partner, service = customer(odoo), product(odoo)

    def rows() -> list[JsonObject]:
        made = [invoice_row(partner, service) for _ in range(CALLERS)]
        made[41]["invoice_payment_term_id"] = "Some day"
        return made

    def load(client: OdooClient, row: JsonObject) -> Callable[[], list[int]]:
        return partial(client.load, "account.move", [row], create_once=True)

    together = rows()
    outcomes, seconds = at_once([load(batched.client, row) for row in together])
    _, alone = at_once([load(single.client, row) for row in rows()[:12]])
    print(
        f"\ninvoices, the bad one included: {CALLERS} in {batched.calls('load')} calls, "
        f"{seconds / CALLERS * 1000:.0f} ms each; 12 in 12, two at once, "
        f"{alone / 12 * 1000:.0f} ms each"
    )
    bad = outcomes.pop(41)
    assert isinstance(bad, LoadRefused)
    assert (bad.kind, bad.code) == (FailureKind.BUSINESS, "reference_unknown")
    assert (bad.field, bad.value) == ("invoice_payment_term_id", "Some day")
    assert list(bad.by_record) == [0]
    refs = [row["ref"] for row in together]
    found = odoo.search_read("account.move", [("ref", "in", refs)], ["ref"])
    del refs[41]
    assert {row["ref"]: [row["id"]] for row in found} == dict(zip(refs, outcomes, strict=True))
    assert len(found) == CALLERS - 1
    assert batched.calls("load") <= 6
    again, _ = at_once([load(batched.client, row) for row in together if row["ref"] in refs])
    assert again == outcomes


def test_records_refused_while_created_fail_alone(odoo: OdooClient, batched: Connected) -> None:
    def row(vat: str) -> JsonObject:
        return {
            "id": xid("partner"),
            "name": unique("Acme"),
            "is_company": True,
            "country_id/id": "base.be",
            "vat": vat,
        }

    numbers = ["BE0477472701"] * 20
    numbers[7] = numbers[13] = "BE0477472700"
    outcomes, _ = at_once(
        [partial(batched.client.load, "res.partner", [row(vat)]) for vat in numbers]
    )
    refused = {n: outcome.code for n, outcome in enumerate(outcomes) if type(outcome) is not list}
    assert refused == {7: "vat_refused", 13: "vat_refused"}
    with pytest.raises(LoadRefused) as alone:
        odoo.load("res.partner", [row(numbers[7])])
    assert {(outcomes[n].field, outcomes[n].value) for n in refused} == {
        (alone.value.field, alone.value.value)
    }
    assert (
        len({record for outcome in outcomes if type(outcome) is list for record in outcome}) == 18
    )
    assert batched.calls("load") <= 6


def test_one_posted_invoice_of_twenty_is_refused_and_the_others_are_posted_once(
    odoo: OdooClient, batched: Connected
) -> None:
    drafts = [invoice(odoo) for _ in range(20)]
    odoo.press("account.move", "action_post", [drafts[5]])
    outcomes, seconds = at_once(
        [partial(batched.client.press, "account.move", "action_post", [n]) for n in drafts]
    )
    print(f"\n20 posted in {batched.calls('action_post')} calls and {seconds:.1f} s")
    assert outcomes.pop(5).code == "wrong_state"
    assert outcomes == [None] * 19
    moves = odoo.read("account.move", drafts, ["state", "name"])
    assert {move["state"] for move in moves} == {"posted"}
    assert len({move["name"] for move in moves}) == 20
    assert batched.calls("action_post") <= 12


def test_one_external_id_loaded_at_once_is_one_record(odoo: OdooClient, batched: Connected) -> None:
    row = {"id": xid("partner"), "name": unique("Same")}
    outcomes, _ = at_once([partial(batched.client.load, "res.partner", [row])] * 8)
    [partner] = outcomes[0]
    assert outcomes == [[partner]] * 8
    found = odoo.search_read("res.partner", [("name", "=", row["name"])], ["id"])
    assert [kept["id"] for kept in found] == [partner]
    assert batched.calls("load") == 8


def test_finding_and_reading_at_once_returns_what_each_gets_alone(
    odoo: OdooClient, batched: Connected
) -> None:
    moves = [invoice(odoo) for _ in range(8)]
    fields = ["display_type", "price_unit", "move_type"]
    also = [("display_type", "=", "product")]

    def lines(client: OdooClient, move: int) -> list[JsonObject]:
        return client.find("account.move.line", "move_id", [move], fields, also=also)

    def expected(move: int) -> list[JsonObject]:
        domain = [("move_id", "in", [move]), *also]
        return odoo.search_read("account.move.line", domain, fields)

    outcomes, _ = at_once([partial(lines, batched.client, move) for move in moves])
    assert outcomes == [expected(move) for move in moves]
    assert all(len(found) == 1 for found in outcomes)
    assert batched.calls("search_read") < 8
    reads, _ = at_once(
        [partial(batched.client.read, "account.move", [m], ["state"]) for m in moves]
    )
    assert reads == [[{"id": move, "state": "draft"}] for move in moves]
    assert batched.calls("read") < 8


def test_find_keeps_the_default_order(odoo: OdooClient, batched: Connected) -> None:
    names = [unique(name) for name in ("Zeta", "Beta", "Alpha", "Delta")]
    for name in names:
        odoo.load("res.partner", [{"id": xid("partner"), "name": name, "ref": name}])

    def found(client: OdooClient, *wanted: str) -> list[str]:
        return [row["ref"] for row in client.find("res.partner", "ref", wanted, ["ref"])]

    wanted = [tuple(names), (names[0], names[2]), (names[3], names[1])]
    outcomes, _ = at_once([partial(found, batched.client, *w) for w in wanted])
    alone = [
        [row["ref"] for row in odoo.search_read("res.partner", [("ref", "in", list(w))], ["ref"])]
        for w in wanted
    ]
    assert outcomes == alone


def test_writes_of_equal_values_share_calls(odoo: OdooClient, batched: Connected) -> None:
    partners = [customer(odoo) for _ in range(10)]
    outcomes, _ = at_once(
        [partial(batched.client.write, "res.partner", [p], {"city": "Ghent"}) for p in partners]
    )
    assert outcomes == [None] * 10
    assert {the(odoo, "res.partner", partner, "city")["city"] for partner in partners} == {"Ghent"}
    assert batched.calls("write") < 10


@pytest.mark.parametrize("at_a_time", ["0", "80"])
def test_invoices_are_mailed_once_each_in_few_calls_where_odoo_can(
    odoo: OdooClient, admin_odoo: OdooClient, odoo_server: OdooServer, at_a_time: str
) -> None:
    """Debian's wkhtmltopdf makes one PDF a run: unless told so, Odoo refuses several at once."""
    batched = connected(odoo_server)
    if odoo_server.name == "real":
        admin_odoo.call(
            "ir.config_parameter", "set_param", key="account.pdf_generation_batch", value=at_a_time
        )
    drafts = [invoice(odoo) for _ in range(7)]
    posted, addresses = drafts[1:], [f"{unique('payer')}@b.example" for _ in drafts[1:]]
    for move, address in zip(posted, addresses, strict=True):
        partner = the(odoo, "account.move", move, "partner_id")["partner_id"][0]
        odoo.write("res.partner", [partner], {"email": address})
    odoo.press("account.move", "action_post", posted)
    to = {
        move: {"mailed_to": address}
        for move, address in zip(drafts, [ADDRESS, *addresses], strict=True)
    }
    # To no other than the address it is meant for, whoever it is mailed together with.
    elsewhere, _ = at_once([partial(batched.client.mail, move, TO) for move in posted[:3]])
    assert [item.instead["mailed_to"] for item in elsewhere] == addresses[:3]
    assert not any(item.went_out for item in elsewhere)
    assert [len(odoo_server.mails(address)) for address in addresses] == [0] * 6
    outcomes, _ = at_once([partial(batched.client.mail, move, to[move]) for move in drafts])
    again, _ = at_once([partial(batched.client.mail, move, to[move]) for move in posted])
    batched.client.close()
    refused = outcomes.pop(0)
    assert (refused.kind, refused.code) == (FailureKind.BUSINESS, "odoo_refused")
    assert outcomes == again == [Mailed("sent")] * 6
    assert [len(odoo_server.mails(address)) for address in addresses] == [1] * 6
    sent = batched.calls("action_send_and_print")
    alone = odoo_server.name == "real" and at_a_time != "0"
    assert sent >= 6 if alone else sent < 6


def test_a_repeat_waits_while_an_earlier_call_may_still_mail(
    odoo: OdooClient, odoo_server: OdooServer
) -> None:
    """Before such a call commits, only its wizard is visible."""
    batched = connected(odoo_server)
    invoices = [invoice(odoo) for _ in range(2)]
    odoo.press("account.move", "action_post", invoices)
    wizard = {"move_ids": [[6, 0, invoices]]}
    odoo.create("account.move.send.batch.wizard", [wizard])
    for _ in range(2):  # the wizard of a look is not taken for a call that mails
        error = refusal(partial(batched.client.mail, invoices[0], TO, again=True))
        assert (error.kind, error.code) == (FailureKind.TRANSIENT, "under_way")
        assert error.retry_after
    assert batched.calls("action_send_and_print") == 0
    assert batched.client.mail(invoices[0], TO) == Mailed("sent")
    assert batched.client.mail(invoices[0], TO, again=True) == Mailed("sent")
    assert batched.calls("action_send_and_print") == 1
    batched.client.close()
