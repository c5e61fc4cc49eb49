"""What a fresh stand-in contains: the firm "Northwind Consulting", as the real one is set up."""

from __future__ import annotations

import json
from importlib.resources import files

from sandbox.odoo.records import Env, Values, remember_xid
from sandbox.odoo.terms import TERMS

MAIN = "base.main_company"
COMPANY = "Northwind Consulting"
ZONE = "Europe/Brussels"
CURRENCIES = {
    "EUR": ("Euro", "€", 2),
    "USD": ("United States dollar", "$", 2),
    "GBP": ("Pound sterling", "£", 2),
    "JPY": ("Japanese yen", "¥", 0),
    "KWD": ("Kuwaiti dinar", " د.ك ", 3),
}
COUNTRY_XIDS = {"GB": "uk"}
"""Where the external id is not the code in lower case."""
PRODUCTS = {
    "CONSULTING": ("Consulting", 1000.0, False),
    "BUILD": ("Build", 1000.0, False),
    "TRAINING": ("Training", 500.0, True),
    "SUPPORT": ("Support", 250.0, False),
}
"""Code -> name, list price, whether the default sale tax applies."""
USERS = {
    "__system__": "OdooBot",
    "admin": "Administrator",
    "c2c": "Contract to Cash",
    "accountant": "Ada Accountant",
    "pm": "Pat Manager",
}
EVERYBODY = {
    "base.group_user": "Role / User",
    "base.group_no_one": "",
    "base.group_multi_currency": "",
    "product.group_product_pricelist": "",
    "project.group_project_milestone": "",
    "uom.group_uom": "",
}
"""External id -> the name access lists and refusals use."""
PROJECTS = {
    "project.group_project_manager": "Project/Administrator",
    "project.group_project_user": "Project/User",
    "hr_timesheet.group_hr_timesheet_approver": "",
    "hr_timesheet.group_hr_timesheet_user": "Timesheets/User: own timesheets only",
}
SALES = {
    "base.group_partner_manager": "Contact/Creation",
    "sales_team.group_sale_manager": "Sales/Administrator",
    "sales_team.group_sale_salesman": "Sales/User: Own Documents Only",
    "sales_team.group_sale_salesman_all_leads": "",
}
INVOICING = {"account.group_account_invoice": "Accounting/Invoicing"}
ACCOUNTING = INVOICING | {"account.group_account_manager": "Accounting/Administrator"}
SETTINGS = {
    "base.group_system": "Role / Administrator",
    "base.group_erp_manager": "Access Rights",
    "product.group_product_manager": "Products/Create",
}
GROUPS = {
    "c2c": EVERYBODY | PROJECTS | SALES | INVOICING,
    "accountant": EVERYBODY | ACCOUNTING,
    "pm": EVERYBODY | PROJECTS,
    "admin": EVERYBODY | PROJECTS | SALES | ACCOUNTING | SETTINGS,
}
JOURNALS = {
    "sale": ("Sales", "sale", "INV"),
    "purchase": ("Purchases", "purchase", "BILL"),
    "bank": ("Bank", "bank", "BNK1"),
    "general": ("Miscellaneous Operations", "general", "MISC"),
    "caba": ("Cash Basis Taxes", "general", "CABA"),
    "exch": ("Exchange Difference", "general", "EXCH"),
}
TAXES = {
    "sale_tax_template": ("15%", 15.0, "sale"),
    "purchase_tax_template": ("15%", 15.0, "purchase"),
    "sale_export_tax_template": ("0% Exports", 0.0, "sale"),
    "purchase_import_tax_template": ("0% Imports", 0.0, "purchase"),
}
OUTSTANDING = "Outstanding Receipts"
ACCOUNTS = {
    "Account Receivable": ("121000", "asset_receivable"),
    "Product Sales": ("400000", "income"),
    "Tax Received": ("251000", "liability_current"),
    OUTSTANDING: ("101403", "asset_current"),
}
STAGES = {"New": False, "Qualified": False, "Proposition": False, "Won": True}
BASE_MODULE = {"name": "base", "state": "installed", "latest_version": "19.0.1.3"}
SUBTYPES = {"mail.mt_comment": "Discussions", "mail.mt_note": "Note"}


def seed(env: Env) -> None:
    """Fill an empty database; the order matters where one record names another."""
    _seed_countries(env)
    _seed_currencies(env)
    _seed_people(env)
    _seed_accounting(env)
    _seed_products(env)
    _seed_sales(env)


def _add(env: Env, model: str, xid: str, values: Values) -> int:
    record_id = env[model].add(values)
    if xid:
        remember_xid(env.with_context(noupdate=True), xid, model, record_id)
    return record_id


