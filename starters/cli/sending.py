"""Commands that send one message to a contract or an invoice, and say what came of it.

    @to_contract(app, "release-hold")
    def release_hold(kind: Kind, by: By) -> ToContract:
        \"\"\"Let billing or dunning of the contract go on.\"\"\"
        return lambda it: it.release_hold(kind, by=by), lambda name, _: f"{kind} of {name} goes on."

Such a function takes what is the command's own; the reference comes before it, `--request-id`
behind it. It returns what to send, and the words for the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import typer

from starters.cli.options import Contract, ContractOrInvoice, Invoice, RequestId
from starters.cli.session import Session, session_of

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starters.client import ContractClient, InvoiceClient

F = TypeVar("F", bound=Callable[..., Any])

Words: TypeAlias = "Callable[[str, Any], str]"
ToContract: TypeAlias = "tuple[Callable[[ContractClient], Awaitable[Any]], Words]"
ToInvoice: TypeAlias = "tuple[Callable[[InvoiceClient], Awaitable[Any]], Words]"
ToEither: TypeAlias = "tuple[Callable[[ContractClient | InvoiceClient], Awaitable[Any]], Words]"


def _sends(
    reference: Any, ask: Callable[..., tuple[str, Any]], app: typer.Typer, name: str | None = None
) -> Callable[[F], F]:
    def registered(function: F) -> F:
        def run(context: typer.Context, of: str, request_id: str | None, **given: Any) -> None:
            session = session_of(context)
            send, words = function(**given)
            told, answer = ask(session, of, send, request_id)
            session.show(answer, words(told, answer))

        own = {
            key: _parameter(key, item.annotation, item.default)
            for key, item in signature(function, eval_str=True).parameters.items()
        }
        taken = {
            "context": _parameter("context", typer.Context),
            "of": _parameter("of", reference),
            **own,
            "request_id": _parameter("request_id", RequestId, default=None),
        }
        vars(run)["__signature__"] = Signature(list(taken.values()))
        run.__annotations__ = {key: item.annotation for key, item in taken.items()}
        run.__doc__ = function.__doc__
        app.command(name or function.__name__)(run)
        return function

    return registered


def _parameter(name: str, annotation: Any, default: Any = Parameter.empty) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


to_contract = partial(_sends, Contract, Session.ask_contract)
to_invoice = partial(_sends, Invoice, Session.ask_invoice)
to_either = partial(_sends, ContractOrInvoice, Session.ask_either)
