"""Which projects are news to their contracts, sweep by sweep."""

from __future__ import annotations

import pytest

from contracts.sweeps import ProjectBurn
from workflows.burn_sweep import is_news, mark_of


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
