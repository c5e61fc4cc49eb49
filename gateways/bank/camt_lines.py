"""What one entry of a CAMT file says: the payments in it, in the words of all its dialects.

Banks differ in where they put the same thing; each function here names the places, the usual one
first. Names are local names: the version is in the namespace, and matters for nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any
from xml.etree.ElementTree import Element

import stdnum.iban
from pydantic import ValidationError

from contracts.bank.statement import MAX_REFERENCES, MAX_TEXTS, BankLine, Details, compact
from contracts.currencies import EXPONENTS
from contracts.money import Money
from gateways.errors import GatewayError, business

SYSTEM = "bank"

_AMOUNT = re.compile(r"\+?[0-9]{1,18}(\.[0-9]{0,17})?|\+?\.[0-9]{1,17}")
_NONE = frozenset({"", "NOTPROVIDED", "NOTAVAILABLE", "NONREF", "NOREF", "NONE", "NA", "0"})
"""What banks write where there is nothing to write."""
_RETURNS = frozenset({"RRTN", "UPDD", "PRDD", "RCDD", "RPCR"})
"""ISO's sub-families of transactions that came back."""
_BOOKED = "BOOK"


@dataclass(frozen=True)
class Payment:
    """One payment in an entry (`TxDtls`), as far as it is kept. `amounts` are all that the bank
    states of it, the likeliest first; `sign` is -1, 1, or 0 where only the entry has one."""

    amounts: tuple[Money, ...]
    ordered: Money | None
    sign: int
    end_to_end_id: str
    bank_reference: str
    parties: dict[str, tuple[str, str]]
    references: tuple[str, ...]
    texts: tuple[str, ...]
    is_returned: bool
    return_reason: str
    code: str


NOTHING = Payment((), None, 0, "", "", {"Dbtr": ("", ""), "Cdtr": ("", "")}, (), (), False, "", "")
"""Of an entry that says all it has to say itself."""


def local(element: Element) -> str:
    """The name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def children(element: Element, path: str) -> Iterator[Element]:
    """The elements under a path of local names, in order."""
    name, _, rest = path.partition("/")
    for child in element:
        if local(child) == name:
            if rest:
                yield from children(child, rest)
            else:
                yield child


def text(element: Element, *paths: str) -> str:
    """The text at the first of the paths that has any."""
    for path in paths:
        for found in children(element, path):
            if found.text and found.text.strip():
                return " ".join(found.text.split())
    return ""


def meaningful(value: str) -> str:
    """The value, or "" where it is one that says nothing."""
    return "" if re.sub(r"[^A-Z0-9]", "", value.upper()).lstrip("0") in _NONE else value


# --- values ---------------------------------------------------------------------------------------


def malformed(field: str, value: str, expected: str) -> GatewayError:
    message = f"{field} is {value[:100]!r}: expected {expected}"
    return business(SYSTEM, "bank_value_malformed", message, field=field, value=value[:100])


def day(element: Element, path: str) -> date | None:
    """A date, or the day of a moment as the bank wrote it; None where there is none."""
    written = text(element, f"{path}/Dt", f"{path}/DtTm", path)
    return day_of(written, path) if written else None


def day_of(written: str, field: str) -> date:
    try:
        return date.fromisoformat(written[:10])
    except ValueError:
        raise malformed(field, written, "a date such as 2026-03-31") from None


def money(element: Element, path: str = "Amt") -> Money | None:
    """An amount without a sign, in its `Ccy`; None where there is none."""
    found = next(children(element, path), None)
    if found is None:
        return None
    written, currency = (found.text or "").strip(), found.get("Ccy", "").strip()
    if currency not in EXPONENTS:
        raise malformed(f"{path}/Ccy", currency, "an ISO 4217 currency code")
    if not _AMOUNT.fullmatch(written):
        raise malformed(path, written, "an amount such as 4000.00")
    try:
        return Money(Decimal(written), currency)
    except ValidationError:
        expected = f"an amount with at most {EXPONENTS[currency]} decimals in {currency}"
        raise malformed(path, written, expected) from None


def sign(element: Element) -> int:
    """1 for what came in, -1 for what went out, 0 where it does not say. A reversal
    (`RvslInd`) has the sign of what it does to the account already."""
    written = text(element, "CdtDbtInd")
    if written not in ("CRDT", "DBIT", ""):
        raise malformed("CdtDbtInd", written, "CRDT or DBIT")
    return {"CRDT": 1, "DBIT": -1}.get(written, 0)


def signed(amount: Money, direction: int) -> Money:
    return -amount if direction < 0 else amount


def account(element: Element, path: str) -> str:
    """An account's IBAN, or what the bank calls it by."""
    return compact(
        text(element, f"{path}/Id/IBAN", f"{path}/Id/Othr/Id", f"{path}/Id/PrtryAcct/Id")
    )


