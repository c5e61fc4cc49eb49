"""A year of a firm's bank account: open invoices, and how their customers pay them.

Written from how people pay, before there was a matcher, and knowing nothing of it. The truth of a
line is what its payer meant, noted when the line is made.

**The firm** sends invoices from three journals: with Belgian structured references, with ISO 11649
creditor references, and with none but the number. Its customers have one to some sixty invoices
each. A third of the invoices are retainers, the same amount each month; others are round, or hours
with tax. Some are in dollars or pounds, some another company's. Six in ten customers have paid
before, so that their account is known. New invoices are posted each day. Some customers have
their invoices collected by direct debit.

**A payer** pays one invoice, several together, a part, a few cents less or more, a discount that
was not agreed, or the same invoice twice. They write the structured reference in its field or into
the text, or the number: as printed, with other separators and case, without its zeros or its
prefix, with a slip of the finger (a digit swapped, lost, doubled, another; O for 0), broken by the
bank at the end of a line, several of them joined, as a list or range that is short for the rest.
Others write their own order number, a thank-you, or nothing, or send the last transfer again with a
new amount. Some pay through a parent company, an agent or a bookkeeper, whose account others use as
well; some in another currency.

**Beside them** there are the bank's charges, what the firm itself pays (also to suppliers whose
numbers look like its own), what strangers send by mistake or for their own numbers, refunds to
customers, debits that come back, and statements that the bank sends twice.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import stdnum.be.ogm_vcs
import stdnum.iso7064.mod_97_10
import stdnum.iso11649

from contracts.bank.statement import BankLine, BankStatement
from contracts.bank.verdicts import OpenItem
from contracts.money import Money
from gateways.fields import names

ACCOUNT = "BE71096123456769"
COMPANY = 1
_START = date(2026, 1, 5)
_NONE = Decimal(0)

# --- what there is --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Truth:
    """What the payer meant. `pays` are invoices and the money meant for each; `undoes` is the line
    that a return takes back. Where both are empty there is nothing to book. `about` are the
    invoices that a person would look at, where there are any."""

    kind: str
    pays: tuple[tuple[int, Money], ...] = ()
    undoes: str = ""
    about: tuple[int, ...] = ()


@dataclass(frozen=True)
class Day:
    """Invoices that are posted, then the statement of the day."""

    posted: tuple[OpenItem, ...]
    statement: BankStatement


@dataclass(frozen=True)
class Year:
    days: tuple[Day, ...]
    truth: dict[str, Truth]
    """By the line's key."""


@dataclass
class _Customer:
    id: int
    name: str
    ibans: list[str]
    is_known: bool
    pays_through: str = ""
    """Whose account they pay from, where it is not their own."""
    through_name: str = ""
    is_debited: bool = False
    habit: str = ""
    retainer: Decimal = _NONE
    last_words: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    """References and texts of the last transfer."""


@dataclass
class _Invoice:
    item: OpenItem
    customer: _Customer
    left: Decimal
    posted_on: date


_FIRST = names(
    """
    Acme Globex Initech Umbra Vandelay Hooli Stark Wayne Wonka Tyrell Cyber Delta Omega Nova
    Astra Meridian Polaris Zenith Orion Vega Lumen Quanta Helix Vertex Apex Solid Brick Maple
    Cedar Aspen Harbor Anchor Beacon Castle Falcon Eagle Raven Heron Otter Badger Bergmann
    Janssens Peeters Lefebvre Dubois Rossi Schneider Keller Novak Larsen Hansen Virtanen Silva
    Costa Murphy Walsh
    """
)
_SECOND = names(
    """
    Logistics Pharma Foods Textiles Energy Water Steel Optics Robotics Media Legal Clinics Retail
    Bakeries Farms Shipping Rail Air Motors Tools Glass Paper Plastics Chemicals Insurance
    Software
    """
)
_FORMS = ("NV", "BV", "GmbH", "SA", "SRL", "Ltd", "AG", "AB", "")
_NOISE = (
    "thank you",
    "services",
    "consulting october",
    "cust 20033",
    "PO 4500012345",
    "order 88214",
    "dd 30.11.2026",
    "merci",
    "Zahlung",
    "betaling",
    "1.210,00",
    "project north",
    "tel 025551234",
    "as agreed",
    "Kd-Nr 10442",
    "ref 7741/B",
    "Q3",
    "invoice",
    "facture",
    "",
)
_LEADS = (
    "",
    "",
    "",
    "Invoice ",
    "Inv. ",
    "Rechnung ",
    "Re-Nr. ",
    "factuur ",
    "facture no ",
    "your invoice ",
    "Betr. ",
)
_STRANGERS = ("Jan Smit", "Eva Maes", "Luc Roth", "Ana Lind", "Jan Lind", "Eva Roth")
_SUPPLIERS = ("Office Depot BV", "Proximus", "Lease Plan NV", "Cloud Hosting Ltd", "City Rent SA")


