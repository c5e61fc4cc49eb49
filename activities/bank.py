"""Bank files: read where they are, and applied in Odoo, page by page.

A file itself never goes through Temporal: each activity reads it by reference, and keeps what it
has read for the next page.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby

from pydantic import BaseModel, Field
from temporalio import activity

from activities.done import Done
from activities.failures import BusinessRefusal
from activities.odoo.bank_booking import BankBooking, Outcome, PlacedLine
from activities.odoo.bank_books import bank_journal, refuse_closed
from activities.odoo.bank_lines import KnownLine, place_of
from activities.odoo.catalogue import Catalogue
from activities.odoo.paging import fitting
from contracts.bank.file import CANDIDATE_BYTES, Counts, FileRef, ParkedLine, Proposal
from contracts.bank.ledger import Ledger
from contracts.bank.matching import CannotApply
from contracts.bank.statement import (
    BankFile,
    BankLine,
    BankStatement,
    Details,
    details_of,
    is_repeat,
    sequence_problems,
    totals_problems,
)
from contracts.bank.verdicts import Candidate, CashPolicy, Parked
from contracts.money import Money
from contracts.problems import Problem, finding
from gateways.bank import camt
from gateways.bank.protocol import BankSource
from gateways.odoo import OdooClient

LINES_A_PAGE, ENTRIES_A_TIME = 500, 20
READING_CALLS, APPLYING_CALLS, DECIDING_CALLS = 4, 30, 4
"""How many calls an activity makes in a row."""
_KEPT_FILES = 2


class BankSetup(BaseModel):
    """What the configuration says of a place: whose files are there, the company by its name in
    Odoo, the journal's code of each account, and what is tolerated."""

    legal_entity: str
    company: str
    accounts: dict[str, str]
    tolerance: tuple[Money, ...] = ()
    difference_account: str = ""


class FileRead(BaseModel):
    """What is in a file: how many lines, the places of its statements that were read before, and
    what is noticed of the others. `has_details`: it lists payments of entries, too."""

    lines: int
    repeated: list[int] = Field(default_factory=list)
    notices: list[Problem] = Field(default_factory=list)
    has_details: bool = False


class PageRequest(BaseModel):
    """Lines of a file, from this place on; `repeated` as FileRead has it."""

    file: FileRef
    repeated: list[int]
    first: int
    count: int


class PageApplied(BaseModel):
    """What became of the lines of a page; those that nothing could be decided of are parked."""

    counts: Counts
    parked: list[ParkedLine]


class DetailsRequest(BaseModel):
    """The payments that a file lists of entries; those that are `detailed` are applied already."""

    file: FileRef
    repeated: list[int]
    detailed: list[str]
    most_parked: int


class DetailsApplied(BaseModel):
    """What became of them: `detailed` are the entries that were applied now. `more`: others are to
    be applied at once. `awaits`: some are on no statement yet."""

    counts: Counts = Counts()
    parked: list[ParkedLine] = Field(default_factory=list)
    detailed: list[str] = Field(default_factory=list)
    more: bool = False
    awaits: bool = False


class LineRequest(BaseModel):
    """What a person decides about a parked line. `part`: it is one of several payments that the
    line of this key sums."""

    file: FileRef
    key: str
    part: ParkedLine | None = None
    invoices: list[str] = Field(default_factory=list)
    undoes: str = ""


class LineSettled(BaseModel):
    """`elsewhere`: somebody had settled it in Odoo before."""

    elsewhere: bool = False


class OpenRequest(BaseModel):
    """Lines that wait for a person."""

    file: FileRef
    keys: list[str]


class StillOpen(BaseModel):
    """Those of them that are still on suspense in Odoo."""

    keys: list[str]


class RefusedFile(BaseModel):
    """A file of which nothing was applied, and why."""

    file: FileRef
    reason: str


