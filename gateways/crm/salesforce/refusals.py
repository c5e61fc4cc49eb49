"""Salesforce's refusals as errors of ours: the only place that gives an answer its kind."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import NamedTuple

import httpx

from contracts.model import JsonObject
from gateways import errors
from gateways.errors import FailureKind, GatewayError
from gateways.http import retry_after

_SHOWN_CHARACTERS = 500
_INVALID_SESSION = "INVALID_SESSION_ID"
_LIMIT_EXCEEDED = "REQUEST_LIMIT_EXCEEDED"
_DAILY_RETRY = timedelta(minutes=15)
"""The day's calls are counted in a window of 24 hours that slides, so some come back soon."""
_CONCURRENT_RETRY = timedelta(seconds=10)

_COLUMN = re.compile(r"No such (?:column|relation) '([^']+)'")

_PASSES = {
    "UNABLE_TO_LOCK_ROW": ("locked", timedelta(seconds=5)),
    "DUPLICATE_VALUE": ("conflict", timedelta(seconds=2)),
    "QUERY_TIMEOUT": ("unavailable", None),
    "INVALID_QUERY_LOCATOR": ("unavailable", None),
    "SERVER_UNAVAILABLE": ("unavailable", None),
    "UNKNOWN_EXCEPTION": ("unavailable", None),
}
"""What passes by itself: two writers met (also where one creates what another just created), or
Salesforce was busy; a cursor that ended is opened anew by the next attempt."""

_RIGHTS = {
    "API_CURRENTLY_DISABLED",
    "API_DISABLED_FOR_ORG",
    "INSUFFICIENT_ACCESS",
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
    "INSUFFICIENT_ACCESS_OR_READONLY",
    "INVALID_FIELD_FOR_INSERT_UPDATE",
}
_SETUP = {"INVALID_FIELD", "INVALID_TYPE", "INVALID_TYPE_ON_FIELD_IN_RECORD", "STRING_TOO_LONG"}
_ABSENT = {"ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID", "NOT_FOUND"}
_OUR_MISTAKE = {"MALFORMED_QUERY", "JSON_PARSER_ERROR"}


class Stated(NamedTuple):
    """An error as Salesforce states it."""

    code: str
    message: str
    fields: tuple[str, ...]

    @classmethod
    def of(cls, item: JsonObject) -> Stated:
        """Single calls name the code `errorCode`, results in a composite answer `statusCode`."""
        message = str(item.get("message") or "")[:_SHOWN_CHARACTERS]
        named = item.get("fields")
        fields = tuple(map(str, named)) if isinstance(named, list) else ()
        stated = str(item.get("errorCode") or item.get("statusCode") or "")
        return cls(stated, message, fields or tuple(_COLUMN.findall(message)))

    @classmethod
    def by(cls, response: httpx.Response) -> Stated:
        """The first error of an answer; without a code where it is no answer of Salesforce's."""
        try:
            body = json.loads(response.content)
        except (ValueError, RecursionError):
            body = None
        first = body[0] if isinstance(body, list) and body else body
        if isinstance(first, dict):
            return cls.of(first)
        return cls("", response.text[:_SHOWN_CHARACTERS] or response.reason_phrase, ())

    @property
    def text(self) -> str:
        return f"{self.code} {self.message}".strip()


def session_ended(response: httpx.Response) -> bool:
    return response.status_code == 401 and Stated.by(response).code == _INVALID_SESSION


def of_call(response: httpx.Response, *, system: str, version: str) -> GatewayError:
    """Why Salesforce refused a whole call, made in this API version."""
    stated, status = Stated.by(response), response.status_code
    message = f"{stated.text} (HTTP {status})"
    if status == 401:
        return errors.credentials(system, "credentials_refused", message)
    if stated.code == _LIMIT_EXCEEDED or status == 429:
        usual = _DAILY_RETRY if "TotalRequests" in message else _CONCURRENT_RETRY
        wait = retry_after(response) or usual
        return errors.transient(system, "rate_limited", message, wait)
    if _is_version_gone(response, stated):
        text = f"the org does not answer at API version {version}: {message}"
        return errors.business(system, "crm_version_gone", text, field="api_version", value=version)
    if status >= 500:
        asked = retry_after(response)
        return errors.transient(system, "unavailable", message, asked, maybe_done=True)
    if response.is_redirect:
        place = response.headers.get("Location", "")[:_SHOWN_CHARACTERS]
        text = f"the org moved: correct `url` (HTTP {status})"
        return errors.business(system, "crm_refused", text, field="url", value=place)
    if status == 403:
        return errors.business(system, "access_denied", message)
    if status in (400, 404, 409) and stated.code:
        return _of_one(stated, message, "crm_refused", system)
    return errors.defect(system, "unexpected_answer", message)


def of_record(stated: list[Stated], *, system: str) -> GatewayError:
    """Why one record of a call was refused, of the reasons that Salesforce gives together: the
    first that passes by itself decides, as the others may pass with it."""
    found = [_of_one(item, item.text, "status_refused", system) for item in stated]
    return next((error for error in found if error.kind is FailureKind.TRANSIENT), found[0])


def _of_one(stated: Stated, message: str, code: str, system: str) -> GatewayError:
    """What is for a person and of no known sort has the `code`."""
    if stated.code in _PASSES:
        code, wait = _PASSES[stated.code]
        return errors.transient(system, code, message, wait)
    if stated.code in _ABSENT:
        return errors.business(system, "not_found", message)
    if stated.code in _OUR_MISTAKE:
        return errors.defect(system, "unexpected_answer", message)
    field = ", ".join(stated.fields)
    if stated.code in _RIGHTS:
        return errors.business(system, "access_denied", message, field=field)
    if stated.code in _SETUP:
        return errors.business(system, "crm_refused", message, field=field)
    return errors.business(system, code, message, field=field)


def _is_version_gone(response: httpx.Response, stated: Stated) -> bool:
    """A version that is retired, or not there yet. A query and a composite call are at the same
    path in every version, so nothing else can be absent there."""
    if response.status_code == 410 or stated.code == "UNSUPPORTED_API_VERSION":
        return True
    return response.status_code == 404 and "/sobjects/" not in response.request.url.path
