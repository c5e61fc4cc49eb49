"""A mail server on loopback that delivers nothing and keeps every message for a test to read."""

import socket
import threading
import time
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

LOOPBACK = "127.0.0.1"


_given: set[int] = set()


def free_port() -> int:
    """A port of the loopback address that nobody uses at this moment, and that this process was
    not given before: what it was given to may not listen yet."""
    while True:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port


class Mailbox:
    """Collects messages; every method may be called from any thread."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self._arrived = threading.Condition()
        self._messages: list[tuple[frozenset[str], EmailMessage]] = []
        self._controller: Controller | None = None

    def start(self) -> None:
        """Accept mail; also after a `stop`, on the same port."""
        if self._controller is None:
            self._controller = Controller(self, hostname=LOOPBACK, port=self.port)
            self._controller.start()

    def stop(self) -> None:
        """Refuse connections, as a mail server that is down does; messages are kept."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def messages(self, to: str | None = None) -> list[EmailMessage]:
        """What arrived so far, oldest first; `to` keeps those for one address."""
        with self._arrived:
            return self._select(to)

    def wait(
        self, count: int = 1, *, to: str | None = None, seconds: float = 30
    ) -> list[EmailMessage]:
        """Wait until `count` messages are there; TimeoutError if they do not come."""
        deadline = time.monotonic() + seconds
        with self._arrived:
            while len(found := self._select(to)) < count:
                if not self._arrived.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"{len(found)} of {count} messages after {seconds} s")
            return found

    def clear(self) -> None:
        """Forget every message."""
        with self._arrived:
            self._messages.clear()

    def _select(self, to: str | None) -> list[EmailMessage]:
        return [
            message
            for recipients, message in self._messages
            if to is None or to.casefold() in recipients
        ]

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Keep one message; aiosmtpd calls the method by this name."""
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, _class=EmailMessage, policy=policy.default)
        recipients = frozenset(address.casefold() for address in envelope.rcpt_tos)
        with self._arrived:
            self._messages.append((recipients, message))
            self._arrived.notify_all()
        return "250 OK"
