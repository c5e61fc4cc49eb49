"""What an installer makes of a package that is not ours: the record with its entry points."""

from __future__ import annotations

import tomllib
from pathlib import Path


def record(package: Path, folder: Path) -> None:
    """Write the record of an installation of the package into a folder that is on the path."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    name, version = project["name"], project["version"]
    made = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    made.mkdir()
    (made / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines: list[str] = []
    for group, items in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in items.items())]
    (made / "entry_points.txt").write_text("\n".join(lines) + "\n")