# --- one payment ----------------------------------------------------------------------------------


def payment(details: Element) -> Payment:
    """What is kept of a `TxDtls`."""
    paths = ("Amt", "AmtDtls/TxAmt/Amt", "AmtDtls/CntrValAmt/Amt", "AmtDtls/InstdAmt/Amt")
    stated = [money(details, path) for path in paths]
    returned = next(children(details, "RtrInf"), None)
    code = transaction_code(details)
    return Payment(
        amounts=tuple(amount for amount in stated if amount is not None),
        ordered=stated[3] or stated[1],
        sign=sign(details),
        end_to_end_id=meaningful(text(details, "Refs/EndToEndId"))[:140],
        bank_reference=meaningful(text(details, "Refs/AcctSvcrRef", "Refs/AcctSvcrTxId")),
        parties={role: _party(details, role) for role in ("Dbtr", "Cdtr")},
        references=_references(details),
        texts=_texts(details),
        is_returned=returned is not None or is_return_code(code),
        return_reason="" if returned is None else _reason(returned),
        code=code,
    )


def transaction_code(element: Element) -> str:
    """The bank's word for the kind of transaction: ISO's, or its own."""
    found = next(children(element, "BkTxCd"), None)
    if found is None:
        return ""
    iso = [text(found, path) for path in ("Domn/Cd", "Domn/Fmly/Cd", "Domn/Fmly/SubFmlyCd")]
    return ("/".join(iso) if all(iso) else text(found, "Prtry/Cd"))[:60]


def is_return_code(code: str) -> bool:
    return code.rpartition("/")[2] in _RETURNS and code.startswith("PMNT/")


def _party(details: Element, role: str) -> tuple[str, str]:
    """A party's name and IBAN."""
    base = f"RltdPties/{role}"
    names = (f"{base}/Nm", f"{base}/Pty/Nm", f"{base}/Agt/FinInstnId/Nm")
    ultimate = (f"RltdPties/Ultmt{role}/Nm", f"RltdPties/Ultmt{role}/Pty/Nm")
    number = account(details, f"{base}Acct")
    return text(details, *names, *ultimate)[:140], number if stdnum.iban.is_valid(
        number, check_country=False
    ) else ""


def _references(details: Element) -> tuple[str, ...]:
    found = [
        text(part, "CdtrRefInf/Ref", "CdtrRefInf/CdtrRef")
        for part in children(details, "RmtInf/Strd")
    ]
    return unique(meaningful(item)[:140] for item in found)[:MAX_REFERENCES]


def _texts(details: Element) -> tuple[str, ...]:
    """Everything in words: free text, numbers of invoices that are named apart, what is added."""
    found = [free.text or "" for free in children(details, "RmtInf/Ustrd")]
    for part in children(details, "RmtInf/Strd"):
        for path in ("RfrdDocInf/Nb", "RfrdDocInf/RfrdDocNb", "AddtlRmtInf"):
            found += [item.text or "" for item in children(part, path)]
    found += [item.text or "" for item in children(details, "AddtlTxInf")]
    return kept_texts(found)


def kept_texts(found: Sequence[str]) -> tuple[str, ...]:
    return unique(" ".join(item.split())[:500] for item in found)[:MAX_TEXTS]


def unique(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for item in items if item))


def _reason(returned: Element) -> str:
    return text(returned, "Rsn/Cd", "Rsn/Prtry", "RtrRsn/Cd", "RtrRsn/Prtry")[:40]


# --- one entry ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Where an entry is: the account and its owner's name, its key, and the day it counts for."""

    account: str
    owner: str
    key: str
    booked_on: date


def is_booked(entry: Element) -> bool:
    """Whether it counts: what is pending or for information comes again once it is booked."""
    return text(entry, "Sts", "Sts/Cd", "Sts/Prtry") == _BOOKED


def bank_reference(entry: Element, payments: Sequence[Payment]) -> str:
    """The bank's own reference of an entry; of a single payment, the payment's will do."""
    own = meaningful(text(entry, "AcctSvcrRef"))
    return own or (payments[0].bank_reference if len(payments) == 1 else "")


def booked_on(entry: Element) -> date | None:
    return day(entry, "BookgDt") or day(entry, "ValDt")


