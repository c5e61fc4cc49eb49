"""A real Odoo 19 with PostgreSQL, without root and without installing anything on the machine.

    from sandbox.real_odoo import start

    with start() as odoo:  # the first time prepares everything, which takes minutes
        key = odoo.keys["c2c"].read_text()
        httpx.post(f"{odoo.url}/json/2/res.partner/search_count", ...)

`bootstrap.py` says what the database contains. `python -m sandbox.real_odoo start` runs one.
"""

from sandbox.real_odoo.errors import HarnessError
from sandbox.real_odoo.mailbox import Mailbox
from sandbox.real_odoo.odoo import Extension
from sandbox.real_odoo.preparation import Prepared, prepare
from sandbox.real_odoo.server import RealOdoo, start

__all__ = ["Extension", "HarnessError", "Mailbox", "Prepared", "RealOdoo", "prepare", "start"]
