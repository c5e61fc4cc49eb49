"""What each failure means to whoever called `c2c`: one message and one exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from pydantic import ValidationError
from temporalio.service import RPCError, RPCStatusCode

from contracts.validation import InvalidContract, Problem, problems_of
from gateways.errors import FailureKind, GatewayError
from starters.client import BadReference, NoAnswer, NotFound, Refused
from starters.findings import SetupRefused
from wiring.client import TemporalUnreachable
from wiring.settings import ConfigurationError
from workers.errors import DoesNotReplay


class ExitCode(IntEnum):
    """What scripts may rely on."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    NOT_FOUND = 3
    UNREACHABLE = 4
    CONFIGURATION = 5
    DOES_NOT_REPLAY = 6
    DEFECT = 70
    CUT_SHORT = 75


EXIT_CODES = (
    "Exit codes: 0 done · 1 refused or invalid · 2 wrong usage · 3 not found · "
    "4 Temporal, Odoo or the CRM cannot be reached · 5 configuration · 6 a worker that cannot "
    "replay open workflows · 70 a defect of c2c · 75 a worker that could not wait for its calls"
)


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


def explain(error: Exception) -> Failure | None:
    """What a failure means; None for one that should not happen (a defect)."""
    match error:
        case InvalidContract():
            return _invalid(error.problems)
        case ValidationError():
            return _invalid(problems_of(error))
        case Refused():
            return Failure(ExitCode.REFUSED, str(error))
        case NotFound():
            return Failure(ExitCode.NOT_FOUND, str(error))
        case UsageError() | BadReference():
            return Failure(ExitCode.USAGE, str(error))
        case TemporalUnreachable():
            told = f"{error.without_internals()}; start one (c2c dev) or set TEMPORAL_ADDRESS"
            return Failure(ExitCode.UNREACHABLE, told)
        case NoAnswer():
            return Failure(ExitCode.UNREACHABLE, str(error))
        case DoesNotReplay():
            return Failure(ExitCode.DOES_NOT_REPLAY, str(error))
        case ConfigurationError() | SetupRefused():
            return Failure(ExitCode.CONFIGURATION, str(error))
        case GatewayError():
            return _gateway(error)
        case RPCError():
            return _temporal(error)
    return None


def _invalid(problems: Sequence[Problem]) -> Failure:
    message = f"that cannot be accepted: {len(problems)} problem(s)"
    return Failure(ExitCode.REFUSED, message, problems)


def _gateway(error: GatewayError) -> Failure:
    codes = {
        FailureKind.TRANSIENT: ExitCode.UNREACHABLE,
        FailureKind.CREDENTIALS: ExitCode.CONFIGURATION,
        FailureKind.BUSINESS: ExitCode.REFUSED,
    }
    return Failure(codes.get(error.kind, ExitCode.DEFECT), str(error))


def _temporal(error: RPCError) -> Failure:
    """What Temporal itself refused; the workflows' own refusals come as `Refused`."""
    message = error.message
    match error.status:
        case RPCStatusCode.INVALID_ARGUMENT if "search attribute" in message:
            return Failure(
                ExitCode.CONFIGURATION,
                f"the Temporal namespace is not set up yet ({message}); run c2c setup",
            )
        case RPCStatusCode.NOT_FOUND if "amespace" in message:
            return Failure(
                ExitCode.CONFIGURATION,
                f"{message.rstrip('.')}; create it or set TEMPORAL_NAMESPACE",
            )
        case RPCStatusCode.PERMISSION_DENIED | RPCStatusCode.UNAUTHENTICATED:
            return Failure(
                ExitCode.CONFIGURATION,
                f"Temporal denies access ({message or error.status.name.lower()}); "
                "see TEMPORAL_API_KEY or the client certificate",
            )
        case RPCStatusCode.INVALID_ARGUMENT | RPCStatusCode.FAILED_PRECONDITION:
            return Failure(ExitCode.REFUSED, f"Temporal refused: {message}")
        case RPCStatusCode.NOT_FOUND:
            return Failure(ExitCode.NOT_FOUND, message)
    return Failure(
        ExitCode.UNREACHABLE, f"Temporal does not answer ({error.status.name.lower()}: {message})"
    )
