"""Debian packages in folders of our own: no root, and nothing installed on the machine.

The mirror's address comes from the machine's own apt, which keeps lists and downloads of ours in
the cache. Its record of installed packages is only read, to see which libraries are missing.
"""

import re
import shutil
from pathlib import Path

from sandbox.real_odoo.errors import HarnessError, run

ODOO_PACKAGE = "odoo-19"
ODOO_VERSION = "19.0"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Put in front of wkhtmltopdf's own program: libraries, no screen, and fonts in the folder.
WKHTMLTOPDF_WRAPPER = """\
#!/bin/sh
here=$(cd "$(dirname "$0")/.." && pwd)
export LD_LIBRARY_PATH="$(cat "$here/libraries" | sed "s|^|$here/|" | paste -sd:)"
export QT_QPA_PLATFORM=offscreen
export QT_PLUGIN_PATH="$(echo "$here"/tree/usr/lib/*/qt5/plugins)"
export FONTCONFIG_FILE="$here/fonts.conf"
exec "$here/tree/usr/bin/wkhtmltopdf" "$@"
"""
FONTS_CONF = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>/usr/share/fonts</dir>
  <dir prefix="relative">root/usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
"""


class Apt:
    """apt with its lists and downloads in `folder`; `sources` is one source line, or the machine's.

    Lists are fetched on first use.
    """

    def __init__(self, folder: Path, sources: str | None = None) -> None:
        self._folder = folder
        (folder / "lists" / "partial").mkdir(parents=True)
        (folder / "cache" / "archives" / "partial").mkdir(parents=True)
        self._options = [
            *("-o", f"Dir::State::Lists={folder / 'lists'}"),
            *("-o", f"Dir::Cache={folder / 'cache'}"),
            *("-o", "APT::Get::List-Cleanup=0", "-o", "Debug::NoLocking=1"),
            *("-o", "APT::Sandbox::User=root", "-o", "Acquire::Languages=none"),
        ]
        if sources is not None:
            (folder / "sources.list").write_text(sources + "\n")
            self._options += [
                *("-o", f"Dir::Etc::sourcelist={folder / 'sources.list'}"),
                *("-o", "Dir::Etc::sourceparts=-"),
            ]
        self._get("update", what="reading the Debian mirror's lists")

    def candidate(self, package: str) -> str | None:
        """The version that would be installed."""
        command = ["apt-cache", *self._options, "policy", package]
        found = re.search(r"Candidate: (\S+)", run(command, what="apt-cache policy"))
        return None if found is None or found[1] == "(none)" else found[1]

    def missing(self, *packages: str) -> list[str]:
        """These packages and all they need, less what the machine has, as `name=version`."""
        output = self._get(
            *("--simulate", "--no-install-recommends", "install", *packages),
            what=f"resolving {packages[0]}",
        )
        return [
            f"{n}={v}" for n, v in re.findall(r"^Inst (\S+)(?: \[\S+\])? \((\S+)", output, re.M)
        ]

    def unpack(self, packages: list[str], target: Path) -> None:
        """Download packages and lay their files out under `target`."""
        downloads = self._folder / "downloads"
        downloads.mkdir()
        self._get("download", *packages, what=f"downloading {packages[0]}", folder=downloads)
        for file in sorted(downloads.glob("*.deb")):
            run(["dpkg", "-x", file, target], what=f"unpacking {file.name}")
        shutil.rmtree(downloads)

    def _get(self, *arguments: str, what: str, folder: Path | None = None) -> str:
        return run(["apt-get", "-q", *self._options, *arguments], what=what, folder=folder)


def fetch_odoo(target: Path) -> None:
    """Unpack Debian's Odoo from `sid` into `target`, with its version in a file `VERSION`."""
    signed_by = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    apt = Apt(target / "apt", f"deb {signed_by}{_mirror()} sid main")
    version = apt.candidate(ODOO_PACKAGE)
    if version is None or not version.startswith(ODOO_VERSION):
        raise HarnessError(
            f"Debian's sid no longer offers {ODOO_PACKAGE} {ODOO_VERSION} "
            f"(it offers {version or 'nothing by that name'}): sid has moved on, "
            "and this harness has to move with it"
        )
    apt.unpack([f"{ODOO_PACKAGE}={version}"], target)
    (target / "VERSION").write_text(version)
    shutil.rmtree(target / "apt")


def fetch_wkhtmltopdf(target: Path) -> None:
    """Unpack wkhtmltopdf with the libraries this machine lacks; `target/bin` goes on the PATH."""
    apt = Apt(target / "apt")
    apt.unpack(apt.missing("wkhtmltopdf", "fonts-dejavu-core"), target / "tree")
    shutil.rmtree(target / "apt")
    libraries = {file.parent for file in (target / "tree").rglob("*.so.*")}
    listed = sorted(str(folder.relative_to(target)) for folder in libraries)
    (target / "libraries").write_text("\n".join(listed) + "\n")
    (target / "fonts.conf").write_text(FONTS_CONF)
    (target / "bin").mkdir()
    wrapper = target / "bin" / "wkhtmltopdf"
    wrapper.write_text(WKHTMLTOPDF_WRAPPER)
    wrapper.chmod(0o755)
    _check_that_it_makes_a_pdf(wrapper, target)


def _check_that_it_makes_a_pdf(program: Path, folder: Path) -> None:
    page, pdf = folder / "page.html", folder / "page.pdf"
    page.write_text("<p>It works.</p>")
    run([program, "--quiet", page, pdf], what="making a PDF with wkhtmltopdf")
    if not pdf.read_bytes().startswith(b"%PDF"):
        raise HarnessError("wkhtmltopdf ran but made no PDF")
    page.unlink()
    pdf.unlink()


def _mirror() -> str:
    """The address this machine takes Debian's main archive from."""
    output = run(
        [
            *("apt-get", "indextargets", "--no-release-info"),
            *("--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"),
        ],
        what="asking apt for its mirror",
    )
    for line in output.splitlines():
        address, _, release = line.partition(" ")
        # "bookworm-security" and the like live in archives of their own, without sid.
        if address.rstrip("/").endswith("/debian") and "-" not in release:
            return address
    raise HarnessError(
        "apt on this machine knows no mirror of Debian's archive, from which Odoo comes: "
        "use a Debian machine, or run against an Odoo of your own"
    )
