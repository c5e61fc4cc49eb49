"""The one place that says what an answer of Odoo means.

    answer                                       kind         code
    ------------------------------------------   ----------   -----------------------------------
    no connection                                transient    unreachable
    connection lost or timed out after sending   transient    no_answer (perhaps done)
    all of our connections or calls in use       transient    client_busy
    our client is closed                         transient    client_closed
    an earlier call may still be at it           transient    under_way
    401, AccessDenied, expired session           credentials  api_key_refused
    JSON-RPC: no such database                   credentials  database_unknown
    AccessError, other 403                       business     access_denied
    unknown model                                business     module_missing
    unknown field                                business     field_unknown
    MissingError                                 business     record_missing
    UserError, ValidationError, RedirectWarning  business     by its text: see _TEXTS
    a row that `load` refused                    business     by its text: see _TEXTS
    constraint of the database                   business     odoo_constraint
    lock, serialisation, deadlock, also in load  transient    conflict
    any error that came of one of these, or of
    a database that went away, by its traceback  transient    conflict, unavailable
    429                                          transient    rate_limited
    502, 503, 504, database not there            transient    unavailable
    500 without the name of an error             transient    unavailable
    unknown or private method                    defect       unknown_method
    anything else                                defect       odoo_error, unexpected_answer

Odoo's own `name` of the error goes before the HTTP status, which says less (409 and 500 both
occur for a lock, 404 for a model and for a record, 422 also for wrong arguments). Its `debug`
(a traceback with data) is read for what the error came of: Odoo wraps what its database answers
in errors of its own where it renders a template, and those read like a person's mistake. It is
logged at DEBUG and goes nowhere else.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any, NamedTuple

import httpx

from gateways.errors import FailureKind, GatewayError
from gateways.http import json_object, retry_after

SYSTEM = "odoo"
MAX_MESSAGE_CHARACTERS = 2000

_log = logging.getLogger(__name__)


class _Verdict(NamedTuple):
    kind: FailureKind
    code: str
    field: str = ""
    """The culprit, where the text says it but Odoo does not."""


_REFUSED = _Verdict(FailureKind.BUSINESS, "odoo_refused")
_CONSTRAINT = _Verdict(FailureKind.BUSINESS, "odoo_constraint")
_NO_ACCESS = _Verdict(FailureKind.BUSINESS, "access_denied")
_NO_MODEL = _Verdict(FailureKind.BUSINESS, "module_missing")
_NO_FIELD = _Verdict(FailureKind.BUSINESS, "field_unknown")
_NO_KEY = _Verdict(FailureKind.CREDENTIALS, "api_key_refused")
_NO_DATABASE = _Verdict(FailureKind.CREDENTIALS, "database_unknown")
_NO_RECORD = _Verdict(FailureKind.BUSINESS, "record_missing")
_CONFLICT = _Verdict(FailureKind.TRANSIENT, "conflict")
_UNAVAILABLE = _Verdict(FailureKind.TRANSIENT, "unavailable")
_NO_METHOD = _Verdict(FailureKind.DEFECT, "unknown_method")
_ODOO_ERROR = _Verdict(FailureKind.DEFECT, "odoo_error")
_UNEXPECTED = _Verdict(FailureKind.DEFECT, "unexpected_answer")
_BUSY = _Verdict(FailureKind.TRANSIENT, "client_busy")
_CLOSED = _Verdict(FailureKind.TRANSIENT, "client_closed")
_UNDER_WAY = _Verdict(FailureKind.TRANSIENT, "under_way")
_ONE_PDF = _Verdict(FailureKind.BUSINESS, "one_pdf_at_a_time")


def _business(code: str, field: str = "") -> _Verdict:
    return _Verdict(FailureKind.BUSINESS, code, field)


# What Odoo says in English (the client's context asks for it), the first match counts.
_TEXTS: tuple[tuple[re.Pattern[str], _Verdict], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), verdict)
    for pattern, verdict in (
        (
            r"could not serialize access|due to concurrent|deadlock detected"
            r"|could not obtain lock|canceling statement due to"
            r"|being sent by another process"
            # Two calls at once that each make somebody follow the same record: one was first.
            r"|cannot follow twice the same object",
            _CONFLICT,
        ),
        (
            r"lock date|cannot add/modify entries prior to|already issued tax statement"
            r"|period .{0,40}(closed|locked)",
            _business("period_locked"),
        ),
        (
            r"\bnumber \[(?P<value>[^\]]*)\].* does not seem to be valid"
            r"|indicate no \(valid\) VAT",
            _business("vat_refused", field="vat"),
        ),
        (
            r"^No matching record found|^Unknown database identifier|^Invalid database id"
            r"|^Invalid external ID",
            _business("reference_unknown"),
        ),
        (r"^Value .* not found in selection field", _business("choice_unknown")),
        (r"does not seem to be (a|an) (valid|integer|number)", _business("value_malformed")),
        (r"Missing required value for the field", _business("field_missing")),
        (r"Record does not exist or has been deleted", _NO_RECORD),
        (r"convert multiple documents in wkhtmltopdf", _ONE_PDF),
        (r"must be in draft|not in a state requiring confirmation", _business("wrong_state")),
        (r"^You are not allowed to (access|modify|create|delete) ", _NO_ACCESS),
        (r"^Object .* doesn't exist", _NO_MODEL),
        (r"^Invalid field\b", _NO_FIELD),
        (
            r"The operation cannot be completed|already exists|violates .* constraint",
            _CONSTRAINT,
        ),
    )
)

# psycopg2's IntegrityError and OperationalError with their subclasses, by the names Odoo sends.
_INTEGRITY = re.compile(
    r"^psycopg2\.(errors\.)?(IntegrityError|IntegrityConstraintViolation|\w+Violation)$"
)
_OPERATIONAL = re.compile(
    r"^psycopg2\.(errors\.|extensions\.|pool\.)?(OperationalError|InterfaceError|PoolError"
    r"|\w*Connection\w*|TooManyConnections|\w+Shutdown|CannotConnectNow|DatabaseDropped"
    r"|InsufficientResources|DiskFull|OutOfMemory|IdleInTransactionSessionTimeout)$"
)
_CONCURRENCY = re.compile(
    r"^psycopg2\.(errors\.|extensions\.)?(SerializationFailure|DeadlockDetected|LockNotAvailable"
    r"|QueryCanceled(Error)?|TransactionRollback(Error)?|TransactionIntegrityConstraintViolation"
    r"|StatementCompletionUnknown|ObjectInUse)$"
)

# Of a traceback the lines that name an error, the first of which all the others came of.
_RAISED = re.compile(r"^(?P<name>(?:\w+\.)*\w+): (?P<text>.*)$", re.MULTILINE)
_TRACEBACK = "Traceback (most recent call last):"
_MAX_CHARACTERS_BEFORE_A_TRACEBACK = 200

_BY_NAME: Mapping[str, _Verdict] = {
    "odoo.exceptions.AccessDenied": _NO_KEY,
    "odoo.http.SessionExpiredException": _NO_KEY,
    "werkzeug.exceptions.Unauthorized": _NO_KEY,
    "odoo.exceptions.MissingError": _NO_RECORD,
    "odoo.exceptions.LockError": _CONFLICT,
    "odoo.exceptions.ConcurrencyError": _CONFLICT,
    # Wrong arguments for a method: Odoo answers 422, but no person can mend our call.
    "werkzeug.exceptions.UnprocessableEntity": _ODOO_ERROR,
}
_USER_ERRORS = frozenset(
    f"odoo.exceptions.{name}" for name in ("UserError", "ValidationError", "RedirectWarning")
)
_BY_STATUS: Mapping[int, _Verdict] = {
    HTTPStatus.UNAUTHORIZED: _NO_KEY,
    HTTPStatus.FORBIDDEN: _NO_ACCESS,
    HTTPStatus.REQUEST_TIMEOUT: _UNAVAILABLE,
    HTTPStatus.CONFLICT: _CONFLICT,
    HTTPStatus.UNPROCESSABLE_ENTITY: _REFUSED,
    HTTPStatus.TOO_MANY_REQUESTS: _Verdict(FailureKind.TRANSIENT, "rate_limited"),
    # Odoo names its errors. A 500 without a name is of a server in trouble: its database went away
    # before the call was understood, or a proxy before it is at its end.
    HTTPStatus.INTERNAL_SERVER_ERROR: _UNAVAILABLE,
    HTTPStatus.BAD_GATEWAY: _UNAVAILABLE,
    HTTPStatus.SERVICE_UNAVAILABLE: _UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT: _UNAVAILABLE,
}
# A gateway between us and Odoo gave up waiting, or something broke: Odoo itself may have gone on.
_GATEWAY_LOST_IT = frozenset(
    {HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT}
)


class LoadRefused(GatewayError):
    """`load` saved nothing because of some of its records; told as the error of one of them.

    `by_record` holds, by the record's index among those sent, the errors that are certain to be
    the record's own: leave those out, and the others may be loaded again together.
    """

    def __init__(self, first: GatewayError, by_record: Mapping[int, GatewayError]) -> None:
        super().__init__(
            first.kind,
            system=first.system,
            code=first.code,
            message=first.message,
            field=first.field,
            value=first.value,
        )
        self.by_record = by_record

    @classmethod
    def of(cls, by_record: Mapping[int, GatewayError]) -> LoadRefused:
        """Told as the error of the first record; but a conflict goes before everything else: what
        is wrong besides shows again when it is retried."""
        every = [by_record[record] for record in sorted(by_record)]
        return cls(next((error for error in every if is_conflict(error)), every[0]), by_record)


def from_response(response: httpx.Response) -> GatewayError:
    """What an HTTP answer that is no success means (JSON-2, or a proxy before Odoo)."""
    body = json_object(response) or {}
    name, verdict, text = _understood(body, str(body.get("message") or ""), response.status_code)
    if not name and _is_database_missing(response):
        verdict, text = _UNAVAILABLE, "Odoo found no database: it is starting, or not configured."
    return _error(
        verdict,
        _with_name(verdict, name, text)
        or f"HTTP {response.status_code} {response.reason_phrase}".strip(),
        retry_after=retry_after(response),
        maybe_done=not name and response.status_code in _GATEWAY_LOST_IT,
    )


def from_rpc_error(error: Mapping[str, Any]) -> GatewayError:
    """What the `error` of a JSON-RPC answer means; it comes with HTTP 200."""
    data = error.get("data")
    data = data if isinstance(data, Mapping) else {}
    text = str(data.get("message") or error.get("message") or "")
    name, verdict, text = _understood(data, text, None)
    return _error(verdict, _with_name(verdict, name, text) or "JSON-RPC error without a text")


def from_load_messages(
    messages: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]
) -> LoadRefused:
    """Why `load` saved nothing: the error of one record, and of each record in `by_record`."""
    errors = [message for message in messages if message.get("type") == "error"]
    by_record = {
        record: _row_error(_most_telling(errors, record), rows) for record in _blamed(errors)
    }
    if by_record:
        return LoadRefused.of(by_record)
    every = [_row_error(message, rows) for message in errors]
    first = _error(_UNEXPECTED, "Odoo saved nothing and named no reason.")
    if every:
        first = next((error for error in every if is_conflict(error)), every[0])
    return LoadRefused(first, by_record)


def record_missing(model: str, ids: Iterable[int]) -> GatewayError:
    """A read left records out: somebody deleted them."""
    gone = ", ".join(map(str, sorted(ids)))
    return _error(_NO_RECORD, f"No longer in Odoo: {model} {gone}.")


def key_refused() -> GatewayError:
    """JSON-RPC's `login` answered False, or the key cannot even be sent."""
    return _error(_NO_KEY, "Odoo refused the login or its API key (wrong, withdrawn or expired).")


