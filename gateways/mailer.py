"""Sends a mail by SMTP, and knows whether it can have gone out.

A mail server takes a mail in the moment in which it answers the end of its content. Whatever fails
before has sent nothing, and may be tried again. Where that answer is lost the mail may have gone
out, and `maybe_done` says so: nothing in SMTP tells two mails from one.
"""

from __future__ import annotations

import contextlib
import hashlib
import smtplib
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime

from gateways import errors
from gateways.errors import GatewayError
from gateways.mail_settings import MailSettings

TIMEOUT_SECONDS = 30.0
_SYSTEM = "mail"
_SHOWN_CHARACTERS = 300
_LOGIN_REFUSED = frozenset({530, 534, 535, 538})


class Mailer:
    """One mail server. Each mail has a connection of its own: there are few."""

    def __init__(self, settings: MailSettings, context: ssl.SSLContext | None = None) -> None:
        """`context` verifies the server's certificate; left out, by the machine's authorities."""
        self._settings = settings
        self._context = context or ssl.create_default_context()

    def send(self, to: str, subject: str, text: str, *, key: str) -> None:
        """Send a text to one person. `key` is the mail's own: by it servers and people recognise
        one that they have already. Raises GatewayError."""
        message = self._message(to, subject, text, key)
        with self._connected() as server:
            with _refusals():
                self._enter(server)
                _accepted(*server.mail(self._settings.from_address))
                _accepted(*server.rcpt(to))
            _hand_over(server, message.as_bytes(policy=policy.SMTP))

    def _message(self, to: str, subject: str, text: str, key: str) -> EmailMessage:
        sender = self._settings.from_address
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = sender, to, subject
        message["Date"] = format_datetime(datetime.now(UTC))
        digest = hashlib.sha256(f"{key}\0{to}".encode()).hexdigest()[:32]
        message["Message-ID"] = f"<{digest}@{sender.rpartition('@')[2]}>"
        # So that nobody's absence answers it (RFC 3834).
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        return message

    @contextlib.contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        settings = self._settings
        with _refusals():
            if settings.security == "tls":
                server: smtplib.SMTP = smtplib.SMTP_SSL(
                    settings.host, settings.port, timeout=TIMEOUT_SECONDS, context=self._context
                )
            else:
                server = smtplib.SMTP(settings.host, settings.port, timeout=TIMEOUT_SECONDS)
        try:
            yield server
        finally:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                server.quit()

    def _enter(self, server: smtplib.SMTP) -> None:
        """Encrypt, and log in; a server that cannot encrypt is told no password and no mail."""
        settings = self._settings
        if settings.security == "starttls":
            server.starttls(context=self._context)
        if (secret := settings.secret) is not None:
            server.login(settings.user, _carried(secret.reveal()))
        server.ehlo_or_helo_if_needed()


def _carried(password: str) -> str:
    """The library would name the characters that SMTP does not carry."""
    if not password.isascii():
        message = "the mail server's password has characters that are not ASCII"
        raise errors.credentials(_SYSTEM, "secret_unreadable", message)
    return password


def _hand_over(server: smtplib.SMTP, content: bytes) -> None:
    """The content. From its last byte until the answer nobody knows whether it went out."""
    try:
        _accepted(*server.data(content))
    except smtplib.SMTPResponseException as error:
        raise _refused(error.smtp_code, error.smtp_error) from error
    except (smtplib.SMTPException, OSError) as error:
        message = f"no answer after the content ({type(error).__name__})"
        raise errors.transient(_SYSTEM, "no_answer", message, maybe_done=True) from error


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """What fails here has sent nothing."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        message = f"the mail server's certificate is not trusted: {error.verify_message}"
        raise errors.business(_SYSTEM, "mail_refused", message) from error
    except smtplib.SMTPAuthenticationError as error:
        raise _login_refused(error.smtp_code) from error
    except smtplib.SMTPNotSupportedError as error:
        raise errors.business(_SYSTEM, "mail_refused", str(error)[:_SHOWN_CHARACTERS]) from error
    except smtplib.SMTPResponseException as error:
        raise _refused(error.smtp_code, error.smtp_error) from error
    except (smtplib.SMTPException, OSError) as error:
        message = f"no connection to the mail server ({type(error).__name__})"
        raise errors.transient(_SYSTEM, "unreachable", message) from error


def _accepted(code: int, answer: bytes) -> None:
    if not 200 <= code < 300:
        raise smtplib.SMTPResponseException(code, answer.decode("utf-8", "replace"))


def _refused(code: int, answer: bytes | str) -> GatewayError:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    message = f"the mail server answers {code} {text[:_SHOWN_CHARACTERS]}"
    if code in _LOGIN_REFUSED:
        return _login_refused(code)
    if code < 500:
        return errors.transient(_SYSTEM, "unavailable", message)
    return errors.business(_SYSTEM, "mail_refused", message)


def _login_refused(code: int) -> GatewayError:
    message = f"the mail server refuses the user or the password ({code})"
    return errors.credentials(_SYSTEM, "credentials_refused", message)
