"""The token that an application lets `c2c` in with: whose it is, is who sends."""

from __future__ import annotations

import os
from pathlib import Path

from starters.client.errors import SignedOut
from starters.client.logins import Logins

VARIABLE = "C2C_API_TOKEN"
FILE_VARIABLE = "C2C_API_TOKEN_FILE"
"""Where a system has its token, and gets another one before it ends: it is read for each call."""
_MAX_BYTES = 20_000


def access_token(address: str) -> str:
    """The token for the application at an address: that of the environment, or of whoever signed in
    with `c2c login`. Raises SignedOut, Unreachable."""
    token = os.environ.get(VARIABLE, "").strip()
    file = os.environ.get(FILE_VARIABLE, "")
    if not token and file:
        token = _read(Path(file))
    token = token or Logins.of_user().token(address) or ""
    if not token:
        raise SignedOut(f"nobody is signed in at {address}: c2c login")
    return token


def _read(file: Path) -> str:
    try:
        with file.open(encoding="ascii") as opened:
            return opened.read(_MAX_BYTES).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SignedOut(f"{FILE_VARIABLE}: {file} cannot be read ({error})") from None