class BankActivities:
    """Activities on the `bank` task queue; one source a name that is configured."""

    def __init__(
        self,
        sources: Mapping[str, BankSource],
        setups: Mapping[str, BankSetup],
        odoo: OdooClient,
        catalogue: Catalogue,
    ) -> None:
        self._sources = sources
        self._setups = setups
        self._odoo = odoo
        self._catalogue = catalogue
        self._files = _KeptFiles()

    @activity.defn
    def read_bank_file(self, file: FileRef) -> FileRead:
        """Read the file, and look whether all of it fits: its sums, its accounts, the statements
        before it, and the periods that are open in Odoo."""
        read = self._files.get(file, lambda: self._read(file))
        for notification in read.notifications:
            self._booking_of(file, notification.account)
        statements = read.statements
        problems = [problem for item in statements for problem in totals_problems(item)]
        if problems:
            first, text = problems[0], "; ".join(map(str, problems[:3]))
            raise BusinessRefusal(
                first.code,
                f"{file.name} does not add up: {text}",
                field=first.field,
                value=first.value,
                problems=problems[:50],
            )
        bookings = {item.account: self._booking(file, item) for item in statements}
        # A statement of this very file is there where an attempt before has begun.
        marks = {key: it.lines.marks(but_of=file.sha256) for key, it in bookings.items()}
        repeated, notices = [], []
        for place, statement in enumerate(statements):
            known = marks[statement.account]
            if is_repeat(statement, known):
                repeated.append(place)
                continue
            before = [item.mark for item in statements[:place]]
            notices += sequence_problems(statement, [*known, *before])
        new = [item for place, item in enumerate(statements) if place not in repeated]
        for statement in new:
            _refuse_closed(bookings[statement.account], statement.lines)
        return FileRead(
            lines=sum(len(item.lines) for item in new),
            repeated=repeated,
            notices=notices[:20],
            has_details=any(item.lines for item in read.notifications),
        )

    @activity.defn
    def apply_bank_lines(self, page: PageRequest) -> PageApplied:
        """Match lines with what is open, and book those that a rule decides; safe to repeat."""
        applied = PageApplied(counts=Counts(), parked=[])
        statements = self._statements(page.file)
        new = [item for place, item in enumerate(statements) if place not in page.repeated]
        for statement, numbered in _on_page(new, page.first, page.count):
            booking = self._booking(page.file, statement)
            _refuse_closed(booking, [line for _, line in numbered])
            record = booking.lines.load_statement(statement, page.file.sha256)
            firsts = _first_of_entries(statement)
            placed = [
                PlacedLine(number, line, firsts[line.entry_key], record)
                for number, line in numbered
            ]
            outcome = booking.apply(placed)
            applied.counts = applied.counts.plus(_counts(outcome))
            applied.parked += _parked(placed, outcome)
        return applied

    @activity.defn
    def apply_bank_details(self, request: DetailsRequest) -> DetailsApplied:
        """Apply the payments of entries that are on a statement without them; safe to repeat. An
        entry that is on none yet may come with the next."""
        applied = DetailsApplied()
        read = self._files.get(request.file, lambda: self._read(request.file))
        number = sum(
            len(it.lines) for at, it in enumerate(read.statements) if at not in request.repeated
        )
        for notification in read.notifications:
            numbers = {
                line.key: number + place for place, line in enumerate(notification.lines, start=1)
            }
            number += len(notification.lines)
            entries = dict.fromkeys(line.entry_key for line in notification.lines)
            left = [key for key in entries if key not in set(request.detailed)]
            if not left:
                continue
            booking = self._booking_of(request.file, notification.account)
            known = booking.lines.known([*left, *(f"{key}/0" for key in left)])
            applied.awaits |= any(key not in known and f"{key}/0" not in known for key in left)
            for key in left:
                if key not in known:
                    continue
                is_full = len(applied.parked) >= request.most_parked
                if is_full or len(applied.detailed) >= ENTRIES_A_TIME:
                    applied.more = True
                    return applied
                self._apply_details(
                    booking,
                    known[key],
                    notification.lines,
                    numbers,
                    applied,
                    request.most_parked,
                )
        return applied

    def _apply_details(
        self,
        booking: BankBooking,
        known: KnownLine,
        lines: Sequence[BankLine],
        numbers: Mapping[str, int],
        applied: DetailsApplied,
        most_parked: int,
    ) -> None:
        """More than may be parked are without candidates: all of an entry are listed, and have to
        fit into an answer and into the workflow's state."""
        applied.detailed.append(known.key)
        if not known.is_waiting:
            return
        awaited = booking.lines.read(known).replace(
            entry_key=known.key, details=Details.AWAITED, texts=()
        )
        details = details_of(awaited, lines)
        if details is None or details[0].key == known.key:
            return  # They do not add up: the line itself waits for a person.
        outcome = booking.apply_within(known, details)
        applied.counts = applied.counts.plus(_counts(outcome))
        placed = [PlacedLine(numbers[it.key], it, it.amount, None) for it in details]
        for it in _parked(placed, outcome):
            has_room = len(applied.parked) < most_parked
            candidates = it.candidates if has_room else ()
            applied.parked.append(it.replace(within=known.key, candidates=candidates))

    @activity.defn
    def settle_bank_line(self, request: LineRequest) -> LineSettled:
        """Apply a line as a person decided. Refuses with every problem."""
        booking, key = self._booking_of(request.file, request.key), request.key
        if request.part is not None:
            return self._settle_part(booking, request, request.part)
        known = booking.lines.known([key]).get(key)
        if known is None:
            raise BusinessRefusal(
                "line_gone",
                "Odoo has the line no more; book it there, then ignore it here",
                field="line",
                value=key,
            )
        if not known.is_waiting:
            return LineSettled(elsewhere=True)
        if known.is_open and booking.lines.finish_within(known):
            raise BusinessRefusal(
                "line_split",
                "its payments came with a notification and wait there one by one; settle those",
                field="line",
                value=key,
            )
        if known.is_unfinished:
            booking.lines.reset(known.id)
        line = booking.lines.read(known)
        with _told():
            if request.undoes:
                booking.undo(known, line, request.undoes)
            else:
                booking.decide(known, line, request.invoices)
        return LineSettled()

    def _settle_part(
        self, booking: BankBooking, request: LineRequest, part: ParkedLine
    ) -> LineSettled:
        """One of the payments that a line sums."""
        known = booking.lines.known([request.key]).get(request.key)
        line = BankLine(
            key=part.key,
            entry_key=request.key[:290],
            account=request.key.partition("/")[0],
            booked_on=part.booked_on,
            amount=part.amount,
            counterparty=part.counterparty,
            counterparty_iban=part.account,
            texts=(part.text,),
        )
        if known is None or not known.is_waiting:
            return LineSettled(elsewhere=True)
        if place_of(line) in booking.lines.finish_within(known):
            return LineSettled()  # by an attempt that got no answer
        with _told():
            if request.undoes:
                expected = "invoices: a return among several payments is taken back in Odoo"
                raise CannotApply(
                    [finding("settlement_unclear", "undoes", request.undoes, expected)]
                )
            booking.decide(known, line, request.invoices, is_within=True)
        return LineSettled()

    @activity.defn
    def still_open(self, request: OpenRequest) -> StillOpen:
        """Those of the lines that nobody has settled in Odoo meanwhile."""
        found: list[str] = []
        by_account = groupby(sorted(request.keys), key=lambda key: key.partition("/")[0])
        for _, keys in by_account:
            some = list(keys)
            known = self._booking_of(request.file, some[0]).lines.known(some)
            found += [key for key in some if key in known and known[key].is_waiting]
        return StillOpen(keys=found)

    @activity.defn
    def put_away_bank_file(self, file: FileRef) -> Done:
        """Put a file away that is applied as far as it can be without people."""
        self._source(file).done(file.name, file.sha256)
        return Done()

    @activity.defn
    def refuse_bank_file(self, refused: RefusedFile) -> Done:
        """Put a file apart of which nothing is applied."""
        file = refused.file
        self._source(file).refuse(file.name, file.sha256, refused.reason)
        return Done()

    # --- where things are -------------------------------------------------------------------------

    def _source(self, file: FileRef) -> BankSource:
        source = self._sources.get(file.bank)
        if source is None:
            known = ", ".join(self._sources) or "none"
            raise BusinessRefusal(
                "bank_not_configured",
                f"no bank {file.bank} is configured; configured: {known}",
                field="bank",
                value=file.bank,
            )
        return source

    def _setup(self, file: FileRef) -> BankSetup:
        self._source(file)
        return self._setups[file.bank]

    def _statements(self, file: FileRef) -> tuple[BankStatement, ...]:
        return self._files.get(file, lambda: self._read(file)).statements

    def _read(self, file: FileRef) -> BankFile:
        content = self._source(file).read(file.name, file.sha256)
        return camt.read(io.BytesIO(content))

    def _booking(self, file: FileRef, statement: BankStatement) -> BankBooking:
        booking = self._booking_of(file, statement.account)
        if booking.journal.currency != statement.currency:
            raise BusinessRefusal(
                "bank_currency_differs",
                f"the account {statement.account} is in {statement.currency}, and its journal in "
                f"Odoo in {booking.journal.currency}; correct accounts, or the journal's currency",
                field="accounts",
                value=statement.account,
            )
        return booking

    def _booking_of(self, file: FileRef, key: str) -> BankBooking:
        """Of the account with which a line's key begins."""
        setup, number = self._setup(file), key.partition("/")[0]
        code = setup.accounts.get(number)
        if code is None:
            raise BusinessRefusal(
                "bank_account_unknown",
                f"the account {number} is none of those that bank.{file.bank}.accounts names; add "
                "it with the code of its journal, or refuse the file",
                field="accounts",
                value=number,
            )
        company = self._catalogue.company(setup.company)
        if company is None:
            raise BusinessRefusal(
                "company_unknown",
                f"Odoo does not have exactly one company called {setup.company}; correct "
                "odoo_company",
                field="odoo_company",
                value=setup.company,
            )
        policy = CashPolicy(
            company=company,
            tolerance=setup.tolerance,
            difference_account=setup.difference_account,
        )
        return BankBooking(self._odoo, bank_journal(self._odoo, company, code), policy)


