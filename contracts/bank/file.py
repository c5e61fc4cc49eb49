"""One file of a bank: how far it is applied, what of it waits for a person, what they decide."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum

from pydantic import AwareDatetime, Field

from contracts.audit.entries import Trail
from contracts.bank.verdicts import Hint
from contracts.identifiers import bank_workflow_id
from contracts.model import JsonObject, Key, Message, Text, Value, Words
from contracts.money import Money
from contracts.parking import Action, Responsible, StepException
from contracts.problems import Problem, finding

MAX_OPEN = 400
"""Lines of a file that wait for a person at a time: with more, the next ones are not applied before
some are decided. All of them are in the workflow's state, of which the engine takes 2 MB."""
CANDIDATE_BYTES = 2_000
"""What is kept of a line's candidates, the likeliest first."""
AWAITED_FOR = timedelta(days=10)
"""How long the entries of a notification may be late; of most there never is a statement that sums
them."""
MAX_DECISIONS = 500
"""Requests that are answered as they were before; the oldest are forgotten."""
LINES_A_QUERY = 200
FILE_STEP, NOTICE_STEP = "file", "statement"
"""The steps that stand for a file as a whole: what failed, and what was noticed."""
MAX_CHOSEN = 100
"""Invoices that a person lets one line pay."""


class FileRef(Value):
    """A file: in which place (its name under `bank`), and what is in it."""

    bank: Key
    legal_entity: Key
    name: str = Field(min_length=1, max_length=800)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @property
    def workflow_id(self) -> str:
        return bank_workflow_id(self.legal_entity, self.sha256)


class FileStage(StrEnum):
    """How far a file is. `open`: all of it is applied but what waits for a person."""

    READING = "reading"
    APPLYING = "applying"
    OPEN = "open"
    DONE = "done"
    REFUSED = "refused"


class Counts(Value):
    """What became of lines. `known` are those that an earlier file brought already; `settled` and
    `ignored` are those that a person decided, `elsewhere` those that somebody settled in Odoo."""

    booked: int = 0
    returned: int = 0
    not_ours: int = 0
    known: int = 0
    settled: int = 0
    ignored: int = 0
    elsewhere: int = 0

    def plus(self, other: Counts) -> Counts:
        return Counts(
            **{name: getattr(self, name) + getattr(other, name) for name in Counts.model_fields}
        )


class Proposal(Value):
    """What a parked line may pay: the numbers of invoices, whose they are, what is open of them
    together; of a return the line that it may undo."""

    invoices: tuple[str, ...] = ()
    customer: str = Field(default="", max_length=100)
    open: Money | None = None
    hints: tuple[Hint, ...] = ()
    undoes: str = ""


class ParkedLine(Value):
    """A line that waits for a person; `number` is its place in the file, from 1. `within`: it is
    one of several payments that the line of this key sums on the statement."""

    number: int
    key: str
    booked_on: date
    amount: Money
    counterparty: str = Field(default="", max_length=70)
    account: str = Field(default="", max_length=40)
    text: str = Field(default="", max_length=140)
    within: str = ""
    problem: Problem
    candidates: tuple[Proposal, ...] = ()

    def exception(self, since: datetime) -> StepException:
        """The line as it is listed with all that waits for people."""
        first = self.problem
        return StepException(
            step=f"line-{self.number}",
            kind="business",
            doing=f"Apply {self.amount} of {self.counterparty or 'an unknown payer'}",
            responsible=Responsible.FINANCE,
            code=first.code,
            message=str(first),
            field=first.field,
            value=first.value,
            allowed=(),
            since=since,
        )


class Settlement(Message):
    """What a person decides about a parked line: it pays these invoices, in this order, each up to
    what is open of it; or, of a return, it undoes the line of this key; or nothing is to come of
    it, for a reason."""

    line: int
    by: Text
    invoices: tuple[Text, ...] = Field(default=(), max_length=MAX_CHOSEN)
    undoes: Words = ""
    ignore: Words = ""


class FileDecision(StrEnum):
    """`retry`: what failed is tried again, and every line that waits is looked at once more;
    `accept`: what was noticed of the file is all right, and what its audit record has in the store
    counts; `refuse`: nothing of it is applied."""

    RETRY = "retry"
    ACCEPT = "accept"
    REFUSE = "refuse"


class FileDecided(Message):
    """What a person decides about a file as a whole."""

    decision: FileDecision
    by: Text
    reason: Words = ""


class Decided(Value):
    """A request that was carried out, and the answer that it got."""

    request: str
    answer: str


