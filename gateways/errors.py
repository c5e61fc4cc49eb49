"""Four kinds of failure. Each gateway maps its remote's answers to a kind in exactly one place.

GatewayError
  kind = transient    the engine retries, honouring `retry_after`
  kind = business     a person is needed: the step parks
  kind = credentials  the step parks, tries again slowly and goes on once the secret is mended
  kind = defect       our mistake or an unknown answer: a developer is needed
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Self


class FailureKind(StrEnum):
    TRANSIENT = "transient"
    BUSINESS = "business"
    CREDENTIALS = "credentials"
    DEFECT = "defect"


class GatewayError(Exception):
    """A remote refused or could not be reached, said so that a person understands it.

    `code` is ours and stable (`access_denied`, `vat_refused`, ...); `message` is what the remote
    said; `field` and `value` name the culprit where the remote did; `maybe_done` is true where
    the remote may have carried out the call before the answer was lost.
    """

    def __init__(
        self,
        kind: FailureKind,
        *,
        system: str,
        code: str,
        message: str,
        field: str = "",
        value: str = "",
        retry_after: timedelta | None = None,
        maybe_done: bool = False,
    ) -> None:
        super().__init__(f"{system}: {message} [{code}]")
        self.kind = kind
        self.system = system
        self.code = code
        self.message = message
        self.field = field
        self.value = value
        self.retry_after = retry_after
        self.maybe_done = maybe_done

    def __copy__(self) -> Self:
        """The same error without its traceback, for another thread to raise."""
        twin = type(self).__new__(type(self), *self.args)
        twin.__dict__.update(self.__dict__)
        return twin


def business(
    system: str, code: str, message: str, *, field: str = "", value: str = ""
) -> GatewayError:
    """A refusal that a person must look at."""
    return GatewayError(
        FailureKind.BUSINESS, system=system, code=code, message=message, field=field, value=value
    )


def credentials(system: str, code: str, message: str) -> GatewayError:
    """A secret that is missing, or that the remote does not accept."""
    return GatewayError(FailureKind.CREDENTIALS, system=system, code=code, message=message)


def defect(system: str, code: str, message: str) -> GatewayError:
    """An answer that nobody here understands, or a mistake of ours."""
    return GatewayError(FailureKind.DEFECT, system=system, code=code, message=message)


def transient(
    system: str,
    code: str,
    message: str,
    wait: timedelta | None = None,
    *,
    maybe_done: bool = False,
) -> GatewayError:
    """What passes by itself; `wait` is how long the remote asks for."""
    return GatewayError(
        FailureKind.TRANSIENT,
        system=system,
        code=code,
        message=message,
        retry_after=wait,
        maybe_done=maybe_done,
    )