@contextmanager
def _told() -> Iterator[None]:
    """What cannot be applied is refused with every problem."""
    try:
        yield
    except CannotApply as error:
        first = error.problems[0]
        raise BusinessRefusal(
            first.code,
            "; ".join(map(str, error.problems)),
            field=first.field,
            value=first.value,
            problems=error.problems,
        ) from None


class _KeptFiles:
    """The files that were read last: the next page of one reads it no second time."""

    def __init__(self) -> None:
        self._files: OrderedDict[str, BankFile] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, file: FileRef, read: Callable[[], BankFile]) -> BankFile:
        with self._lock:
            found = self._files.get(file.workflow_id)
        if found is None:
            found = read()
        with self._lock:
            self._files[file.workflow_id] = found
            self._files.move_to_end(file.workflow_id)
            while len(self._files) > _KEPT_FILES:
                self._files.popitem(last=False)
        return found


def _refuse_closed(booking: BankBooking, lines: Sequence[BankLine]) -> None:
    """Refuse lines in a closed period, but those that Odoo has: they come with later files, too."""
    closed = [line for line in lines if line.booked_on <= booking.journal.closed_until]
    known = booking.lines.known([line.key for line in closed]) if closed else {}
    refuse_closed(booking.journal, (line.booked_on for line in closed if line.key not in known))


