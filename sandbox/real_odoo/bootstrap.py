"""What the template database contains; run inside `odoo shell`, before any server starts.

The firm is "Northwind Consulting". This file is read on standard input by Odoo's own Python, so
it imports nothing of ours. API keys go to the folder named by `C2C_KEYS_FOLDER`, one file a login.
"""

import os
from pathlib import Path
from typing import Any

COMPANY = "Northwind Consulting"
COMPANY_EMAIL = "billing@northwind.example"
UK_COMPANY = "Northwind UK"
UK_COMPANY_EMAIL = "billing-uk@northwind.example"
# Units of each currency for one euro; any plausible figure serves a test.
RATES = {"EUR": 1.0, "USD": 1.10, "GBP": 0.85, "JPY": 160.0, "KWD": 0.34}
# default_code -> (name, list price, service type, carries the charts' default sale taxes)
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
# Accounts the charts lack, by company: code -> (name, type).
ACCOUNTS = {
    COMPANY: {
        "128100": ("Retentions Receivable", "asset_current"),
        "650000": ("Bad Debts", "expense"),
    },
    UK_COMPANY: {"110500": ("Retentions Receivable", "asset_current")},
}
# What is prepaid or held back stands in the books as such: code of the product's account, in the
# first company and in the second. The UK chart has an account of its own for bad debts: 785000.
PRODUCT_ACCOUNTS = {
    "DEPOSIT": ("212000", "210900"),
    "RETAINAGE": ("128100", "110500"),
}
# (name, job title); no users: the project manager enters their hours
EMPLOYEES = [
    ("Petra Developer", "Developer"),
    ("Conrad Consultant", "Senior Consultant"),
    ("Ines Intern", "Developer"),
]
# Odoo Community cannot approve timesheets; this field of the firm's own says that a line is.
TIME_APPROVED_FIELD = "x_approved"
# "15 Days", "30 Days" and others come with Odoo; these names are ours to add.
PAYMENT_TERMS_DAYS = {"14 Days": 14, "30 Days": 30}
# login -> (name, the fewest groups that do the work)
USERS = {
    "c2c": (
        "Contract to Cash",
        [
            "base.group_user",
            "base.group_partner_manager",
            "sales_team.group_sale_manager",
            "project.group_project_manager",
            "account.group_account_invoice",
            "account.group_account_basic",  # hidden; bank statements need it
            "hr_timesheet.group_hr_timesheet_approver",
            # Reads everybody's expenses; nothing smaller does.
            "hr_expense.group_hr_expense_user",
        ],
    ),
    "accountant": ("Ada Accountant", ["base.group_user", "account.group_account_manager"]),
    "pm": (
        "Pat Manager",
        [
            "base.group_user",
            "project.group_project_manager",
            "hr_timesheet.group_hr_timesheet_approver",
            "hr_expense.group_hr_expense_user",
        ],
    ),
}
# Shown to every employee, as the switches in Settings do it.
FEATURE_GROUPS = ["project.group_project_milestone", "product.group_product_pricelist"]


def main(env: Any) -> None:
    """Fill the database; the order matters where a step says so."""
    set_up_company(env)
    companies = [env.company, create_uk_company(env)]
    set_up_currencies(env, companies)
    for company in companies:
        create_accounts(env, company)
        set_up_payments(env, company)
    create_payment_terms(env)
    create_products(env, companies)
    create_employees(env)
    add_time_approval(env)
    users = create_users(env, companies)
    write_keys(env, [*users, env.ref("base.user_admin")], Path(os.environ["C2C_KEYS_FOLDER"]))
    env.cr.commit()


def set_up_company(env: Any) -> None:
    """Name the main company and book in euro, which only works before the first entry."""
    euro = env.ref("base.EUR")
    euro.active = True
    company = env.company
    assert company.chart_template == "generic_coa", company.chart_template
    company.write({"name": COMPANY, "email": COMPANY_EMAIL, "currency_id": euro.id})
    company.partner_id.write({"street": "1 Quay Street", "city": "Boston", "zip": "02110"})
    for group in FEATURE_GROUPS:
        env.ref("base.group_user").write({"implied_ids": [(4, env.ref(group).id)]})
    # Links and PDF styles use the address the harness writes, whoever logs in later.
    env["ir.config_parameter"].set_param("web.base.url.freeze", "True")


def create_uk_company(env: Any) -> Any:
    """A second legal entity with the United Kingdom's chart, journals and 20% tax, in pounds."""
    pound = env.ref("base.GBP")
    pound.active = True
    company = env["res.company"].create(
        {
            "name": UK_COMPANY,
            "email": UK_COMPANY_EMAIL,
            "country_id": env.ref("base.uk").id,
            "currency_id": pound.id,
            "street": "2 Dock Street",
            "city": "London",
            "zip": "E1 8JP",
        }
    )
    env.ref("base.user_admin").write({"company_ids": [(4, company.id)]})
    env["account.chart.template"].try_loading("uk", company=company, install_demo=False)
    assert company.chart_template == "uk", company.chart_template
    return company


