"""What `c2c check` says of mails to the firm's own people: who cannot be reached, and what has no
owner."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.mails import has_address
from contracts.parking import Responsible
from contracts.policy import LegalEntity
from gateways.errors import GatewayError
from gateways.mail_settings import MailSettings
from starters.findings import Area, Finding
from wiring.settings import Settings

_MAIL = Area("Mail")


def check(settings: Settings) -> list[Finding]:
    """The mail server's password, approvers without an address, exceptions without an owner.
    Nothing is sent."""
    if settings.mail is None:
        remedy = "configure [mail]: docs/approvals.md"
        return [_MAIL.warn("digests", "off: who has to decide must look by themselves", remedy)]
    found = [_server(settings.mail)]
    for name, entity in settings.entities.items():
        found += [*_approvers(name, entity), *_owners(settings.mail, name)]
    return found


def _server(mail: MailSettings) -> Finding:
    where = f"{mail.host}:{mail.port} ({mail.security})"
    try:
        if mail.secret is not None:
            mail.secret.reveal()
    except GatewayError as error:
        return _MAIL.missing("server", error.message, "see mail.password_file")
    return _MAIL.ok("server", where)


def _approvers(name: str, entity: LegalEntity) -> Iterator[Finding]:
    people = {person for group in entity.approval.groups.values() for person in group}
    nameless = sorted(person for person in people if not has_address(person))
    if nameless:
        detail = f"no e-mail address: {', '.join(nameless)}"
        remedy = f"name them by their addresses in entities.{name}.approval.groups"
        yield _MAIL.warn(f"approvers of {name}", detail, remedy)


def _owners(mail: MailSettings, name: str) -> Iterator[Finding]:
    owned = mail.owners.get(name, {})
    nobody = [str(item) for item in Responsible if not owned.get(item)]
    if nobody:
        detail = f"exceptions of {', '.join(nobody)} have no owner"
        yield _MAIL.warn(f"owners of {name}", detail, f"name them in mail.owners.{name}")