def client_busy() -> GatewayError:
    """A request's turn did not come in the time that an activity has for it."""
    return _error(_BUSY, "No call to Odoo was free in time; nothing was done for this request.")


def under_way(again_in: timedelta) -> GatewayError:
    """An earlier call may still be doing what is asked for; nothing was done."""
    text = "An earlier call may still be at it; Odoo is asked again."
    return _error(_UNDER_WAY, text, retry_after=again_in)


def wizard_missing() -> GatewayError:
    """A wizard that was just made is gone: Odoo clears them away, and a new one is as good."""
    return _error(_CONFLICT, "The wizard that was to mail is no longer in Odoo.")


def is_record_missing(error: GatewayError) -> bool:
    """Whether a record that the call named is not, or no longer, in Odoo."""
    return error.code == _NO_RECORD.code


def client_closed() -> GatewayError:
    """This process is about to end; another one will do it."""
    return _error(_CLOSED, "The client was closed before the call was sent.")


def is_conflict(error: GatewayError) -> bool:
    """Whether another transaction was in the way."""
    return error.code == _CONFLICT.code


def is_one_pdf_at_a_time(error: GatewayError) -> bool:
    """Whether Odoo's wkhtmltopdf refused several invoices in one run."""
    return error.code == _ONE_PDF.code


