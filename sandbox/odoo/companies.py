"""The firm's companies: whose books a record belongs to, and what each chart calls things."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.odoo.records import Env, Row

MAIN_COMPANY = 1
UK_COMPANY = 2

RECEIVABLE = "receivable"
INCOME = "income"
TAX = "tax"
RECEIPTS = "outstanding receipts"
PAYMENTS = "outstanding payments"
BAD_DEBTS = "bad debts"
DEFERRED = "deferred revenue"
RETENTIONS = "retentions"
BANK = "bank"
SUSPENSE = "bank suspense"

PRODUCT_ACCOUNTS = {"DEPOSIT": DEFERRED, "RETAINAGE": RETENTIONS}
"""Where what is prepaid or held back is booked; everything else is income."""

RATES = {"EUR": "1", "USD": "1.10", "GBP": "0.85", "JPY": "160", "KWD": "0.34"}
"""Units of each currency for one euro."""


@dataclass(frozen=True)
class Books:
    """A company with its chart: accounts by role as (code, name, type), taxes, fiscal positions.

    `taxes` maps external ids to (name, percent, use). The first is the default sales tax,
    `export_tax` what takes its place abroad.
    """

    name: str
    email: str
    address: dict[str, str]
    country: str
    currency: str
    accounts: dict[str, tuple[str, str, str]]
    taxes: dict[str, tuple[str, float, str]]
    export_tax: str
    positions: dict[str, str]
    domestic: str

    @property
    def default_tax(self) -> str:
        """The external id of the default sales tax."""
        return next(iter(self.taxes))


BOOKS = {
    MAIN_COMPANY: Books(
        name="Northwind Consulting",
        email="billing@northwind.example",
        address={"street": "1 Quay Street", "city": "Boston", "zip": "02110"},
        country="US",
        currency="EUR",
        accounts={
            RECEIVABLE: ("121000", "Account Receivable", "asset_receivable"),
            INCOME: ("400000", "Product Sales", "income"),
            TAX: ("251000", "Tax Received", "liability_current"),
            RECEIPTS: ("101403", "Outstanding Receipts", "asset_current"),
            PAYMENTS: ("101404", "Outstanding Payments", "asset_current"),
            BAD_DEBTS: ("650000", "Bad Debts", "expense"),
            DEFERRED: ("212000", "Deferred Revenue", "liability_current"),
            RETENTIONS: ("128100", "Retentions Receivable", "asset_current"),
            BANK: ("101401", "Bank", "asset_cash"),
            SUSPENSE: ("101402", "Bank Suspense Account", "asset_current"),
        },
        taxes={
            "account.1_sale_tax_template": ("15%", 15.0, "sale"),
            "account.1_purchase_tax_template": ("15%", 15.0, "purchase"),
            "account.1_sale_export_tax_template": ("0% Exports", 0.0, "sale"),
            "account.1_purchase_import_tax_template": ("0% Imports", 0.0, "purchase"),
        },
        export_tax="0% Exports",
        positions={
            "Domestic": "account.1_template_generic_domestic_fiscal_position",
            "Foreign Trade": "account.1_template_generic_export_fiscal_position",
        },
        domestic="Domestic",
    ),
    UK_COMPANY: Books(
        name="Northwind UK",
        email="billing-uk@northwind.example",
        address={"street": "2 Dock Street", "city": "London", "zip": "E1 8JP"},
        country="GB",
        currency="GBP",
        accounts={
            RECEIVABLE: ("110000", "Debtors Control Account", "asset_receivable"),
            INCOME: ("400000", "Sales category 1", "income"),
            TAX: ("220000", "Sales Tax Control Account", "liability_current"),
            RECEIPTS: ("120003", "Outstanding Receipts", "asset_current"),
            PAYMENTS: ("120004", "Outstanding Payments", "asset_current"),
            BAD_DEBTS: ("785000", "Bad debts", "expense"),
            DEFERRED: ("210900", "Accruals", "liability_current"),
            RETENTIONS: ("110500", "Retentions Receivable", "asset_current"),
            BANK: ("120001", "Bank", "asset_cash"),
            SUSPENSE: ("120002", "Bank Suspense Account", "asset_current"),
        },
        taxes={
            "account.2_ST11": ("20%", 20.0, "sale"),
            "account.2_ST5": ("5%", 5.0, "sale"),
            "account.2_ST_0_EX": ("0% EX", 0.0, "sale"),
            "account.2_PT_20_S": ("20% S", 20.0, "purchase"),
        },
        export_tax="0% EX",
        positions={
            "United Kingdom": "account.2_account_fiscal_position_domestic",
            "Rest of the world": "account.2_account_fiscal_position_rest_of_world_b2b",
        },
        domestic="United Kingdom",
    ),
}


def current_company(env: Env) -> int:
    """The company a call acts in: the first one its context allows, else the user's own."""
    allowed = env.context.get("allowed_company_ids") or []
    return int(allowed[0] if allowed else env["res.users"].row(env.uid)["company_id"])


def company_values(env: Env, company_id: int) -> Row:
    return env["res.company"].row(company_id)


def company_currency(env: Env, company_id: int) -> str:
    """The name of the currency a company books in."""
    currency = company_values(env, company_id)["currency_id"]
    return str(env["res.currency"].row(currency)["name"])


def journal_of(env: Env, company_id: int, kind: str) -> int:
    """The company's first journal of a type."""
    domain = [["type", "=", kind], ["company_id", "=", company_id]]
    return env["account.journal"].find(domain, order="id")[0]


def account_of(env: Env, company_id: int, role: str) -> int:
    """The account that plays a role in the company's chart."""
    code, _, _ = BOOKS[company_id].accounts[role]
    return env["account.account"].find([["code", "=", code], ["company_ids", "in", [company_id]]])[
        0
    ]
