"""Salesforce's REST API: calls, limits, and the one mapping of errors.

Knows paths and answers, not what a contract is; `gateways.crm.salesforce.crm` does. Written from
Salesforce's documentation and the clients of others, and not yet run against a live org.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from contracts.model import JsonObject
from gateways import errors
from gateways.crm.salesforce.login import Grant, Login
from gateways.errors import FailureKind, GatewayError
from gateways.http import date_of, retry_after, unanswered
from gateways.throttle import Throttle

MAX_BATCH = 200
"""Records in one composite call; Salesforce's limit."""

MAX_ROWS = 20_000
"""Rows of one query; a bound on a loop, far above any real deal or page."""

_MAX_BYTES = 20_000_000
"""A query's answer has at most 2,000 rows, some MB; a description of an object is smaller."""

_ROOT = "/services/data"
_SHOWN_CHARACTERS = 500
_INVALID_SESSION = "INVALID_SESSION_ID"
_LIMIT_EXCEEDED = "REQUEST_LIMIT_EXCEEDED"
_NEARLY_USED_PERCENT = 90
_SPARING_CALLS_PER_SECOND = 0.5
_DAILY_RETRY = timedelta(minutes=15)
"""The day's calls are counted in a window of 24 hours that slides, so some come back soon."""
_CONCURRENT_RETRY = timedelta(seconds=10)
_MAX_PAUSE = timedelta(minutes=1)
"""Longer and a raised limit would go unnoticed; the engine waits out the rest."""

_USAGE = re.compile(r"(?<![\w-])api-usage=([0-9]{1,12})/([0-9]{1,12})")
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


class Rows(NamedTuple):
    """What a query found, and Salesforce's own time, where its answer states it."""

    records: list[JsonObject]
    as_of: datetime | None


class FieldInfo(NamedTuple):
    """A field as the user sees it; a field hidden from the user is not there at all."""

    type: str
    length: int
    updateable: bool


