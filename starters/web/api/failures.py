"""How a call that does not succeed is answered: as a problem document."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from temporalio.service import RPCError, RPCStatusCode

from contracts.problems import InvalidContract
from gateways.errors import GatewayError
from starters.client.errors import NoAnswer, NotFound, Refused
from starters.client.references import BadReference
from starters.client.wire import REQUEST_ID_HEADER
from starters.web.problems import HttpProblem

RETRY_AFTER_SECONDS = 5


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Raises HttpProblem for whatever a call to a workflow ends with."""
    try:
        yield
    except InvalidContract as error:
        detail = f"that cannot be accepted: {len(error.problems)} problem(s)"
        raise HttpProblem(422, detail, problems=error.problems, why="invalid") from None
    except BadReference as error:
        raise HttpProblem(422, str(error)) from None
    except Refused as error:
        raise HttpProblem(409, str(error), why="refused") from None
    except NotFound as error:
        raise HttpProblem(404, str(error)) from None
    except NoAnswer as error:
        # Whoever sends it again under the same id has it counted once.
        again = {REQUEST_ID_HEADER: error.request_id} if error.request_id else {}
        raise _later(str(error), again, "no answer") from None
    except RPCError as error:
        if error.status is RPCStatusCode.INVALID_ARGUMENT:  # such as a cursor that is none
            raise HttpProblem(422, "Temporal cannot be asked so", why=error.message) from None
        raise _later("Temporal does not answer", {}, f"Temporal: {error.message}") from None
    except GatewayError as error:  # such as a key that cannot be read
        raise _later("this cannot be signed at the moment", {}, str(error)) from None
    except RuntimeError as error:  # as the SDK says that it cannot connect
        why = f"Temporal: {type(error).__name__}: {error}"
        raise _later("Temporal does not answer", {}, why) from None


def _later(detail: str, headers: dict[str, str], why: str) -> HttpProblem:
    wait = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return HttpProblem(503, detail, headers={**wait, **headers}, why=why)
