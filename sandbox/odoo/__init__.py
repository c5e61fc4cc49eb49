"""A small stand-in for the Odoo 19 calls the product makes over JSON-2.

`OdooStore` holds the data and does the calls; `odoo_app` is its HTTP face. It answers as a real
Odoo does, measured call by call; what it does not know it refuses.
"""

from sandbox.odoo.app import admin_routes, loopback_only, odoo_app
from sandbox.odoo.mails import Mail
from sandbox.odoo.store import OdooStore

__all__ = ["Mail", "OdooStore", "admin_routes", "loopback_only", "odoo_app"]
