"""The client: what it sends, over either protocol, and what it makes of the answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateways.errors import FailureKind, GatewayError
from gateways.odoo import LoadRefused, OdooClient, connect
from gateways.secrets import Secret

URL = "https://odoo.example.com"
Answer = Callable[[httpx.Request], httpx.Response]


class Odoo:
    """Answers every request with `result` and keeps what was asked."""

    def __init__(self, result: Any = None, *, rpc: bool = False) -> None:
        self.result = result
        self.rpc = rpc
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if not self.rpc:
            return httpx.Response(200, json=self.result)
        result = 7 if self.rpc_params(-1)["service"] == "common" else self.result
        return httpx.Response(200, json={"jsonrpc": "2.0", "id": 1, "result": result})

    def body(self, number: int = -1) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.requests[number].content)
        return loaded

    def rpc_params(self, number: int = -1) -> dict[str, Any]:
        params: dict[str, Any] = self.body(number)["params"]
        return params


def client(answer: Answer, secret: Secret | None = None, **options: Any) -> OdooClient:
    return connect(
        URL,
        "firm",
        secret or Secret.of("s3cret"),
        http_transport=httpx.MockTransport(answer),
        **options,
    )


def rpc_client(answer: Answer, **options: Any) -> OdooClient:
    return client(answer, protocol="jsonrpc", login="c2c", **options)


def loaded(*ids: int) -> dict[str, Any]:
    return {"ids": list(ids), "messages": [], "nextrow": 0}


# --- load ---------------------------------------------------------------------------------------


def test_load_sends_the_union_of_columns_and_blanks_for_continuation_rows() -> None:
    odoo = Odoo(loaded(41))
    ids = client(odoo).load(
        "sale.order",
        [
            {"id": "c2c.o", "partner_id/.id": 3, "order_line/id": "c2c.l1"},
            {"order_line/id": "c2c.l2", "order_line/price_unit": Decimal("10.50")},
        ],
    )
    assert ids == [41]
    assert odoo.requests[0].url == f"{URL}/json/2/sale.order/load"
    body = odoo.body()
    assert body["fields"] == ["id", "partner_id/.id", "order_line/id", "order_line/price_unit"]
    assert body["data"] == [["c2c.o", "3", "c2c.l1", ""], ["", "", "c2c.l2", "10.50"]]
    assert "ids" not in body


def test_load_writes_cells_as_a_spreadsheet_does() -> None:
    odoo = Odoo(loaded(1))
    row = {
        "id": "c2c.x",
        "none": None,
        "yes": True,
        "no": False,
        "zero": 0,
        "day": date(2026, 1, 31),
        "moment": datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=2))),
        "tiny": Decimal("1E-7"),
    }
    client(odoo).load("x", [row])
    expected = ["c2c.x", "", "1", "0", "0", "2026-01-31", "2026-01-31 10:00:00", "0.0000001"]
    assert odoo.body()["data"] == [expected]


@pytest.mark.parametrize("value", [1.5, ["a"], {"a": 1}, b"a"])
def test_load_refuses_what_is_no_cell(value: Any) -> None:
    with pytest.raises(TypeError, match="cell"):
        client(Odoo(loaded(1))).load("x", [{"id": "c2c.x", "field": value}])


def test_create_once_is_update_mode_and_every_load_marks_its_records() -> None:
    odoo = Odoo(loaded(1))
    odoo_client = client(odoo)
    odoo_client.load("x", [{"id": "c2c.x"}], create_once=True, context={"tracking_disable": True})
    assert odoo.body()["context"] == {
        "lang": "en_US",
        "noupdate": True,
        "mode": "update",
        "tracking_disable": True,
    }
    odoo_client.load("x", [{"id": "c2c.x"}])
    assert odoo.body()["context"] == {"lang": "en_US", "noupdate": True, "mode": "init"}


def test_load_without_rows_asks_nothing() -> None:
    odoo = Odoo()
    assert client(odoo).load("x", []) == []
    assert not odoo.requests


def test_load_of_a_record_without_an_id_is_refused_before_it_is_sent() -> None:
    odoo = Odoo(loaded(1))
    with pytest.raises(ValueError, match="first row"):
        client(odoo).load("x", [{"name": "no id"}])
    assert not odoo.requests


@pytest.mark.parametrize(
    "answer", [loaded(1, 2), {"ids": ["1"], "messages": []}, [], None, "text", {"ids": [True]}]
)
def test_load_never_gives_a_record_another_s_id(answer: Any) -> None:
    with pytest.raises(GatewayError) as caught:
        client(Odoo(answer)).load("x", [{"id": "c2c.x"}])
    assert caught.value.kind is FailureKind.DEFECT


def test_load_refused_tells_the_record() -> None:
    text = "No matching record found for external id 'c2c.no' in field 'Customer'"
    message = {
        "type": "error",
        "record": 1,
        "rows": {"from": 1, "to": 1},
        "field": "partner_id",
        "message": text,
    }
    rows = [{"id": "c2c.a", "partner_id/id": "c2c.p"}, {"id": "c2c.b", "partner_id/id": "c2c.no"}]
    with pytest.raises(LoadRefused) as caught:
        client(Odoo({"ids": False, "messages": [message]})).load("x", rows)
    assert caught.value.code == "reference_unknown"
    assert (caught.value.field, caught.value.value) == ("partner_id/id", "c2c.no")
    assert list(caught.value.by_record) == [1]


def test_a_warning_does_not_refuse_a_load() -> None:
    answer = {**loaded(1), "messages": [{"type": "warning", "field": "x", "message": "Found many"}]}
    assert client(Odoo(answer)).load("x", [{"id": "c2c.x"}]) == [1]


# --- the other methods --------------------------------------------------------------------------


def test_search_read_sends_only_what_was_asked() -> None:
    odoo = Odoo([{"id": 1}])
    odoo_client = client(odoo)
    since = datetime(2026, 1, 1, tzinfo=UTC)
    assert odoo_client.search_read("x", [("write_date", ">=", since)], ["name"]) == [{"id": 1}]
    assert odoo.body() == {
        "domain": [["write_date", ">=", "2026-01-01 00:00:00"]],
        "fields": ["name"],
        "context": {"lang": "en_US"},
    }
    odoo_client.search_read("x", [], ["name"], limit=5, order="id desc")
    assert {**odoo.body(), "limit": 5, "order": "id desc"} == odoo.body()


def test_read_is_a_list_also_of_one() -> None:
    odoo = Odoo([{"id": 1, "name": "a"}])
    assert client(odoo).read("x", [1], ["name"]) == [{"id": 1, "name": "a"}]
    assert odoo.body()["ids"] == [1]


def test_read_misses_nothing_in_silence() -> None:
    with pytest.raises(GatewayError) as caught:
        client(Odoo([{"id": 1}])).read("res.partner", [1, 2], ["name"])
    assert (caught.value.kind, caught.value.code) == (FailureKind.BUSINESS, "record_missing")
    assert "res.partner 2" in caught.value.message


def test_write_and_create() -> None:
    odoo = Odoo(True)
    odoo_client = client(odoo)
    odoo_client.write("x", [1, 2], {"price": Decimal("1.25"), "on": date(2026, 1, 2)})
    assert odoo.body()["ids"] == [1, 2]
    assert odoo.body()["vals"] == {"price": 1.25, "on": "2026-01-02"}
    odoo.result = [9]
    assert odoo_client.create("x", [{"name": "a"}]) == [9]
    assert odoo.body()["vals_list"] == [{"name": "a"}]
    odoo.result = [9, 10]
    with pytest.raises(GatewayError, match="something else"):
        odoo_client.create("x", [{"name": "a"}])


def test_nothing_to_do_asks_nothing() -> None:
    odoo = Odoo()
    odoo_client = client(odoo)
    assert odoo_client.read("x", [], ["name"]) == []
    assert odoo_client.create("x", []) == []
    odoo_client.write("x", [], {"name": "a"})
    assert not odoo.requests


def test_call_takes_arguments_by_name() -> None:
    odoo = Odoo(True)
    assert client(odoo).call("sale.order", "message_post", [3], body="hello") is True
    assert odoo.requests[0].url.path == "/json/2/sale.order/message_post"
    assert odoo.body() == {"body": "hello", "ids": [3], "context": {"lang": "en_US"}}


def test_a_datetime_without_its_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        client(Odoo()).write("x", [1], {"at": datetime(2026, 1, 1)})  # noqa: DTZ001


def test_a_company_is_a_view_on_the_same_client() -> None:
    odoo = Odoo([])
    seen: list[str] = []
    base = client(
        odoo,
        context={"tz": "UTC"},
        on_call=lambda model, method, seconds, outcome, requests: seen.append(model),
    )
    base.with_company(4).search_read("x", [], ["name"])
    assert odoo.body()["context"] == {
        "lang": "en_US",
        "tz": "UTC",
        "allowed_company_ids": [4],
    }
    base.search_read("y", [], ["name"])
    assert odoo.body()["context"] == {"lang": "en_US", "tz": "UTC"}
    assert seen == ["x", "y"]


def test_every_call_is_counted_with_its_outcome() -> None:
    calls: list[tuple[str, str, str]] = []

    def count(model: str, method: str, seconds: float, outcome: str, requests: int) -> None:
        assert seconds >= 0
        assert requests == 1
        calls.append((model, method, outcome))

    refused = {"ids": False, "messages": [{"type": "error", "record": 0, "message": "No"}]}
    answers = iter(
        [
            httpx.Response(200, json=True),
            httpx.Response(401),
            httpx.Response(503),
            httpx.Response(200, json=refused),
        ]
    )
    odoo_client = client(lambda request: next(answers), on_call=count)
    odoo_client.write("a", [1], {})
    for _ in range(2):
        with pytest.raises(GatewayError):
            odoo_client.write("a", [1], {})
    with pytest.raises(LoadRefused):
        odoo_client.load("b", [{"id": "c2c.x"}])
    assert calls == [
        ("a", "write", "ok"),
        ("a", "write", "credentials"),
        ("a", "write", "transient"),
        ("b", "load", "business"),
    ]


# --- keys and addresses -------------------------------------------------------------------------


def test_json2_sends_key_and_database() -> None:
    odoo = Odoo([])
    client(odoo).search_read("x", [], ["name"])
    headers = odoo.requests[0].headers
    assert headers["Authorization"] == "Bearer s3cret"
    assert headers["X-Odoo-Database"] == "firm"


@pytest.mark.parametrize("protocol", ["json2", "jsonrpc"])
def test_a_replaced_key_file_serves_the_next_call(tmp_path: Path, protocol: str) -> None:
    path = tmp_path / "key"
    path.write_text("expired")
    good = "the-new-key"

    def answer(request: httpx.Request) -> httpx.Response:
        if protocol == "json2":
            accepted = request.headers["Authorization"] == f"Bearer {good}"
            return httpx.Response(200, json=[]) if accepted else httpx.Response(401)
        params = json.loads(request.content)["params"]
        result: Any = [] if params["service"] == "object" else 7
        return httpx.Response(200, json={"result": good in params["args"] and result})

    odoo_client = client(answer, Secret.file(path), protocol=protocol, login="c2c")
    with pytest.raises(GatewayError) as caught:
        odoo_client.search_read("x", [], ["name"])
    assert (caught.value.kind, caught.value.code) == (FailureKind.CREDENTIALS, "api_key_refused")
    path.write_text(good)
    assert odoo_client.search_read("x", [], ["name"]) == []


@pytest.mark.parametrize("key", ["s3cret\nX-Evil: 1", "schlüssel"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_quoted(key: str) -> None:
    with pytest.raises(GatewayError) as caught:
        client(Odoo([]), Secret.of(key)).search_read("x", [], ["name"])
    assert caught.value.kind is FailureKind.CREDENTIALS
    assert key not in str(caught.value)


def test_plain_http_is_refused_beyond_the_loopback() -> None:
    with pytest.raises(ValueError, match="use https"):
        connect("http://odoo.example.com", "firm", Secret.of("s3cret"))
    connect("http://127.0.0.1:8069/", "firm", Secret.of("s3cret")).close()


def test_an_answer_that_is_no_json_is_told() -> None:
    with pytest.raises(GatewayError, match="no JSON"):
        client(lambda request: httpx.Response(200, html="<p>hi</p>")).call("x", "y")
    with pytest.raises(GatewayError, match="no list"):
        client(Odoo({"a": 1})).search_read("x", [], ["name"])


def test_a_rate_limited_answer_holds_all_callers_back() -> None:
    answers = iter([httpx.Response(429, headers={"Retry-After": "600"})])
    odoo_client = client(lambda request: next(answers))
    with pytest.raises(GatewayError) as caught:
        odoo_client.call("x", "y")
    assert (caught.value.code, caught.value.retry_after) == (
        "rate_limited",
        timedelta(seconds=600),
    )
    with pytest.raises(GatewayError) as caught:
        odoo_client.call("x", "y")
    assert caught.value.code == "throttled"


# --- JSON-RPC -----------------------------------------------------------------------------------


def test_json_rpc_logs_in_once_and_sends_ids_by_position() -> None:
    odoo = Odoo([{"id": 1}], rpc=True)
    odoo_client = rpc_client(odoo)
    odoo_client.read("res.partner", [1], ["name"])
    odoo_client.read("res.partner", [1], ["name"])
    assert [request.url.path for request in odoo.requests] == ["/jsonrpc"] * 3
    assert odoo.rpc_params(0) == {
        "service": "common",
        "method": "login",
        "args": ["firm", "c2c", "s3cret"],
    }
    named = {"fields": ["name"], "context": {"lang": "en_US"}}
    assert odoo.rpc_params(1) == {
        "service": "object",
        "method": "execute_kw",
        "args": ["firm", 7, "s3cret", "res.partner", "read", [[1]], named],
    }


def test_json_rpc_calls_on_the_model_have_no_ids_and_create_has_its_values_first() -> None:
    odoo = Odoo(loaded(5), rpc=True)
    odoo_client = rpc_client(odoo)
    assert odoo_client.load("x", [{"id": "c2c.x"}], create_once=True) == [5]
    *_, positional, named = odoo.rpc_params()["args"]
    assert positional == []
    assert named["fields"] == ["id"]
    assert named["context"]["mode"] == "update"
    odoo.result = [6]
    assert odoo_client.create("x", [{"name": "a"}]) == [6]
    *_, positional, named = odoo.rpc_params()["args"]
    assert positional == [[{"name": "a"}]]
    assert "vals_list" not in named


def test_json_rpc_many_threads_log_in_once() -> None:
    odoo = Odoo([], rpc=True)
    odoo_client = rpc_client(odoo)
    run_together(8, lambda: odoo_client.search_read("x", [], ["name"]))
    services = [odoo.rpc_params(number)["service"] for number in range(len(odoo.requests))]
    assert services.count("common") == 1
    assert services.count("object") == 8


def test_json_rpc_errors_come_with_http_200() -> None:
    data = {"name": "odoo.exceptions.AccessError", "message": "Not allowed", "debug": "TRACE"}

    def answer(request: httpx.Request) -> httpx.Response:
        if json.loads(request.content)["params"]["service"] == "common":
            return httpx.Response(200, json={"result": 7})
        return httpx.Response(200, json={"error": {"code": 200, "data": data}})

    with pytest.raises(GatewayError) as caught:
        rpc_client(answer).call("x", "y", [1])
    assert (caught.value.kind, caught.value.code) == (FailureKind.BUSINESS, "access_denied")


def test_json_rpc_login_refused() -> None:
    with pytest.raises(GatewayError) as caught:
        rpc_client(lambda request: httpx.Response(200, json={"result": False})).call("x", "y")
    assert (caught.value.kind, caught.value.code) == (FailureKind.CREDENTIALS, "api_key_refused")


def test_json_rpc_behind_a_proxy_that_fails() -> None:
    with pytest.raises(GatewayError) as caught:
        rpc_client(lambda request: httpx.Response(502)).call("x", "y")
    assert (caught.value.kind, caught.value.maybe_done) == (FailureKind.TRANSIENT, True)


def test_json_rpc_needs_a_login() -> None:
    with pytest.raises(ValueError, match="login"):
        client(Odoo(), protocol="jsonrpc")


def test_json_rpc_never_logs_the_key(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        rpc_client(Odoo([], rpc=True)).search_read("x", [], ["name"])
    assert "s3cret" not in caplog.text


def run_together(count: int, work: Callable[[], Any]) -> None:
    barrier = threading.Barrier(count)

    def run() -> None:
        barrier.wait()
        work()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_transport_of_ones_own_is_enough() -> None:
    class Fake:
        def execute(
            self, model: str, method: str, ids: Sequence[int], arguments: Mapping[str, Any]
        ) -> Any:
            return [model, method, ids, arguments]

        def close(self) -> None: ...

    answer = OdooClient(Fake()).call("x", "y", (1,), a=2)
    assert answer == ["x", "y", [1], {"a": 2, "context": {"lang": "en_US"}}]
