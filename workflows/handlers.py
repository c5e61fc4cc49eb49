"""Messages declared once: one method gives the Update with its validator, and the Signal.

    @message(signal="payment_promised", words="a promise to pay")
    def promise_payment(self, promised: PaymentPromised) -> InvoiceReport:
        return self.reported(promised)

A person sends the Update, and a refusal reaches them. A system sends the Signal, whom nobody
answers: a refusal is noted in the journal, as are messages that cannot be read. Both decide, so
both are verified; what only our own workflows send is a `signal_only`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar, cast, get_type_hints

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts.agenda.actions import SignalReceived
    from workflows.messages import signal
    from workflows.shell import Shell

F = TypeVar("F", bound=Callable[..., Any])


M = TypeVar("M")
R = TypeVar("R")


class Declaration(Protocol):
    """Turns a method into the Update that the class is to have under its name."""

    def __call__(
        self, take: Callable[[Any, M], R], /
    ) -> workflow.UpdateMethodMultiParam[[Any, M], R]: ...


def message(*, signal: str = "", words: str = "a message") -> Declaration:
    """Declare an Update of a Shell, by a method with one message that gives the answer; and with
    `signal` a Signal of that name. `words` call the message in a refusal: "payment {message.id}".
    """

    def declared(take: Callable[[Any, M], R], /) -> workflow.UpdateMethodMultiParam[[Any, M], R]:
        return cast(Any, _Declared(take, signal, words))  # type: ignore[no-any-return]

    return declared


def signal_only(*, words: str = "a message", decides: bool = False) -> Callable[[F], F]:
    """Declare a Signal of a Shell, by a method without a body that names the message. One that
    `decides` comes from elsewhere, and is verified."""

    def declared(take: F) -> F:
        kind = _message_in(get_type_hints(take))
        received = _received(kind, words, take.__name__, take.__doc__, decides=decides)
        return cast(F, signal(received))

    return declared


class _Declared:
    """Puts an Update and a Signal into the class that declares it."""

    def __init__(self, take: Callable[..., Any], signal: str, words: str) -> None:
        self._take = take
        self._signal = signal
        self._words = words

    def __set_name__(self, owner: type, name: str) -> None:
        # The SDK compares the annotations of an Update and its validator as they are.
        hints = self._take.__annotations__ = get_type_hints(self._take)
        kind = _message_in(hints)
        update = workflow.update(self._take)

        def check(self: Shell[Any], message: Any) -> None:
            self.check(name, message)

        check.__annotations__ = {"message": kind, "return": None}
        update.validator(check)
        setattr(owner, name, update)
        if self._signal:
            doc = f"{self._take.__doc__} The same for systems; a refusal is noted in the journal."
            received = _received(kind, self._words, self._signal, doc, decides=True)
            setattr(owner, self._signal, signal(received))


def _received(
    kind: Any, words: str, name: str, doc: str | None, *, decides: bool
) -> Callable[..., None]:
    def received(self: Shell[Any], message: Any) -> None:
        called = words.format(message=message)
        if decides:
            self.hear_signal(name, message, called)
        else:
            self.hear(SignalReceived(message, called))

    received.__annotations__ = {"message": kind, "return": None}
    received.__name__ = received.__qualname__ = name
    received.__doc__ = doc
    return received


def _message_in(hints: Mapping[str, Any]) -> Any:
    [kind] = [hint for name, hint in hints.items() if name != "return"]
    return kind
