"""The two Odoos that tests run on, behind one face: the sandbox, and the real Odoo 19."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

from gateways.odoo import OdooClient, connect, mark
from gateways.secrets import Secret
from sandbox.odoo.app import DATABASE
from sandbox.real_odoo import RealOdoo
from sandbox.server import Sandbox


class OdooServer(ABC):
    """An Odoo with the users c2c, accountant, pm and admin, and what tests do to it."""

    name: str
    url: str
    database: str
    keys: Mapping[str, Path]

    def client(self, login: str = "c2c") -> OdooClient:
        """A client as one of the users."""
        return connect(self.url, self.database, Secret.file(self.keys[login]))

    def unbind(self) -> None:
        """Take the mark away that another test's namespace left."""
        with contextlib.closing(self.client()) as odoo:
            mark.remove(odoo)

    @abstractmethod
    def expire_keys(self, login: str) -> None:
        """Let every API key of the user expire."""

    @abstractmethod
    def renew_keys(self, login: str) -> None:
        """Let the user's keys live again, for the tests that come after."""

    @abstractmethod
    def new_key(self, login: str) -> str:
        """A fresh API key of the user."""

    @abstractmethod
    def take_rights(self, login: str) -> None:
        """Take the user's right to invoices away."""

    @abstractmethod
    def give_rights(self, login: str) -> None:
        """Give it back."""

    @abstractmethod
    def mails(self, to: str) -> list[EmailMessage]:
        """What was mailed to an address so far."""

    @abstractmethod
    def refuse_mail(self, refuse: bool) -> None:
        """Let the mail server refuse everything, or take it again."""


class RealServer(OdooServer):
    """The real Odoo 19, brought up by the harness."""

    name = "real"

    def __init__(self, odoo: RealOdoo) -> None:
        self.odoo = odoo
        self.url, self.database, self.keys = odoo.url, odoo.database, odoo.keys

    def expire_keys(self, login: str) -> None:
        self.odoo.psql(
            "UPDATE res_users_apikeys SET expiration_date = now() - interval '1 day' "
            f"WHERE user_id = (SELECT id FROM res_users WHERE login = '{login}')"
        )

    def renew_keys(self, login: str) -> None:
        self.odoo.psql(
            "UPDATE res_users_apikeys SET expiration_date = NULL "
            f"WHERE user_id = (SELECT id FROM res_users WHERE login = '{login}')"
        )

    def new_key(self, login: str) -> str:
        output = self.odoo.execute(
            "from datetime import datetime, timedelta\n"
            f"user = env['res.users'].search([('login', '=', '{login}')])\n"
            "until = datetime.now() + timedelta(days=30)\n"
            "key = env['res.users.apikeys'].with_user(user)._generate('rpc', 'again', until)\n"
            "print('KEY', key)\n"
        )
        return next(line.split()[1] for line in output.splitlines() if line.startswith("KEY "))

    def take_rights(self, login: str) -> None:
        self._group(login, "3")

    def give_rights(self, login: str) -> None:
        self._group(login, "4")

    def _group(self, login: str, command: str) -> None:
        self.odoo.execute(
            f"user = env['res.users'].search([('login', '=', '{login}')])\n"
            "names = 'account.group_account_invoice', 'account.group_account_basic'\n"
            f"user.write({{'group_ids': [({command}, env.ref(name).id) for name in names]}})\n"
        )

    def mails(self, to: str) -> list[EmailMessage]:
        return list(self.odoo.mailbox.messages(to=to))

    def refuse_mail(self, refuse: bool) -> None:
        if refuse:
            self.odoo.mailbox.stop()
        else:
            self.odoo.mailbox.start()


class SandboxServer(OdooServer):
    """Our stand-in, administered in-process."""

    name = "sandbox"

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.url, self.database = sandbox.url, DATABASE
        self.keys = {login: sandbox.key_file(login) for login in sandbox.keys}

    def expire_keys(self, login: str) -> None:
        self.sandbox.odoo.set_key_expiry(login, datetime.now(UTC) - timedelta(days=1))

    def renew_keys(self, login: str) -> None:
        self.sandbox.odoo.set_key_expiry(login, None)

    def new_key(self, login: str) -> str:
        return self.sandbox.odoo.issue_key(login)

    def take_rights(self, login: str) -> None:
        self.sandbox.odoo.deny(login, "account.move")

    def give_rights(self, login: str) -> None:
        self.sandbox.odoo.allow(login, "account.move")

    def mails(self, to: str) -> list[EmailMessage]:
        return [mail.message for mail in self.sandbox.odoo.mails() if to in mail.to]

    def refuse_mail(self, refuse: bool) -> None:
        self.sandbox.odoo.mail_server_up = not refuse
