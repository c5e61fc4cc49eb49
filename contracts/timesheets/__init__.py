"""Hours that people log in a time system beside Odoo, and payroll's share of those in Odoo."""
