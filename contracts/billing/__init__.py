"""What a contract earns and how it becomes invoices: one module a billing model, pure rules only.

charges     the lines to bill, and how quantity times price makes the amount
periods     billing periods and proration
milestones  fixed prices, deposit and retainage
time        timesheet lines by rate card, cap and corrections
retainers   recurring fees, included hours, carry-over, overage, indexation
usage       metered quantities, tiers and minimum commitments
expenses    expenses billed on, with mark-up and cap
book        the one ledger of what was earned, proposed, billed, credited and dropped
proposals   the content of one invoice or credit note, which approvals are bound to
"""
