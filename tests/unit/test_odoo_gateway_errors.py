"""Every line of the map from Odoo's answers to kinds of failure, in Odoo 19's own words."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import httpx
import pytest

from gateways.errors import FailureKind, GatewayError
from gateways.http import unanswered
from gateways.odoo import errors

TRANSIENT, BUSINESS = FailureKind.TRANSIENT, FailureKind.BUSINESS
CREDENTIALS, DEFECT = FailureKind.CREDENTIALS, FailureKind.DEFECT

WERKZEUG = "werkzeug.exceptions."
ODOO = "odoo.exceptions."
PG = "psycopg2.errors."
VAT = (
    "\nThe VAT number [0477472702] for partner [Acme] does not seem to be valid.  \n"
    "Note: the expected format is BE0477472701"
)
NO_DATABASE = "<h1>Not Found</h1><p>No database is selected and the requested URL was not found</p>"

ANSWERS = [
    (401, WERKZEUG + "Unauthorized", "Invalid apikey", CREDENTIALS, "api_key_refused"),
    (401, "", "", CREDENTIALS, "api_key_refused"),
    (403, ODOO + "AccessDenied", "Access Denied", CREDENTIALS, "api_key_refused"),
    (403, "odoo.http.SessionExpiredException", "Session expired", CREDENTIALS, "api_key_refused"),
    (403, ODOO + "AccessError", "You are not allowed to access 'X'", BUSINESS, "access_denied"),
    (403, "", "", BUSINESS, "access_denied"),
    (403, ODOO + "AccessError", "Private methods (such as 'a._b') cannot be called remotely.",
     DEFECT, "unknown_method"),
    (404, WERKZEUG + "NotFound", "the model 'foo.bar' does not exist", BUSINESS, "module_missing"),
    (404, WERKZEUG + "NotFound", "The method 'res.partner.frobnicate' does not exist",
     DEFECT, "unknown_method"),
    (404, WERKZEUG + "NotFound", "Did you mean POST /json/2/<model>/<method>?",
     DEFECT, "odoo_error"),
    (404, ODOO + "MissingError", "Record does not exist or has been deleted.",
     BUSINESS, "record_missing"),
    (404, "", "", DEFECT, "unexpected_answer"),
    (409, ODOO + "LockError", "Some records are locked", TRANSIENT, "conflict"),
    (409, "", "", TRANSIENT, "conflict"),
    (500, PG + "SerializationFailure", "could not serialize access", TRANSIENT, "conflict"),
    (500, PG + "LockNotAvailable", "could not obtain lock", TRANSIENT, "conflict"),
    (500, PG + "DeadlockDetected", "deadlock detected", TRANSIENT, "conflict"),
    (500, PG + "QueryCanceled", "canceling statement", TRANSIENT, "conflict"),
    (500, "psycopg2.extensions.TransactionRollbackError", "x", TRANSIENT, "conflict"),
    (500, ODOO + "ConcurrencyError", "x", TRANSIENT, "conflict"),
    (500, "psycopg2.OperationalError", "server closed the connection", TRANSIENT, "unavailable"),
    (500, "psycopg2.InterfaceError", "cursor already closed", TRANSIENT, "unavailable"),
    (500, "psycopg2.pool.PoolError", "The Connection Pool Is Full", TRANSIENT, "unavailable"),
    (500, PG + "AdminShutdown", "terminating connection", TRANSIENT, "unavailable"),
    (500, PG + "TooManyConnections", "too many clients", TRANSIENT, "unavailable"),
    (500, "psycopg2.IntegrityError", "x", BUSINESS, "odoo_constraint"),
    (500, PG + "UniqueViolation", "duplicate key", BUSINESS, "odoo_constraint"),
    (500, PG + "UndefinedColumn", "column x does not exist", DEFECT, "odoo_error"),
    (500, "builtins.ValueError", "Invalid field 'nope' on 'res.partner'",
     BUSINESS, "field_unknown"),
    (500, "builtins.ValueError", "Invalid field res.partner.nope in condition ('nope', '=', 1)",
     BUSINESS, "field_unknown"),
    (500, "builtins.ValueError", "Wrong value for account.move.move_type: 'x'",
     DEFECT, "odoo_error"),
    (500, "builtins.KeyError", "nope", DEFECT, "odoo_error"),
    (500, "", "", TRANSIENT, "unavailable"),
    (500, ODOO + "RedirectWarning", "Please define a journal.", BUSINESS, "odoo_refused"),
    (422, ODOO + "UserError", "Even magicians can't post nothing!", BUSINESS, "odoo_refused"),
    (422, ODOO + "UserError", "The entry INV/1 (id 8) must be in draft.", BUSINESS, "wrong_state"),
    (422, ODOO + "UserError", "Some orders are not in a state requiring confirmation.",
     BUSINESS, "wrong_state"),
    (422, ODOO + "UserError", "You cannot add/modify entries prior to and inclusive of: "
     "Global Lock Date (01/31/2001).", BUSINESS, "period_locked"),
    (422, ODOO + "UserError", "The operation is refused as it would impact an already issued tax "
     "statement.", BUSINESS, "period_locked"),
    (422, ODOO + "ValidationError", VAT, BUSINESS, "vat_refused"),
    (422, ODOO + "ValidationError", "The operation cannot be completed: a code must be unique!",
     BUSINESS, "odoo_constraint"),
    (422, ODOO + "UserError", "Some invoices are being sent by another process already.",
     TRANSIENT, "conflict"),
    (422, ODOO + "ValidationError", "The operation cannot be completed: Error, a partner cannot "
     "follow twice the same object.", TRANSIENT, "conflict"),
    (422, WERKZEUG + "UnprocessableEntity", "missing a required argument: 'vals'",
     DEFECT, "odoo_error"),
    (422, "", "", BUSINESS, "odoo_refused"),
    (408, "", "", TRANSIENT, "unavailable"),
    (429, "", "", TRANSIENT, "rate_limited"),
    (502, "", "", TRANSIENT, "unavailable"),
    (503, "", "", TRANSIENT, "unavailable"),
    (504, "", "", TRANSIENT, "unavailable"),
    (302, "", "", DEFECT, "unexpected_answer"),
]  # fmt: skip


def _answer(status: int, name: str, message: str, **headers: str) -> httpx.Response:
    if not name:
        return httpx.Response(status, html="<h1>proxy</h1>", headers=headers)
    body = {"name": name, "message": message, "arguments": [], "context": {}, "debug": "TRACE"}
    return httpx.Response(status, json=body, headers=headers)


@pytest.mark.parametrize(("status", "name", "message", "kind", "code"), ANSWERS)
def test_answers(status: int, name: str, message: str, kind: FailureKind, code: str) -> None:
    error = errors.from_response(_answer(status, name, message))
    assert (error.kind, error.code, error.system) == (kind, code, "odoo")
    assert "TRACE" not in str(error)
    assert "\n" not in error.message
    assert error.message


RPC_ANSWERS = [
    (ODOO + "AccessDenied", "Access Denied", CREDENTIALS, "api_key_refused"),
    (ODOO + "AccessError", "You are not allowed to access 'X'", BUSINESS, "access_denied"),
    (ODOO + "UserError", "Object foo.bar doesn't exist", BUSINESS, "module_missing"),
    (ODOO + "MissingError", "Record does not exist", BUSINESS, "record_missing"),
    (ODOO + "ValidationError", VAT, BUSINESS, "vat_refused"),
    ("builtins.AttributeError", "The method 'a.b' does not exist", DEFECT, "unknown_method"),
    ("builtins.AttributeError", "'x' has no attribute 'y'", DEFECT, "odoo_error"),
    ("builtins.ValueError", "Invalid field 'nope' on 'a'", BUSINESS, "field_unknown"),
    (PG + "SerializationFailure", "could not serialize access", TRANSIENT, "conflict"),
    ("psycopg2.OperationalError", 'connection to server on socket "/run/pg" failed: FATAL:  '
     'database "nope" does not exist\n', CREDENTIALS, "database_unknown"),
    ("psycopg2.OperationalError", "server closed the connection", TRANSIENT, "unavailable"),
    ("", "", DEFECT, "unexpected_answer"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "message", "kind", "code"), RPC_ANSWERS)
def test_json_rpc_errors(name: str, message: str, kind: FailureKind, code: str) -> None:
    data = {"name": name, "message": message, "arguments": [], "debug": "TRACE"}
    error = errors.from_rpc_error({"code": 200, "message": "Odoo Server Error", "data": data})
    assert (error.kind, error.code) == (kind, code)
    assert "TRACE" not in str(error)
    assert "/run/pg" not in str(error)


def test_a_json_rpc_error_without_data() -> None:
    error = errors.from_rpc_error({"code": 404, "message": "404: Not Found"})
    assert (error.kind, error.code) == (DEFECT, "unexpected_answer")
    assert error.message == "404: Not Found"


@pytest.mark.parametrize(
    ("raised", "kind", "code", "maybe_done"),
    [
        (httpx.ConnectError("refused"), TRANSIENT, "unreachable", False),
        (httpx.ConnectTimeout("slow"), TRANSIENT, "unreachable", False),
        (httpx.PoolTimeout("full"), TRANSIENT, "client_busy", False),
        (httpx.ReadTimeout("slow"), TRANSIENT, "no_answer", True),
        (httpx.WriteTimeout("slow"), TRANSIENT, "no_answer", True),
        (httpx.ReadError("reset"), TRANSIENT, "no_answer", True),
        (httpx.WriteError("reset"), TRANSIENT, "no_answer", True),
        (httpx.RemoteProtocolError("disconnected"), TRANSIENT, "no_answer", True),
        (httpx.LocalProtocolError("Illegal header value b'Bearer s3cret'"), DEFECT,
         "unexpected_answer", False),
        (httpx.UnsupportedProtocol("x"), DEFECT, "unexpected_answer", False),
    ],
)  # fmt: skip
def test_calls_without_an_answer(
    raised: httpx.HTTPError, kind: FailureKind, code: str, maybe_done: bool
) -> None:
    error = unanswered(raised, "odoo", "Odoo")
    assert (error.kind, error.code, error.maybe_done) == (kind, code, maybe_done)
    assert "s3cret" not in str(error)


@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_that_the_remote_asks_for_is_kept(status: int) -> None:
    error = errors.from_response(_answer(status, "", "", **{"Retry-After": "7"}))
    assert error.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("status", "maybe_done"), [(502, True), (504, True), (503, False), (429, False)]
)
def test_a_gateways_lost_answer_is_perhaps_done(status: int, maybe_done: bool) -> None:
    assert errors.from_response(_answer(status, "", "")).maybe_done is maybe_done


def test_no_database_is_transient_because_postgres_restarts_look_the_same() -> None:
    error = errors.from_response(httpx.Response(404, html=NO_DATABASE))
    assert (error.kind, error.code) == (TRANSIENT, "unavailable")


def test_a_refused_vat_number_names_field_and_value() -> None:
    error = errors.from_response(_answer(422, ODOO + "ValidationError", VAT))
    assert (error.field, error.value) == ("vat", "0477472702")


def test_the_traceback_goes_to_debug_only(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        errors.from_response(_answer(500, "builtins.KeyError", "x"))
    assert not caplog.records
    with caplog.at_level(logging.DEBUG):
        errors.from_response(_answer(500, "builtins.KeyError", "x"))
    assert "TRACE" in caplog.text


CAME_OF = """Traceback (most recent call last):
  File "/odoo/sql_db.py", line 433, in execute
    self._obj.execute(query, params)
{cause}
\tThis probably means the server terminated abnormally

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/odoo/addons/base/models/ir_qweb.py", line 850, in _render_iterall
    raise QWebError(qweb_error_info) from error
