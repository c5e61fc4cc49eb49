"""`python -m sandbox`: the stand-ins for Odoo and the CRM in the foreground."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sandbox.odoo.app import DATABASE
from sandbox.server import LOGINS, Sandbox, SandboxError

DEFAULT_PORT = 8900
ADMINISTRATION = (
    "faults",
    "deals",
    "mails",
    "mail-server",
    "keys",
    "key-expiry",
    "deny",
    "allow",
    "lock-date",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--data", type=Path, default=Path(".run/sandbox"), metavar="DIR")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="fault rules as JSON")
    options = parser.parse_args()
    try:
        sandbox = Sandbox(options.data)
        if options.faults:
            sandbox.faults.configure_from(options.faults)
        sandbox.run(options.port, lambda: print(_welcome(sandbox), flush=True))
    except (SandboxError, OSError, ValueError, KeyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _welcome(sandbox: Sandbox) -> str:
    url = sandbox.url
    lines = [
        f"Odoo stand-in   {url}   database {DATABASE}",
        *(f"  key of {login:<11}{sandbox.key_file(login)}" for login in LOGINS),
    ]
    lines += [f"HubSpot stand-in {url}/hubspot", f"  token           {sandbox.key_file('hubspot')}"]
    lines.append(f"Administration  {url}/sandbox/{{{','.join(ADMINISTRATION)}}}")
    return "\n".join([*lines, "Stop with Ctrl-C."])


if __name__ == "__main__":
    sys.exit(main())
