"""Questions about all contracts at once: a number each, which opens into its list.

Most are counts of Temporal's lists, which need no worker; what is about work is asked of Odoo.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from temporalio.client import Client
from temporalio.service import RPCError

from contracts.contract.state import ContractStage
from contracts.invoice.state import InvoiceStage
from starters.books import FAILURES, Books
from starters.client.listing import conditions
from starters.client.names import (
    BANK_FILE_WORKFLOW,
    CONTRACT_WORKFLOW,
    EVENT_WORKFLOW,
    INVOICE_WORKFLOW,
)
from workflows import search_attributes

MOST_ROWS = 200
"""Of a list from Temporal, the newest; the count beside it is of all."""
_RUNNING = "ExecutionStatus = 'Running'"
_STAGE, _INVOICE_STAGE = search_attributes.CONTRACT_STAGE, search_attributes.INVOICE_STAGE
_SINCE, _ON = search_attributes.WAITING_SINCE, search_attributes.WAITING_ON
_OUTCOME = search_attributes.EVENT_OUTCOME
_KINDS = {BANK_FILE_WORKFLOW: "file of a bank", EVENT_WORKFLOW: "event"}
_NO_PROJECT = (ContractStage.RECEIVED, ContractStage.VALIDATING, ContractStage.PROVISIONING)


class Age(StrEnum):
    """How long an exception has waited."""

    DAY = "day"
    THREE = "three_days"
    WEEK = "week"
    OLDER = "older"


_AGES = {
    Age.DAY: (0, 1, "up to a day"),
    Age.THREE: (1, 3, "1 to 3 days"),
    Age.WEEK: (3, 7, "3 to 7 days"),
    Age.OLDER: (7, None, "over 7 days"),
}


class Question(StrEnum):
    """What is asked; the value is its key in addresses."""

    NO_PROJECT = "awaiting-project"
    UNBILLED_TIME = "time-not-invoiced"
    UNDELIVERED = "posted-not-delivered"
    UNRECONCILED = "paid-not-reconciled"
    LATE_MILESTONES = "milestones-late"
    EXCEPTIONS = "exceptions"

    @property
    def words(self) -> str:
        return _TITLES[self][0]

    @property
    def about(self) -> str:
        return _TITLES[self][1]


_TITLES = {
    Question.NO_PROJECT: (
        "Awaiting a project",
        "Contracts that are received and have no project in Odoo yet. Those that await their "
        "signature are not among them.",
    ),
    Question.UNBILLED_TIME: (
        "Approved time not invoiced",
        "Approved hours, by order line, beyond those that drafts and invoices in Odoo have.",
    ),
    Question.UNDELIVERED: (
        "Posted, not delivered",
        "Invoices that are posted in Odoo and have not reached the customer.",
    ),
    Question.UNRECONCILED: (
        "Paid, not reconciled",
        "Invoices whose payment is registered and is not on a bank statement yet.",
    ),
    Question.LATE_MILESTONES: (
        "Milestones late",
        "Milestones that are not reached, and were due before today.",
    ),
    Question.EXCEPTIONS: (
        "Exceptions by age",
        "Contracts, invoices, files of banks and events of which something waits for a person.",
    ),
}


@dataclass(frozen=True)
class Answer:
    """How many there are; None where it cannot be said, and `problem` says why. `more`: there are
    others, that are not counted. `age` narrows exceptions."""

    question: Question
    count: int | None
    title: str
    more: bool = False
    problem: str = ""
    age: Age | None = None


@dataclass(frozen=True)
class Row:
    """A thing of a list: which contract or invoice, whose it is, what it is about, since or for
    when."""

    workflow_id: str
    customer: str
    what: str
    since: date | datetime | None


@dataclass
class Answered:
    """A list; `more`: there are others. `problems` are the legal entities that could not be asked,
    with the reasons."""

    rows: list[Row] = field(default_factory=list)
    more: bool = False
    problems: dict[str, str] = field(default_factory=dict)


class Asked:
    """Questions about some legal entities, now. `of_none`: also about events that are not known to
    be of any legal entity yet."""

    def __init__(
        self,
        client: Client,
        books: Books,
        entities: Sequence[str],
        now: datetime | None = None,
        *,
        of_none: bool = False,
    ) -> None:
        self._client = client
        self._books = books
        self._entities = entities
        self._now = now or datetime.now(UTC)
        self._of_none = of_none

    async def answers(self) -> list[Answer]:
        """All numbers. One that cannot be had hides no other."""
        ages = [self._count(Question.EXCEPTIONS, age) for age in Age]
        others = [self._answer(item) for item in Question if item is not Question.EXCEPTIONS]
        return list(await asyncio.gather(*others, *ages))

    async def listed(self, question: Question, age: Age | None = None) -> Answered:
        """What a number counts: the longest first. Raises RPCError."""
        if question in (Question.UNBILLED_TIME, Question.LATE_MILESTONES):
            return await self._of_odoo(question)
        found = Answered()
        where = self._where(question, age)
        async for run in self._client.list_workflows(where, limit=MOST_ROWS + 1):
            shown = run.typed_search_attributes
            try:
                customer = await run.memo_value(search_attributes.CUSTOMER_NAME, "")
            except Exception:  # its key was erased, or is missing: the others are listed by name
                customer = ""
            row = Row(
                workflow_id=run.id,
                customer=customer or shown.get(search_attributes.CUSTOMER) or "",
                what=_words(
                    _KINDS.get(run.workflow_type),
                    *map(shown.get, (_STAGE, _INVOICE_STAGE, _OUTCOME, _ON)),
                ),
                since=shown.get(_SINCE) or run.start_time,
            )
            found.rows.append(row)
        found.more = len(found.rows) > MOST_ROWS
        found.rows = sorted(found.rows[:MOST_ROWS], key=lambda row: (str(row.since), row.customer))
        return found

    # --- numbers --------------------------------------------------------------------------------

    async def _answer(self, question: Question) -> Answer:
        if question not in (Question.UNBILLED_TIME, Question.LATE_MILESTONES):
            return await self._count(question)
        found = await self._of_odoo(question)
        problem = "; ".join(f"{entity}: {why}" for entity, why in found.problems.items())
        is_known = len(found.problems) < len(self._entities) or not self._entities
        count = len(found.rows) if is_known else None
        return Answer(question, count, question.words, more=found.more, problem=problem)

    async def _count(self, question: Question, age: Age | None = None) -> Answer:
        title = question.words if age is None else f"Exceptions, {_AGES[age][2]}"
        if not self._entities:
            return Answer(question, 0, title, age=age)
        try:
            found = await self._client.count_workflows(self._where(question, age))
        except RPCError as error:
            return Answer(question, None, title, problem=str(error), age=age)
        return Answer(question, found.count, title, age=age)

    def _where(self, question: Question, age: Age | None) -> str:
        """The visibility condition of a question that Temporal's lists answer."""
        contracts, invoices = (f"'{name}'" for name in (CONTRACT_WORKFLOW, INVOICE_WORKFLOW))
        if question is Question.NO_PROJECT:
            stages = ", ".join(f"'{stage}'" for stage in _NO_PROJECT)
            terms = [f"WorkflowType = {contracts}", f"{_STAGE.name} IN ({stages})"]
        elif question is Question.EXCEPTIONS:
            others = f"'{BANK_FILE_WORKFLOW}', '{EVENT_WORKFLOW}'"
            terms = [
                f"WorkflowType IN ({contracts}, {invoices}, {others})",
                f"{_ON.name} IN ('exception', 'credentials')",
                *self._aged(age),
            ]
        else:
            undelivered = question is Question.UNDELIVERED
            stage = InvoiceStage.POSTED_NOT_DELIVERED if undelivered else InvoiceStage.IN_PAYMENT
            terms = [f"WorkflowType = {invoices}", f"{_INVOICE_STAGE.name} = '{stage}'"]
        # Each name is checked: it becomes a part of the condition.
        checked = [conditions(entity=entity) for entity in self._entities]
        if self._of_none and question is Question.EXCEPTIONS:
            checked.append(f"{search_attributes.LEGAL_ENTITY.name} IS NULL")
        return " AND ".join([*terms, _RUNNING, f"({' OR '.join(checked)})"])

    def _aged(self, age: Age | None) -> list[str]:
        if age is None:
            return []
        least, most, _ = _AGES[age]
        found = [f"{_SINCE.name} <= '{self._ago(least)}'"] if least else []
        return [*found, *([f"{_SINCE.name} > '{self._ago(most)}'"] if most is not None else [])]

    def _ago(self, days: int) -> str:
        return f"{self._now.astimezone(UTC) - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"

    # --- what Odoo answers ----------------------------------------------------------------------

    async def _of_odoo(self, question: Question) -> Answered:
        found = Answered()
        read = self._time if question is Question.UNBILLED_TIME else self._milestones

        async def of(entity: str) -> list[Row]:
            try:
                return await read(entity, found)
            except FAILURES as error:
                found.problems[entity] = str(error)
                return []

        lists = await asyncio.gather(*map(of, self._entities))
        found.rows = [row for rows in lists for row in rows]
        if question is Question.LATE_MILESTONES:
            found.rows.sort(key=lambda row: (str(row.since), row.workflow_id))
        return found

    async def _time(self, entity: str, _: Answered) -> list[Row]:
        reading = await self._books.unbilled_time(entity)
        return [
            Row(item.workflow_id, item.customer, f"{item.hours:f} hours: {item.name}", None)
            for item in reading.value
        ]

    async def _milestones(self, entity: str, found: Answered) -> list[Row]:
        late = (await self._books.late_milestones(entity)).value
        found.more = found.more or late.more
        return [Row(item.workflow_id, item.customer, item.name, item.due_on) for item in late.rows]


def words_of(age: Age) -> str:
    """An age as people read it."""
    return _AGES[age][2]


def _words(*found: str | None) -> str:
    return ", ".join(dict.fromkeys(item.replace("_", " ") for item in found if item))
