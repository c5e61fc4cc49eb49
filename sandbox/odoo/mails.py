"""The outbox: what the server would have mailed."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from email.message import EmailMessage
from html import unescape

TAGS = re.compile(r"<[^>]+>")
PDF = b"%PDF-1.4\n% The sandbox prints no invoices.\n%%EOF\n"


@dataclass(frozen=True)
class Mail:
    """One mail to one recipient. `attachment` is the file name of the PDF, if there is one."""

    sent_at: str
    sender: str
    recipient: str
    subject: str
    body: str
    attachment: str
    model: str
    res_id: int

    @property
    def to(self) -> tuple[str, ...]:
        return (self.recipient,)

    @property
    def message(self) -> EmailMessage:
        """The mail as it would travel."""
        message = EmailMessage()
        message["From"], message["To"] = self.sender, self.recipient
        message["Subject"] = self.subject
        message["X-Odoo-Objects"] = f"{self.model}-{self.res_id}"
        message.set_content(unescape(TAGS.sub("", self.body)))
        message.add_alternative(self.body, subtype="html")
        if self.attachment:
            message.add_attachment(
                PDF, maintype="application", subtype="pdf", filename=self.attachment
            )
        return message


def mails_of(connection: sqlite3.Connection) -> list[Mail]:
    """Every mail, oldest first."""
    names = list(Mail.__dataclass_fields__)
    rows = connection.execute("SELECT * FROM sandbox_mail ORDER BY id").fetchall()
    return [Mail(**{name: row[name] for name in names}) for row in rows]