class BankFileState(Value):
    """All that the workflow of a file knows. `repeated` are the places of its statements that were
    read before; `next_line` is the place of the line that is applied next, from 0. `detailed` are
    the entries whose payments the file lists (as a notification does) and that are applied;
    `awaits_entries`: some are on no statement yet. `audit` is the audit record of what people
    decide about it, as far as that is still to be written, and `unrecorded` why that cannot be."""

    file: FileRef
    received_at: AwareDatetime
    stage: FileStage = FileStage.READING
    lines: int = 0
    next_line: int = 0
    repeated: tuple[int, ...] = ()
    counts: Counts = Counts()
    parked: tuple[ParkedLine, ...] = ()
    notices: tuple[Problem, ...] = ()
    exception: StepException | None = None
    detailed: tuple[str, ...] = ()
    awaits_entries: bool = False
    is_put_away: bool = False
    decided: tuple[Decided, ...] = ()
    reason: str = ""
    audit: Trail = Field(default_factory=Trail)
    unrecorded: StepException | None = None

    @property
    def is_over(self) -> bool:
        """With nothing left to do: what is refused is put apart as well."""
        return self.stage in (FileStage.DONE, FileStage.REFUSED) and self.exception is None

    @property
    def exceptions(self) -> tuple[StepException, ...]:
        """What waits for a person, of the file as a whole and of its lines."""
        noticed = [_noticed(item, self.received_at) for item in self.notices]
        whole = [item for item in (self.exception, self.unrecorded) if item is not None]
        return (*whole, *noticed, *self.of_lines)

    @property
    def of_lines(self) -> tuple[StepException, ...]:
        """What waits for a person of its lines."""
        return tuple(line.exception(self.received_at) for line in self.parked)

    @property
    def standing(self) -> JsonObject:
        """How it stands, in short: what the audit record follows."""
        return {
            "stage": str(self.stage),
            "lines applied": self.next_line,
            "lines that wait": len(self.parked),
            "lines settled by people": self.counts.settled,
            "lines ignored": self.counts.ignored,
            "lines settled elsewhere": self.counts.elsewhere,
            "notices": len(self.notices),
        }

    def line(self, number: int) -> ParkedLine | None:
        return next((item for item in self.parked if item.number == number), None)

    def with_request(self, request: str, answer: str) -> BankFileState:
        kept = [item for item in self.decided if item.request != request]
        decided = (*kept, Decided(request=request, answer=answer))[-MAX_DECISIONS:]
        return self.replace(decided=decided)


def _noticed(item: Problem, since: datetime) -> StepException:
    return StepException(
        step=NOTICE_STEP,
        kind="business",
        doing="Look at what was noticed of the file",
        responsible=Responsible.FINANCE,
        code=item.code,
        message=str(item),
        field=item.field,
        value=item.value,
        allowed=(Action.SKIP,),
        since=since,
    )


class BankFileView(Value):
    """A file as people see it, with a page of what waits in it."""

    state: BankFileState
    open_lines: int
    more: bool


def view(state: BankFileState, first: int = 0) -> BankFileView:
    """The state with the parked lines from the one at `first` on, as many as one answer holds."""
    page = state.parked[first : first + LINES_A_QUERY]
    return BankFileView(
        state=state.replace(parked=page, decided=(), audit=state.audit.replace(pending=())),
        open_lines=len(state.parked),
        more=first + len(page) < len(state.parked),
    )


def details(state: BankFileState) -> str:
    """What Temporal's own page shows of the file."""
    counts = state.counts
    rows = [
        f"**{state.file.name}** from {state.file.bank}: {state.stage}",
        f"{state.next_line} of {state.lines} lines: {counts.booked} booked, "
        f"{counts.returned} returned, {counts.settled} settled by people, "
        f"{counts.not_ours + counts.ignored} left to the accountants, "
        f"{counts.known} known before, {len(state.parked)} parked",
    ]
    rows += [f"- {item.step}: {item.message} [{item.code}]" for item in state.exceptions[:20]]
    if len(state.exceptions) > 20:
        rows.append(f"- and {len(state.exceptions) - 20} more: `c2c bank lines`")
    return "\n\n".join(rows[:2]) + ("\n\n" + "\n".join(rows[2:]) if rows[2:] else "")


def settlement_problems(state: BankFileState, asked: Settlement) -> list[Problem]:
    """What is wrong with a decision, as far as the file itself can tell."""
    problems = []
    if state.line(asked.line) is None:
        numbers = [item.number for item in state.parked[:10]]
        known = f"a line that waits: {_listed(numbers)}" if numbers else "a line that waits"
        problems.append(finding("line_not_parked", "line", str(asked.line), known))
    ways = [bool(asked.invoices), bool(asked.undoes), bool(asked.ignore.strip())]
    if sum(ways) != 1:
        expected = "one of invoices, undoes and ignore"
        problems.append(finding("settlement_unclear", "invoices", "", expected))
    if len(set(asked.invoices)) != len(asked.invoices):
        shown = ", ".join(asked.invoices)
        problems.append(finding("settlement_unclear", "invoices", shown, "each invoice once"))
    return problems


def decision_problems(state: BankFileState, asked: FileDecided) -> list[Problem]:
    """What is wrong with a decision about the file as a whole."""
    if asked.decision is FileDecision.ACCEPT and not (state.notices or state.unrecorded):
        return [finding("nothing_to_accept", "decision", "accept", "a file with a notice")]
    if asked.decision is FileDecision.REFUSE:
        if state.stage is not FileStage.READING:
            expected = "a file of which nothing is applied yet"
            return [finding("file_applied", "decision", "refuse", expected)]
        if not asked.reason.strip():
            return [finding("missing", "reason", "", "why it is refused")]
    return []


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
