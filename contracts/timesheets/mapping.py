"""Where hours belong in Odoo, by what the configuration says of a system's people and projects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from contracts.identifiers import KEY
from contracts.model import Value
from contracts.timesheets.entries import LoggedTime

IGNORED = "ignore"
EXPECTED = 'such as "C-1001/dev" (contract and milestone or plan), "task 812" (of Odoo) or "ignore"'
MAX_MAPPED = 20_000
_TASK = re.compile(r"task ([1-9][0-9]{0,9})")


class Target(Value):
    """Where hours go: to the task of a contract's milestone or plan, to a task of Odoo by its id,
    or nowhere (`is_ignored`)."""

    contract_id: str = ""
    key: str = ""
    task: int | None = None
    is_ignored: bool = False

    def __str__(self) -> str:
        if self.is_ignored:
            return IGNORED
        return f"task {self.task}" if self.task else f"{self.contract_id}/{self.key}"


def target_of(text: Any) -> Any:
    """What a text of the configuration means. Raises ValueError for one that means nothing."""
    if isinstance(text, Target):
        return text
    stated = str(text).strip() if isinstance(text, str) else ""
    if stated == IGNORED:
        return Target(is_ignored=True)
    if found := _TASK.fullmatch(stated):
        return Target(task=int(found[1]))
    contract_id, _, key = stated.partition("/")
    if KEY.match(contract_id) and KEY.match(key):
        return Target(contract_id=contract_id, key=key)
    raise ValueError(EXPECTED)


Place = Annotated[Target, BeforeValidator(target_of)]


class TimeMapping(Value):
    """People of a time system by their ids there, each with the work e-mail of an employee in Odoo;
    projects, and tasks of projects (`<project>/<task>`), each with where their hours go."""

    people: Mapping[str, str] = Field(default_factory=dict)
    projects: Mapping[str, Target] = Field(default_factory=dict)
    tasks: Mapping[str, Target] = Field(default_factory=dict)

    def email(self, entry: LoggedTime) -> str:
        """The work e-mail of who worked, in lower case; "" of whom nothing is known."""
        return (self.people.get(entry.person_id) or entry.email).strip().lower()

    def of_project(self, project_id: str) -> list[Target]:
        """Where hours of a project and of its tasks go."""
        tasks = [it for key, it in self.tasks.items() if key.partition("/")[0] == project_id]
        return [*filter(None, [self.projects.get(project_id)]), *tasks]

    def target(self, entry: LoggedTime) -> Target | None:
        """Where an entry belongs; None where nobody said."""
        of_task = self.tasks.get(f"{entry.project_id}/{entry.task_id}")
        return of_task or self.projects.get(entry.project_id)
