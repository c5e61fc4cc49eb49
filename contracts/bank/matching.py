"""Cash application: which invoices a bank line pays.

`match` books a line alone where what it says leads to one answer; otherwise it parks the line with
the likeliest answers. It never guesses: of two explanations, or of one with a contradiction, a
person decides. The rules, in plain words, are in docs/bank.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.bank import candidates
from contracts.bank.clues import Clues
from contracts.bank.ledger import Ledger, settled_parts
from contracts.bank.statement import BankLine, Details
from contracts.bank.sums import minor, sums
from contracts.bank.verdicts import (
    Booked,
    CashPolicy,
    Difference,
    LearnedIban,
    NotOurs,
    NotOursReason,
    OpenItem,
    Parked,
    Part,
    Returned,
    Rule,
    SettledLine,
    Verdict,
)
from contracts.money import Money
from contracts.problems import Problem, finding

_OF_THE_BANK = frozenset({"CHRG", "FEES", "COMM", "INTR", "CINT", "DINT", "CAJT", "DAJT"})
"""ISO's sub-families of the bank's own charges and interest."""
_NAMING = frozenset({Rule.REFERENCE, Rule.END_TO_END_ID, Rule.NUMBER})
"""The rules by which an account is learned: what is named is surer than an amount."""
_REPEATED_DAYS = 20
"""The same amount from the same account within so many days, and nothing that tells which invoice:
as likely a payment that was sent twice as one for the next month."""


def match(line: BankLine, ledger: Ledger, policy: CashPolicy) -> Verdict:
    """What becomes of a line. The ledger does not change: tell it with `Ledger.book`."""
    return _Matching(Clues(line, ledger, policy)).verdict()


def decided(line: BankLine, moves: Sequence[int], ledger: Ledger, policy: CashPolicy) -> Booked:
    """The line as a person applies it: to these invoices in this order, each up to what is open of
    it. Raises CannotApply where they are not the company's, not in the line's currency or not
    open, or where money is left that is not tolerated."""
    matching = _Matching(Clues(line, ledger, policy))
    items = [ledger.item(move) for move in dict.fromkeys(moves)]
    problems = [matching.why_not(item) for item in items if not matching.clues.is_payable(item)]
    if not items:
        expected = "at least one invoice"
        problems.append(finding("payment_unidentified", "invoices", "", expected))
    if problems:
        raise CannotApply(problems)
    return matching.applied(items)


class CannotApply(ValueError):
    """What a person decided about a line cannot be booked; has every problem."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(map(str, problems)))


