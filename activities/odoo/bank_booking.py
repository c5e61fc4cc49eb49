"""What becomes of bank lines in Odoo: matched with what is open, loaded, applied, or parked.

Everything may be repeated: a line that is there is looked at first, and one that was loaded to
settle something and did not is taken back to suspense and matched again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from temporalio import activity

from activities.odoo import external_ids
from activities.odoo.bank_books import BankJournal
from activities.odoo.bank_ledger import OpenBooks, Target, read_books, receivables, settled_by
from activities.odoo.bank_lines import (
    LINES_A_CALL,
    BankLines,
    Entry,
    KnownLine,
    Share,
    place_of,
)
from activities.odoo.clearing import account
from activities.odoo.needs import CONTACTS, UPSERT, Need
from activities.odoo.paging import batches
from contracts.bank.ledger import Ledger
from contracts.bank.matching import CannotApply, decided, match
from contracts.bank.statement import BankLine
from contracts.bank.verdicts import (
    Booked,
    CashPolicy,
    LearnedIban,
    Parked,
    Part,
    Returned,
    Verdict,
)
from contracts.money import Money
from contracts.problems import Problem, finding
from gateways.errors import FailureKind, GatewayError
from gateways.odoo import OdooClient

_ROUNDS = 3
"""How often lines are matched again whose invoices were settled by somebody else meanwhile."""

NEEDS = (Need("res.partner.bank", ("acc_number", "partner_id"), access=CONTACTS, rights=UPSERT),)


@dataclass(frozen=True)
class PlacedLine:
    """A line, its number in the file, the amount of the first payment of its entry, and its
    statement's id in Odoo."""

    number: int
    line: BankLine
    first_of_entry: Money
    statement: int | None


