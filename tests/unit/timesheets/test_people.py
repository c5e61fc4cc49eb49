"""E-mail addresses of a time system's people: read for many, and again in time."""

from __future__ import annotations

from gateways.timesheets.people import KEEP_SECONDS, Emails


class People:
    def __init__(self) -> None:
        self.now, self.reads = 0.0, 0
        self.there = {"1": "petra@northwind.example"}
        self.emails = Emails(self._read, clock=lambda: self.now)

    def _read(self) -> dict[str, str]:
        self.reads += 1
        return dict(self.there)


def test_people_are_read_once_for_many_and_again_for_somebody_new() -> None:
    people = People()
    assert people.emails.of([]) == {}
    assert people.reads == 0
    for _ in range(3):
        assert people.emails.of(["1"])["1"] == "petra@northwind.example"
    assert people.reads == 1
    people.there["2"] = "nina@northwind.example"
    assert people.emails.of(["1", "2"])["2"] == "nina@northwind.example"
    assert people.reads == 2


def test_whom_nobody_lists_has_no_address_and_costs_one_read() -> None:
    people = People()
    assert [people.emails.of(["9"])["9"] for _ in range(3)] == ["", "", ""]
    assert people.reads == 1


def test_several_whom_nobody_lists_cost_one_read_each() -> None:
    people = People()
    for _ in range(3):
        assert people.emails.of(["8"])["8"] == ""
        assert people.emails.of(["9"])["9"] == ""
    assert people.reads == 2


def test_a_corrected_address_is_seen_at_once_where_asked_and_soon_elsewhere() -> None:
    people = People()
    people.emails.of(["1"])
    people.there["1"] = "p@northwind.example"
    assert people.emails.of(["1"])["1"] == "petra@northwind.example"
    people.now += KEEP_SECONDS
    assert people.emails.of(["1"])["1"] == "p@northwind.example"
    people.there["1"] = "q@northwind.example"
    assert people.emails.now("1") == "q@northwind.example"
    assert people.emails.now("9") == ""