def concerns_all(error: GatewayError) -> bool:
    """Whether a call of many records failed for a reason that is none of its records'.

    Of a conflict a part can be free; everything else that passes is about Odoo, the network, or
    what all of a call have in common. LoadRefused tells records apart by itself.
    """
    if isinstance(error, LoadRefused):
        return False
    if error.kind is FailureKind.TRANSIENT:
        return not is_conflict(error)
    common = (_NO_MODEL, _NO_FIELD, _NO_METHOD)
    return error.kind is FailureKind.CREDENTIALS or error.code in {item.code for item in common}


def unexpected(text: str) -> GatewayError:
    """An answer that is none of Odoo's: a wrong address, or a version we do not know."""
    return _error(_UNEXPECTED, text)


def _understood(
    body: Mapping[str, Any], text: str, status: int | None
) -> tuple[str, _Verdict, str]:
    """The name of the error that Odoo serialised, what it means, and what is to be told of it."""
    name = str(body.get("name") or "")
    debug = str(body.get("debug") or "")
    if debug:
        _log.debug("Odoo answered %s; its traceback: %s", name, debug)
    trouble = None if name.startswith("psycopg2.") else next(_database_troubles(debug), None)
    if trouble is not None:
        verdict, said = trouble
        return name, verdict, f"Odoo's database failed it: {said}"
    text = _without_traceback(text)
    return name, _verdict(name, text, status), text


