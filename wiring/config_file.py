"""Where the configuration is, and what it speaks of at all. Light to import, as every command is:
what its values mean is in `settings`."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

CONFIG_VARIABLE = "C2C_CONFIG"
DEFAULT_CONFIG = Path("c2c.toml")
_PREFIX = "C2C_"


def config_path() -> Path:
    return Path(os.environ.get(CONFIG_VARIABLE, DEFAULT_CONFIG))


def is_configured() -> bool:
    """Whether there is a configuration to read, or somebody says there is."""
    return CONFIG_VARIABLE in os.environ or config_path().is_file()


def speaks_of(table: str) -> bool:
    """Whether the file or the environment says anything in a table; true for a file that cannot be
    read, so that whoever reads it whole says why."""
    name = f"{_PREFIX}{table}".upper()
    if any(key.upper() == name or key.upper().startswith(f"{name}__") for key in os.environ):
        return True
    path = config_path()
    if not path.is_file():
        return CONFIG_VARIABLE in os.environ
    try:
        with path.open("rb") as file:
            return table in tomllib.load(file)
    except (OSError, ValueError):
        return True
