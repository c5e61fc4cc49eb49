"""The bank's activities on an Odoo, and what they do with made invoices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from activities.bank import BankActivities, BankSetup, LineRequest, PageApplied, PageRequest
from activities.odoo.catalogue import Catalogue
from activities.odoo.payments import register_payment
from contracts.bank.file import FileRef
from contracts.bank.statement import BankLine, compact
from contracts.invoice.messages import PaymentReceived
from contracts.money import Money
from gateways.odoo import OdooClient
from tests.bank_source import BANK, Account, FilesInMemory, paid
from tests.odoo.helpers import COMPANY, customer, invoice, the
from tests.world import ENTITY, unique

DIFFERENCES = "650000"
ITEM, LINE = "account.move.line", "account.bank.statement.line"
MOVE = "account.move"


@dataclass(frozen=True)
class Open:
    """A posted invoice."""

    id: int
    number: str
    customer: str
    total: Money

    def of(self, odoo: OdooClient) -> tuple[str, Money]:
        """How it is paid, and what is open of it."""
        row = the(odoo, "account.move", self.id, "payment_state", "amount_residual")
        return row["payment_state"], Money.rounded(row["amount_residual"], self.total.currency)


@dataclass
class Books:
    """The bank's activities on an Odoo."""

    odoo: OdooClient
    source: FilesInMemory
    activities: BankActivities
    account: Account = field(default_factory=Account)

    @classmethod
    def of(
        cls,
        odoo: OdooClient,
        acting: OdooClient | None = None,
        account: Account | None = None,
        journal: str = "BNK1",
    ) -> Books:
        """With `acting` the activities have a client of their own."""
        acting, account = acting or odoo, account or Account()
        source = FilesInMemory()
        setup = BankSetup(
            legal_entity=ENTITY,
            company="Northwind Consulting",
            accounts={account.number: journal},
            tolerance=(Money("1.00", "EUR"),),
            difference_account=DIFFERENCES,
        )
        activities = BankActivities({BANK: source}, {BANK: setup}, acting, Catalogue(acting))
        return cls(odoo, source, activities, account)

    def in_dollars(self, admin: OdooClient) -> Books:
        """The same firm's account in dollars, with a journal of its own."""
        own = [("code", "=", "BUSD"), ("company_id", "=", COMPANY)]
        if not self.odoo.search_read("account.journal", own, ["id"]):
            _make_dollar_journal(admin.with_company(COMPANY))
        return Books.of(self.odoo, account=Account(compact(unique("usd")), "USD"), journal="BUSD")

    def invoice(
        self,
        price: str = "100.00",
        of: Open | None = None,
        currency: str = "EUR",
        kind: str = "Customer Invoice",
    ) -> Open:
        """Of a new customer, or of the one who has this one."""
        move = invoice(self.odoo, currency, price, kind=kind)
        if of is not None:
            customer = the(self.odoo, "account.move", of.id, "partner_id")["partner_id"][0]
            self.odoo.write("account.move", [move], {"partner_id": customer})
        self.odoo.press("account.move", "action_post", [move])
        row = the(self.odoo, "account.move", move, "name", "partner_id", "amount_total")
        total = Money.rounded(row["amount_total"], currency)
        return Open(move, row["name"], row["partner_id"][1], total)

    def credit_note(self, price: str, of: Open) -> Open:
        """Of the customer who has this invoice, not set against it."""
        return self.invoice(price, of, kind="Customer Credit Note")

    def file(self, *lines: BankLine) -> FileRef:
        return self.source.take(self.account.statement(*lines))

    def apply(self, *lines: BankLine) -> PageApplied:
        return self.applied(self.file(*lines))

    def applied(self, file: FileRef) -> PageApplied:
        read = self.activities.read_bank_file(file)
        page = PageRequest(file=file, repeated=read.repeated, first=0, count=500)
        return self.activities.apply_bank_lines(page)

    def settle(self, line: BankLine, *numbers: str, undoes: str = "") -> bool:
        """Whether it was settled in Odoo before."""
        file = self.file_of_nothing()
        request = LineRequest(file=file, key=line.key, invoices=list(numbers), undoes=undoes)
        return self.activities.settle_bank_line(request).elsewhere

    def file_of_nothing(self) -> FileRef:
        """Lines are settled whatever became of their file."""
        return FileRef(bank=BANK, legal_entity=ENTITY, name="gone", sha256="0" * 64)

    def items(self, line: BankLine) -> list[dict[str, Any]]:
        """The journal items of a line, the bank's first."""
        [found] = self.odoo.search_read(LINE, [("ref", "=", line.key)], ["move_id", "date"])
        fields = ["account_id", "balance", "amount_residual", "reconciled", "date"]
        domain = [("move_id", "=", found["move_id"][0])]
        return self.odoo.search_read(ITEM, domain, fields, order="balance desc, id")

    def balances(self, line: BankLine) -> list[float]:
        return [item["balance"] for item in self.items(line)]


def _make_dollar_journal(books: OdooClient) -> None:
    euros = [("code", "=", "BNK1"), ("company_id", "=", COMPANY)]
    [bank] = books.search_read("account.journal", euros, ["suspense_account_id"])
    [dollar] = books.search_read("res.currency", [("name", "=", "USD")], ["id"])
    account = {"name": "Dollars", "code": "101990", "account_type": "asset_cash"}
    [own] = books.create("account.account", [account | {"company_ids": [(6, 0, [COMPANY])]}])
    journal = {"name": "Dollars", "type": "bank", "code": "BUSD", "company_id": COMPANY}
    journal |= {"currency_id": dollar["id"], "default_account_id": own}
    journal |= {"suspense_account_id": bank["suspense_account_id"][0]}
    books.create("account.journal", [journal])


def use_everything(books: Books) -> None:
    """Lines of every kind, so that each module does all that it does with Odoo."""
    one = books.invoice()
    two, three = books.invoice(of=one), books.invoice(of=one)
    account = {"acc_number": unique("own"), "partner_id": customer(books.odoo)}
    books.odoo.create("res.partner.bank", [account])
    reference, iban = unique("pay"), "DE89370400440532013000"
    payment = PaymentReceived(reference=reference, amount=three.total, paid_on="2026-03-02")
    register_payment(books.odoo, three.id, payment)
    whole = paid(str(one.total.amount), one.number, one.customer, iban, id=unique("e2e"))
    part = paid("30.00", two.number, one.customer)
    registered = paid(str((three.total + Money("0.40", "EUR")).amount), three.number, one.customer)
    parked = paid("10.00", "thanks", "Somebody", iban)
    books.apply(whole, part, registered, parked)
    books.settle(parked, two.number)
    amount, id = str(-whole.amount.amount), whole.end_to_end_id
    books.apply(paid(amount, id=id, returned="AM04"))
    booking = books.activities._booking_of(books.file_of_nothing(), whole.key)
    [_, matched] = [item["id"] for item in books.items(whole)]
    booking.lines._reconcile(matched, matched)
    booking.lines.reset(booking.lines.known([part.key])[part.key].id)