def _database_troubles(debug: str) -> Iterator[tuple[_Verdict, str]]:
    """What passes by itself, of the errors of the database that an error came of."""
    for raised in _RAISED.finditer(debug):
        if raised["name"].startswith("psycopg2."):
            verdict = _database_verdict(raised["name"], raised["text"])
            if verdict.kind is FailureKind.TRANSIENT:
                yield verdict, raised["text"]


def _without_traceback(text: str) -> str:
    """Some refusals carry a whole template and a traceback: only how it begins, and what it came
    of, is of use to a person."""
    before, found, traceback = text.partition(_TRACEBACK)
    if not found:
        return text
    before = " ".join(before.split())
    if len(before) > _MAX_CHARACTERS_BEFORE_A_TRACEBACK:
        before = before[:_MAX_CHARACTERS_BEFORE_A_TRACEBACK] + " ..."
    raised = _RAISED.search(traceback)
    return f"{before} ({raised[0]})" if raised else before


def _verdict(name: str, text: str, status: int | None) -> _Verdict:
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name == "odoo.exceptions.AccessError":
        return _NO_METHOD if text.startswith("Private methods") else _NO_ACCESS
    if name in _USER_ERRORS:
        return _by_text(text, default=_REFUSED)
    if name.startswith("psycopg2."):
        return _database_verdict(name, text)
    if name == "werkzeug.exceptions.NotFound" or name == "builtins.AttributeError":
        return _missing_verdict(text)
    if name == "builtins.ValueError" and text.startswith("Invalid field"):
        return _NO_FIELD
    if name and status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return _ODOO_ERROR
    return _BY_STATUS.get(status or 0, _ODOO_ERROR if name else _UNEXPECTED)


def _with_name(verdict: _Verdict, name: str, text: str) -> str:
    """A Python error's text says little without its type (KeyError: 'nope')."""
    return f"{name}: {text}" if name and verdict is _ODOO_ERROR else text


def _by_text(text: str, *, default: _Verdict) -> _Verdict:
    return next((verdict for pattern, verdict in _TEXTS if pattern.search(text)), default)


