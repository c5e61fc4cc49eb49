"""Local stand-ins for Odoo and the CRM, and the harness of a real Odoo."""