class _Maker:
    """Makes the firm, then day by day what is posted and what the bank says."""

    def __init__(self, seed: int, open_at_start: int, lines: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - no secret: the same year again
        self._wanted = lines
        self._day = _START
        self._moves = 10_000
        self._numbers = {"ogm": 0, "rf": 0, "plain": 0}
        self._references = 0
        self._lines_made = 0
        self._day_lines: list[BankLine] = []
        self._open: list[_Invoice] = []
        self._debited: list[tuple[BankLine, _Invoice]] = []
        self._paid: list[tuple[_Invoice, BankLine]] = []
        self._truth: dict[str, Truth] = {}
        self._customers = [self._customer(number) for number in range(1, open_at_start // 5 + 2)]
        self._start = open_at_start

    # --- the firm ---------------------------------------------------------------------------------

    def _iban(self) -> str:
        bank = f"{self._chance.randrange(10**18):018}"
        return f"DE{stdnum.iso7064.mod_97_10.calc_check_digits(bank + 'DE')}{bank}"

    def _customer(self, number: int) -> _Customer:
        chance = self._chance
        name = f"{chance.choice(_FIRST)} {chance.choice(_SECOND)} {chance.choice(_FORMS)}".strip()
        customer = _Customer(number, name, [self._iban()], is_known=chance.random() < 0.6)
        if chance.random() < 0.15:
            customer.ibans.append(self._iban())
        customer.is_debited = chance.random() < 0.06
        customer.habit = self._pick(_HABITS)
        customer.retainer = Decimal(chance.randrange(5, 80) * 100)
        return customer

    def _pick(self, weights: dict[str, int]) -> str:
        return self._chance.choices(list(weights), list(weights.values()))[0]

    def _share_accounts(self) -> None:
        """Some pay through a parent that is a customer, too; some through an agent of many."""
        agents = [("Payrail Services", self._iban()), ("Fiduciaire Martin", self._iban())]
        for customer in self._chance.sample(self._customers, max(2, len(self._customers) // 33)):
            parent = self._chance.choice(self._customers)
            if self._chance.random() < 0.5:
                customer.through_name, customer.pays_through = self._chance.choice(agents)
            elif parent is not customer:
                customer.through_name, customer.pays_through = parent.name, parent.ibans[0]

    def _post(self) -> OpenItem:
        chance = self._chance
        customer = self._customers[int(len(self._customers) * chance.random() ** 2.2)]
        journal = self._pick({"ogm": 50, "rf": 25, "plain": 25})
        self._numbers[journal] += 1
        self._moves += 1
        count = self._numbers[journal]
        number = {
            "ogm": f"INV/2026/{count:05}",
            "rf": f"F26-{count:04}",
            "plain": f"2026{count:05}",
        }[journal]
        currency = self._pick({"EUR": 92, "USD": 5, "GBP": 3})
        money = Money(self._amount(customer), currency)
        item = OpenItem(
            move=self._moves,
            number=number,
            partner=customer.id,
            partner_name=customer.name,
            company=COMPANY if chance.random() < 0.98 else COMPANY + 1,
            open=money,
            total=money,
            reference=self._reference(journal, number),
            due_on=self._day + timedelta(30),
            ibans=tuple(customer.ibans[:1]) if customer.is_known else (),
            ids=(f"DD{self._moves}",) if customer.is_debited else (),
        )
        self._open.append(_Invoice(item, customer, money.amount, self._day))
        return item

    def _amount(self, customer: _Customer) -> Decimal:
        kind = self._pick({"retainer": 35, "round": 25, "hours": 40})
        if kind == "retainer":
            return customer.retainer
        if kind == "round":
            return Decimal(self._chance.randrange(2, 60) * 500)
        hours = Decimal(self._chance.randrange(4, 640)) / 4
        return (hours * self._chance.choice([95, 110, 125, 140]) * Decimal("1.21")).quantize(
            Decimal("0.01")
        )

    def _reference(self, journal: str, number: str) -> str:
        self._references += 1
        if journal == "ogm":
            base = f"{self._references * 7919 % 10**10:010}"
            whole = base + stdnum.be.ogm_vcs.calc_check_digits(base)
            return f"+++{stdnum.be.ogm_vcs.format(whole)}+++"
        if journal == "rf":
            base = "".join(letter for letter in number if letter.isalnum())
            check = stdnum.iso7064.mod_97_10.calc_check_digits(base + "RF")
            return stdnum.iso11649.format(f"RF{check}{base}")
        return number

    # --- the year ---------------------------------------------------------------------------------

    def year(self) -> Year:
        self._share_accounts()
        days: list[Day] = []
        balance = Money("100000.00", "EUR")
        posted = [self._post() for _ in range(self._start)]
        sent: BankStatement | None = None
        while self._lines_made < self._wanted:
            self._day_lines = []
            while len(self._day_lines) < 40 and self._lines_made < self._wanted:
                self._something_happens()
            lines = tuple(self._day_lines)
            statement = BankStatement(
                statement_id=f"ST-{len(days) + 1}",
                account=ACCOUNT,
                currency="EUR",
                from_date=self._day,
                to_date=self._day,
                opening=balance,
                closing=balance + Money.total((line.amount for line in lines), "EUR"),
                lines=lines,
            )
            days.append(Day(tuple(posted), statement))
            balance = statement.closing or balance
            self._open = [item for item in self._open if item.left or item.customer.is_debited]
            if sent is not None and self._chance.random() < 0.03:
                days.append(Day((), sent.replace(statement_id=f"ST-{len(days)}-again")))
                self._lines_made += len(sent.lines)
            sent = statement
            self._day += timedelta(1)
            posted = [self._post() for _ in range(self._chance.randrange(24, 36))]
        return Year(tuple(days), self._truth)

    def _something_happens(self) -> None:
        event = self._pick(_EVENTS)
        happening: Callable[[], None] = getattr(self, f"_{event}")
        happening()

    def _line(self, amount: Money, truth: Truth, **facts: object) -> BankLine:
        self._lines_made += 1
        key = f"{ACCOUNT}/{self._day}/B{self._lines_made:06}"
        line = BankLine(
            key=f"{key}/0",
            entry_key=key,
            account=ACCOUNT,
            booked_on=self._day,
            amount=amount,
            **facts,
        )
        self._day_lines.append(line)
        self._truth[line.key] = truth
        return line

    # --- customers pay ----------------------------------------------------------------------------

    def _one(self) -> None:
        self._pays(self._due(1))

    def _several(self) -> None:
        count = self._chance.choices([2, 3, 4, 5, 6, 8, 12], [45, 22, 12, 8, 6, 4, 3])[0]
        self._pays(self._due(count))

    def _due(self, count: int) -> list[_Invoice]:
        """Invoices of one customer in one currency, the older ones likelier; fewer if there are no
        more. Debited customers pay by debit only."""
        pool = self._payable()
        first = pool[int(len(pool) * self._chance.random() ** 1.7)]
        others = [
            item
            for item in pool
            if item.customer is first.customer
            and item is not first
            and item.item.company == first.item.company
            and item.left == item.item.total.amount
        ]
        return [first, *others[: count - 1]]

    def _payable(self) -> list[_Invoice]:
        return [
            item
            for item in self._open
            if item.left > 0
            and not item.customer.is_debited
            and item.item.total.currency == "EUR"
            and item.item.company == COMPANY
        ]

    def _pays(
        self, invoices: list[_Invoice], amount: Decimal | None = None, kind: str = ""
    ) -> None:
        total = sum((item.left for item in invoices), _NONE)
        paid = total if amount is None else amount
        pays = [(item.item.move, Money(item.left, "EUR")) for item in invoices]
        if amount is not None:
            pays = [(invoices[0].item.move, Money(amount, "EUR"))]
        if amount is None or amount >= total - Decimal("0.99"):
            for item in invoices:
                item.left = _NONE
        else:
            invoices[0].left -= amount
        kind = kind or ("one" if len(invoices) == 1 else "several")
        line = self._transfer(invoices, Money(paid, "EUR"), Truth(kind, tuple(pays)))
        self._paid += [(item, line) for item in invoices[:1] if not item.left]

    def _transfer(self, invoices: list[_Invoice], amount: Money, truth: Truth) -> BankLine:
        customer = invoices[0].customer
        habit = self._pick(_HABITS) if self._chance.random() < 0.3 else customer.habit
        if len(invoices) > 1 and habit in ("reference", "reference_in_text"):
            habit = "printed"
        references, texts = self._words(habit, invoices)
        customer.last_words = (references, texts)
        kind = f"{truth.kind}: {habit}"
        return self._line(
            amount,
            Truth(kind, truth.pays, truth.undoes, truth.about),
            references=references,
            texts=texts,
            **self._payer(customer),
        )

    def _payer(self, customer: _Customer) -> dict[str, object]:
        if customer.pays_through:
            return {
                "counterparty": customer.through_name,
                "counterparty_iban": customer.pays_through,
            }
        name = customer.name.upper() if self._chance.random() < 0.4 else customer.name
        if self._chance.random() < 0.1:
            name = name[:12]  # Cut by the bank.
        return {"counterparty": name, "counterparty_iban": self._chance.choice(customer.ibans)}

    def _part(self) -> None:
        invoice = self._due(1)[0]
        share = self._chance.choice(
            [Decimal("0.5"), Decimal("0.3"), Decimal("0.25"), Decimal("0.4")]
        )
        amount = (invoice.left * share).quantize(Decimal("0.01"))
        self._pays([invoice], amount, "part")

    def _short(self) -> None:
        invoice = self._due(1)[0]
        less = Decimal(self._chance.randrange(1, 99)) / 100
        self._pays([invoice], invoice.left - less, "short")

    def _over(self) -> None:
        invoice = self._due(1)[0]
        more = Decimal(self._chance.randrange(1, 99)) / 100
        self._pays([invoice], invoice.left + more, "over")

    def _much_over(self) -> None:
        """A slip in the amount, far above: nothing that anybody should book alone."""
        invoice = self._due(1)[0]
        amount = Money(invoice.left * 10, "EUR")
        self._transfer([invoice], amount, Truth("much_over", about=(invoice.item.move,)))

    def _discount(self) -> None:
        invoice = self._due(1)[0]
        self._pays(
            [invoice], (invoice.left * Decimal("0.98")).quantize(Decimal("0.01")), "discount"
        )

    def _twice(self) -> None:
        """The same transfer again, days later: the money is the customer's."""
        if not self._paid:
            return
        _, line = self._chance.choice(self._paid[-400:])
        again = {
            name: getattr(line, name)
            for name in ("counterparty", "counterparty_iban", "references", "texts")
        }
        if any(again[name] for name in ("references", "texts")):
            self._line(line.amount, Truth("twice"), **again)

    def _old_words(self) -> None:
        """The last transfer as a template: the amount is new, the words are not."""
        invoice = self._due(1)[0]
        words = invoice.customer.last_words
        if words is None:
            return self._one()
        pays = ((invoice.item.move, Money(invoice.left, "EUR")),)
        self._line(
            Money(invoice.left, "EUR"),
            Truth("old_words", pays),
            references=words[0],
            texts=words[1],
            **self._payer(invoice.customer),
        )
        invoice.left = _NONE

    def _other_currency(self) -> None:
        """A dollar invoice, paid in euros."""
        pool = [item for item in self._open if item.left > 0 and item.item.total.currency != "EUR"]
        if not pool:
            return
        invoice = self._chance.choice(pool)
        amount = Money((invoice.left * Decimal("0.91")).quantize(Decimal("0.01")), "EUR")
        truth = Truth("other_currency", about=(invoice.item.move,))
        line = self._transfer([invoice], amount, truth)
        self._day_lines[-1] = line.replace(
            original=Money(invoice.left, invoice.item.total.currency)
        )
        invoice.left = _NONE

    def _debit(self) -> None:
        pool = [
            item
            for item in self._open
            if item.left > 0
            and item.customer.is_debited
            and item.item.total.currency == "EUR"
            and item.item.company == COMPANY
        ]
        if not pool:
            return
        invoice = self._chance.choice(pool)
        amount = Money(invoice.left, "EUR")
        line = self._line(
            amount,
            Truth("debit", ((invoice.item.move, amount),)),
            end_to_end_id=invoice.item.ids[0],
            counterparty=invoice.customer.name,
            counterparty_iban=invoice.customer.ibans[0],
            code="PMNT/IDDT/ESDD",
        )
        invoice.left = _NONE
        self._debited.append((line, invoice))

    def _returned(self) -> None:
        """A debit of the last weeks comes back."""
        if not self._debited:
            return
        line, invoice = self._debited.pop(self._chance.randrange(len(self._debited)))
        invoice.left = line.amount.amount
        self._line(
            -line.amount,
            Truth("returned", undoes=line.key),
            end_to_end_id=line.end_to_end_id,
            counterparty=line.counterparty,
            counterparty_iban=line.counterparty_iban,
            is_returned=True,
            return_reason=self._chance.choice(["AM04", "AC04", "MD06"]),
            code="PMNT/IDDT/UPDD",
        )

    # --- what pays nothing ------------------------------------------------------------------------

    def _charges(self) -> None:
        amount = Money(Decimal(-self._chance.randrange(50, 4000)) / 100, "EUR")
        self._line(amount, Truth("charges"), texts=("account charges",), code="ACMT/MDOP/CHRG")

    def _supplier(self) -> None:
        amount = Money(Decimal(-self._chance.randrange(2000, 900000)) / 100, "EUR")
        number = self._chance.choice(
            [f"INV/2026/{self._chance.randrange(1, 3000):05}", "rent", "lease 11"]
        )
        self._line(
            amount,
            Truth("supplier"),
            counterparty=self._chance.choice(_SUPPLIERS),
            counterparty_iban=self._iban(),
            texts=(number,),
            code="PMNT/ICDT/ESCT",
        )

    def _refund(self) -> None:
        """We pay a customer back, naming the invoice: the sign is the other way round."""
        if not self._paid:
            return
        invoice, line = self._chance.choice(self._paid[-400:])
        self._line(
            -line.amount,
            Truth("refund"),
            counterparty=invoice.customer.name,
            counterparty_iban=invoice.customer.ibans[0],
            texts=(f"refund {invoice.item.number}",),
            code="PMNT/ICDT/ESCT",
        )

    def _wrong_sign(self) -> None:
        """A debit that names an open invoice of a customer, as a slip in an order of ours does."""
        invoice = self._due(1)[0]
        self._line(
            Money(-invoice.left, "EUR"),
            Truth("wrong_sign", about=(invoice.item.move,)),
            texts=(invoice.item.number,),
            **self._payer(invoice.customer),
        )

    def _stranger(self) -> None:
        """Somebody else's money: an amount that an invoice of ours may have, their own words."""
        likely = self._chance.choice(self._payable())
        amount = (
            likely.left
            if self._chance.random() < 0.5
            else Decimal(self._chance.randrange(1, 90) * 25)
        )
        words = self._chance.choice(
            [
                "rent november",
                f"invoice {self._chance.randrange(100, 9999)}",
                "",
                "refund tax 2025",
                f"2026/{self._chance.randrange(1, 3000)}",
                f"ticket {self._chance.randrange(10**8)}",
            ]
        )
        self._line(
            Money(amount, "EUR"),
            Truth("stranger"),
            counterparty=self._chance.choice(_STRANGERS),
            counterparty_iban=self._iban(),
            texts=(words,) if words else (),
        )

    # --- what people write ------------------------------------------------------------------------

    def _words(
        self, habit: str, invoices: list[_Invoice]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        chance, first = self._chance, invoices[0].item
        if habit == "reference":
            return (first.reference,), ((chance.choice(_NOISE),) if chance.random() < 0.2 else ())
        if habit == "reference_in_text":
            written = first.reference if chance.random() < 0.5 else first.reference.replace(" ", "")
            return (), (self._around(written),)
        if habit in ("own_words", "nothing"):
            words = " ".join(chance.sample(_NOISE, 2)).strip() if habit == "own_words" else ""
            return (), ((words,) if words else ())
        numbers = [self._number(habit, item.item.number) for item in invoices]
        text = self._around(self._listed(habit, numbers, invoices))
        if habit == "broken":
            text = self._padded(text, numbers[0])
            return (), (text[:35], text[35:])
        cut = 140
        return (), tuple(text[start : start + cut] for start in range(0, len(text), cut))

    def _padded(self, text: str, number: str) -> str:
        """So that the bank's 35 characters end within the number."""
        within = self._chance.randrange(2, len(number) - 1)
        before = max(0, 35 - within - text.find(number))
        return "payment of our account for services".ljust(before, ".")[-before:] + text

    def _around(self, text: str) -> str:
        before = self._chance.choice(_LEADS)
        after = f" {self._chance.choice(_NOISE)}" if self._chance.random() < 0.35 else ""
        return f"{before}{text}{after}".strip()

    def _number(self, habit: str, number: str) -> str:
        chance = self._chance
        if habit == "reformatted":
            separator = chance.choice([" ", "-", "", ".", "/ "])
            changed = number.replace("/", separator).replace("-", separator)
            return changed.lower() if chance.random() < 0.5 else changed
        if habit == "shortened":
            head, tail = number[:-5].rstrip("/-"), number[-5:].lstrip("/-0") or "0"
            return chance.choice(
                [tail, f"{head[-4:]}/{tail}", f"{head} {tail}", number[-5:].strip("/-")]
            )
        if habit == "slip":
            return self._slip(number)
        return number

    def _slip(self, number: str) -> str:
        chance = self._chance
        places = [index for index, letter in enumerate(number) if letter.isdigit()]
        place = chance.choice(places[-5:])
        kind = chance.choice(["swap", "lost", "doubled", "other", "letter"])
        if kind == "swap" and place > 0 and number[place - 1].isdigit():
            return number[: place - 1] + number[place] + number[place - 1] + number[place + 1 :]
        if kind == "lost":
            return number[:place] + number[place + 1 :]
        if kind == "doubled":
            return number[:place] + number[place] * 2 + number[place + 1 :]
        if kind == "letter" and "0" in number:
            return number.replace("0", "O", 2)
        return (
            number[:place]
            + str((int(number[place]) + chance.randrange(1, 9)) % 10)
            + number[place + 1 :]
        )

    def _listed(self, habit: str, numbers: list[str], invoices: list[_Invoice]) -> str:
        chance = self._chance
        if len(numbers) > 1 and habit == "printed":
            kind = chance.choice(["full", "full", "full", "joined", "tails", "range"])
            if kind == "joined":
                return "".join(numbers)
            plain = [item.item.number for item in invoices]
            same = len({number[:-4] for number in plain}) == 1
            if kind == "tails" and same:
                return ", ".join([plain[0], *(number[-3:].lstrip("0") for number in plain[1:])])
            counts = [int(number[-4:]) for number in plain]
            if (
                kind == "range"
                and same
                and counts == list(range(counts[0], counts[0] + len(counts)))
            ):
                return f"{plain[0]}-{plain[-1][-2:]}"
        return chance.choice([", ", " ", " + ", ";", " en ", "/ "]).join(numbers)


_HABITS = {
    "reference": 36,
    "reference_in_text": 7,
    "printed": 24,
    "reformatted": 9,
    "shortened": 5,
    "slip": 4,
    "broken": 3,
    "own_words": 7,
    "nothing": 5,
}
"""What is written, and of a hundred transfers by how many."""
_EVENTS = {
    "one": 580,
    "several": 85,
    "part": 30,
    "short": 15,
    "over": 6,
    "much_over": 2,
    "discount": 8,
    "twice": 10,
    "old_words": 12,
    "other_currency": 8,
    "debit": 60,
    "returned": 14,
    "charges": 20,
    "supplier": 80,
    "refund": 6,
    "wrong_sign": 4,
    "stranger": 14,
}
"""What happens on the account, and how often beside the others."""


def year(seed: int, *, open_invoices: int, lines: int) -> Year:
    """A year with so many invoices open at its start and at least so many lines."""
    return _Maker(seed, open_invoices, lines).year()
