"""What a fresh stand-in contains: the firm "Northwind Consulting", as the real one is set up."""

from __future__ import annotations

import json
from importlib.resources import files

from sandbox.odoo.companies import (
    BANK,
    BOOKS,
    MAIN_COMPANY,
    PAYMENTS,
    RECEIPTS,
    RECEIVABLE,
    SUSPENSE,
    Books,
    account_of,
    journal_of,
)
from sandbox.odoo.records import Env, Values, remember_xid
from sandbox.odoo.terms import TERMS

MAIN = "base.main_company"
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
    "CONSULTING": ("Consulting", 1000.0, "milestones", False),
    "BUILD": ("Build", 1000.0, "milestones", False),
    "TRAINING": ("Training", 500.0, "milestones", True),
    "SUPPORT": ("Support", 250.0, "milestones", False),
    "DEVELOPMENT": ("Development", 120.0, "timesheet", False),
    "RETAINER": ("Retainer", 1000.0, "manual", True),
    "USAGE": ("Usage", 1.0, "manual", False),
    "EXPENSES": ("Expenses", 0.0, "manual", False),
    "DEPOSIT": ("Deposit", 0.0, "manual", False),
    "RETAINAGE": ("Retainage", 0.0, "manual", False),
}
"""Code -> name, list price, service type, whether the companies' default sale taxes apply."""
POLICIES = {
    "milestones": "delivered_milestones",
    "timesheet": "delivered_timesheet",
    "manual": "delivered_manual",
}
EXPENSE_CATEGORY = {"name": "Expenses", "default_code": "EXP_GEN", "can_be_expensed": True}
EMPLOYEES = {
    "Petra Developer": "Developer",
    "Conrad Consultant": "Senior Consultant",
    "Ines Intern": "Developer",
}
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
EXPENSES = {
    "hr_expense.group_hr_expense_team_approver": "Expenses/Team Approver",
    "hr_expense.group_hr_expense_user": "Expenses/All Approver",
}
INVOICING = {"account.group_account_invoice": "Accounting/Invoicing"}
STATEMENTS = {"account.group_account_basic": "Basic"}
ACCOUNTING = INVOICING | {"account.group_account_manager": "Accounting/Administrator"}
SETTINGS = {
    "base.group_system": "Role / Administrator",
    "base.group_erp_manager": "Access Rights",
    "hr.group_hr_user": "Employees/Officer: Manage all employees",
    "hr_expense.group_hr_expense_manager": "Expenses/Administrator",
    "product.group_product_manager": "Products/Create",
}
GROUPS = {
    "c2c": EVERYBODY | PROJECTS | SALES | INVOICING | STATEMENTS | EXPENSES,
    "accountant": EVERYBODY | ACCOUNTING,
    "pm": EVERYBODY | PROJECTS | EXPENSES,
    "admin": EVERYBODY | PROJECTS | SALES | ACCOUNTING | EXPENSES | SETTINGS,
}
JOURNALS = {
    "sale": ("Sales", "sale", "INV"),
    "purchase": ("Purchases", "purchase", "BILL"),
    "bank": ("Bank", "bank", "BNK1"),
    "general": ("Miscellaneous Operations", "general", "MISC"),
    "caba": ("Cash Basis Taxes", "general", "CABA"),
    "exch": ("Exchange Difference", "general", "EXCH"),
}
STAGES = {"New": False, "Qualified": False, "Proposition": False, "Won": True}
BASE_MODULE = {"name": "base", "state": "installed", "latest_version": "19.0.1.3"}
SUBTYPES = {"mail.mt_comment": "Discussions", "mail.mt_note": "Note"}


MODELS_WITH_TODOS = {
    "account.move": "Journal Entry",
    "sale.order": "Sales Order",
    "project.project": "Project",
}
TODO = "mail.mail_activity_data_todo"


def seed(env: Env) -> None:
    """Fill an empty database; the order matters where one record names another."""
    _seed_countries(env)
    _seed_currencies(env)
    _seed_people(env)
    for company in BOOKS:
        _seed_accounting(env, company)
    _seed_terms(env)
    _seed_products(env)
    _seed_employees(env)
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
    """A company needs its partner, the users need the companies, and every record an author."""
    for company, books in BOOKS.items():
        made = _seed_company(env, books)
        assert made == company, f"{books.name} has the id {made}, not {company}"
    for login, name in USERS.items():
        email = f"{login.strip('_')}@northwind.example"
        user: Values = {"login": login, "name": name, "email": email, "tz": ZONE, "lang": "en_US"}
        user |= {"partner_id": _partner(env, name, email), "company_id": MAIN_COMPANY}
        user |= {"company_ids": [(6, 0, list(BOOKS))]}
        _add(env, "res.users", "base.user_admin" if login == "admin" else "", user)
    env["res.users"].put([1], {"active": False})
    for login, groups in GROUPS.items():
        for name in {*groups, *groups.values()} - {""}:
            env.execute("INSERT INTO sandbox_group VALUES (?, ?)", (login, name))
    _add(env, "ir.module.module", "", BASE_MODULE)
    for xid, name in SUBTYPES.items():
        _add(env, "mail.message.subtype", xid, {"name": name})
    _add(env, "mail.activity.type", TODO, {"name": "To-Do"})
    for model, name in MODELS_WITH_TODOS.items():
        xid = f"{model.partition('.')[0]}.model_{model.replace('.', '_')}"
        _add(env, "ir.model", xid, {"name": name, "model": model})


