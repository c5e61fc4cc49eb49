"""Names of the workflows, and the bound of a list. Light to import."""

from __future__ import annotations

CONTRACT_WORKFLOW = "ContractWorkflow"
INVOICE_WORKFLOW = "InvoiceWorkflow"
BANK_FILE_WORKFLOW = "BankFileWorkflow"
BANK_SWEEP_WORKFLOW = "BankSweepWorkflow"
EVENT_WORKFLOW = "EventWorkflow"
ODOO_SWEEP_WORKFLOW = "OdooSweepWorkflow"
CRM_SWEEP_WORKFLOW = "CrmSweepWorkflow"
ESIGN_SWEEP_WORKFLOW = "EsignSweepWorkflow"
TIMESHEET_SWEEP_WORKFLOW = "TimesheetSweepWorkflow"
PAYMENTS_SWEEP_WORKFLOW = "PaymentsSweepWorkflow"
BURN_SWEEP_WORKFLOW = "BurnSweepWorkflow"
AUDIT_ANCHOR_WORKFLOW = "AuditAnchorWorkflow"
RETENTION_WORKFLOW = "RetentionWorkflow"
MAIL_DIGEST_WORKFLOW = "MailDigestWorkflow"
FIGURES_WORKFLOW = "FiguresWorkflow"
FIGURES_SCHEDULE = "c2c-figures-"
"""With the legal entity's name behind it."""
MAX_LISTED = 500
"""Of workflows of one type; a list that stops there says so."""
