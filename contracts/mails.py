"""Mails to the firm's own people: what waits for whom, with links, in as few words as say it.

They name contracts, amounts and days, and no customer: mail lies in more places than we know of.
Nobody is mailed about what they may not decide.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from contracts.approvals import ApprovalKind, ApprovalRound
from contracts.bank.file import FILE_STEP, NOTICE_STEP
from contracts.events import EventRecord
from contracts.identifiers import legal_entity_of
from contracts.model import Value
from contracts.money import Money
from contracts.page_addresses import approval_path, exception_path, reference
from contracts.parking import STEPS, Responsible, StepException

MAX_LINES = 15
"""In one section of a mail; the rest is counted."""
MAX_MAILS = 200
"""To so many people, so that a day's digests are below what the engine keeps of one result."""
DELIVER_EVENT = "deliver"
"""Stands for the step of an event that is not delivered, which has neither step nor code."""
APPROVALS, EXCEPTIONS = "Waiting for your approval", "Exceptions that you look after"

Owners = Mapping[str, Mapping[Responsible, Sequence[str]]]
"""Who looks after exceptions: by legal entity and responsible, e-mail addresses."""


class ToApprove(Value):
    """What awaits approval, in the workflow of an invoice or a contract."""

    workflow_id: str
    kind: ApprovalKind
    amount: Money
    content_hash: str
    asked_on: date


class ToResolve(Value):
    """A parked step of an invoice, a contract or a bank's file, or an event that is not delivered.
    What it says may name the customer: that is on its page only."""

    workflow_id: str
    step: str
    code: str = ""
    since: datetime


class Mail(Value):
    """A mail to one person: of a day's digests, or (without a day) of an escalation. What is beyond
    a mail's length is counted.

    It holds what is to be said and not the words, so that a release with other words replays what
    an earlier one has sent.
    """

    to: str
    day: date | None = None
    approvals: tuple[ToApprove, ...] = ()
    exceptions: tuple[ToResolve, ...] = ()
    more_approvals: int = 0
    more_exceptions: int = 0


class Digest(BaseModel):
    """What the schedule of the digests starts: the zone (IANA) in which it is a day."""

    time_zone: str

    def day_of(self, now: datetime) -> date:
        return now.astimezone(ZoneInfo(self.time_zone)).date()


class Mails(BaseModel):
    """The mails of a day, or of an escalation. `left_out` people had their turn no more."""

    mails: list[Mail] = Field(default_factory=list)
    left_out: int = 0


class OpenApproval(NamedTuple):
    """A round that is open, in the workflow of an invoice or a contract."""

    workflow_id: str
    approval_round: ApprovalRound


class Parked(NamedTuple):
    """What waits for a person in a workflow. `responsible` looks after it, in each of its legal
    entities; without one it is not known yet whose an event is."""

    item: ToResolve
    responsible: Responsible
    legal_entities: frozenset[str]

    @classmethod
    def step(cls, workflow_id: str, exception: StepException) -> Parked:
        """A parked step of an invoice, a contract or a bank's file."""
        item = ToResolve(
            workflow_id=workflow_id,
            step=exception.step,
            code=exception.code,
            since=exception.since,
        )
        return cls(item, exception.responsible, frozenset({legal_entity_of(workflow_id)}))

    @classmethod
    def event(cls, workflow_id: str, found: EventRecord) -> Parked:
        """An event that is not delivered."""
        item = ToResolve(workflow_id=workflow_id, step=DELIVER_EVENT, since=found.since)
        return cls(item, Responsible.OPERATIONS, found.legal_entities)

    def mailed(self, owners: Owners) -> Iterable[str]:
        """Who is mailed; of what is nobody's yet whoever looks after all legal entities."""
        names = self.legal_entities or owners.keys()
        people = [set(owners.get(name, {}).get(self.responsible, ())) for name in names]
        together = set.union if self.legal_entities else set.intersection
        return sorted(together(*people)) if people else ()


def has_address(person: str) -> bool:
    """Whether a person of the rules can be mailed: the name is an address, of ASCII as most mail
    servers want it."""
    name, at, host = person.partition("@")
    is_one = bool(name and at and host) and "@" not in host
    is_plain = person.isascii() and person.isprintable()
    return is_one and is_plain and not set(person) & set(' ,;<>"()')


