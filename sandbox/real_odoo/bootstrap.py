"""What the template database contains; run inside `odoo shell`, before any server starts.

The firm is "Northwind Consulting". This file is read on standard input by Odoo's own Python, so
it imports nothing of ours. API keys go to the folder named by `C2C_KEYS_FOLDER`, one file a login.
"""

import os
from pathlib import Path
from typing import Any

COMPANY = "Northwind Consulting"
COMPANY_EMAIL = "billing@northwind.example"
# Units of each currency for one euro; any plausible figure serves a test.
RATES = {"USD": 1.10, "GBP": 0.85, "JPY": 160.0, "KWD": 0.34}
# default_code -> (name, list price, carries the chart's default sale tax)
PRODUCTS = {
    "CONSULTING": ("Consulting", 1000.0, False),
    "BUILD": ("Build", 1000.0, False),
    "TRAINING": ("Training", 500.0, True),
    "SUPPORT": ("Support", 250.0, False),
}
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
            "hr_timesheet.group_hr_timesheet_approver",
        ],
    ),
    "accountant": ("Ada Accountant", ["base.group_user", "account.group_account_manager"]),
    "pm": (
        "Pat Manager",
        [
            "base.group_user",
            "project.group_project_manager",
            "hr_timesheet.group_hr_timesheet_approver",
        ],
    ),
}
# Shown to every employee, as the switches in Settings do it.
FEATURE_GROUPS = ["project.group_project_milestone", "product.group_product_pricelist"]


def main(env: Any) -> None:
    """Fill the database; the order matters where a step says so."""
    set_up_company(env)
    set_up_currencies(env)
    set_up_payments(env)
    create_payment_terms(env)
    create_products(env)
    users = create_users(env)
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


def set_up_currencies(env: Any) -> None:
    """Activate the currencies with a rate, and give each a price list to sell in."""
    env["res.currency.rate"].search([]).unlink()
    env["product.pricelist"].search([]).write({"active": False})
    for name in ["EUR", *RATES]:
        currency = env["res.currency"].with_context(active_test=False).search([("name", "=", name)])
        currency.active = True
        if name in RATES:
            env["res.currency.rate"].create(
                {
                    "name": "2020-01-01",
                    "currency_id": currency.id,
                    "company_rate": RATES[name],
                    "company_id": env.company.id,
                }
            )
        env["product.pricelist"].create({"name": name, "currency_id": currency.id})


def set_up_payments(env: Any) -> None:
    """Let a registered payment be booked at once, so that it lowers the invoice's residual."""
    bank = env["account.journal"].search([("type", "=", "bank")], limit=1)
    account = env["account.account"].search([("name", "=", "Outstanding Receipts")], limit=1)
    assert bank and account, "the chart has no bank journal or no account for outstanding receipts"
    bank.inbound_payment_method_line_ids.write({"payment_account_id": account.id})


def create_payment_terms(env: Any) -> None:
    """Make sure of the terms by name; Odoo's own data carries some of them."""
    terms = env["account.payment.term"]
    for name, days in PAYMENT_TERMS_DAYS.items():
        if not terms.search([("name", "=", name)]):
            line = {"value": "percent", "value_amount": 100.0, "nb_days": days}
            terms.create({"name": name, "note": name, "line_ids": [(0, 0, line)]})


def create_products(env: Any) -> None:
    """Services billed by milestone; creating the order creates no project or task by itself."""
    for code, (name, price, taxed) in PRODUCTS.items():
        tax_ids = env.company.account_sale_tax_id.ids if taxed else []
        env["product.product"].create(
            {
                "name": name,
                "default_code": code,
                "type": "service",
                "list_price": price,
                "invoice_policy": "delivery",
                "service_type": "milestones",
                "service_tracking": "no",
                "taxes_id": [(6, 0, tax_ids)],
                "supplier_taxes_id": [(6, 0, [])],
            }
        )


def create_users(env: Any) -> list[Any]:
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