def _seed_countries(env: Env) -> None:
    countries = json.loads(files(__package__).joinpath("countries.json").read_text("utf-8"))
    for code, name in countries.items():
        xid = COUNTRY_XIDS.get(code, code.lower())
        _add(env, "res.country", f"base.{xid}", {"code": code, "name": name})


def _seed_currencies(env: Env) -> None:
    for name, (full_name, symbol, decimals) in CURRENCIES.items():
        values: Values = {"name": name, "full_name": full_name, "symbol": symbol}
        values["decimal_places"] = decimals
        _add(env, "res.currency", f"base.{name}", values)


def _seed_people(env: Env) -> None:
    """The company needs its partner, the users need the company, and every record an author."""
    firm = _partner(env, COMPANY, "billing@northwind.example", is_company=True)
    address: Values = {"street": "1 Quay Street", "city": "Boston", "zip": "02110"}
    env["res.partner"].put([firm], address | {"country_id": env.required_xid("base.us")})
    company = {
        "name": COMPANY,
        "email": "billing@northwind.example",
        "partner_id": firm,
        "currency_id": env.required_xid("base.EUR"),
    }
    company_id = _add(env, "res.company", MAIN, company)
    for login, name in USERS.items():
        email = f"{login.strip('_')}@northwind.example"
        user: Values = {"login": login, "name": name, "email": email, "tz": ZONE, "lang": "en_US"}
        user |= {"partner_id": _partner(env, name, email), "company_id": company_id}
        _add(env, "res.users", "base.user_admin" if login == "admin" else "", user)
    env["res.users"].put([1], {"active": False})
    for login, groups in GROUPS.items():
        for name in {*groups, *groups.values()} - {""}:
            env.execute("INSERT INTO sandbox_group VALUES (?, ?)", (login, name))
    _add(env, "ir.module.module", "", BASE_MODULE)
    for xid, name in SUBTYPES.items():
        _add(env, "mail.message.subtype", xid, {"name": name})


def _partner(env: Env, name: str, email: str, is_company: bool = False) -> int:
    return env["res.partner"].add({"name": name, "email": email, "is_company": is_company})


def _seed_accounting(env: Env) -> None:
    company: Values = {"company_id": env.required_xid(MAIN)}
    for key, (name, kind, code) in JOURNALS.items():
        journal = {"name": name, "type": kind, "code": code}
        _add(env, "account.journal", f"account.1_{key}", journal | company)
    for key, (name, amount, use) in TAXES.items():
        tax = {"name": name, "amount": amount, "type_tax_use": use}
        _add(env, "account.tax", f"account.1_{key}", tax | company)
    for name, (code, kind) in ACCOUNTS.items():
        _add(env, "account.account", "", {"name": name, "code": code, "account_type": kind})
    for name, key in (("Domestic", "domestic"), ("Foreign Trade", "export")):
        xid = f"account.1_template_generic_{key}_fiscal_position"
        _add(env, "account.fiscal.position", xid, {"name": name} | company)
    method = {
        "name": "Manual Payment",
        "payment_type": "inbound",
        "journal_id": env.required_xid("account.1_bank"),
        "payment_account_id": env["account.account"].find([["name", "=", OUTSTANDING]])[0],
    }
    _add(env, "account.payment.method.line", "", method)
    for name, (key, _) in TERMS.items():
        xid = f"account.account_payment_term_{key}" if key else ""
        _add(env, "account.payment.term", xid, {"name": name, "note": name})


def _seed_products(env: Env) -> None:
    _add(env, "uom.uom", "uom.product_uom_unit", {"name": "Units"})
    tax = env.required_xid("account.1_sale_tax_template")
    for code, (name, price, taxed) in PRODUCTS.items():
        values: Values = {"name": name, "default_code": code, "list_price": price}
        taxes = [(6, 0, [tax] if taxed else [])]
        _add(env, "product.product", "", values | {"taxes_id": taxes})
    for name in CURRENCIES:
        currency = env.required_xid(f"base.{name}")
        values = {"name": name, "currency_id": currency, "company_id": env.required_xid(MAIN)}
        _add(env, "product.pricelist", "", values)


def _seed_sales(env: Env) -> None:
    team = {"name": "Sales", "company_id": env.required_xid(MAIN)}
    _add(env, "crm.team", "sales_team.team_sales_department", team)
    for number, (name, won) in enumerate(STAGES.items(), 1):
        values: Values = {"name": name, "is_won": won, "sequence": 70 if won else number}
        _add(env, "crm.stage", f"crm.stage_lead{number}", values)