@dataclass
class Outcome:
    """What became of lines, by their keys. `before`: an earlier attempt had applied it; `known`: an
    earlier file had brought it."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    before: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    """As it was when they were matched: it names what parked lines may pay."""


class BankBooking:
    """Applies lines of one account."""

    def __init__(self, odoo: OdooClient, journal: BankJournal, policy: CashPolicy) -> None:
        self._odoo = odoo
        self.journal = journal
        self._policy = policy
        self.lines = BankLines(odoo, journal)
        self._difference: int | None = None

    # --- lines of a file --------------------------------------------------------------------------

    def apply(self, placed: Sequence[PlacedLine]) -> Outcome:
        """Match the lines, and apply those that a rule decides."""
        outcome = Outcome()
        keys = [item.line.key for item in placed]
        entries = [item.line.entry_key for item in placed]
        known = self.lines.known([*keys, *entries, *(f"{key}/0" for key in entries)])
        todo = [item for item in placed if self._is_to_do(item, known, outcome)]
        for _ in range(_ROUNDS):
            if not todo:
                return outcome
            todo = self._round(todo, known, outcome)
            known |= self.lines.known([item.line.key for item in todo])
        for item in todo:
            outcome.verdicts[item.line.key] = _overtaken(item.line.key)
        return outcome

    def _is_to_do(self, item: PlacedLine, known: Mapping[str, KnownLine], outcome: Outcome) -> bool:
        line, there = item.line, known.get(item.line.key)
        if there is None:
            if _is_of_known_entry(item, known):
                outcome.known.append(line.key)
                return False
            return True
        if there.statement != item.statement:
            # An earlier file brought it, and its workflow sees to it.
            outcome.known.append(line.key)
            return False
        if there.is_unfinished and not there.is_open:
            self.lines.reset(there.id)
        elif not there.is_open:
            outcome.before.append(line.key)
            return False
        return True

    def _round(
        self, todo: Sequence[PlacedLine], known: Mapping[str, KnownLine], outcome: Outcome
    ) -> list[PlacedLine]:
        """Match and apply once; returns those whose invoices were settled meanwhile."""
        books = read_books(self._odoo, self.journal, [item.line for item in todo])
        outcome.ledger = books.ledger
        verdicts: dict[str, Verdict] = {}
        for item in todo:
            verdict = match(item.line, books.ledger, self._policy)
            if isinstance(verdict, Booked | Returned):
                books.ledger.book(verdict, item.line)
            verdicts[item.line.key] = verdict
        entries, overtaken = self._entries(todo, verdicts, books)
        outcome.verdicts |= verdicts
        fast = [
            entry
            for entry in entries
            if entry.shares
            and entry.line.key not in known
            and self.lines.is_loadable(entry)
            and not any(share.target.frees for share in entry.shares)
        ]
        loaded = {entry.line.key for entry in fast}
        for some in batches(fast, LINES_A_CALL):
            try:
                overtaken |= self.lines.load_settled(some)
            except GatewayError as error:
                if error.kind is not FailureKind.BUSINESS:
                    raise
                # One by one, so that the one that is refused can say so.
                loaded -= {entry.line.key for entry in some}
        slow = [entry for entry in entries if entry.line.key not in loaded]
        self.lines.load_open([entry for entry in slow if entry.line.key not in known])
        self._settle_each([entry for entry in slow if entry.shares], outcome)
        self.learn(verdict.learned for verdict in verdicts.values() if isinstance(verdict, Booked))
        return [item for item in todo if item.line.key in overtaken]

    def _settle_each(self, entries: Sequence[Entry], outcome: Outcome) -> None:
        there = self.lines.known([entry.line.key for entry in entries])
        for entry in entries:
            key = entry.line.key
            try:
                self.lines.settle(there[key], entry)
            except GatewayError as error:
                if error.kind is not FailureKind.BUSINESS:
                    raise
                problem = finding(error.code, error.field or "amount", error.value, error.message)
                outcome.verdicts[key] = Parked(line=key, problem=problem)

    def _entries(
        self, todo: Sequence[PlacedLine], verdicts: dict[str, Verdict], books: OpenBooks
    ) -> tuple[list[Entry], set[str]]:
        """What is booked for each line; and the keys of those that cannot be, as more was settled
        than the ledger knew. A return of a line of which people have undone or moved a part gets
        another verdict: it parks."""
        booked = [item for item in verdicts.values() if isinstance(item, Booked)]
        open_items = receivables(self._odoo, {part.move for it in booked for part in it.parts})
        returned = self._returned(verdicts)
        entries, overtaken = [], set()
        for item in todo:
            key, verdict = item.line.key, verdicts[item.line.key]
            entry = Entry(item.line, item.statement)
            if isinstance(verdict, Booked):
                shares = _shares(verdict.parts, books.outstanding, open_items)
                if shares is None:
                    overtaken.add(key)
                else:
                    self._fill(entry, shares)
            elif isinstance(verdict, Returned):
                # The line that it takes back may be of the same round, and not be loaded yet.
                shares = [Share(it, it.whole) for it in returned.get(verdict.undoes, ())]
                kept = _rest(item.line, shares)
                if not shares:
                    overtaken.add(key)
                elif kept.is_zero or self._policy.tolerates(kept):
                    self._fill(entry, shares)
                else:
                    verdicts[key] = Parked(line=key, problem=_about_kept(item.line, kept))
            entries.append(entry)
        return entries, overtaken

    def _fill(self, entry: Entry, shares: list[Share]) -> None:
        entry.shares = shares
        entry.rest = _rest(entry.line, shares).amount
        if entry.rest:
            entry.rest_account = self._difference_account()

    def _difference_account(self) -> int:
        if self._difference is None:
            code = self._policy.difference_account
            company = self.journal.company
            self._difference = account(self._odoo, company, code, "difference_account")
        return self._difference

    def _returned(self, verdicts: Mapping[str, Verdict]) -> dict[str, list[Target]]:
        """By the key of a line that is taken back, what the return is set against."""
        undone = [item.undoes for item in verdicts.values() if isinstance(item, Returned)]
        known = self.lines.known(undone)
        settled = settled_by(self._odoo, self.journal, [item.entry for item in known.values()])
        return {key: settled[item.entry].items for key, item in known.items()}

    # --- payments that a line sums ----------------------------------------------------------------

    def apply_within(self, known: KnownLine, details: Sequence[BankLine]) -> Outcome:
        """Match the payments that a line on suspense sums, and apply those that a rule decides.
        Where Odoo refuses one of them the line is on suspense again, for the next attempt."""
        try:
            return self._apply_within(known, details)
        except GatewayError as error:
            if error.kind is FailureKind.BUSINESS:
                self.lines.reset(known.id)
            raise

    def _apply_within(self, known: KnownLine, details: Sequence[BankLine]) -> Outcome:
        outcome = Outcome()
        done = self.lines.finish_within(known)
        outcome.before += [line.key for line in details if place_of(line) in done]
        todo = [
            PlacedLine(0, line, line.amount, None) for line in details if place_of(line) not in done
        ]
        if not todo:
            return outcome
        books = read_books(self._odoo, self.journal, [item.line for item in todo])
        outcome.ledger = books.ledger
        for item in todo:
            verdict = match(item.line, books.ledger, self._policy)
            if isinstance(verdict, Booked | Returned):
                books.ledger.book(verdict, item.line)
            outcome.verdicts[item.line.key] = verdict
        entries, overtaken = self._entries(todo, outcome.verdicts, books)
        for key in overtaken:
            outcome.verdicts[key] = _overtaken(key)
        settling = [entry for entry in entries if entry.shares]
        for entry in settling:
            entry.is_within = True
        if settling:
            self.lines.settle_within(known, settling)
        verdicts = outcome.verdicts.values()
        self.learn(verdict.learned for verdict in verdicts if isinstance(verdict, Booked))
        return outcome

    # --- what people decide -----------------------------------------------------------------------

    def decide(
        self, known: KnownLine, line: BankLine, numbers: Sequence[str], *, is_within: bool = False
    ) -> None:
        """Let a line that is on suspense pay these invoices, or a payment that it sums. Raises
        CannotApply with every reason why it cannot."""
        books = read_books(self._odoo, self.journal, [line])
        problems, moves = [], []
        for number in numbers:
            found = books.ledger.numbered(number)
            ours = [item for item in found if item.company == self._policy.company] or found
            if len(ours) != 1:
                expected = "the number of one posted invoice that is open or was lately"
                problems.append(finding("invoice_number_unknown", "invoices", number, expected))
            moves += [item.move for item in ours]
        if problems:
            raise CannotApply(problems)
        verdict = decided(line, moves, books.ledger, self._policy)
        open_items = receivables(self._odoo, moves)
        shares = _shares(verdict.parts, books.outstanding, open_items)
        if shares is None:
            raise CannotApply([_overtaken(line.key).problem])
        entry = Entry(line, is_within=is_within)
        self._fill(entry, shares)
        if is_within:
            self.lines.settle_within(known, [entry])
        else:
            self.lines.settle(known, entry)
        self.learn([verdict.learned])

    def undo(self, known: KnownLine, line: BankLine, undone: str) -> None:
        """Let a line that is on suspense take back another one. Raises CannotApply."""
        there = self.lines.known([undone])
        settled = settled_by(self._odoo, self.journal, [item.entry for item in there.values()])
        targets = [it for item in there.values() for it in settled[item.entry].items]
        if not targets:
            expected = "the key of a line that was booked and not taken back"
            raise CannotApply([finding("line_not_returnable", "undoes", undone, expected)])
        entry = Entry(line)
        shares = [Share(it, it.whole) for it in targets]
        kept = line.amount + Money.rounded(there[undone].amount, line.amount.currency)
        if not (kept.is_zero or self._policy.tolerates(kept)):
            raise CannotApply([_about_kept(line, kept)])
        self._fill(entry, shares)
        self.lines.settle(known, entry)

    # --- accounts that are learned ----------------------------------------------------------------

    def learn(self, found: Iterable[LearnedIban | None]) -> None:
        """Keep the accounts of payers; one that Odoo refuses is asked about again next time."""
        pairs = {(item.partner, item.iban) for item in found if item is not None}
        rows = [
            {
                "id": external_ids.partner_account_id(partner, number),
                "acc_number": number,
                "partner_id/.id": partner,
            }
            for partner, number in sorted(pairs)
        ]
        for some in batches(rows, LINES_A_CALL):
            self._load_accounts(some)

    def _load_accounts(self, rows: Sequence[dict[str, Any]]) -> None:
        try:
            self._odoo.load("res.partner.bank", rows, create_once=True)
        except GatewayError as error:
            if error.kind is not FailureKind.BUSINESS:
                raise
            if len(rows) > 1:
                for row in rows:
                    self._load_accounts([row])
            else:
                # Not which: an account's number is nothing for a log.
                partner = rows[0]["partner_id/.id"]
                activity.logger.warning(
                    "an account of the contact %s is not kept: %s", partner, error
                )


def _overtaken(key: str) -> Parked:
    expected = "invoices that nobody else settles in the same moment"
    return Parked(line=key, problem=finding("payment_overtaken", "amount", "", expected))


def _rest(line: BankLine, shares: Sequence[Share]) -> Money:
    """What the shares leave of a line."""
    taken = sum((share.amount for share in shares), Decimal(0))
    return line.amount - Money.rounded(taken, line.amount.currency)


def _about_kept(line: BankLine, kept: Money) -> Problem:
    expected = f"{line.amount - kept}, what the line that it takes back has settled"
    return finding("payment_amount_differs", "amount", str(line.amount), expected)


def _is_of_known_entry(item: PlacedLine, known: Mapping[str, KnownLine]) -> bool:
    """Whether the bank sent the entry before, with other details: then all of it is there."""
    if item.line.entry_key in known:
        return True
    first = known.get(f"{item.line.entry_key}/0")
    is_whole = item.line.key == item.line.entry_key
    return first is not None and (is_whole or first.amount != item.first_of_entry.amount)


def _shares(
    parts: Sequence[Part],
    outstanding: Mapping[int, list[Target]],
    open_items: Mapping[int, list[Target]],
) -> list[Share] | None:
    """Where the parts of invoices are open: first as payments on their way to the bank, then on the
    customers' accounts. None where less is open than the ledger said."""
    shares = []
    for part in parts:
        left = part.amount.amount
        for item in (*outstanding.get(part.move, ()), *open_items.get(part.move, ())):
            if left * item.left <= 0:
                continue
            taken = min(left, item.left, key=abs)
            shares.append(Share(item, taken))
            item.left -= taken
            left -= taken
        if left:
            return None
    return shares
