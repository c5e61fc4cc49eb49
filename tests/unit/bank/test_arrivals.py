"""Which files of a place are taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from contracts.bank.arrivals import LOOKS_AGAIN_AFTER, MAX_TAKEN, Seen, SourceFile, compared

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def file(name: str = "a.xml", size: int = 100, modified: datetime = NOON) -> SourceFile:
    return SourceFile(name=name, size=size, modified=modified)


class Looks:
    """One look after another, a minute apart."""

    def __init__(self) -> None:
        self.seen: dict[str, Seen] = {}
        self.now = NOON

    def at(self, *found: SourceFile) -> list[str]:
        self.now += MINUTE
        taken, self.seen = compared(found, self.seen, self.now)
        return [item.name for item in taken]


def test_a_file_is_taken_once_it_stood_still_over_two_looks() -> None:
    looks = Looks()
    assert looks.at(file()) == []
    assert looks.at(file()) == ["a.xml"]
    assert looks.at(file()) == []


def test_a_file_that_grows_or_is_replaced_is_waited_for() -> None:
    looks = Looks()
    assert [looks.at(file(size=size)) for size in (1, 2, 3)] == [[], [], []]
    assert looks.at(file(size=3)) == ["a.xml"]
    later = file(size=3, modified=NOON + MINUTE)
    assert looks.at(later) == []
    assert looks.at(later) == ["a.xml"]


def test_a_file_that_was_away_begins_anew() -> None:
    looks = Looks()
    assert looks.at(file()) == []
    assert looks.at() == []
    assert looks.at(file()) == []
    assert looks.at(file()) == ["a.xml"]


def test_a_file_that_was_taken_and_lies_there_is_looked_at_again_much_later() -> None:
    looks = Looks()
    taken = [bool(looks.at(file())) for _ in range(125)]
    hour = LOOKS_AGAIN_AFTER // MINUTE
    assert [place for place, is_taken in enumerate(taken) if is_taken] == [
        1,
        1 + hour,
        1 + 2 * hour,
    ]


def test_of_many_files_each_is_taken_by_one_of_the_next_looks() -> None:
    looks = Looks()
    many = [file(f"{number:04}.xml") for number in range(2 * MAX_TAKEN + 1)]
    assert looks.at(*many) == []
    taken = [looks.at(*many) for _ in range(4)]
    assert [len(item) for item in taken] == [MAX_TAKEN, MAX_TAKEN, 1, 0]
    assert sorted(name for names in taken for name in names) == [item.name for item in many]
