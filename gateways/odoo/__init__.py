"""Odoo over JSON-2 (19 and later) or JSON-RPC (before 19), behind one interface."""
