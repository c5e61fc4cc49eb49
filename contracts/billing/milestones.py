"""Fixed prices: milestones, the deposit they deduct, and retainage held back and released."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from contracts.billing.charges import ONE, QUANTITY_UNIT, Charge, ChargeKind, total
from contracts.model import Contract, Deposit, Milestone
from contracts.money import Money

DEPOSIT = "deposit"
RETAINAGE = "retainage"
"""Keys of the order lines that down payment and retainage are booked on."""


def deposit_charge(contract: Contract) -> Charge:
    """The down payment, whole. Raises ValueError for a contract without one."""
    deposit = _deposit(contract)
    return _on_deposit(contract, DEPOSIT, ChargeKind.DEPOSIT, "Down payment", deposit.amount, ONE)


def milestone_charges(
    contract: Contract, milestone: Milestone, *, deposit_left: Money, unbilled: Money
) -> tuple[Charge, ...]:
    """A reached milestone, and the part of the deposit that it deducts.

    `deposit_left` is what no invoice has deducted yet, `unbilled` the sum of all milestones not
    yet charged, this one included; the last one takes all that is left, but none more than its own
    amount. Amounts are without tax.
    """
    charge = Charge.of_amount(
        milestone.key,
        ChargeKind.MILESTONE,
        milestone.key,
        contract.service(milestone.service).code,
        f"{contract.title} – {milestone.name}",
        milestone.amount,
    )
    deducted = _deduction(milestone.amount, deposit_left, unbilled)
    if not deducted.is_positive:
        return (charge,)
    deduction = _on_deposit(
        contract,
        f"{milestone.key}:deposit",
        ChargeKind.DEPOSIT_DEDUCTION,
        f"Down payment deducted: {milestone.name}",
        -deducted,
        _share(contract, deposit_left, deducted),
    )
    return (charge, deduction)


def deposit_refund(contract: Contract, left: Money, number: int = 1) -> Charge:
    """Gives back the part of the deposit that no milestone came for; `number` counts refunds.

    Raises ValueError for a contract without a deposit."""
    key = f"{DEPOSIT}:refund:{number}"
    share = _share(contract, left, left)
    kind = ChargeKind.DEPOSIT_DEDUCTION
    return _on_deposit(contract, key, kind, "Down payment given back", -left, share)


def holdback(contract: Contract, charges: Iterable[Charge], occasion: str) -> Charge | None:
    """What an invoice holds back of its milestones and its time; None if nothing.

    Corrections of time count with their sign, so that a credited hour frees what was held back of
    it. Never more than the charges come to together: no invoice turns negative by it.
    """
    if contract.retainage is None:
        return None
    lines = list(charges)
    base = Money.total((c.amount for c in lines if _is_retained(contract, c)), contract.currency)
    percent = contract.retainage.percent
    held = Money.rounded(base.amount * percent / 100, contract.currency)
    if held.is_positive:
        held = min(held, total(lines, contract.currency))
        if not held.is_positive:
            return None
    if held.is_zero:
        return None
    return Charge.of_amount(
        f"{occasion}:retainage",
        ChargeKind.RETAINAGE,
        RETAINAGE,
        contract.service(contract.retainage.service).code,
        f"Retainage of {percent:f} % held back",
        -held,
    )


def release(contract: Contract, held: Iterable[Charge], number: int) -> tuple[Charge, ...]:
    """The mirror image of each holding, so that quantities end at zero in Odoo too.

    `number` counts the contract's releases from 1.
    """
    return tuple(
        charge.reversed(
            f"{RETAINAGE}:{number}:{position}", f"{contract.title} – Retainage released"
        ).model_copy(update={"kind": ChargeKind.RETAINAGE_RELEASE})
        for position, charge in enumerate(held, start=1)
    )


def _deposit(contract: Contract) -> Deposit:
    if contract.deposit is None:
        raise ValueError(f"contract {contract.contract_id} has no deposit")
    return contract.deposit


def _deduction(amount: Money, deposit_left: Money, unbilled: Money) -> Money:
    if unbilled <= amount:
        return min(deposit_left, amount)
    share = deposit_left.amount * amount.amount / unbilled.amount
    return min(Money.rounded(share, amount.currency), deposit_left, amount)


def _share(contract: Contract, left: Money, deducted: Money) -> Decimal:
    """The part of the deposit that a deduction is shown as, at two decimals.

    It is the difference of rounded running shares, so that all deductions together show 1. Only
    a share below one percent may have to be shown as more than it is.
    """
    whole = _deposit(contract).amount.amount
    before, after = whole - left.amount, whole - left.amount + deducted.amount
    return _two_decimals(after / whole) - _two_decimals(before / whole)


def _on_deposit(
    contract: Contract, key: str, kind: ChargeKind, text: str, amount: Money, share: Decimal
) -> Charge:
    code = contract.service(_deposit(contract).service).code
    return Charge.of_amount(key, kind, DEPOSIT, code, f"{contract.title} – {text}", amount, share)


def _is_retained(contract: Contract, charge: Charge) -> bool:
    if charge.kind is ChargeKind.CORRECTION:
        return any(plan.key == charge.order_line for plan in contract.time)
    return charge.kind in (ChargeKind.MILESTONE, ChargeKind.TIME)


def _two_decimals(number: Decimal) -> Decimal:
    return number.quantize(QUANTITY_UNIT, rounding=ROUND_HALF_UP)