odoo.addons.base.models.ir_qweb.QWebError: Error while rendering the template:
    {cause}
    Path: /div/div/p/span
"""
TEMPLATE = "Failed to render QWeb template: <div>Dear customer</div>\n\n"
CLOSED = "psycopg2.OperationalError: server closed the connection unexpectedly"
SERIALISE = PG + "SerializationFailure: could not serialize access due to concurrent update"
QWEB = "odoo.addons.base.models.ir_qweb.QWebError"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (QWEB, "Error while rendering the template"),
        (ODOO + "UserError", TEMPLATE + CAME_OF),
        (ODOO + "UserError", "Failed to render inline_template template: {{ object.name }}"),
    ],
)
@pytest.mark.parametrize(("cause", "code"), [(CLOSED, "unavailable"), (SERIALISE, "conflict")])
def test_a_refusal_that_came_of_the_database_passes_as_that_does(
    name: str, message: str, cause: str, code: str
) -> None:
    """Odoo's own words when its PostgreSQL is killed while it renders the mail of an invoice."""
    data = {
        "name": name,
        "message": message.replace("{cause}", cause),
        "debug": CAME_OF.replace("{cause}", cause),
    }
    by_rpc = errors.from_rpc_error({"code": 200, "message": "Odoo Server Error", "data": data})
    by_status = errors.from_response(httpx.Response(422, json=data))
    for error in (by_rpc, by_status):
        assert (error.kind, error.code) == (TRANSIENT, code)
        assert error.message == f"Odoo's database failed it: {cause.partition(': ')[2]}"