def _on_page(
    statements: Sequence[BankStatement], first: int, count: int
) -> list[tuple[BankStatement, list[tuple[int, BankLine]]]]:
    """By statement, the lines of a page with their numbers in the file, from 1."""
    found, before = [], 0
    for statement in statements:
        start, end = max(first - before, 0), first + count - before
        lines = statement.lines[start:end] if end > 0 else ()
        if lines:
            found.append((statement, list(enumerate(lines, start=before + start + 1))))
        before += len(statement.lines)
    return found


def _first_of_entries(statement: BankStatement) -> dict[str, Money]:
    firsts: dict[str, Money] = {}
    for line in statement.lines:
        firsts.setdefault(line.entry_key, line.amount)
    return firsts


def _counts(outcome: Outcome) -> Counts:
    kinds = [verdict.kind for verdict in outcome.verdicts.values()]
    return Counts(
        booked=kinds.count("booked") + len(outcome.before),
        returned=kinds.count("returned"),
        not_ours=kinds.count("not_ours"),
        known=len(outcome.known),
    )


def _parked(placed: Sequence[PlacedLine], outcome: Outcome) -> list[ParkedLine]:
    found = []
    for item in placed:
        line, verdict = item.line, outcome.verdicts.get(item.line.key)
        if not isinstance(verdict, Parked):
            continue
        said = " ".join(" ".join((*line.texts, *line.references)).split())
        found.append(
            ParkedLine(
                number=item.number,
                key=line.key,
                booked_on=line.booked_on,
                amount=line.amount,
                counterparty=line.counterparty[:70],
                account=line.counterparty_iban,
                text=said[:140],
                problem=verdict.problem,
                candidates=tuple(_proposals(verdict, outcome.ledger)),
            )
        )
    return found


def _proposals(verdict: Parked, ledger: Ledger) -> list[Proposal]:
    """Without invoices that other lines of the page have paid."""
    found = [_proposal(candidate, ledger) for candidate in verdict.candidates]
    left = [item for item in found if item.undoes or item.open is None or not item.open.is_zero]
    return left[: fitting(left, CANDIDATE_BYTES)]


def _proposal(candidate: Candidate, ledger: Ledger) -> Proposal:
    items = ledger.items(part.move for part in candidate.parts)
    currencies = {item.open.currency for item in items}
    total = None
    if len(currencies) == 1:
        total = Money.total((item.open for item in items), currencies.pop())
    return Proposal(
        invoices=tuple(item.number for item in items),
        customer=items[0].partner_name[:100] if items else "",
        open=total,
        hints=candidate.hints,
        undoes=candidate.undoes,
    )
