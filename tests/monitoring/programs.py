"""Prometheus and Alertmanager from Debian, in the cache of the real Odoo: no root, and nothing is
installed on the machine. An own program on the PATH comes first."""

from __future__ import annotations

import shutil
from pathlib import Path

from sandbox.real_odoo.debian import Apt
from sandbox.real_odoo.errors import HarnessError
from sandbox.real_odoo.folders import build_once, cache_folder, locked

_PACKAGES = ("prometheus", "prometheus-alertmanager")
_NAMES = {"alertmanager": "prometheus-alertmanager"}
"""Programs that Debian calls otherwise than their makers."""
_TEMPLATES = b"/usr/share/prometheus/alertmanager"
_BESIDE = b"/proc/self/cwd".ljust(len(_TEMPLATES), b"/")
"""Of the same length: the program is started in the folder that has them."""


def program(name: str) -> Path:
    """`prometheus`, `promtool` or `alertmanager`. Raises HarnessError where it cannot be had."""
    if own := shutil.which(name):
        return Path(own)
    return _tree() / "usr" / "bin" / _NAMES.get(name, name)


def templates() -> Path:
    """The folder to start `alertmanager` in."""
    return _tree() / "usr" / "share" / "prometheus" / "alertmanager"


def _tree() -> Path:
    cache = cache_folder()
    with locked(cache / "monitoring.lock"):
        return build_once(cache / "monitoring", _fetch)


def _fetch(target: Path) -> None:
    apt = Apt(target / "apt")
    apt.unpack(list(_PACKAGES), target)
    shutil.rmtree(target / "apt")
    _find_templates_beside(target / "usr" / "bin" / _NAMES["alertmanager"])


def _find_templates_beside(alertmanager: Path) -> None:
    """Debian's program has the place of its templates compiled in, where nothing is installed."""
    content = alertmanager.read_bytes()
    if _TEMPLATES not in content:
        raise HarnessError("Debian's Alertmanager looks for its templates elsewhere by now")
    alertmanager.write_bytes(content.replace(_TEMPLATES, _BESIDE))