class SalesforceApi:
    """One org behind one pooled client (of `pooled_client`, on its My Domain); thread-safe."""

    def __init__(
        self,
        http: httpx.Client,
        grant: Grant,
        *,
        system: str,
        version: str,
        throttle: Throttle | None = None,
        sparing: Throttle | None = None,
    ) -> None:
        """`sparing` spaces the calls once the day's are nearly used: they are the whole firm's.
        Until then none are spaced, as Salesforce counts them by the day."""
        self._http = http
        self._login = Login(http, grant, system=system)
        self._system = system
        self._version = version
        self._base = f"{_ROOT}/{version}"
        self._throttle = throttle or Throttle(system=system)
        self._sparing = sparing or Throttle(_SPARING_CALLS_PER_SECOND, system=system)
        self._is_scarce = False

    def close(self) -> None:
        """Close the connections. Calls still under way end with an error."""
        self._http.close()

    def query(self, soql: str) -> Rows:
        """All rows of a query, without those in the recycle bin."""
        response = self._answered("GET", f"{self._base}/query", params={"q": soql})
        return Rows(self._all_rows(self._object(response)), date_of(response))

    def children(self, record: JsonObject, relationship: str) -> list[JsonObject]:
        """The rows of a sub-select; Salesforce says null where there are none."""
        found = record.get(relationship)
        if found is None:
            return []
        if not isinstance(found, dict):
            raise self._unexpected(f"a {relationship} that is no list: {_short(found)}")
        return self._all_rows(found)

    def update_many(self, kind: str, records: Sequence[JsonObject]) -> list[GatewayError | None]:
        """Set fields of up to MAX_BATCH records by their `id`: a verdict each, in order. One that
        is refused holds up no other; of kind business with the code `not_found` where there is no
        such record, else with `status_refused`, `access_denied` or `crm_refused`."""
        if len(records) > MAX_BATCH:
            raise ValueError(f"{len(records)} records in one call; Salesforce takes {MAX_BATCH}")
        body = {
            "allOrNone": False,
            "records": [{"attributes": {"type": kind}, **record} for record in records],
        }
        answer = self._json(self._answered("PATCH", f"{self._base}/composite/sobjects", body=body))
        if not isinstance(answer, list) or len(answer) != len(records):
            raise self._unexpected(f"an answer without one result a record: {_short(answer)}")
        return [self._verdict(result) for result in answer]

    def fields(self, kind: str) -> dict[str, FieldInfo] | None:
        """The fields of an object that the user may see, by API name; None where the user sees no
        such object."""
        path = f"{self._base}/sobjects/{quote(kind, safe='')}/describe"
        try:
            answer = self._object(self._answered("GET", path))
        except GatewayError as error:
            if error.code == "not_found":
                return None
            raise
        found = answer.get("fields")
        if not isinstance(found, list):
            raise self._unexpected(f"a description of {kind} without fields")
        return {
            str(item["name"]): FieldInfo(
                str(item["type"]), int(item.get("length") or 0), bool(item.get("updateable"))
            )
            for item in found
        }

    @property
    def version(self) -> str:
        """The API version that calls are made in, such as v67.0."""
        return self._version

    def versions(self) -> list[str]:
        """The API versions that the org offers, oldest first."""
        answer = self._json(self._answered("GET", _ROOT))
        if not isinstance(answer, list):
            raise self._unexpected(f"an answer without versions: {_short(answer)}")
        found = [str(item.get("version")) for item in answer if isinstance(item, dict)]
        if not found:
            raise self._unexpected(f"an answer without versions: {_short(answer)}")
        return [f"v{version}" for version in found]

    def _all_rows(self, answer: JsonObject) -> list[JsonObject]:
        """An answer's rows and those of the answers that it says come next."""
        rows = self._records(answer)
        while not self._is_last(answer):
            following = str(answer.get("nextRecordsUrl") or "")
            if not following.startswith(f"{_ROOT}/"):
                # Only a path: the token goes to no other host, whatever an answer says.
                raise self._unexpected(f"a next page at no path of the API: {following!r}")
            answer = self._object(self._answered("GET", following))
            more = self._records(answer)
            if not more or len(rows) + len(more) > MAX_ROWS:
                raise self._unexpected(f"pages without an end, or more than {MAX_ROWS} rows")
            rows += more
        return rows

    def _is_last(self, answer: JsonObject) -> bool:
        done = answer.get("done")
        if not isinstance(done, bool):  # half an answer is no answer
            raise self._unexpected(f"an answer that does not say if it is all: {_short(answer)}")
        return done

    def _records(self, answer: JsonObject) -> list[JsonObject]:
        records = answer.get("records")
        if not isinstance(records, list) or not all(isinstance(row, dict) for row in records):
            raise self._unexpected(f"an answer without records: {_short(answer)}")
        return list(records)

    def _verdict(self, result: Any) -> GatewayError | None:
        if not isinstance(result, dict) or not isinstance(result.get("success"), bool):
            raise self._unexpected(f"a result that says nothing: {_short(result)}")
        if result["success"]:
            return None
        # Salesforce gives the reasons of one record together; the first that passes by itself
        # decides, as the others may pass with it.
        stated = [item for item in result.get("errors") or [{}] if isinstance(item, dict)]
        found = [self._kind_of(_Stated.of(item), "status_refused") for item in stated]
        if not found:
            raise self._unexpected(f"a result that says nothing: {_short(result)}")
        return next((error for error in found if error.kind is FailureKind.TRANSIENT), found[0])

    def _answered(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        body: JsonObject | None = None,
    ) -> httpx.Response:
        """The answer to a call. A token that is refused is replaced once: Salesforce ended the
        session before it did anything, so the call is made again."""

        def send(token: str) -> httpx.Response:
            self._throttle.wait()
            if self._is_scarce:
                self._sparing.wait()
            return self._sent(method, path, token, params, body)

        token = self._login.token()
        response = send(token)
        if _session_ended(response):
            response = send(self._login.token(refused=token))
        if response.is_success:
            return response
        raise self._error(response)

    def _sent(
        self,
        method: str,
        path: str,
        token: str,
        params: dict[str, str] | None,
        body: JsonObject | None,
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        try:
            response = self._http.request(method, path, params=params, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise unanswered(error, self._system, "Salesforce") from None
        self._watch_usage(response)
        return response

    def _watch_usage(self, response: httpx.Response) -> None:
        usage = _USAGE.search(response.headers.get("Sforce-Limit-Info", ""))
        if usage is not None:
            used, allowed = int(usage[1]), int(usage[2])
            self._is_scarce = used * 100 >= allowed * _NEARLY_USED_PERCENT

    def _error(self, response: httpx.Response) -> GatewayError:
        """Salesforce's refusal of a whole call as a GatewayError."""
        stated, status = _stated(response), response.status_code
        message = f"{stated.code} {stated.message}".strip() + f" (HTTP {status})"
        if status == 401:
            return errors.credentials(self._system, "credentials_refused", message)
        if stated.code == _LIMIT_EXCEEDED or status == 429:
            return self._limit_exceeded(response, message)
        if status == 410 or stated.code == "UNSUPPORTED_API_VERSION":
            return self._version_gone(message)
        if status == 404 and "/sobjects/" not in response.request.url.path:
            # A query and a composite call are at the same path in every version there is.
            return self._version_gone(message)
        if status >= 500:
            wait = retry_after(response)
            return errors.transient(self._system, "unavailable", message, wait, maybe_done=True)
        if response.is_redirect:
            place = httpx.URL(response.headers.get("Location", "")).host
            text = (
                f"Salesforce moved to {place or 'another address'}: correct `url` (HTTP {status})"
            )
            return errors.business(self._system, "crm_refused", text, field="url", value=place)
        if status == 403:
            return errors.business(self._system, "access_denied", message)
        if status in (400, 404, 409) and stated.code:
            return self._kind_of(stated._replace(message=message), "crm_refused")
        return self._unexpected(message)

    def _kind_of(self, stated: _Stated, code: str) -> GatewayError:
        """One error, of a call or of a record in it: the only place that gives it its kind. What
        is for a person and of no known sort has the `code`."""
        if stated.code in _PASSES:
            code, wait = _PASSES[stated.code]
            return errors.transient(self._system, code, stated.text, wait)
        if stated.code in _ABSENT:
            return errors.business(self._system, "not_found", stated.text)
        if stated.code == "MALFORMED_QUERY":
            return self._unexpected(stated.text)
        field = ", ".join(stated.fields)
        if stated.code in _RIGHTS:
            return errors.business(self._system, "access_denied", stated.text, field=field)
        if stated.code in _SETUP:
            return errors.business(self._system, "crm_refused", stated.text, field=field)
        return errors.business(self._system, code, stated.text, field=field)

    def _limit_exceeded(self, response: httpx.Response, message: str) -> GatewayError:
        """Hold our other threads back too: each call refused by the day's limit is one more."""
        daily = "TotalRequests" in message
        wait = retry_after(response) or (_DAILY_RETRY if daily else _CONCURRENT_RETRY)
        self._throttle.pause(min(wait, _MAX_PAUSE))
        return errors.transient(self._system, "rate_limited", message, wait)

    def _version_gone(self, message: str) -> GatewayError:
        text = f"the org does not answer at API version {self._version}: {message}"
        return errors.business(
            self._system, "crm_version_gone", text, field="api_version", value=self._version
        )

    def _object(self, response: httpx.Response) -> JsonObject:
        answer = self._json(response)
        if not isinstance(answer, dict):
            raise self._unexpected(f"an answer that is no JSON object: {_short(answer)}")
        return answer

    def _json(self, response: httpx.Response) -> Any:
        """An answer's JSON; numbers with decimals stay text, as no float may hold money."""
        if len(response.content) > _MAX_BYTES:
            raise self._unexpected(f"an answer of more than {_MAX_BYTES} bytes")
        try:
            return json.loads(response.content, parse_float=str, parse_constant=str)
        except (ValueError, RecursionError):
            shown = response.text[:_SHOWN_CHARACTERS]
            raise self._unexpected(f"an answer that is no JSON: {shown}") from None

    def _unexpected(self, message: str) -> GatewayError:
        return errors.defect(self._system, "unexpected_answer", message)


class _Stated(NamedTuple):
    """An error as Salesforce states it."""

    code: str
    message: str
    fields: tuple[str, ...]

    @classmethod
    def of(cls, item: JsonObject) -> _Stated:
        """Single calls name the code `errorCode`, results in a composite answer `statusCode`."""
        message = str(item.get("message") or "")[:_SHOWN_CHARACTERS]
        named = item.get("fields")
        fields = tuple(map(str, named)) if isinstance(named, list) else ()
        stated = str(item.get("errorCode") or item.get("statusCode") or "")
        return cls(stated, message, fields or tuple(_COLUMN.findall(message)))

    @property
    def text(self) -> str:
        return self.message if self.message.startswith(self.code) else f"{self.code} {self.message}"


def _stated(response: httpx.Response) -> _Stated:
    """The first error of an answer; one without a code where it is no answer of Salesforce's."""
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        body = None
    first = body[0] if isinstance(body, list) and body else body
    if isinstance(first, dict):
        return _Stated.of(first)
    shown = response.text[:_SHOWN_CHARACTERS] or response.reason_phrase
    return _Stated("", shown, ())


def _session_ended(response: httpx.Response) -> bool:
    return response.status_code == 401 and _stated(response).code == _INVALID_SESSION


def _short(value: Any) -> str:
    return json.dumps(value, sort_keys=True)[:_SHOWN_CHARACTERS]