def _named_culprit(verdict: _Verdict, text: str) -> tuple[str, str]:
    """The field and value that the text itself gives away, as for a refused VAT number."""
    if not verdict.field:
        return "", ""
    matches = (pattern.search(text) for pattern, known in _TEXTS if known is verdict)
    value = next((match["value"] for match in matches if match and match["value"]), "")
    return verdict.field, value


def _database_verdict(name: str, text: str) -> _Verdict:
    if "database" in text and "does not exist" in text and name == "psycopg2.OperationalError":
        return _NO_DATABASE
    if _INTEGRITY.match(name):
        return _CONSTRAINT
    if _CONCURRENCY.match(name):
        return _CONFLICT
    return _UNAVAILABLE if _OPERATIONAL.match(name) else _ODOO_ERROR


def _missing_verdict(text: str) -> _Verdict:
    if text.startswith("the model "):
        return _NO_MODEL
    return _NO_METHOD if text.startswith("The method ") else _ODOO_ERROR


def _blamed(errors: Sequence[Mapping[str, Any]]) -> list[int]:
    """The records that surely failed by themselves.

    When creating all records together fails, Odoo tries them one by one and then puts the first
    failure in front of the messages as if it were the first record's. Such a message, with
    nothing else against that record but something against another, proves nothing.
    """
    records = [message["record"] for message in errors if isinstance(message.get("record"), int)]
    if not records:
        return []
    doubtful = not errors[0].get("field") and records.count(records[0]) == 1
    if doubtful and len(set(records)) > 1 and errors[0].get("record") == records[0]:
        records = records[1:]
    return sorted(set(records))


def _most_telling(errors: Sequence[Mapping[str, Any]], record: int) -> Mapping[str, Any]:
    """Of a record's messages the first that names a field: the others follow from it."""
    own = [message for message in errors if message.get("record") == record]
    return next((message for message in own if message.get("field")), own[0])


def _row_error(message: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> GatewayError:
    text = str(message.get("message") or "")
    verdict = _by_text(text, default=_REFUSED)
    field, value = _culprit(message, text, rows)
    return _error(verdict, text, **({"field": field, "value": value} if field else {}))


def _culprit(
    message: Mapping[str, Any], text: str, rows: Sequence[Mapping[str, Any]]
) -> tuple[str, str]:
    """The column and its value that a message is about.

    For a line of an order Odoo names only the field that holds the lines, but it quotes the
    value; so the column is the one that holds the quoted value.
    """
    field = str(message.get("field") or "")
    if not field:
        return "", ""
    cells = [
        (column, str(value))
        for row in _rows_of(message, rows)
        for column, value in row.items()
        if value not in (None, "") and column != "id"
        if column == field or column.startswith(f"{field}/")
    ]
    for column, value in cells:
        if f"'{value}'" in text:
            return column, value
    return cells[0] if len(cells) == 1 else (field, "")


def _rows_of(
    message: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> Sequence[Mapping[str, Any]]:
    span = message.get("rows")
    if isinstance(span, Mapping) and isinstance(span.get("from"), int):
        return rows[span["from"] : int(span.get("to", span["from"])) + 1]
    return rows if len(rows) == 1 else []


def _is_database_missing(response: httpx.Response) -> bool:
    """Odoo's page for "no database": also while PostgreSQL restarts, hence not the user's fault."""
    return (
        response.status_code == HTTPStatus.NOT_FOUND and "No database is selected" in response.text
    )


def _error(verdict: _Verdict, text: str, **details: Any) -> GatewayError:
    if "field" not in details:
        details["field"], details["value"] = _named_culprit(verdict, text)
    return GatewayError(
        verdict.kind, system=SYSTEM, code=verdict.code, message=_tidy(text), **details
    )


def _tidy(text: str) -> str:
    """One line, and without PostgreSQL's copy of the whole row or its server's address."""
    text = re.sub(r"DETAIL:\s+Failing row contains.*", "", text, flags=re.DOTALL)
    text = re.sub(r"connection to server .* failed: (FATAL: )?", "", text, flags=re.DOTALL)
    return " ".join(text.split())[:MAX_MESSAGE_CHARACTERS]