def whole(entry: Element) -> Money:
    """What an entry moves: positive of what came in."""
    amount, direction = money(entry), sign(entry)
    if amount is None or not direction:
        raise malformed("Amt", "", "an amount and whether it is CRDT or DBIT")
    return signed(amount, direction)


def lines(
    entry: Element, amount: Money, payments: Sequence[Payment], place: Place
) -> list[BankLine]:
    """The payments of an entry of this amount, or the entry as a whole where they are not known or
    do not add up. One payment alone has the entry's amount, whatever it says of its own."""
    key = place.key
    shared: dict[str, Any] = {
        "entry_key": key,
        "account": place.account,
        "booked_on": place.booked_on,
        "value_on": day(entry, "ValDt"),
        "is_reversal": text(entry, "RvslInd") in ("true", "1"),
    }
    code = transaction_code(entry)
    came_back = is_return_code(code)
    if came_back:
        # Not every bank says it of each payment, too.
        payments = [replace(item, is_returned=True) for item in payments]
    added = kept_texts([item.text or "" for item in children(entry, "AddtlNtryInf")])
    if len(payments) <= 1 and not _is_awaited(entry, payments):
        alone = payments[0] if payments else NOTHING
        facts = _facts(alone, amount, place)
        facts["texts"] = unique((*alone.texts, *added))[:MAX_TEXTS]
        facts["code"] = alone.code or code
        facts["is_returned"] |= came_back
        return [BankLine(key=f"{key}/0", amount=amount, **shared, **facts)]
    amounts = _adding_up(payments, amount) if len(payments) > 1 else None
    if amounts is None:
        state = Details.AWAITED if _is_awaited(entry, payments) else Details.DIFFERENT
        return [
            BankLine(
                key=key,
                amount=amount,
                texts=added,
                code=code,
                is_returned=came_back,
                details=state,
                **shared,
            )
        ]
    return [
        BankLine(key=f"{key}/{index}", amount=part, **shared, **_facts(item, part, place))
        for index, (item, part) in enumerate(zip(payments, amounts, strict=True))
    ]


def _is_awaited(entry: Element, payments: Sequence[Payment]) -> bool:
    """Whether the entry sums more payments than it shows."""
    if len(payments) > 1:
        return False
    counts = [*children(entry, "NtryDtls/Btch/NbOfTxs"), *children(entry, "Btch/NbOfTxs")]
    written = [(item.text or "").strip() for item in counts]
    stated = sum(int(item[:15]) for item in written if item.isdecimal())
    comes_apart = "camt.054" in text(entry, "AddtlInfInd/MsgNmId")
    return stated > 1 or (comes_apart and not payments)


def _adding_up(payments: Sequence[Payment], whole: Money) -> list[Money] | None:
    """The payments' amounts in the entry's currency if they make the entry; else None."""
    stated = [_in_currency(item, whole.currency) for item in payments]
    if any(amount is None for amount in stated):
        return None
    direction = -1 if whole.amount < 0 else 1
    for signs in ([item.sign or direction for item in payments], [direction] * len(payments)):
        amounts = [signed(amount, one) for amount, one in zip(stated, signs, strict=True) if amount]
        if Money.total(amounts, whole.currency) == whole:
            return amounts
    return None


def _in_currency(item: Payment, currency: str) -> Money | None:
    return next((amount for amount in item.amounts if amount.currency == currency), None)


def _facts(item: Payment, amount: Money, place: Place) -> dict[str, Any]:
    """What a payment says beside its amount."""
    name, iban = _counterparty(item, amount, place)
    ordered = (
        item.ordered
        if item.ordered is None
        else signed(item.ordered, -1 if amount.amount < 0 else 1)
    )
    return {
        "counterparty": name,
        "counterparty_iban": iban,
        "references": item.references,
        "texts": item.texts,
        "end_to_end_id": item.end_to_end_id,
        "original": None if ordered == amount else ordered,
        "is_returned": item.is_returned,
        "return_reason": item.return_reason,
        "code": item.code,
    }


def _counterparty(item: Payment, amount: Money, place: Place) -> tuple[str, str]:
    """The other party. A payment that came back keeps the parties of the one that failed; some
    banks turn them round, so the account decides where both are known."""
    incoming = (amount.amount > 0) != item.is_returned
    usual, other = ("Dbtr", "Cdtr") if incoming else ("Cdtr", "Dbtr")
    first, second = item.parties[usual], item.parties[other]
    is_us = first[1] == place.account if first[1] else first[0].casefold() == place.owner.casefold()
    if any(first) and not is_us:
        return first
    return second if second[1] and second[1] != place.account else ("", "")
