"""Composing an invoice: its own lines under their caps, the deposit, retainage, and what waits."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from contracts.billing import keys, pots
from contracts.billing.crediting import credit_drafts
from contracts.billing.drafting import Draft, Drafter, Piece, smaller
from contracts.billing.entitlements import ZERO
from contracts.billing.index import Index
from contracts.billing.lines import InvoiceKind, InvoiceProposal
from contracts.billing.numbering import numbered
from contracts.billing.occasions import OccasionKind, Pending
from contracts.billing.state import BillingState, Invoice, InvoiceStatus
from contracts.billing.terms import latest
from contracts.model import Frozen, TimePlan
from contracts.money import Money
from contracts.problems import Problem

_PLANNED = (keys.FEE, keys.MILESTONE, keys.DEPOSIT, keys.RETAINAGE, keys.DEDUCTED)


class Composition(Frozen):
    """A composed invoice: what finance approves, what billing keeps of it, and sentences to tell
    people (a cap is almost used up).

    Without a proposal there is nothing to invoice (all lines round to zero, or are above a cap):
    propose it all the same, and it is settled.
    """

    proposal: InvoiceProposal | None
    invoice: Invoice
    warnings: tuple[str, ...] = ()


class Composer:
    """Puts one invoice together; nothing is stored."""

    def __init__(self, billing: BillingState, index: Index, pending: Pending, number: int) -> None:
        self.billing, self.index, self.pending, self.number = billing, index, pending, number
        self.occasion = pending.occasion
        self.drafter = Drafter(billing, index)
        self.drafts: list[Draft] = []
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self.percent = ZERO
        self.as_planned = True

    @property
    def settles(self) -> bool:
        return self.occasion.kind is OccasionKind.SETTLEMENT

    def compose(self, today: date) -> Composition | tuple[Problem, ...]:
        request = self.billing.credit_requests.get(self.occasion.key)
        if request is not None:
            self.drafts = credit_drafts(self.billing, self.index, request)
        elif self.occasion.kind is OccasionKind.RETAINAGE:
            self._release()
            self._take_waiting()
        else:
            self._own()
            if self.problems:
                return tuple(self.problems)
            self._deduct_deposit()
            self._hold_back()
            self._take_waiting()
        self._show_deposit()
        return self._composition(today)

    # --- own lines ----------------------------------------------------------------------------

    def _own(self) -> None:
        by_plan: dict[str, list[str]] = {}
        for key in self.pending.keys:
            kind = keys.kind_of(key)
            if kind == keys.MILESTONE:
                self.drafts.append(self.drafter.milestone(key))
            elif kind == keys.DEPOSIT:
                self.drafts.append(self.drafter.deposit())
            elif kind in (*keys.BY_PERIOD, keys.CAP) and not self._waits(key):
                by_plan.setdefault(keys.plan_of(key), []).append(key)
        plans = self.billing.plans if self.settles else by_plan
        for plan in sorted(plans):
            self._plan(plan, by_plan.get(plan, []))
            if self.settles and (owed := pots.commitment_change(self.billing, self.index, plan)):
                self.drafts.append(self.drafter.commitment(plan, owed))
        if self.settles:
            self._settle_deposit()
        self.as_planned = all(self._is_planned(key) for key, _, _ in self._pieces)

    def _is_planned(self, key: str) -> bool:
        """Nothing of it was billed before: what is issued anew was not planned."""
        before = (self.billing.invoices[number] for number in self.index.invoices_of.get(key, ()))
        return keys.kind_of(key) in _PLANNED and not any(item.counts for item in before)

    def _waits(self, key: str) -> bool:
        """A fee to be given back comes off an invoice that can bear it."""
        change = self.index.differences.get(key)
        return keys.kind_of(key) == keys.FEE and change is not None and change < 0

    def _plan(self, plan: str, own: list[str]) -> None:
        unpriced = [key for key in own if self.index.differences.get(key, ZERO) is None]
        self.problems += [self._unpriced(plan, key) for key in unpriced]
        found = [key for key in own if keys.kind_of(key) != keys.CAP and key not in unpriced]
        drafts = self.drafter.plan_lines(plan, found)
        terms = latest(self.billing, plan)
        change = pots.cap_change(self.billing, self.index, plan, drafts)
        if change < 0 and not pots.is_allowed(self.billing, plan, self.occasion.due_on):
            self.problems.append(self._over_cap(plan, -change))
            return
        if isinstance(terms, TimePlan):
            self._warn(terms, drafts, change)
        if change < 0:
            # What exceeds the cap comes off the last positive lines.
            cut, _ = self._smaller(plan, drafts[::-1], 1, -change, "up to the cap")
            self.drafts += cut[::-1]
            return
        # What a credit frees of the cap first sets off what was cut off before.
        why = "less what the cap left uncharged"
        kept, room = self._smaller(plan, drafts, -1, change, why)
        self.drafts += [*kept, self.drafter.room(plan, room)] if room else kept

    def _smaller(
        self, plan: str, drafts: list[Draft], sign: int, by: Decimal, why: str
    ) -> tuple[list[Draft], Decimal]:
        """The lines of this sign nearer to zero by an amount, and what is left of it."""
        kept: list[Draft] = []
        for draft in drafts:
            part = min(sign * draft.amount, by)
            if part > 0:
                by -= part
                draft = smaller(draft, part, f"{keys.CAP}:{plan}", why, self.drafter)
            kept.append(draft)
        return kept, by

    def _unpriced(self, plan: str, key: str) -> Problem:
        fact = self.billing.hours[int(keys.rest_of(key))]
        return Problem(
            code="rate_missing",
            field=f"time.{plan}.rates",
            value=f"{fact.person} ({fact.role}), {fact.on}",
            expected="a rate for this person, this role or all on that day",
        )

    def _over_cap(self, plan: str, over: Decimal) -> Problem:
        cap = pots.cap_of(latest(self.billing, plan))
        return Problem(
            code="cap_reached",
            field=f"{plan}.cap",
            value=str(self._money(over)),
            expected=f"at most {self._money(cap or ZERO)} in all: raise the cap by a change order "
            "and retry, or skip to bill only up to it",
        )

    def _warn(self, plan: TimePlan, drafts: list[Draft], change: Decimal) -> None:
        """One sentence on the bill that passes the threshold; none before and none after."""
        if plan.cap is None:
            return
        before = self.index.net.get(plan.key, ZERO)
        before += self.index.account(f"{keys.CAP}:{plan.key}").amount
        after = before + change + sum((draft.amount for draft in drafts), ZERO)
        if not before < plan.cap.amount * plan.warn_at / 100 <= after:
            return
        name = self.billing.contract.service(plan.service).description
        share = (after * 100 / plan.cap.amount).quantize(Decimal(1))
        self.warnings.append(
            f"{name}: {self._money(after)} of the cap of {plan.cap} is used, {share} % "
            f"(plan {plan.key})"
        )

    # --- pots ---------------------------------------------------------------------------------

    @property
    def _pieces(self) -> list[Piece]:
        return [piece for draft in self.drafts for piece in draft.pieces]

    @property
    def _total(self) -> Decimal:
        return sum((draft.amount for draft in self.drafts), ZERO)

    def _deduct_deposit(self) -> None:
        """Never more of the deposit than the milestones on this invoice come to."""
        billed = [p for p in self._pieces if keys.kind_of(p[0]) == keys.MILESTONE]
        if not billed:
            return
        amount = pots.deducted_target(self.billing, self.index, billed)
        amount -= self.index.account(keys.DEDUCTED).amount
        come_to = sum((part for _, part, _ in billed), ZERO)
        amount = min(max(amount, min(-come_to, ZERO)), max(-come_to, ZERO))
        if amount:
            key = billed[0][0]
            item = self.billing.contract.milestone(keys.plan_of(key))
            name = item.name if item else keys.plan_of(key)
            text = f"Down payment deducted: {name}"
            self.drafts.append(self.drafter.deduction(text, amount, Decimal(-1)))

    def _settle_deposit(self) -> None:
        amount = pots.settled_deposit(self.billing, self.index)
        if amount:
            text = "given back" if amount < 0 else "deducted, but never billed"
            draft = self.drafter.deduction(f"Down payment {text}", amount, Decimal(-1))
            self.drafts.append(draft)

    def _show_deposit(self) -> None:
        """Each line of the deposit is shown as the share by which it changes what is left of it,
        so that the quantities on its order line end at 0 where the amounts do."""
        terms = self.billing.contract.deposit
        if terms is None:
            return
        left, quantity = pots.shown_deposit(self.billing, self.index)
        for position, draft in enumerate(self.drafts):
            if draft.order_line == keys.DEPOSIT and draft.amount:
                left += draft.amount
                share = left / terms.amount.amount
                change = pots.change_of_share(share, quantity, draft.amount)
                quantity += change
                again = self.drafter.shown_as(
                    draft.order_line, draft.text, draft.amount, change, draft.pieces
                )
                self.drafts[position] = again._replace(service=draft.service)

    def _hold_back(self) -> None:
        """The retainage of this invoice, at most its total; then that of earlier invoices whose
        keys change here."""
        self.percent = pots.percent_on(self.billing, self.occasion.due_on)
        own: list[Piece] = []
        earlier: dict[int, list[Piece]] = {}
        for piece in self._pieces:
            kind = keys.kind_of(piece[0])
            if kind in keys.RETAINED and (first := self.index.account(piece[0]).first):
                earlier.setdefault(first, []).append(piece)
            elif kind in keys.RETAINED or kind in (keys.CAP, keys.ROUNDING):
                own.append(piece)
        target = pots.held_target(self.billing, self.index, self.number, self.percent, own)
        self._hold(self.number, target)
        for number, pieces in sorted(earlier.items()):
            self._hold(number, pots.retainage_change(self.billing, self.index, number, pieces))

    def _hold(self, number: int, change: Decimal) -> None:
        change = max(change, min(-self._total, ZERO))
        if change:
            self.drafts.append(self.drafter.retainage(number, change, self._percent_of(number)))

    def _percent_of(self, number: int) -> Decimal:
        invoice = self.billing.invoices.get(number)
        return invoice.retainage_percent if invoice else self.percent

    def _release(self) -> None:
        """The mirror image of each line that held something back or freed it, so that quantities
        end at zero in Odoo where the amounts do."""
        for key in self.pending.keys:
            for invoice in self.billing.invoices.values():
                if invoice.counts and key in invoice.by_key:
                    self.drafts += self.drafter.releases(key, invoice)

    # --- what waits ---------------------------------------------------------------------------

    def _take_waiting(self) -> None:
        """What is owed to the customer, and the fee of an early end: each only if the invoice can
        bear it; at the settlement all of it."""
        for draft in self._waiting():
            if self.settles or self._total + draft.amount >= 0:
                self.drafts.append(draft)
                self.as_planned = False

    def _waiting(self) -> list[Draft]:
        found: list[tuple[date, str]] = []
        for key, change in self.index.differences.items():
            kind = keys.kind_of(key)
            waits = kind in (keys.SERVICE_CREDIT, keys.TERMINATION) or self._waits(key)
            if waits and change and not self.index.account(key).open:
                entitled = self.index.entitled.get(key)
                found.append((entitled.due_on if entitled else date.min, key))
        drafts = [self.drafter.waiting(key) for _, key in sorted(found)]
        held = {key for key, _, _ in self._pieces if keys.kind_of(key) == keys.RETAINAGE}
        for number in pots.retained_numbers(self.billing, self.index):
            if keys.retainage(number) in held:
                continue
            new = [p for p in self._pieces if self.index.account(p[0]).first == number]
            change = pots.retainage_change(self.billing, self.index, number, new)
            # What is held back at the end or by a release would be paid out at once.
            holds_more = not self.settles and self.occasion.kind is not OccasionKind.RETAINAGE
            if change > 0 or (change and holds_more):
                drafts.append(self.drafter.retainage(number, change, self._percent_of(number)))
        return drafts

    # --- the result ---------------------------------------------------------------------------

    def _composition(self, today: date) -> Composition:
        billing, contract, occasion = self.billing, self.billing.contract, self.occasion
        request = billing.credit_requests.get(occasion.key)
        lines, parts = numbered(billing, self.number, self.drafts)
        credits = bool(request) or self._total < 0
        kind = InvoiceKind.CREDIT_NOTE if credits else InvoiceKind.INVOICE
        invoice = Invoice(
            number=self.number if lines else min([0, *billing.invoices]) - 1,
            occasion=occasion.key,
            title=occasion.title,
            due_on=occasion.due_on,
            kind=kind,
            status=InvoiceStatus.PROPOSED if lines else InvoiceStatus.ISSUED,
            lines=lines,
            parts=parts,
            version=billing.version,
            proposed_on=today,
            credited_number=occasion.credited_number,
            reinvoice=request.reinvoice if request else False,
            retainage_percent=self.percent,
            tracks=self.pending.tracks,
            reason=self._reason(),
            asked_by=request.by if request else "",
        )
        warnings = tuple(self.warnings)
        if not lines:
            return Composition(proposal=None, invoice=invoice, warnings=warnings)
        proposal = InvoiceProposal(
            contract_id=contract.contract_id,
            legal_entity=contract.legal_entity,
            number=self.number,
            kind=kind,
            credited_number=occasion.credited_number,
            title=f"{contract.title} – {occasion.title}",
            customer_key=contract.customer.key,
            customer_name=contract.customer.name,
            billing_email=contract.customer.billing_email,
            lines=lines,
            payment_term=contract.payment_term,
            purchase_order=contract.purchase_order,
            reason=invoice.reason,
            proposed_on=today,
            as_planned=self.as_planned and not request,
        )
        return Composition(proposal=proposal, invoice=invoice, warnings=warnings)

    def _reason(self) -> str:
        """What a person said, who asked for the credit or the release."""
        request = self.billing.credit_requests.get(self.occasion.key)
        if request is not None:
            return f"{request.reason} ({request.by})"
        if self.occasion.kind is not OccasionKind.RETAINAGE:
            return ""
        numbers = [int(keys.plan_of(key)) for key in self.pending.keys]
        found = (self.billing.invoices[number].release_reason for number in numbers)
        return next((reason for reason in found if reason), "")

    def _money(self, amount: Decimal) -> Money:
        return Money(amount, self.billing.contract.currency)
