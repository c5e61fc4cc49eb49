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

from contracts.approvals import ApprovalRound
from contracts.identifiers import legal_entity_of
from contracts.model import Value
from contracts.page_addresses import approval_path, exception_path, reference
from contracts.parking import Responsible, StepException

MAX_LINES = 25
"""In one section of a mail; the rest is counted."""
MAX_MAILS = 200
"""To so many people, so that a day's digests are below what the engine keeps of one result."""
APPROVALS, EXCEPTIONS = "Waiting for your approval", "Exceptions that you look after"

Owners = Mapping[str, Mapping[Responsible, Sequence[str]]]
"""Who looks after exceptions: by legal entity and responsible, e-mail addresses."""


class MailLine(Value):
    """One thing, and the path of its page."""

    text: str
    path: str


class MailSection(Value):
    """What a mail says of things of one kind; `more` are not listed."""

    heading: str
    lines: tuple[MailLine, ...]
    path: str
    more: int = 0


class Mail(Value):
    """A mail to one person."""

    to: str
    subject: str
    sections: tuple[MailSection, ...]


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
    """A parked step of an invoice or a contract."""

    workflow_id: str
    exception: StepException


def has_address(person: str) -> bool:
    """Whether a person of the rules can be mailed: the name is an address."""
    name, at, host = person.partition("@")
    is_one = bool(name and at and host) and "@" not in host
    return is_one and person.isprintable() and not set(person) & set(' ,;<>"()')


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
    for step in sorted(parked, key=lambda step: step.exception.since):
        entity = owners.get(legal_entity_of(step.workflow_id), {})
        for person in dict.fromkeys(entity.get(step.exception.responsible, ())):
            owns[person].append(step)
    people = sorted(person for person in {*decides, *owns} if has_address(person))
    mails = [_digest(day, it, decides[it], owns[it]) for it in people[:MAX_MAILS]]
    return Mails(mails=mails, left_out=len(people) - len(mails))


def escalation(workflow_id: str, approval_round: ApprovalRound, today: date) -> Mails:
    """To each who may decide from now on: an approval that was open for too long."""
    item = OpenApproval(workflow_id, approval_round)
    subject = approval_round.subject
    title = f"Escalated: {subject.kind.words} of {subject.amount} awaits approval"
    section = MailSection(heading=APPROVALS, lines=(_approval(item),), path="/inbox")
    people = [person for person in approval_round.may_approve(today) if has_address(person)]
    mails = [Mail(to=person, subject=title, sections=(section,)) for person in people]
    return Mails(mails=mails[:MAX_MAILS], left_out=len(mails[MAX_MAILS:]))


def text_of(mail: Mail, address: str) -> str:
    """The text of a mail; `address` is that of the web application."""
    parts = [_section_text(section, address.rstrip("/")) for section in mail.sections]
    return "\n\n".join(parts) + "\n"


def _digest(
    day: date, person: str, approvals: Sequence[OpenApproval], parked: Sequence[Parked]
) -> Mail:
    sections = [
        MailSection(
            heading=heading, lines=tuple(lines[:MAX_LINES]), path=path, more=len(lines[MAX_LINES:])
        )
        for heading, path, lines in (
            (APPROVALS, "/inbox", [_approval(item) for item in approvals]),
            (EXCEPTIONS, "/exceptions", [_parked(item) for item in parked]),
        )
        if lines
    ]
    counts = [_counted(len(approvals), "approval"), _counted(len(parked), "exception")]
    what = " and ".join(text for text in counts if text)
    return Mail(to=person, subject=f"{day}: {what} for you", sections=tuple(sections))


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}" if count else ""


def _asked_on(item: OpenApproval) -> tuple[date, str]:
    return item.approval_round.requirement.asked_on, item.workflow_id


def _approval(item: OpenApproval) -> MailLine:
    found = item.approval_round
    kind = found.subject.kind.words.capitalize()
    text = (
        f"{kind} of {found.subject.amount}, {reference(item.workflow_id)}, "
        f"asked for on {found.requirement.asked_on}"
    )
    path = approval_path(item.workflow_id, found.subject.content_hash)
    return MailLine(text=text, path=path)


def _parked(item: Parked) -> MailLine:
    """What it says in full may name the customer: that is on its page."""
    step = item.exception
    text = f"{step.doing}, {reference(item.workflow_id)}, since {step.since:%Y-%m-%d} [{step.code}]"
    return MailLine(text=text, path=exception_path(item.workflow_id, step.step))


def _section_text(section: MailSection, address: str) -> str:
    lines = [section.heading, ""]
    for line in section.lines:
        lines += [f"- {line.text}", f"  {address}{line.path}"]
    if section.more:
        lines += [f"- {section.more} more", f"  {address}{section.path}"]
    return "\n".join(lines)
