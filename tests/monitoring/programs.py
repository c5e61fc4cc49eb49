"""Prometheus and Alertmanager from Debian, in the cache of the real Odoo: no root, and nothing is
installed on the machine. An own program on the PATH comes first."""

from __future__ import annotations

import shutil
from pathlib import Path

from sandbox.real_odoo.debian import Apt
from sandbox.real_odoo.folders import build_once, cache_folder, locked

_PACKAGES = ("prometheus", "prometheus-alertmanager")
_NAMES = {"alertmanager": "prometheus-alertmanager"}
"""Programs that Debian calls otherwise than their makers."""


def program(name: str) -> Path:
    """`prometheus`, `promtool` or `alertmanager`. Raises HarnessError where it cannot be had."""
    if own := shutil.which(name):
        return Path(own)
    cache = cache_folder()
    with locked(cache / "monitoring.lock"):
        tree = build_once(cache / "monitoring", _fetch)
    return tree / "usr" / "bin" / _NAMES.get(name, name)


def _fetch(target: Path) -> None:
    apt = Apt(target / "apt")
    apt.unpack(list(_PACKAGES), target)
    shutil.rmtree(target / "apt")
