"""Sending by SMTP, against a real server: what goes out, and what is known where it does not."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateways.errors import FailureKind, GatewayError
from gateways.mail_settings import MailSettings
from gateways.mailer import Mailer
from sandbox.real_odoo.mailbox import LOOPBACK, Mailbox, free_port

ANA = "ana@northwind.example"
PASSWORD = "s3cret-of-smtp"


def settings(port: int, **changes: Any) -> MailSettings:
    given = {
        "host": LOOPBACK,
        "port": port,
        "security": "none",
        "from_address": "c2c@northwind.example",
    }
    return MailSettings.model_validate(given | changes)


def send(mailer: Mailer, key: str = "mail/digest/2026-05-04") -> None:
    mailer.send(ANA, "2 approvals for you", "Grüße: 1200.00 €\n", key=key)


def failure(mailer: Mailer) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        send(mailer)
    return caught.value


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    mailbox = Mailbox()
    mailbox.start()
    yield mailbox
    mailbox.stop()


# --- what goes out ------------------------------------------------------------------------------


def test_a_mail_arrives_as_it_was_meant_and_asks_for_no_answer(mailbox: Mailbox) -> None:
    send(Mailer(settings(mailbox.port)))
    [mail] = mailbox.wait(to=ANA)
    assert (mail["From"], mail["To"]) == ("c2c@northwind.example", ANA)
    assert mail["Subject"] == "2 approvals for you"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content().replace("\r\n", "\n") == "Grüße: 1200.00 €\n"


def test_the_same_mail_has_the_same_id_and_another_has_another(mailbox: Mailbox) -> None:
    mailer = Mailer(settings(mailbox.port))
    for key in ("day 1", "day 1", "day 2"):
        send(mailer, key)
    first, again, other = (mail["Message-ID"] for mail in mailbox.wait(3))
    assert first == again != other
    assert "ana" not in first


# --- encryption and login -----------------------------------------------------------------------


class Certificate:
    """A certificate for a server on the loopback, signed by nobody but itself."""

    def __init__(self, folder: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a mail server")])
        now = datetime.now(UTC)
        address = x509.IPAddress(ipaddress.ip_address(LOOPBACK))
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .sign(key, hashes.SHA256())
        )
        self.file, private = folder / "cert.pem", folder / "key.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(self.file, private)
        self.trusting = ssl.create_default_context(cafile=str(self.file))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("tls"))


class Taking:
    """Takes mails, and keeps whether each came encrypted and who logged in."""

    def __init__(self) -> None:
        self.taken: list[tuple[bool, Any]] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.taken.append((session.ssl is not None, session.auth_data))
        return "250 OK"


def authenticated(*asked: Any) -> AuthResult:
    given = asked[-1]
    is_known = (given.login, given.password) == (b"c2c", PASSWORD.encode())
    return AuthResult(success=is_known, handled=False, auth_data=given.login.decode())


@contextmanager
def serving(**options: Any) -> Iterator[tuple[int, Taking]]:
    taking, port = Taking(), free_port()
    controller = Controller(taking, hostname=LOOPBACK, port=port, **options)
    controller.start()
    try:
        yield port, taking
    finally:
        controller.stop()


def test_by_starttls_it_logs_in_once_it_is_encrypted(certificate: Certificate) -> None:
    options = {"tls_context": certificate.server, "require_starttls": True}
    options |= {"authenticator": authenticated, "auth_required": True}
    with serving(**options) as (port, taking):
        wanted = {"security": "starttls", "user": "c2c"}
        send(Mailer(settings(port, **wanted, password=PASSWORD), certificate.trusting))
        assert taking.taken == [(True, "c2c")]
        found = failure(Mailer(settings(port, **wanted, password="no"), certificate.trusting))
    assert (found.kind, found.code) == (FailureKind.CREDENTIALS, "credentials_refused")
    assert not found.maybe_done
    assert "no" not in found.message.split()


def test_a_password_that_smtp_cannot_carry_is_named_in_no_error(certificate: Certificate) -> None:
    with serving(tls_context=certificate.server, authenticator=authenticated) as (port, _):
        wanted = settings(port, security="starttls", user="c2c", password="geh€im")
        found = failure(Mailer(wanted, certificate.trusting))
    assert (found.kind, found.code) == (FailureKind.CREDENTIALS, "secret_unreadable")
    assert "€" not in f"{found} {found.__cause__} {found.__context__}"


def test_by_tls_from_the_start(certificate: Certificate) -> None:
    with serving(ssl_context=certificate.server) as (port, taking):
        send(Mailer(settings(port, security="tls"), certificate.trusting))
        assert len(taking.taken) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_server_whose_certificate_nobody_vouches_for_is_told_nothing(
    certificate: Certificate, security: str
) -> None:
    how = "ssl_context" if security == "tls" else "tls_context"
    with serving(**{how: certificate.server}) as (port, taking):
        found = failure(Mailer(settings(port, security=security)))
        assert taking.taken == []
    assert (found.kind, found.code) == (FailureKind.BUSINESS, "mail_refused")


def test_a_server_that_cannot_encrypt_is_told_nothing(mailbox: Mailbox) -> None:
    found = failure(Mailer(settings(mailbox.port, security="starttls")))
    assert (found.kind, found.code) == (FailureKind.BUSINESS, "mail_refused")
    assert mailbox.messages() == []


# --- what is known where it fails ---------------------------------------------------------------


class Refusing:
    """Answers as it is told to, at one place of the conversation."""

    def __init__(self, place: str, answer: str) -> None:
        self.seen = 0
        setattr(self, f"handle_{place}", self._answered(answer))

    def _answered(self, answer: str) -> Callable[..., Any]:
        async def handle(*_: Any) -> str:
            self.seen += 1
            return answer

        return handle


@pytest.mark.parametrize("place", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        ("451 later", FailureKind.TRANSIENT, "unavailable"),
        ("550 nobody", FailureKind.BUSINESS, "mail_refused"),
    ],
)
def test_what_the_server_refuses_was_certainly_not_sent(
    place: str, answer: str, kind: FailureKind, code: str
) -> None:
    port = free_port()
    controller = Controller(Refusing(place, answer), hostname=LOOPBACK, port=port)
    controller.start()
    try:
        found = failure(Mailer(settings(port)))
    finally:
        controller.stop()
    assert (found.kind, found.code, found.maybe_done) == (kind, code, False)
    assert answer in found.message


def test_without_a_server_nothing_was_sent() -> None:
    found = failure(Mailer(settings(free_port())))
    assert (found.kind, found.code) == (FailureKind.TRANSIENT, "unreachable")
    assert not found.maybe_done


def speaking(replies: list[bytes], port: int) -> threading.Thread:
    """A server that answers line after line, and hangs up after its last."""
    listening = socket.create_server((LOOPBACK, port))

    def serve() -> None:
        with listening, listening.accept()[0] as connection, connection.makefile("rb") as lines:
            for reply in replies:
                connection.sendall(reply)
                line = lines.readline()
                while reply.startswith(b"354") and line != b".\r\n":
                    line = lines.readline()

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


OK = b"250 OK\r\n"


@pytest.mark.parametrize(
    ("replies", "maybe_sent"),
    [
        ([b"220 hello\r\n"], False),
        ([b"220 hello\r\n", OK, OK], False),
        ([b"220 hello\r\n", OK, OK, OK], True),
        ([b"220 hello\r\n", OK, OK, OK, b"354 go on\r\n"], True),
    ],
)
def test_once_the_content_is_asked_for_a_lost_answer_leaves_it_open(
    replies: list[bytes], maybe_sent: bool
) -> None:
    port = free_port()
    thread = speaking(replies, port)
    found = failure(Mailer(settings(port)))
    thread.join(5)
    assert (found.kind, found.maybe_done) == (FailureKind.TRANSIENT, maybe_sent)
