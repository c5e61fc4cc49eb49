"""Time systems: the hours that people log beside Odoo."""
