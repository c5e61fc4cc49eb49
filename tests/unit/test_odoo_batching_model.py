"""Requests of many threads at once have the outcome that they have one by one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateways.errors import GatewayError
from gateways.odoo import OdooClient
from tests.unit.batched import Call, Caller, FakeOdoo, transient

Step = tuple[str, int, str]

STEPS = st.tuples(
    st.sampled_from(["load", "load", "post", "write", "read", "find"]),
    st.integers(0, 2),
    st.sampled_from(["good", "fine", "bad"]),
)
PROGRAMS = st.lists(st.lists(STEPS, min_size=1, max_size=6), min_size=2, max_size=8)


class Program:
    """One caller's steps on records of its own, and what came of each."""

    def __init__(self, client: OdooClient, number: int, steps: list[Step]) -> None:
        self._client = client
        self._number = number
        self._steps = steps
        self._ids: dict[int, int] = {}

    def run(self) -> list[Any]:
        return [self._outcome(step) for step in self._steps]

    def _outcome(self, step: Step) -> Any:
        try:
            return self._do(step)
        except GatewayError as error:
            return type(error), error.code, error.field, error.value

    def _do(self, step: Step) -> Any:
        what, key, value = step
        name = f"c2c.{self._number}-{key}"
        record = self._ids.get(key, 10_000 + self._number * 10 + key)
        match what:
            case "load":
                rows = [
                    {"id": f"{name}-first", "name": "good", "origin": name},
                    {"id": name, "name": value, "origin": name},
                ]
                self._ids[key] = self._client.load("m", rows)[1]
            case "post":
                self._client.press("m", "action_post", [record])
            case "write":
                self._client.write("m", [record], {"note": value})
            case "read":
                return [self._seen(row) for row in self._client.read("m", [record], [])]
            case "find":
                return [self._seen(row) for row in self._client.find("m", "origin", [name], [])]
        return None

    @staticmethod
    def _seen(row: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in row.items() if key != "id"}


def crowded(most: int) -> Callable[[Call], Any]:
    """More records than this in a call are in each other's way."""

    def trouble(call: Call) -> Any:
        time.sleep(0.0002)  # as long as nothing takes time, nothing gathers
        size = len(call.ids) or len(call.arguments.get("data", ()))
        if size > max(most, 2):
            raise transient("conflict")

    return trouble


def lives(odoo: FakeOdoo) -> dict[str, Any]:
    return {name: Program._seen(odoo.records[record]) for name, record in odoo.by_name.items()}


@pytest.mark.long
@settings(max_examples=60, deadline=None)
@given(
    programs=PROGRAMS,
    most=st.integers(1, 30),
    calls_at_once=st.integers(1, 3),
    batch_size=st.integers(1, 6),
)
def test_requests_at_once_have_the_outcome_of_one_by_one(
    programs: list[list[Step]], most: int, calls_at_once: int, batch_size: int
) -> None:
    alone = FakeOdoo()
    one_by_one = OdooClient(alone, calls_at_once=1, batch_size=1)
    expected = [Program(one_by_one, n, steps).run() for n, steps in enumerate(programs)]
    one_by_one.close()

    odoo = FakeOdoo()
    odoo.trouble = crowded(most)
    client = OdooClient(odoo, calls_at_once=calls_at_once, batch_size=batch_size)
    callers = [Caller(Program(client, n, steps).run) for n, steps in enumerate(programs)]
    outcomes = [caller.outcome for caller in callers]
    client.close()

    assert outcomes == expected
    assert lives(odoo) == lives(alone)
    assert odoo.most_at_once <= calls_at_once
    sizes = [len(call.names) for call in odoo.calls if call.method == "load"]
    assert all(size <= 2 * batch_size for size in sizes)