@pytest.mark.parametrize(
    "cause",
    ["builtins.AttributeError: no attribute 'total'", PG + "UniqueViolation: duplicate key"],
)
def test_a_template_that_fails_by_itself_is_a_refusal_with_its_reason(cause: str) -> None:
    debug = CAME_OF.replace("{cause}", cause)
    data = {"name": ODOO + "UserError", "message": TEMPLATE + debug, "debug": debug}
    error = errors.from_response(httpx.Response(422, json=data))
    assert (error.kind, error.code) == (BUSINESS, "odoo_refused")
    assert error.message == f"{' '.join(TEMPLATE.split())} ({cause})"


def test_a_long_message_is_cut() -> None:
    error = errors.from_response(_answer(422, ODOO + "UserError", "x" * 10_000))
    assert len(error.message) == errors.MAX_MESSAGE_CHARACTERS


# --- load ---------------------------------------------------------------------------------------


def _message(
    text: str, record: int = 0, field: str = "", rows: tuple[int, int] | None = None
) -> dict[str, Any]:
    start, end = rows or (record, record)
    named = {"field": field} if field else {}
    span = {"from": start, "to": end}
    return {"type": "error", "record": record, "rows": span, "message": text, **named}


def _codes(refusal: errors.LoadRefused) -> dict[int, str]:
    return {record: error.code for record, error in refusal.by_record.items()}