def set_up_currencies(env: Any, companies: list[Any]) -> None:
    """Activate the currencies, and give each company its rates and a price list a currency."""
    env["res.currency.rate"].search([]).unlink()
    env["product.pricelist"].search([]).write({"active": False})
    for name, units in RATES.items():
        currency = env["res.currency"].with_context(active_test=False).search([("name", "=", name)])
        currency.active = True
        for company in companies:
            if currency != company.currency_id:
                env["res.currency.rate"].create(
                    {
                        "name": "2020-01-01",
                        "currency_id": currency.id,
                        "company_rate": units / RATES[company.currency_id.name],
                        "company_id": company.id,
                    }
                )
            env["product.pricelist"].create(
                {"name": name, "currency_id": currency.id, "company_id": company.id}
            )


def create_accounts(env: Any, company: Any) -> None:
    """What the company's chart lacks."""
    for code, (name, kind) in ACCOUNTS[company.name].items():
        env["account.account"].with_company(company).create(
            {"name": name, "code": code, "account_type": kind, "company_ids": [(6, 0, company.ids)]}
        )


def set_up_payments(env: Any, company: Any) -> None:
    """Let a registered payment or refund be booked at once, so that the residual follows."""
    own = [("company_id", "=", company.id)]
    bank = env["account.journal"].search([*own, ("type", "=", "bank")], limit=1)
    assert bank, f"{company.name}'s chart has no bank journal"
    for name, lines in (
        ("Outstanding Receipts", bank.inbound_payment_method_line_ids),
        ("Outstanding Payments", bank.outbound_payment_method_line_ids),
    ):
        account = env["account.account"].search(
            [("name", "=", name), ("company_ids", "in", company.ids)], limit=1
        )
        assert account, f"{company.name}'s chart has no account {name}"
        lines.write({"payment_account_id": account.id})


def create_payment_terms(env: Any) -> None:
    """Make sure of the terms by name; Odoo's own data carries some of them."""
    terms = env["account.payment.term"]
    for name, days in PAYMENT_TERMS_DAYS.items():
        if not terms.search([("name", "=", name)]):
            line = {"value": "percent", "value_amount": 100.0, "nb_days": days}
            terms.create({"name": name, "note": name, "line_ids": [(0, 0, line)]})


def create_products(env: Any, companies: list[Any]) -> None:
    """The services to sell; creating the order creates no project or task by itself."""
    default_taxes = [company.account_sale_tax_id.id for company in companies]
    for code, (name, price, service_type, taxed) in PRODUCTS.items():
        hours = service_type == "timesheet"
        product = env["product.product"].create(
            {
                "name": name,
                "default_code": code,
                "type": "service",
                "list_price": price,
                "invoice_policy": "delivery",
                "service_type": service_type,
                "service_tracking": "no",
                "uom_id": env.ref("uom.product_uom_hour" if hours else "uom.product_uom_unit").id,
                "taxes_id": [(6, 0, default_taxes if taxed else [])],
                "supplier_taxes_id": [(6, 0, [])],
            }
        )
        for company, account_code in zip(companies, PRODUCT_ACCOUNTS.get(code, ()), strict=False):
            accounts = env["account.account"].with_company(company)
            account = accounts.search([("code", "=", account_code)], limit=1)
            assert account, f"{company.name} has no account {account_code}"
            product.with_company(company).property_account_income_id = account


def create_employees(env: Any) -> None:
    """The people whose hours are billed."""
    for name, job_title in EMPLOYEES:
        email = f"{name.split()[0].lower()}@northwind.example"
        env["hr.employee"].create({"name": name, "job_title": job_title, "work_email": email})


def add_time_approval(env: Any) -> None:
    """A field on timesheet lines, as a firm on Community adds one in Odoo's settings."""
    env["ir.model.fields"].create(
        {
            "name": TIME_APPROVED_FIELD,
            "field_description": "Approved",
            "model_id": env.ref("analytic.model_account_analytic_line").id,
            "ttype": "boolean",
            "state": "manual",
        }
    )


def create_users(env: Any, companies: list[Any]) -> list[Any]:
    """The service user with the least privilege that works, and two people."""
    return [
        env["res.users"]
        .with_context(no_reset_password=True)
        .create(
            {
                "name": name,
                "login": login,
                "email": f"{login}@northwind.example",
                "lang": "en_US",
                "tz": "Europe/Brussels",
                "company_id": companies[0].id,
                "company_ids": [(6, 0, [company.id for company in companies])],
                "group_ids": [(6, 0, [env.ref(group).id for group in groups])],
            }
        )
        for login, (name, groups) in USERS.items()
    ]


def write_keys(env: Any, users: list[Any], folder: Path) -> None:
    """Give each user a key without expiry (the template may grow old) in a private file."""
    for user in users:
        # Only a superuser environment may make a key that does not expire.
        key = env["res.users.apikeys"].with_user(user).sudo()._generate("rpc", "harness", None)
        file = folder / user.login
        file.touch(mode=0o600)
        file.write_text(key)


if "env" in globals():  # inside `odoo shell`
    main(globals()["env"])
