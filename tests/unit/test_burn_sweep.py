"""Which projects are news to their contracts, sweep by sweep."""

from __future__ import annotations

import pytest

from contracts.sweeps import ProjectBurn
from workflows.burn_sweep import is_news, mark_of, with_unread


def project(step: int, *, staffed: bool) -> ProjectBurn:
    return ProjectBurn(
        workflow_id="contract/northwind/C-1", project_id=7, step=step, staffed=staffed
    )


@pytest.mark.parametrize(
    ("before", "now", "news"),
    [
        (None, project(0, staffed=True), True),
        (project(3, staffed=True), project(3, staffed=True), False),
        (project(3, staffed=True), project(4, staffed=True), True),
        (project(0, staffed=False), project(0, staffed=False), False),
        (project(0, staffed=False), project(0, staffed=True), True),
        (project(3, staffed=False), project(4, staffed=False), True),
        (project(3, staffed=True), project(3, staffed=False), False),
        # Hours that were taken back are news as well.
        (project(4, staffed=True), project(3, staffed=True), True),
    ],
)
def test_a_step_or_the_first_people_are_news(
    before: ProjectBurn | None, now: ProjectBurn, news: bool
) -> None:
    known = {} if before is None else {7: mark_of(before)}
    assert is_news(known, now) is news


def test_a_sweep_that_ends_early_remembers_what_it_has_not_read() -> None:
    """The next one would signal each of them again."""
    before = {7: mark_of(project(3, staffed=True)), 8: mark_of(project(1, staffed=True))}
    seen = {7: mark_of(project(4, staffed=True))}
    known = with_unread(before, seen)
    assert known == {7: 4, 8: 1}
    assert not is_news(known, project(4, staffed=True))