def test_an_unknown_reference_names_the_column_and_the_value() -> None:
    text = "No matching record found for external id 'c2c.nope' in field 'Order Lines/Product'"
    rows: list[dict[str, Any]] = [
        {"id": "c2c.o", "partner_id/.id": 1, "order_line/product_id/id": "c2c.ok"},
        {"order_line/product_id/id": "c2c.nope", "order_line/name": "c2c"},
    ]
    refusal = errors.from_load_messages([_message(text, 0, "order_line", rows=(0, 1))], rows)
    assert (refusal.kind, refusal.code) == (BUSINESS, "reference_unknown")
    assert (refusal.field, refusal.value) == ("order_line/product_id/id", "c2c.nope")
    assert refusal.message == text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Value 'Nonsense' not found in selection field 'Type'", "choice_unknown"),
        ("'Nonsense' does not seem to be a valid date for field 'Date'", "value_malformed"),
        ("Missing required value for the field 'Type' (move_type).\nModel: x", "field_missing"),
        ("Anything else", "odoo_refused"),
    ],
)
def test_a_refused_value(text: str, code: str) -> None:
    rows = [{"id": "c2c.m", "name": "x", "move_type": "Nonsense"}]
    refusal = errors.from_load_messages([_message(text, 0, "move_type")], rows)
    assert (refusal.kind, refusal.code) == (BUSINESS, code)
    assert (refusal.field, refusal.value) == ("move_type", "Nonsense")


