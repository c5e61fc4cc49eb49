"""How a module says what it needs of Odoo."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Access:
    """The Odoo module that brings a model, and the group of users that gives the rights."""

    module: str
    group: str


ACCOUNTING = Access("account", "Accounting / Invoicing")
BANK_STATEMENTS = Access("account", "Basic (account.group_account_basic, which Odoo hides)")
CALENDARS = Access("resource", "Internal User")
CONTACTS = Access("base", "Contact Creation")
EMPLOYEES = Access("hr", "Internal User")
EXPENSES = Access("hr_expense", "Expenses / All Approver")
MAIL = Access("mail", "Internal User")
PROJECT = Access("sale_project", "Project / Administrator")
SALES = Access("sale_management", "Sales / Administrator")
TIMESHEETS = Access("sale_timesheet", "Timesheets / all")
USER = Access("base", "Internal User")

EXPORT = "exports for analytics, receivables and figures"
"""What only that needs."""

UPSERT = ("create", "write")
"""The rights that loading a record by its external id takes: it may be there already."""


@dataclass(frozen=True)
class Need:
    """What a module does with one Odoo model.

    `fields` are all that it reads, searches by, sorts by or writes; `rights` are those beyond
    reading; `methods` are those it calls beyond Odoo's own for reading and writing records.
    `only_for` names the contracts that need the model at all; empty: every contract does.
    """

    model: str
    fields: tuple[str, ...]
    access: Access = field(kw_only=True)
    rights: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    only_for: str = ""
