"""What the configuration says of Odoo's limits where nothing is stated."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from wiring.settings import ConfigurationError, OdooSettings, load_settings


def odoo(url: str, **stated: Any) -> OdooSettings:
    return OdooSettings.model_validate({"url": url, "database": "firm", "api_key": "k", **stated})


@pytest.mark.parametrize(
    ("url", "limits"),
    [
        ("https://firm.odoo.com", (1, 1)),
        ("https://FIRM.Odoo.com/", (1, 1)),
        ("https://firm-staging-1.dev.odoo.com:443", (1, 1)),
        ("https://erp.firm.example", (None, 4)),
        ("https://odoo.com.firm.example", (None, 4)),
        ("https://notodoo.com", (None, 4)),
        ("http://localhost:8069", (None, 4)),
    ],
)
def test_a_hosted_odoo_is_spared(url: str, limits: tuple[float | None, int]) -> None:
    settings = odoo(url)
    assert (settings.calls_per_second, settings.calls_at_once) == limits


def test_what_is_stated_counts_on_a_hosted_odoo_too() -> None:
    settings = odoo("https://firm.odoo.com", calls_per_second=5)
    assert (settings.calls_per_second, settings.calls_at_once) == (5, 1)
    settings = odoo("https://firm.odoo.com", calls_at_once=3)
    assert (settings.calls_per_second, settings.calls_at_once) == (1, 3)


@pytest.mark.parametrize("stated", [{"calls_at_once": 0}, {"calls_at_once": 33}, {"batch_size": 0}])
def test_limits_out_of_bounds_are_refused(stated: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        odoo("https://erp.firm.example", **stated)


@pytest.mark.parametrize("content", [b"entities = [", b"\xff\xfe", b'worker = "many"'])
def test_a_file_that_cannot_be_used_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    file = tmp_path / "c2c.toml"
    file.write_bytes(content)
    monkeypatch.setenv("C2C_CONFIG", str(file))
    with pytest.raises(ConfigurationError, match=re.escape(str(file))):
        load_settings()