def _seed_company(env: Env, books: Books) -> int:
    firm = _partner(env, books.name, books.email, is_company=True)
    xid = f"base.{COUNTRY_XIDS.get(books.country, books.country.lower())}"
    env["res.partner"].put([firm], books.address | {"country_id": env.required_xid(xid)})
    company = {
        "name": books.name,
        "email": books.email,
        "partner_id": firm,
        "currency_id": env.required_xid(f"base.{books.currency}"),
    }
    return _add(env, "res.company", MAIN if books is BOOKS[MAIN_COMPANY] else "", company)


def _partner(env: Env, name: str, email: str, is_company: bool = False) -> int:
    return env["res.partner"].add({"name": name, "email": email, "is_company": is_company})


def _seed_accounting(env: Env, company: int) -> None:
    """Journals, taxes, accounts, fiscal positions and ways to pay: each company its own."""
    books, own = BOOKS[company], {"company_id": company}
    for key, (name, kind, code) in JOURNALS.items():
        journal = {"name": name, "type": kind, "code": code}
        _add(env, "account.journal", f"account.{company}_{key}", journal | own)
    for xid, (name, amount, use) in books.taxes.items():
        tax = {"name": name, "amount": amount, "type_tax_use": use}
        _add(env, "account.tax", xid, tax | own)
    for role, (code, name, kind) in books.accounts.items():
        account: Values = {"name": name, "code": code, "account_type": kind}
        account["reconcile"] = role in (RECEIVABLE, RECEIPTS, PAYMENTS)
        _add(env, "account.account", "", account | {"company_ids": [(6, 0, [company])]})
    own_accounts = {"default_account_id": BANK, "suspense_account_id": SUSPENSE}
    accounts = {name: account_of(env, company, role) for name, role in own_accounts.items()}
    env["account.journal"].put([journal_of(env, company, "bank")], accounts)
    for name, xid in books.positions.items():
        _add(env, "account.fiscal.position", xid, {"name": name} | own)
    for payment_type, role in (("inbound", RECEIPTS), ("outbound", PAYMENTS)):
        methods, bank = env["account.payment.method.line"], journal_of(env, company, "bank")
        mine = [["journal_id", "=", bank], ["payment_type", "=", payment_type]]
        methods.put(methods.find(mine), {"payment_account_id": account_of(env, company, role)})


def _seed_terms(env: Env) -> None:
    for name, (key, _) in TERMS.items():
        xid = f"account.account_payment_term_{key}" if key else ""
        _add(env, "account.payment.term", xid, {"name": name, "note": name})


def _seed_employees(env: Env) -> None:
    standard: Values = {"name": "Standard 40 hours/week", "hours_per_week": 40.0}
    calendar = _add(env, "resource.calendar", "", standard | {"company_id": MAIN_COMPANY})
    for name, title in EMPLOYEES.items():
        email = f"{name.split()[0].lower()}@northwind.example"
        employee: Values = {"name": name, "job_title": title, "work_email": email}
        own = {"company_id": MAIN_COMPANY, "resource_calendar_id": calendar}
        env["hr.employee"].add(employee | own)


def _seed_products(env: Env) -> None:
    unit = _add(env, "uom.uom", "uom.product_uom_unit", {"name": "Units"})
    hour = _add(env, "uom.uom", "uom.product_uom_hour", {"name": "Hours"})
    taxes = [env.required_xid(books.default_tax) for books in BOOKS.values()]
    for code, (name, price, service_type, taxed) in PRODUCTS.items():
        values: Values = {"name": name, "default_code": code, "list_price": price}
        values |= {"service_type": service_type, "service_policy": POLICIES[service_type]}
        values |= {"uom_id": hour if service_type == "timesheet" else unit}
        _add(env, "product.product", "", values | {"taxes_id": [(6, 0, taxes if taxed else [])]})
    _add(env, "product.product", "", EXPENSE_CATEGORY)
    for name in CURRENCIES:
        for company in BOOKS:
            values = {"name": name, "currency_id": env.required_xid(f"base.{name}")}
            _add(env, "product.pricelist", "", values | {"company_id": company})


def _seed_sales(env: Env) -> None:
    team = {"name": "Sales", "company_id": env.required_xid(MAIN)}
    _add(env, "crm.team", "sales_team.team_sales_department", team)
    for number, (name, won) in enumerate(STAGES.items(), 1):
        values: Values = {"name": name, "is_won": won, "sequence": 70 if won else number}
        _add(env, "crm.stage", f"crm.stage_lead{number}", values)
