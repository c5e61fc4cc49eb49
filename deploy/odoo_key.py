"""A new API key for the service user of temporal-dev.yml; run inside `odoo shell`.

Read on standard input by Odoo's own Python, so it imports nothing of ours. The key goes to the
file `new` in the folder named by C2C_KEYS_FOLDER. Older keys stay valid until they expire, so
that running workers never find themselves without one.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

LOGIN = "c2c"
# Odoo's limit for users who are no administrators is three months (90 days).
LIFE = timedelta(days=89)
ADMIN_PASSWORD = Path("/run/secrets/odoo_admin_password")


def main(env: Any) -> None:
    """Make the key; close what a fresh database leaves open."""
    user = env["res.users"].search([("login", "=", LOGIN)])
    expires = (datetime.now(UTC) + LIFE).replace(tzinfo=None)
    key = env["res.users.apikeys"].with_user(user)._generate("rpc", "temporal-dev", expires)
    # bootstrap.py gives everyone a key that never expires, for tests.
    env["res.users.apikeys"].search([("name", "=", "harness")]).unlink()
    if ADMIN_PASSWORD.exists():
        env.ref("base.user_admin").password = ADMIN_PASSWORD.read_text().strip()
    env.cr.commit()
    file = Path(os.environ["C2C_KEYS_FOLDER"]) / "new"
    file.touch(mode=0o600)
    file.write_text(key)


if "env" in globals():  # inside `odoo shell`
    main(globals()["env"])
