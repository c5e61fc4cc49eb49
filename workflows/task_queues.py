"""Task queues by blast radius: a slow or broken remote holds up its own queue only."""

from __future__ import annotations

CONTRACTS = "contracts"
"""Workflows, their local activities, what is asked of the engine, and events for contracts."""
CRM = "crm"
"""Calls to the CRM."""
ESIGN = "esign"
"""Calls to the services for signatures, and their documents, which go on to Odoo."""
TIMESHEETS = "timesheets"
"""Calls to time systems, and their hours, which go on to Odoo."""
PAYMENTS = "payments"
"""Calls to payment processors."""
BANK = "bank"
"""Calls to the places of a bank's files, and their lines, which go on to Odoo."""
RECORDS = "records"
"""The record store: the audit record and its anchors."""
ODOO_MASTER = "odoo-master"
"""Customers, projects and milestones in Odoo."""
ODOO_FINANCE = "odoo-finance"
"""Orders, invoices and payments in Odoo."""
ODOO_MAIL = "odoo-mail"
"""What Odoo mails to customers: a PDF takes seconds, and postings must not wait behind it."""
MAIL = "mail"
"""Mails to the firm's own people, by its mail server."""

REMOTES = (
    CRM,
    ESIGN,
    TIMESHEETS,
    PAYMENTS,
    BANK,
    RECORDS,
    ODOO_MASTER,
    ODOO_FINANCE,
    ODOO_MAIL,
    MAIL,
)
ALL = (CONTRACTS, *REMOTES)
