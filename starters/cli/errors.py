"""What each failure means to whoever called `c2c`: one message and one exit code.

Failures are known by their names: an error whose module was never imported cannot have been
raised, so a command that succeeds imports none of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contracts.problems import Problem


class ExitCode(IntEnum):
    """What scripts may rely on."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    NOT_FOUND = 3
    UNREACHABLE = 4
    CONFIGURATION = 5
    DOES_NOT_REPLAY = 6
    OTHER_CONTENT = 7
    NOT_WHOLE = 8
    DEFECT = 70
    NO_OUTPUT = 74
    CUT_SHORT = 75


EXIT_CODES: Mapping[ExitCode, str] = {
    ExitCode.OK: "done",
    ExitCode.REFUSED: "refused or invalid",
    ExitCode.USAGE: "wrong usage",
    ExitCode.NOT_FOUND: "not found",
    ExitCode.UNREACHABLE: "Temporal, Odoo or the CRM cannot be reached",
    ExitCode.CONFIGURATION: "configuration",
    ExitCode.DOES_NOT_REPLAY: "a worker that cannot replay open workflows",
    ExitCode.OTHER_CONTENT: "started before with other content",
    ExitCode.NOT_WHOLE: "an audit record that is not whole",
    ExitCode.DEFECT: "a defect of c2c",
    ExitCode.NO_OUTPUT: "the output cannot be written",
    ExitCode.CUT_SHORT: "a worker that could not wait for its calls",
}
"""What each says, for the help and docs/command-line.md."""


class UsageError(Exception):
    """The command line cannot be understood; the message says what would be."""


@dataclass(frozen=True)
class Failure:
    """A failure as it is told: in words, as an exit code, with the contract data's problems."""

    exit_code: ExitCode
    message: str
    problems: Sequence[Problem] = field(default_factory=tuple)

    def document(self) -> dict[str, object]:
        error: dict[str, object] = {
            "code": self.exit_code.name.lower(),
            "exit_code": int(self.exit_code),
            "message": self.message,
        }
        if self.problems:
            error["problems"] = [item.model_dump(mode="json") for item in self.problems]
        return {"error": error}


_PLAIN = (
    (re.compile(r"Value error, "), ""),
    (re.compile(r"Input should be a valid integer.*"), "expected a whole number"),
    (re.compile(r"Input should be greater than or equal to (\S+)"), r"expected \1 or more"),
    (re.compile(r"Input should be less than or equal to (\S+)"), r"expected \1 or less"),
    (re.compile(r"Input should be "), "expected "),
)
"""What Typer's library for reading values says, and the same for people."""


def in_plain_words(message: str) -> str:
    """A complaint about an option's value without a library's turns of phrase."""
    for pattern, plain in _PLAIN:
        message = pattern.sub(plain, message)
    return message


def explain(error: Exception) -> Failure | None:
    """What a failure means; None for one that should not happen (a defect)."""
    for kind in type(error).__mro__:
        meaning = MEANINGS.get(f"{kind.__module__}.{kind.__qualname__}")
        if meaning is not None:
            return meaning(error)
    return None


def _as(code: ExitCode) -> Callable[[Any], Failure]:
    return lambda error: Failure(code, str(error))


def _invalid_contract(error: Any) -> Failure:
    return _invalid(error.problems)


def _invalid_message(error: Any) -> Failure:
    from contracts.problems import problems_of

    return _invalid(problems_of(error))


def _invalid(problems: Sequence[Problem]) -> Failure:
    message = f"that cannot be accepted: {len(problems)} problem(s)"
    return Failure(ExitCode.REFUSED, message, problems)


def _unreachable(error: Any) -> Failure:
    told = f"{error.without_internals()}; start one (c2c dev) or set TEMPORAL_ADDRESS"
    return Failure(ExitCode.UNREACHABLE, told)


def _gateway(error: Any) -> Failure:
    codes = {
        "transient": ExitCode.UNREACHABLE,
        "credentials": ExitCode.CONFIGURATION,
        "business": ExitCode.REFUSED,
    }
    return Failure(codes.get(error.kind, ExitCode.DEFECT), str(error))


def _temporal(error: Any) -> Failure:
    """What Temporal itself refused; the workflows' own refusals come as `Refused`."""
    message: str = error.message
    match error.status.name:
        case "INVALID_ARGUMENT" if "search attribute" in message:
            return Failure(
                ExitCode.CONFIGURATION,
                f"the Temporal namespace is not set up yet ({message}); run c2c setup",
            )
        case "NOT_FOUND" if "amespace" in message:
            return Failure(
                ExitCode.CONFIGURATION,
                f"{message.rstrip('.')}; create it or set TEMPORAL_NAMESPACE",
            )
        case "PERMISSION_DENIED" | "UNAUTHENTICATED":
            return Failure(
                ExitCode.CONFIGURATION,
                f"Temporal denies access ({message or error.status.name.lower()}); "
                "see TEMPORAL_API_KEY or the client certificate",
            )
        case "INVALID_ARGUMENT" | "FAILED_PRECONDITION":
            return Failure(ExitCode.REFUSED, f"Temporal refused: {message}")
        case "NOT_FOUND":
            return Failure(ExitCode.NOT_FOUND, message)
    return Failure(
        ExitCode.UNREACHABLE, f"Temporal does not answer ({error.status.name.lower()}: {message})"
    )


MEANINGS: Mapping[str, Callable[[Any], Failure]] = {
    "contracts.problems.InvalidContract": _invalid_contract,
    "pydantic_core._pydantic_core.ValidationError": _invalid_message,
    "starters.client.errors.Refused": _as(ExitCode.REFUSED),
    "starters.client.errors.NotFound": _as(ExitCode.NOT_FOUND),
    "starters.client.errors.NoAnswer": _as(ExitCode.UNREACHABLE),
    "starters.client.errors.SignedOut": _as(ExitCode.CONFIGURATION),
    "starters.client.errors.Unreachable": _as(ExitCode.UNREACHABLE),
    "starters.client.errors.OnlyOnTemporal": _as(ExitCode.USAGE),
    "starters.client.references.BadReference": _as(ExitCode.USAGE),
    "starters.cli.errors.UsageError": _as(ExitCode.USAGE),
    "starters.bank.BankRefused": _as(ExitCode.REFUSED),
    "starters.payroll.PayrollRefused": _as(ExitCode.REFUSED),
    "starters.payroll.NotWritten": _as(ExitCode.NO_OUTPUT),
    "starters.analytics.TooManyUnreadable": _as(ExitCode.UNREACHABLE),
    "gateways.analytics.places.NotInstalled": _as(ExitCode.CONFIGURATION),
    "gateways.analytics.places.BadPlace": _as(ExitCode.CONFIGURATION),
    "gateways.analytics.places.NotWritten": _as(ExitCode.NO_OUTPUT),
    "gateways.analytics.parquet.BadRow": _as(ExitCode.REFUSED),
    "activities.failures.BusinessRefusal": _as(ExitCode.REFUSED),
    "starters.findings.SetupRefused": _as(ExitCode.CONFIGURATION),
    "wiring.client.TemporalUnreachable": _unreachable,
    "wiring.settings.ConfigurationError": _as(ExitCode.CONFIGURATION),
    "workers.errors.DoesNotReplay": _as(ExitCode.DOES_NOT_REPLAY),
    "gateways.errors.GatewayError": _gateway,
    "temporalio.service.RPCError": _temporal,
}
"""By the full name of the error."""
