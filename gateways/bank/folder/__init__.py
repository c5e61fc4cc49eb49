"""A folder as a source of bank files: what it declares of itself, and its settings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from gateways.connectors import Connector, Surroundings, Sweep
from gateways.settings import BankSettings

if TYPE_CHECKING:
    from gateways.bank.protocol import BankSource


class FolderSettings(BankSettings):
    """A folder that every worker sees under the same path: on this machine's disk, or mounted."""

    folder: Path = Field(
        description="the folder that files are put into; `done/` and `refused/` in it are on the "
        "same disk"
    )
    pattern: str = Field(
        "*",
        min_length=1,
        max_length=100,
        description="what the names of bank files match, such as `*.xml`, in any case; others are "
        "left alone",
    )


def _build(settings: FolderSettings, around: Surroundings) -> BankSource:
    from gateways.bank.drop import Drop
    from gateways.bank.folder.files import LocalFiles

    files = LocalFiles(settings.folder.expanduser(), system=around.name)
    return Drop(files, system=around.name, pattern=settings.pattern)


CONNECTOR = Connector(
    kind="folder",
    about="bank files in a folder",
    settings=FolderSettings,
    build=_build,
    sweep=Sweep(overlap=timedelta(0)),
    live="It was tried on a local disk only, not on a file system over the network.",
    docs="How to set it up, and what happens: [bank-files.md](connectors/bank-files.md).",
)
