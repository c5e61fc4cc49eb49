"""The configuration of the local stack, with what a test says of identity."""

from __future__ import annotations

import tomllib
from typing import Any

from sandbox.stack import CONFIG
from wiring.settings import Settings


def settings(web: dict[str, Any] | None = None, **identity: Any) -> Settings:
    document = tomllib.loads(CONFIG.read_text(encoding="utf-8"))
    document["odoo"]["api_key"] = "k"
    return Settings.model_validate({**document, "web": web or {}, "identity": identity})
