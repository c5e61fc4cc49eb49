"""Requests that share a call get what each would get alone."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from gateways.errors import FailureKind, GatewayError
from gateways.odoo import LoadRefused, OdooClient, batch_policy
from gateways.odoo.requests.records import AnyOf, Matching
from tests.unit.batched import Call, FakeOdoo, business, refusal, together, transient


@pytest.fixture
def odoo() -> FakeOdoo:
    return FakeOdoo()


@pytest.fixture
def client(odoo: FakeOdoo) -> OdooClient:
    """With one call at a time, so that tests decide what waits together."""
    return OdooClient(odoo, calls_at_once=1)


def row(name: str, **more: Any) -> dict[str, Any]:
    return {"id": f"c2c.{name}", "name": name, **more}


def methods(odoo: FakeOdoo) -> list[str]:
    return [call.method for call in odoo.calls]


# --- load ---------------------------------------------------------------------------------------


def test_loads_share_a_call_and_each_gets_its_own_ids(odoo: FakeOdoo, client: OdooClient) -> None:
    requests = [
        lambda: client.load("m", [row("a")]),
        lambda: client.load("m", [row("b"), row("c")]),
        lambda: client.load("m", [row("d")]),
    ]
    assert together(odoo, client, requests) == [[1], [2, 3], [4]]
    assert [call.names for call in odoo.calls] == [["c2c.a", "c2c.b", "c2c.c", "c2c.d"]]


def test_lines_stay_with_their_record(odoo: FakeOdoo, client: OdooClient) -> None:
    def order(name: str, lines: int) -> list[dict[str, Any]]:
        own = [
            {"line/id": f"c2c.{name}-{line}", "line/price": Decimal(line)} for line in range(lines)
        ]
        return [row(name) | own[0], *own[1:]]

    requests = [lambda: client.load("m", order("a", 2)), lambda: client.load("m", order("b", 3))]
    assert together(odoo, client, requests) == [[1], [2]]
    [call] = odoo.calls
    assert call.arguments["data"] == [
        ["c2c.a", "a", "c2c.a-0", "0"],
        ["", "", "c2c.a-1", "1"],
        ["c2c.b", "b", "c2c.b-0", "0"],
        ["", "", "c2c.b-1", "1"],
        ["", "", "c2c.b-2", "2"],
    ]


def test_loads_that_differ_in_model_columns_or_context_share_no_call(
    odoo: FakeOdoo, client: OdooClient
) -> None:
    requests = [
        lambda: client.load("m", [row("a")]),
        lambda: client.load("other", [row("b")]),
        lambda: client.load("m", [row("c", more="columns")]),
        lambda: client.load("m", [row("d")], create_once=True),
        lambda: client.with_company(2).load("m", [row("e")]),
        lambda: client.load("m", [row("f")], context={"tracking_disable": True}),
        lambda: client.load("m", [row("g")], context={"tracking_disable": 1}),
        lambda: client.load("m", [row("h")]),
    ]
    together(odoo, client, requests)
    batches = [call.names for call in odoo.calls]
    assert batches == [["c2c.a", "c2c.h"], *([f"c2c.{name}"] for name in "bcdefg")]


@pytest.mark.parametrize(
    ("first", "second", "calls"),
    [
        ([row("same")], [row("same")], 2),
        ([row("a")], [row("b"), row("a")], 2),
        ([{".id": 7, "name": "x"}], [{".id": 7, "name": "y"}], 2),
        ([{".id": 7, "name": "x"}], [{".id": 8, "name": "y"}], 1),
        (
            [row("a", **{"line/id": "c2c.l", "line/price": 1})],
            [row("b", **{"line/id": "c2c.l", "line/price": 1})],
            2,
        ),
        (
            [row("a", **{"line/.id": "5", "line/price": 1})],
            [row("b", **{"line/.id": "5", "line/price": 1})],
            2,
        ),
        ([row("a", **{"partner_id/id": "c2c.p"})], [row("b", **{"partner_id/id": "c2c.p"})], 1),
        (
            [row("a", **{"line/id": "c2c.k", "line/tax/id": "c2c.t", "line/price": 1})],
            [row("b", **{"line/id": "c2c.l", "line/tax/id": "c2c.t", "line/price": 1})],
            1,
        ),
    ],
    ids=[
        "record",
        "one of several",
        "database id",
        "other id",
        "line",
        "line by database id",
        "reference",
        "a line's reference",
    ],
)
def test_a_record_is_once_in_a_call(
    odoo: FakeOdoo, client: OdooClient, first: Any, second: Any, calls: int
) -> None:
    odoo.trouble = lambda call: (
        {"ids": list(range(1, 1 + len(call.arguments["data"]))), "messages": []}
        if call.method == "load"
        else None
    )
    together(odoo, client, [lambda: client.load("m", first), lambda: client.load("m", second)])
    assert len(odoo.calls) == calls


def test_a_request_that_waits_for_its_record_is_not_overtaken(
    odoo: FakeOdoo, client: OdooClient
) -> None:
    requests = [
        lambda: client.load("m", [row("a")]),
        lambda: client.load("m", [row("a"), row("b")]),
        lambda: client.load("m", [row("b")]),
        lambda: client.load("m", [row("c")]),
    ]
    together(odoo, client, requests)
    batches = [call.names for call in odoo.calls]
    assert batches == [["c2c.a", "c2c.c"], ["c2c.a", "c2c.b"], ["c2c.b"]]


def test_a_refused_row_fails_its_own_request_only(odoo: FakeOdoo, client: OdooClient) -> None:
    seen: list[tuple[str, int]] = []

    def answer(call: Call) -> Any:
        if call.method == "load":
            seen.append(("load", len(call.names)))
            bad = [n for n, cells in enumerate(call.arguments["data"]) if "nobody" in cells]
            return refusal(*bad) if bad else None
        return None

    odoo.trouble = answer
    requests = [
        lambda: client.load("m", [row("a", partner_id="somebody")]),
        lambda: client.load("m", [row("b", partner_id="me"), row("c", partner_id="nobody")]),
        lambda: client.load("m", [row("d", partner_id="somebody")]),
    ]
    first, second, third = together(odoo, client, requests)
    assert (first, third) == ([1], [2])
    assert isinstance(second, LoadRefused)
    assert (second.kind, second.code) == (FailureKind.BUSINESS, "reference_unknown")
    assert (second.field, second.value) == ("partner_id", "nobody")
    assert list(second.by_record) == [1]
    assert seen == [("load", 4), ("load", 2)]
    assert list(odoo.by_name) == ["c2c.a", "c2c.d"]


def test_many_refused_rows_take_one_more_call(odoo: FakeOdoo, client: OdooClient) -> None:
    names = ["bad" if number % 3 == 0 else f"r{number}" for number in range(30)]
    requests = [
        partial(client.load, "m", [{"id": f"c2c.{n}", "name": name}])
        for n, name in enumerate(names)
    ]
    outcomes = together(odoo, client, requests)
    assert [isinstance(outcome, LoadRefused) for outcome in outcomes] == [n == "bad" for n in names]
    assert len(odoo.calls) == 2


def test_a_batch_is_halved_when_odoo_names_no_refused_row(
    odoo: FakeOdoo, client: OdooClient
) -> None:
    def answer(call: Call) -> Any:
        refused = call.method == "load" and "c2c.5" in call.names
        return {"ids": False, "messages": [{"type": "error", "message": "no"}]} if refused else None

    odoo.trouble = answer
    requests = [partial(client.load, "m", [row(str(n))]) for n in range(8)]
    outcomes = together(odoo, client, requests)
    assert [n for n, outcome in enumerate(outcomes) if isinstance(outcome, LoadRefused)] == [5]
    assert len(odoo.by_name) == 7
    assert [len(call.names) for call in odoo.calls] == [8, 4, 4, 2, 1, 1, 2]


def test_a_load_in_conflict_is_halved_and_sent_again_at_once(
    odoo: FakeOdoo, client: OdooClient
) -> None:
    def answer(call: Call) -> Any:
        if call.method == "load" and "c2c.1" in call.names:
            return refusal(0, message="could not serialize access due to concurrent update")
        return None

    odoo.trouble = answer
    requests = [partial(client.load, "m", [row(str(n))]) for n in range(4)]
    outcomes = together(odoo, client, requests)
    assert [outcome for outcome in outcomes if isinstance(outcome, list)] == [[1], [2], [3]]
    assert (outcomes[1].kind, outcomes[1].code) == (FailureKind.TRANSIENT, "conflict")
    assert [len(call.names) for call in odoo.calls] == [4, 2, 1, 1, 2]


def test_a_refusal_of_a_field_fails_the_named_request_only(
    odoo: FakeOdoo, client: OdooClient
) -> None:
    def answer(call: Call) -> Any:
        if call.method == "load" and "c2c.1" in call.names:
            return refusal(call.names.index("c2c.1"), message="Invalid field 'x' on model 'm'")
        return None

    odoo.trouble = answer
    requests = [partial(client.load, "m", [row(str(n))]) for n in range(3)]
    first, second, third = together(odoo, client, requests)
    assert (first, third) == ([1], [2])
    assert (second.code, list(second.by_record)) == ("field_unknown", [0])


# --- read ---------------------------------------------------------------------------------------


def test_reads_share_a_call_and_keep_their_own_order(odoo: FakeOdoo, client: OdooClient) -> None:
    for name in "abc":
        odoo.add(name=name, tags=[1])
    requests = [
        lambda: client.read("m", [3, 1], ["name"]),
        lambda: client.read("m", [1, 2, 1], ["name"]),
    ]
    first, second = together(odoo, client, requests)
    assert [found["name"] for found in first] == ["c", "a"]
    assert [found["name"] for found in second] == ["a", "b", "a"]
    assert [call.ids for call in odoo.calls] == [[3, 1, 2]]
    first[1]["tags"].append(9)
    assert second[0]["tags"] == [1]


def test_a_missing_record_fails_the_request_that_named_it(
    odoo: FakeOdoo, client: OdooClient
) -> None:
    odoo.add(name="a")
    requests = [lambda: client.read("m", [1], ["name"]), lambda: client.read("m", [1, 9], ["name"])]
    first, second = together(odoo, client, requests)
    assert first[0]["name"] == "a"
    assert second.code == "record_missing"
    assert "m 9" in second.message
    assert len(odoo.calls) == 1


# --- write and press ----------------------------------------------------------------------------


def test_writes_of_equal_values_share_a_call(odoo: FakeOdoo, client: OdooClient) -> None:
    for _ in range(4):
        odoo.add(active=True)
    requests = [
        lambda: client.write("m", [1, 2], {"active": False}),
        lambda: client.write("m", [3], {"active": False}),
        lambda: client.write("m", [4], {"active": 0}),
        lambda: client.write("m", [1], {"active": False}),
    ]
    assert together(odoo, client, requests) == [None] * 4
    assert [call.ids for call in odoo.calls] == [[1, 2, 3], [4], [1]]


def test_presses_of_one_button_share_a_call(odoo: FakeOdoo, client: OdooClient) -> None:
    for _ in range(20):
        odoo.add(state="draft", posted=0)
    requests = [partial(client.press, "m", "action_post", [n]) for n in range(1, 21)]
    assert together(odoo, client, requests) == [None] * 20
    assert [call.ids for call in odoo.calls] == [list(range(1, 21))]
    assert "vals" not in odoo.calls[0].arguments


def test_a_refused_button_is_halved_until_the_refused_record_is_alone(
    odoo: FakeOdoo, client: OdooClient
) -> None:
    for number in range(64):
        odoo.add(state="posted" if number == 40 else "draft", posted=0)
    requests = [partial(client.press, "m", "action_post", [n]) for n in range(1, 65)]
    outcomes = together(odoo, client, requests)
    assert [n for n, outcome in enumerate(outcomes) if outcome is not None] == [40]
    assert outcomes[40].code == "wrong_state"
    assert [record["posted"] for record in odoo.records.values()].count(1) == 63
    assert len(odoo.calls) == 1 + 2 * 6


def test_a_button_in_conflict_is_halved_and_pressed_again(
    odoo: FakeOdoo, client: OdooClient
) -> None:
    def answer(call: Call) -> Any:
        if 3 in call.ids:
            raise transient("conflict")

    for _ in range(4):
        odoo.add(state="draft", posted=0)
    odoo.trouble = answer
    requests = [partial(client.press, "m", "action_post", [n]) for n in (1, 2, 3, 4)]
    outcomes = together(odoo, client, requests)
    assert outcomes.pop(2).code == "conflict"
    assert outcomes == [None] * 3
    assert [call.ids for call in odoo.calls] == [[1, 2, 3, 4], [1, 2], [3, 4], [3], [4]]


def test_a_button_pressed_twice_is_refused_once(odoo: FakeOdoo, client: OdooClient) -> None:
    odoo.add(state="draft", posted=0)
    requests = [lambda: client.press("m", "action_post", [1])] * 2
    first, second = together(odoo, client, requests)
    assert first is None
    assert second.code == "wrong_state"
    assert odoo.records[1]["posted"] == 1


def test_a_defect_fails_the_request_that_caused_it_only(odoo: FakeOdoo, client: OdooClient) -> None:
    def answer(call: Call) -> Any:
        if 3 in call.ids:
            raise ZeroDivisionError("in our own code")

    for _ in range(4):
        odoo.add(state="draft", posted=0)
    odoo.trouble = answer
    requests = [partial(client.press, "m", "action_post", [n]) for n in (1, 2, 3, 4)]
    outcomes = together(odoo, client, requests)
    assert isinstance(outcomes.pop(2), ZeroDivisionError)
    assert outcomes == [None] * 3


# --- save ---------------------------------------------------------------------------------------


def test_save_returns_the_rows_of_its_own_records_in_one_call(
    odoo: FakeOdoo, client: OdooClient
) -> None:
    for stamp in range(1, 4):
        odoo.add(state="draft", stamp=stamp)

    def save(*ids: int) -> Any:
        return client.save("m", ids, {"state": "done"}, ["state", "stamp"])

    outcomes = together(odoo, client, [partial(save, 2, 1), partial(save, 3), partial(save, 9)])
    missing = outcomes.pop()
    assert (missing.kind, missing.code) == (FailureKind.BUSINESS, "record_missing")
    assert outcomes == [
        [{"id": 2, "state": "done", "stamp": 2}, {"id": 1, "state": "done", "stamp": 1}],
        [{"id": 3, "state": "done", "stamp": 3}],
    ]
    assert odoo.calls[0].ids == [2, 1, 3, 9]
    assert save() == []


# --- find ---------------------------------------------------------------------------------------


def test_finds_share_a_call_and_each_gets_the_rows_of_its_values(
    odoo: FakeOdoo, client: OdooClient
) -> None:
    for move, kind in ((7, "tax"), (8, "tax"), (7, "term"), (7, "tax"), (9, "tax")):
        odoo.add(move_id=[move, f"INV/{move}"], display_type=kind)

    def lines(*moves: int, fields: tuple[str, ...] = ("display_type",)) -> Any:
        also = [("display_type", "=", "tax")]
        return client.find("m", "move_id", moves, fields, also=also, order="id")

    requests = [lambda: lines(7), lambda: lines(8, 9), lambda: lines(6), lambda: lines(9)]
    outcomes = together(odoo, client, requests)
    assert [[found["id"] for found in outcome] for outcome in outcomes] == [[1, 4], [2, 5], [], [5]]
    assert outcomes[0][0] == {"id": 1, "display_type": "tax"}
    [call] = odoo.calls
    assert call.arguments["domain"] == [
        ["move_id", "in", [7, 8, 9, 6]],
        ["display_type", "=", "tax"],
    ]
    assert call.arguments["order"] == "id"
    with_move = lines(7, fields=("move_id",))
    assert with_move[0] == {"id": 1, "move_id": [7, "INV/7"]}


@pytest.mark.parametrize(
    ("held", "values"),
    [
        ((5, 6), (5, 6)),
        (("a", "b"), ("a", "b")),
        (([5, 6], [6, 7]), (5, 7)),
        (([5, "Five"], [6, False]), (5, 6)),
    ],
    ids=["integer", "text", "x2many", "many2one"],
)
def test_found_rows_are_divided_by_the_value_of_the_field(
    odoo: FakeOdoo, client: OdooClient, held: Any, values: Any
) -> None:
    odoo.trouble = lambda call: list(odoo.records.values()) if call.method != "hold_up" else None
    for value in held:
        odoo.add(key=value)
    requests = [partial(client.find, "m", "key", [value], ["key"]) for value in values]
    outcomes = together(odoo, client, requests)
    assert [[found["id"] for found in outcome] for outcome in outcomes] == [[1], [2]]
    assert len(odoo.calls) == 1


def test_finds_are_sent_again_alone_when_odoo_compares_otherwise(
    odoo: FakeOdoo, client: OdooClient
) -> None:
    odoo.add(code="build")
    odoo.add(code="DESIGN")

    def answer(call: Call) -> Any:
        if call.method != "search_read":
            return None
        wanted = {value.lower() for value in call.arguments["domain"][0][2]}
        return [dict(kept) for kept in odoo.records.values() if kept["code"].lower() in wanted]

    odoo.trouble = answer
    requests = [partial(client.find, "m", "code", [code], []) for code in ("BUILD", "DESIGN")]
    outcomes = together(odoo, client, requests)
    assert [[found["id"] for found in outcome] for outcome in outcomes] == [[1], [2]]
    assert len(odoo.calls) == 3


@pytest.mark.parametrize(("field", "value"), [("a.b", "x"), ("a", False), ("a", ""), ("a", 0)])
def test_finds_whose_rows_cannot_be_divided_share_no_call(
    odoo: FakeOdoo, client: OdooClient, field: str, value: Any
) -> None:
    odoo.trouble = lambda call: [] if call.method == "search_read" else None
    requests = [lambda: client.find("m", field, [value], ["a"])] * 2
    assert together(odoo, client, requests) == [[], []]
    assert len(odoo.calls) == 2


def test_requests_without_a_key_are_sent_one_by_one(odoo: FakeOdoo, client: OdooClient) -> None:
    odoo.trouble = lambda call: [] if call.method == "search_read" else None
    requests = [
        lambda: client.search_read("m", [("a", "=", 1)], ["a"]),
        lambda: client.search_read("m", [("a", "=", 1)], ["a"]),
        lambda: client.call("m", "message_post", [1], body="x"),
        lambda: client.call("m", "message_post", [1], body="x"),
    ]
    assert together(odoo, client, requests) == [[], [], True, True]
    assert methods(odoo) == ["search_read", "search_read", "message_post", "message_post"]


# --- failures that concern all requests of a call -----------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        transient("no_answer", maybe_done=True),
        transient("rate_limited", retry_after=timedelta(seconds=7)),
        transient("unavailable"),
        GatewayError(
            FailureKind.CREDENTIALS, system="odoo", code="api_key_refused", message="expired"
        ),
        business("module_missing"),
    ],
    ids=lambda error: error.code,
)
def test_each_request_gets_its_own_copy_of_an_error_that_concerns_all(
    odoo: FakeOdoo, client: OdooClient, error: GatewayError
) -> None:
    def answer(call: Call) -> Any:
        if call.method == "action_post":
            raise error

    odoo.trouble = answer
    requests = [partial(client.press, "m", "action_post", [n]) for n in (1, 2, 3)]
    outcomes = together(odoo, client, requests)
    assert len(odoo.calls) == 1
    assert len({id(outcome) for outcome in outcomes}) == 3
    for outcome in outcomes:
        assert type(outcome) is GatewayError
        assert str(outcome) == str(error)
        assert vars(outcome) == vars(error)


def test_batches_are_halved_until_they_are_answered_in_time_and_then_doubled(
    odoo: FakeOdoo, client: OdooClient
) -> None:
    for _ in range(100):
        odoo.add(state="draft", posted=0)

    def slow_beyond(most: int) -> None:
        def answer(call: Call) -> Any:
            if call.method == "read" and len(call.ids) > most:
                raise transient("no_answer", maybe_done=True)

        odoo.trouble = answer

    def read_all() -> list[int]:
        before = len(odoo.calls)
        requests = [partial(client.read, "m", [n], ["id"]) for n in range(1, 101)]
        outcomes = together(odoo, client, requests)
        assert all(
            isinstance(outcome, list) or (outcome.code, outcome.maybe_done) == ("no_answer", True)
            for outcome in outcomes
        )
        return [len(call.ids) for call in odoo.calls[before:]]

    slow_beyond(30)
    assert read_all() == [100]
    assert read_all() == [50, 25, 25]  # 50 again as soon as 25 were answered in time
    slow_beyond(1000)
    assert client.read("m", [1], ["id"])  # a single one proves nothing
    assert read_all() == [50, 50]
    assert read_all() == [100]


def test_a_request_that_shares_no_call_says_nothing_about_how_many_may(
    odoo: FakeOdoo, client: OdooClient
) -> None:
    def answer(call: Call) -> Any:
        if call.arguments.get("domain") == []:
            raise transient("no_answer", maybe_done=True)

    odoo.trouble = answer
    odoo.add(key=1)
    with pytest.raises(GatewayError):
        client.search_read("m", [], ["key"])
    requests = [partial(client.find, "m", "key", [1], ["key"])] * 3
    together(odoo, client, requests)
    assert methods(odoo) == ["search_read"] * 2


# --- limits of one call -------------------------------------------------------------------------


def test_a_call_holds_no_more_requests_than_the_batch_size(odoo: FakeOdoo) -> None:
    client = OdooClient(odoo, calls_at_once=1, batch_size=8)
    requests = [partial(client.load, "m", [row(str(n))]) for n in range(20)]
    assert together(odoo, client, requests) == [[n + 1] for n in range(20)]
    assert [len(call.names) for call in odoo.calls] == [8, 8, 4]


def test_a_call_holds_no_more_rows_and_characters_than_the_limits(
    odoo: FakeOdoo, client: OdooClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_policy, "MAX_ROWS", 5)
    monkeypatch.setattr(batch_policy, "MAX_CHARACTERS", 100)

    def rows(name: str, count: int, text: str = "") -> list[dict[str, Any]]:
        return [{"id": f"c2c.{name}{n}", "name": text} for n in range(count)]

    sizes = [("a", 3), ("b", 3), ("c", 9), ("d", 1), ("e", 1)]
    texts = {"d": "x" * 90, "e": "x" * 90}
    requests = [
        partial(client.load, "m", rows(name, count, texts.get(name, ""))) for name, count in sizes
    ]
    assert [len(ids) for ids in together(odoo, client, requests)] == [3, 3, 9, 1, 1]
    assert [len(call.names) for call in odoo.calls] == [3, 3, 9, 1, 1]


@pytest.mark.parametrize(("calls_at_once", "batch_size"), [(0, 1), (1, 0)])
def test_limits_are_at_least_one(odoo: FakeOdoo, calls_at_once: int, batch_size: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        OdooClient(odoo, calls_at_once=calls_at_once, batch_size=batch_size)


# --- matching -------------------------------------------------------------------------------------


def any_of(*domain: Any, limit: int = 2) -> AnyOf:
    return AnyOf("m", domain, ["name"], limit, {"lang": "en_US"})


def test_searches_by_patterns_share_a_call_and_each_gets_all_rows() -> None:
    name, city, zip_ = ("name", "=", "a"), ("city", "=", "b"), ("zip", "=", "c")
    requests = [any_of(name), any_of(city, zip_), any_of("|", name, "!", city, zip_)]
    assert len({request.key for request in requests}) == 1
    ids, arguments = requests[0].merge(requests)
    assert (ids, arguments["limit"], arguments["order"]) == ([], 6, "id")
    assert arguments["domain"] == [
        *("|", "|", name),
        *("&", city, zip_),
        *("&", "|", name, "!", city, zip_),
    ]
    found = requests[0].divide(requests, [{"id": 1}, {"id": 2}])
    assert found == [Matching([{"id": 1}, {"id": 2}], True)] * 3
    found[0].rows[0]["id"] = 9
    assert found[1].rows[0]["id"] == 1, "nobody changes another's rows"


def test_a_search_that_fills_its_limit_is_not_complete() -> None:
    request = any_of(("name", "=", "a"))
    assert not request.divide([request], [{"id": 1}, {"id": 2}])[0].is_complete
    assert request.divide([request], [{"id": 1}])[0].is_complete
