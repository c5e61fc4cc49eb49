"""What a bank line says: who pays, and which invoices it names, for certain or in words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from contracts.bank.ledger import Ledger, Payer
from contracts.bank.statement import BankLine
from contracts.bank.verdicts import CashPolicy, OpenItem, Rule
from contracts.bank.words import Words


@dataclass(frozen=True)
class Clues:
    """One line before the ledger; everything is looked up once, and only if it is asked for."""

    line: BankLine
    ledger: Ledger
    policy: CashPolicy

    @cached_property
    def words(self) -> Words:
        return Words((*self.line.texts, *self.line.references, self.line.end_to_end_id))

    @cached_property
    def payer(self) -> Payer:
        return self.ledger.payer(self.line)

    def is_payable(self, item: OpenItem) -> bool:
        """Whether the line can pay it: it is open, this company's, and in the line's currency."""
        same = item.company == self.policy.company
        return same and item.open.currency == self.line.amount.currency and not item.open.is_zero

    # --- invoices that are named ------------------------------------------------------------------

    @cached_property
    def referred(self) -> tuple[OpenItem, ...]:
        """By a reference with check digits."""
        return self.ledger.by_reference(self.line, self.words)

    @cached_property
    def identified(self) -> tuple[OpenItem, ...]:
        """By an id of ours."""
        return self.ledger.by_id(self.line.end_to_end_id)

    @property
    def sure(self) -> tuple[OpenItem, ...]:
        return (*self.referred, *self.identified)

    @property
    def is_certain(self) -> bool:
        """Whether something is named for certain, and not in words only."""
        return bool(self.sure)

    @property
    def rule(self) -> Rule:
        """The surest by which something is named."""
        if self.referred:
            return Rule.REFERENCE
        return Rule.END_TO_END_ID if self.identified else Rule.NUMBER

    @cached_property
    def named(self) -> tuple[OpenItem, ...]:
        """Every invoice that is named in full, the surest first."""
        found = (*self.sure, *self.ledger.by_number(self.words))
        return tuple({item.move: item for item in found}.values())

    # --- invoices of the payer --------------------------------------------------------------------

    @cached_property
    def of_payer(self) -> tuple[OpenItem, ...]:
        """What the line can pay of the payer's invoices, the oldest first."""
        return tuple(filter(self.is_payable, self.ledger.of_partners(self.payer.partners)))

    @cached_property
    def exact(self) -> list[OpenItem]:
        """Those that have exactly this amount open."""
        return [item for item in self.of_payer if item.open == self.line.amount]

    # --- slips ------------------------------------------------------------------------------------

    @cached_property
    def near(self) -> dict[int, OpenItem]:
        """The invoices whose number or reference is one slip away from the text."""
        return {item.move: item for item in self.ledger.by_misspelt(self.words)}

    @cached_property
    def misspelt(self) -> list[OpenItem]:
        """Those of the payer that have exactly this amount open."""
        return [item for item in self.exact if item.move in self.near]
