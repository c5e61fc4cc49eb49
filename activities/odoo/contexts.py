"""Contexts that calls to Odoo carry."""

from __future__ import annotations

UNTRACKED = {"tracking_disable": True}
"""For what a contract makes by the dozen: Odoo then writes no notes of its own about the change,
which would be a fifth of the work. The contract's journal and its audit record say the same."""