def digests(
    day: date,
    now: datetime,
    approvals: Iterable[OpenApproval],
    parked: Iterable[Parked],
    owners: Owners,
) -> Mails:
    """To each person for whom something waits one mail: the oldest first."""
    decides: dict[str, list[OpenApproval]] = defaultdict(list)
    for item in sorted(approvals, key=_asked_on):
        found = item.approval_round
        for person in found.may_approve(found.requirement.today(now)):
            decides[person].append(item)
    owns: dict[str, list[Parked]] = defaultdict(list)
    for step in sorted(parked, key=lambda step: step.item.since):
        for person in step.mailed(owners):
            owns[person].append(step)
    people = sorted(person for person in {*decides, *owns} if has_address(person))
    mails = [_digest(day, it, decides[it], owns[it]) for it in people[:MAX_MAILS]]
    return Mails(mails=mails, left_out=len(people) - len(mails))


def escalation(workflow_id: str, approval_round: ApprovalRound, today: date) -> Mails:
    """To each who may decide from now on: an approval that was open for too long."""
    item = _to_approve(OpenApproval(workflow_id, approval_round))
    people = [person for person in approval_round.may_approve(today) if has_address(person)]
    mails = [Mail(to=person, approvals=(item,)) for person in people]
    return Mails(mails=mails[:MAX_MAILS], left_out=len(mails[MAX_MAILS:]))


def _digest(
    day: date, person: str, approvals: Sequence[OpenApproval], parked: Sequence[Parked]
) -> Mail:
    return Mail(
        to=person,
        day=day,
        approvals=tuple(_to_approve(item) for item in approvals[:MAX_LINES]),
        exceptions=tuple(step.item for step in parked[:MAX_LINES]),
        more_approvals=len(approvals[MAX_LINES:]),
        more_exceptions=len(parked[MAX_LINES:]),
    )


def _to_approve(item: OpenApproval) -> ToApprove:
    subject = item.approval_round.subject
    return ToApprove(
        workflow_id=item.workflow_id,
        kind=subject.kind,
        amount=subject.amount,
        content_hash=subject.content_hash,
        asked_on=item.approval_round.requirement.asked_on,
    )


def _asked_on(item: OpenApproval) -> tuple[date, str]:
    return item.approval_round.requirement.asked_on, item.workflow_id


# --- in words -----------------------------------------------------------------------------------


def subject_of(mail: Mail) -> str:
    """The subject of a mail."""
    if mail.day is None:
        [item] = mail.approvals
        return f"Escalated: {item.kind.words} of {item.amount} awaits approval"
    counts = (
        _counted(len(mail.approvals) + mail.more_approvals, "approval"),
        _counted(len(mail.exceptions) + mail.more_exceptions, "exception"),
    )
    return f"{mail.day}: {' and '.join(text for text in counts if text)} for you"


def text_of(mail: Mail, address: str) -> str:
    """The text of a mail; `address` is that of the web application."""
    approvals = [_approval(item) for item in mail.approvals]
    if mail.more_approvals:
        approvals.append((f"{mail.more_approvals} more", "/inbox"))
    exceptions = [_parked(item) for item in mail.exceptions]
    if mail.more_exceptions:
        exceptions.append((f"{mail.more_exceptions} more", "/exceptions"))
    parts = [
        "\n".join([heading, "", *_linked(lines, address.rstrip("/"))])
        for heading, lines in ((APPROVALS, approvals), (EXCEPTIONS, exceptions))
        if lines
    ]
    return "\n\n".join(parts) + "\n"


_DOING = {
    DELIVER_EVENT: "Deliver the event",
    FILE_STEP: "Apply the bank's file",
    NOTICE_STEP: "Look at what was noticed of the file",
}
Line = tuple[str, str]
"""A text, and the path of its page."""


def _linked(lines: Sequence[Line], address: str) -> list[str]:
    return [text for line, path in lines for text in (f"- {line}", f"  {address}{path}")]


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}" if count else ""


def _approval(item: ToApprove) -> Line:
    kind, place = item.kind.words.capitalize(), reference(item.workflow_id)
    text = f"{kind} of {item.amount}, {place}, asked for on {item.asked_on}"
    return text, approval_path(item.workflow_id, item.content_hash)


def _parked(item: ToResolve) -> Line:
    known = STEPS.get(item.step)
    doing = known.doing if known else _DOING.get(item.step) or item.step.replace("-", " ")
    doing, place = doing[:1].upper() + doing[1:], reference(item.workflow_id)
    text = f"{doing}, {place}, since {item.since:%Y-%m-%d}"
    return f"{text} [{item.code}]" if item.code else text, exception_path(
        item.workflow_id, item.step
    )