def test_a_field_without_a_value_of_ours() -> None:
    text = "Missing required value for the field 'Customer' (partner_id)."
    refusal = errors.from_load_messages([_message(text, 0, "partner_id")], [{"id": "c2c.o"}])
    assert (refusal.field, refusal.value) == ("partner_id", "")


def test_a_refused_vat_number_in_load_does_not_blame_the_quoted_name() -> None:
    rows = [{"id": "c2c.p", "name": "Acme", "vat": "BE0477472702"}]
    refusal = errors.from_load_messages([_message(VAT)], rows)
    assert (refusal.code, refusal.field, refusal.value) == ("vat_refused", "vat", "0477472702")


@pytest.mark.parametrize(
    "text",
    ["could not serialize access due to concurrent update\n", "deadlock detected\nDETAIL: x"],
)
def test_a_lost_race_is_a_conflict(text: str) -> None:
    refusal = errors.from_load_messages([_message(text)], [{"id": "c2c.p"}])
    assert (refusal.kind, refusal.code) == (TRANSIENT, "conflict")


def test_a_conflict_goes_before_another_records_business_error() -> None:
    messages = [
        _message("Value 'x' not found in selection field 'Type'", 0, "type"),
        _message("could not serialize access due to concurrent update", 1),
    ]
    refusal = errors.from_load_messages(messages, [{"id": "a", "type": "x"}, {"id": "b"}])
    assert refusal.kind is TRANSIENT
    assert _codes(refusal) == {0: "choice_unknown", 1: "conflict"}


def test_the_first_cause_of_a_record_counts_not_what_follows_from_it() -> None:
    messages = [
        _message("Something follows", 0),
        _message("No matching record found for external id 'c2c.x' in field 'C'", 0, "partner_id"),
        _message("Missing required value for the field 'C' (partner_id).", 0, "partner_id"),
    ]
    refusal = errors.from_load_messages(messages, [{"id": "a", "partner_id/id": "c2c.x"}])
    assert _codes(refusal) == {0: "reference_unknown"}


def test_the_first_record_is_not_blamed_for_anothers_failure() -> None:
    """Odoo 19's real answer where only the third of three partners had a bad VAT number."""
    rows = [{"id": f"c2c.p{number}", "vat": "x"} for number in range(3)]
    refusal = errors.from_load_messages([_message(VAT, 0), _message(VAT, 2)], rows)
    assert _codes(refusal) == {2: "vat_refused"}


def test_the_first_record_is_blamed_where_it_is_certain() -> None:
    rows = [{"id": f"c2c.p{number}", "vat": "x"} for number in range(3)]
    both = [_message("Both", 0), _message("Own", 0), _message("Own", 2)]
    assert set(errors.from_load_messages(both, rows).by_record) == {0, 2}
    assert set(errors.from_load_messages([_message("Own", 0)], rows).by_record) == {0}


def test_rows_beyond_ten_errors_are_not_blamed() -> None:
    messages: list[dict[str, Any]] = [_message("No", number, "name") for number in range(10)]
    messages.append({"type": "warning", "message": "Found more than 10 errors"})
    rows = [{"id": f"c2c.p{number}"} for number in range(50)]
    assert set(errors.from_load_messages(messages, rows).by_record) == set(range(10))


def test_the_database_s_copy_of_the_row_is_left_out() -> None:
    text = 'new row violates check constraint "x"\nDETAIL:  Failing row contains (1, salary).\n'
    refusal = errors.from_load_messages([_message(text)], [{"id": "c2c.p"}])
    assert refusal.code == "odoo_constraint"
    assert "salary" not in str(refusal)


def test_a_message_without_a_record_and_no_message_at_all() -> None:
    unplaced = {"type": "error", "message": "Unknown database error"}
    refusal = errors.from_load_messages([unplaced], [{"id": "a"}, {"id": "b"}])
    assert (refusal.kind, refusal.by_record) == (BUSINESS, {})
    silent = errors.from_load_messages([], [{"id": "a"}])
    assert (silent.kind, silent.code) == (DEFECT, "unexpected_answer")
    assert isinstance(silent, GatewayError)