@dataclass(frozen=True)
class _Matching:
    """The rules, on what one line says."""

    clues: Clues

    @property
    def line(self) -> BankLine:
        return self.clues.line

    @property
    def ledger(self) -> Ledger:
        return self.clues.ledger

    @property
    def policy(self) -> CashPolicy:
        return self.clues.policy

    @property
    def amount(self) -> Money:
        return self.line.amount

    # --- the ways a line can go -------------------------------------------------------------------

    def verdict(self) -> Verdict:
        line = self.line
        if line.is_returned or line.is_reversal:
            return self._came_back()
        if line.amount.is_zero or line.code.rpartition("/")[2] in _OF_THE_BANK:
            return self._not_ours(NotOursReason.BANK)
        if not line.amount.is_positive:
            return self._outgoing()
        if line.details is not Details.COMPLETE:
            return self._park(_about_details(line))
        return self._by_name() if self.clues.named else self._by_payer()

    def _came_back(self) -> Verdict:
        if self.amount.is_positive:
            return self._not_ours(NotOursReason.OUTGOING)
        if self.line.details is not Details.COMPLETE:
            return self._park(_about_details(self.line))
        earlier = self._earlier()
        if len(earlier) == 1:
            [undone] = earlier
            kept = self.amount + undone.amount
            if kept.is_zero or self.policy.tolerates(kept):
                return Returned(
                    line=self.line.key,
                    undoes=undone.line,
                    parts=undone.parts,
                    reason=self.line.return_reason,
                    difference=self._difference(kept),
                )
        expected = "one payment of this amount that was booked before"
        problem = finding("return_unidentified", "end_to_end_id", self.line.end_to_end_id, expected)
        found = candidates.of_returns(earlier or self._of_same_payer())
        return Parked(line=self.line.key, problem=problem, candidates=found)

    def _earlier(self) -> list[SettledLine]:
        """The lines that this one may undo: of its end-to-end id, else of its payer and amount."""
        return self.ledger.lines_of_id(self.line.end_to_end_id) or self._of_same_payer()

    def _of_same_payer(self) -> list[SettledLine]:
        amounts = (
            [-self.amount] if self.line.original is None else [-self.amount, -self.line.original]
        )
        iban = self.line.counterparty_iban
        return [line for amount in amounts for line in self.ledger.lines_of_payer(iban, amount)]

    def _outgoing(self) -> Verdict:
        """What we pay pays no invoice of ours; that it names one of the same partner is a slip, or
        a refund that somebody has to book against a credit note."""
        theirs = [item for item in self.clues.named if self.clues.payer.is_one_of({item.partner})]
        if not any(not item.open.is_zero for item in theirs):
            return self._not_ours(NotOursReason.OUTGOING)
        expected = "money that comes in, as the line names an open invoice"
        problem = finding("payment_direction_differs", "amount", str(self.amount), expected)
        return self._park(problem)

    def _not_ours(self, reason: NotOursReason) -> NotOurs:
        return NotOurs(line=self.line.key, reason=reason)

    # --- the line names invoices ------------------------------------------------------------------

    def _by_name(self) -> Verdict:
        payable = [item for item in self.clues.named if self.clues.is_payable(item)]
        if self._is_slip():
            return self._book(self.clues.misspelt, Rule.NUMBER_MISSPELT)
        if not payable:
            return self._park(self.why_not(self.clues.named[0]))
        partners = {item.partner for item in payable}
        if not self.clues.is_certain and self.clues.payer.is_another_than(partners):
            return self._park(self._about_payer(payable[0]))
        return self._of_named(payable, partners)

    def _of_named(self, payable: list[OpenItem], partners: set[int]) -> Verdict:
        sure = [item for item in payable if item in self.clues.sure]
        for items in (sure, payable):
            left = self._left_of(items)
            if items and (left.is_zero or self.policy.tolerates(left)):
                return self._book(items, self.clues.rule)
        listed = self._listed_too(payable, partners, left)
        if listed:
            return self._book([*payable, *listed], self.clues.rule)
        if left.is_positive or len(payable) > 1 or not payable[0].open.is_positive:
            return self._park(self._about_amount(payable))
        knows = self.clues.is_certain or self.clues.payer.is_one_of(partners)
        if self.clues.exact:
            return self._park(self._about_amount(payable))
        if not knows:
            return self._park(self._about_payer(payable[0]))
        return self._book(payable, self.clues.rule)

    def _left_of(self, items: Sequence[OpenItem]) -> Money:
        """What is left of the amount once these are paid; negative where it is not enough."""
        return self.amount - Money.total((item.open for item in items), self.amount.currency)

    def _listed_too(
        self, payable: list[OpenItem], partners: set[int], left: Money
    ) -> list[OpenItem]:
        """Invoices of the same partner that the text adds by their last digits, if they make up
        the amount in one way only."""
        if not left.is_positive or len(partners) > 1:
            return []
        chosen = {item.move for item in payable}
        others = [
            item
            for item in self.ledger.of_partners(partners)
            if item.move not in chosen and self.clues.is_payable(item)
        ]
        for digits in (2, 1):
            listed = [item for item in others if self.clues.words.has_tail(item.number, digits)]
            listed += [
                item for item in others if item.move in self.clues.near and item not in listed
            ]
            if found := self._only_sum(listed, left):
                return found
        return []

    def _is_slip(self) -> bool:
        """Whether the number in the text is another customer's by a slip: of the invoice that is
        meant the payer and the amount are right to the cent; of the one that is named, neither."""
        if self.clues.is_certain or len(self.clues.named) > 1 or len(self.clues.misspelt) != 1:
            return False
        [named] = self.clues.named
        is_theirs = self.clues.payer.is_one_of({named.partner})
        return not is_theirs and self.amount not in (named.open, named.total)

    def why_not(self, item: OpenItem) -> Problem:
        if item.open.is_zero:
            expected = f"an open invoice; {item.number} is paid"
            return finding("invoice_paid_already", "texts", item.number, expected)
        if item.company != self.policy.company:
            expected = f"an invoice of this company; {item.number} is another's"
            return finding("payment_company_differs", "texts", item.number, expected)
        expected = f"{item.open.currency}, the currency of {item.number}"
        return finding("payment_currency_differs", "amount", str(self.amount), expected)

    # --- the line names none ----------------------------------------------------------------------

    def _by_payer(self) -> Verdict:
        exact = self.clues.exact
        short = [item for item in exact if self.clues.words.has_short(item.number)]
        if len(short) == 1:
            return self._book(short, Rule.NUMBER)
        if len(self.clues.misspelt) == 1 and not short:
            return self._book(self.clues.misspelt, Rule.NUMBER_MISSPELT)
        hinted = self._hinted()
        if hinted:
            return self._book(hinted, Rule.NUMBER)
        if len(exact) == 1 and self.clues.payer.by_iban:
            return self._by_amount_alone(exact[0])
        return self._park(self._unidentified(exact))

    def _by_amount_alone(self, item: OpenItem) -> Verdict:
        """The last rule: nothing is named, and the account and the amount lead to one invoice."""
        if self.ledger.looks_numbered(self.clues.words) or self.line.references:
            expected = "the number or reference of an open invoice"
            shown = " ".join((*self.line.references, *self.line.texts))
            return self._park(finding("payment_number_unknown", "texts", shown, expected))
        if self._may_be_several():
            expected = "a number, as other invoices of the payer come to this amount together"
            return self._park(finding("payment_ambiguous", "amount", str(self.amount), expected))
        if self.ledger.paid_lately(self.line, _REPEATED_DAYS):
            expected = f"another amount than {_REPEATED_DAYS} days before, or a number"
            return self._park(
                finding("payment_perhaps_repeated", "amount", str(self.amount), expected)
            )
        return self._book([item], Rule.KNOWN_IBAN)

    def _may_be_several(self) -> bool:
        """Whether other invoices of the payer make up the amount together."""
        open_now = [minor(item.open) for item in self.clues.of_payer]
        found = sums(open_now, minor(self.amount), fewest=2, ways=1)
        return bool(found.ways) or not found.is_all

    def _hinted(self) -> list[OpenItem]:
        """Several invoices of the payer, each with its number short or misspelt in the text, that
        make up the amount in one way only."""
        hinted = [
            item
            for item in self.clues.of_payer
            if item.move in self.clues.near or self.clues.words.has_short(item.number)
        ]
        found = self._only_sum(hinted, self.amount)
        return found if len(found) > 1 else []

    def _only_sum(self, items: Sequence[OpenItem], wanted: Money) -> list[OpenItem]:
        found = sums([minor(item.open) for item in items], minor(wanted), ways=2)
        if len(found.ways) != 1 or not found.is_all:
            return []
        return [items[place] for place in found.ways[0]]

    def _unidentified(self, exact: list[OpenItem]) -> Problem:
        if len(exact) > 1:
            expected = f"the number of one of {len(exact)} invoices of this amount"
            return finding("payment_ambiguous", "amount", str(self.amount), expected)
        expected = "a number or reference, or a known account and the amount of one invoice"
        shown = " ".join((*self.line.references, *self.line.texts)) or self.line.counterparty
        return finding("payment_unidentified", "texts", shown, expected)

    # --- verdicts ---------------------------------------------------------------------------------

    def applied(self, items: Sequence[OpenItem]) -> Booked:
        """The amount on these, one after the other."""
        currency = self.amount.currency
        total = Money.total((item.open for item in items), currency)
        left, parts = self.amount, settled_parts(items)
        if left < total and not self.policy.tolerates(left - total):
            parts = ()
            for item in items:
                paid = min(left, item.open)
                parts = (*parts, Part(move=item.move, amount=paid)) if not paid.is_zero else parts
                left -= paid
        left = self.amount - Money.total((part.amount for part in parts), currency)
        if not left.is_zero and not self.policy.tolerates(left):
            raise CannotApply([self._about_amount(items)])
        learned = self._learned(items, Rule.PERSON)
        difference = self._difference(left)
        line = self.line.key
        return Booked(
            line=line, rule=Rule.PERSON, parts=parts, difference=difference, learned=learned
        )

    def _book(self, items: Sequence[OpenItem], rule: Rule) -> Booked:
        parts = settled_parts(items)
        left = self.amount - Money.total((part.amount for part in parts), self.amount.currency)
        difference = None
        if not left.is_zero and self.policy.tolerates(left):
            difference = self._difference(left)
        elif not left.is_zero:
            [item] = items
            parts = (Part(move=item.move, amount=self.amount),)
        return Booked(
            line=self.line.key,
            rule=rule,
            parts=parts,
            difference=difference,
            learned=self._learned(items, rule),
        )

    def _difference(self, amount: Money) -> Difference | None:
        if amount.is_zero:
            return None
        return Difference(amount=amount, account=self.policy.difference_account)

    def _learned(self, items: Sequence[OpenItem], rule: Rule) -> LearnedIban | None:
        """The payer's account as one of the partner's. A rule learns it where it is nobody's yet
        and the payer's name is the partner's: an agent pays for many. A person's decision says
        that this account pays for this partner, whosever else it is."""
        partners = {item.partner for item in items}
        iban = self.line.counterparty_iban
        if not iban or len(partners) != 1 or partners <= self.clues.payer.by_iban:
            return None
        named = (
            rule in _NAMING
            and partners <= self.clues.payer.by_name
            and not self.clues.payer.by_iban
        )
        if not named and rule is not Rule.PERSON:
            return None
        return LearnedIban(partner=partners.pop(), iban=iban)

    def _park(self, problem: Problem) -> Parked:
        found = candidates.ranked(self.clues)
        return Parked(line=self.line.key, problem=problem, candidates=found)

    def _about_payer(self, item: OpenItem) -> Problem:
        expected = f"an account or the name of {item.partner_name}, whose {item.number} is named"
        shown = f"{self.line.counterparty} {self.line.counterparty_iban}".strip()
        return finding("payer_differs", "counterparty_iban", shown, expected)

    def _about_amount(self, items: Sequence[OpenItem]) -> Problem:
        total = Money.total((item.open for item in items), self.amount.currency)
        numbers = ", ".join(item.number for item in items)
        expected = f"{total}, what is open of {numbers}"
        return finding("payment_amount_differs", "amount", str(self.amount), expected)


def _about_details(line: BankLine) -> Problem:
    if line.details is Details.AWAITED:
        expected = "the bank's notification (CAMT.054) with the payments that it sums"
        return finding("payment_details_awaited", "details", str(line.amount), expected)
    expected = "payments that add up to the entry"
    return finding("payment_details_differ", "details", str(line.amount), expected)
