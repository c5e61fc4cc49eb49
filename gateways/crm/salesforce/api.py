"""Salesforce's REST API: calls and limits. What its refusals mean is in `refusals`.

Knows paths and answers, not what a contract is; `gateways.crm.salesforce.crm` does. Written from
Salesforce's documentation and the clients of others, and not yet run against a live org.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from contracts.model import JsonObject
from gateways import errors
from gateways.crm.salesforce import refusals
from gateways.crm.salesforce.login import Grant, Login
from gateways.crm.salesforce.refusals import Stated
from gateways.errors import GatewayError
from gateways.http import date_of, unanswered
from gateways.throttle import Throttle

MAX_BATCH = 200
"""Records in one composite call; Salesforce's limit."""

MAX_ROWS = 20_000
"""Rows of one query; a bound on a loop, far above any real deal or page."""

_MAX_BYTES = 20_000_000
"""A query's answer has at most 2,000 rows, some MB; a description of an object is smaller."""

_ROOT = "/services/data"
_SHOWN_CHARACTERS = 500
_NEARLY_USED_PERCENT = 90
_SPARING_CALLS_PER_SECOND = 0.5

_USAGE = re.compile(r"(?<![\w-])api-usage=([0-9]{1,12})/([0-9]{1,12})")


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
        try:
            return {
                str(item["name"]): FieldInfo(
                    str(item["type"]), int(item.get("length") or 0), bool(item.get("updateable"))
                )
                for item in found
            }
        except (AttributeError, KeyError, TypeError, ValueError):
            text = f"a description of {kind} with a field that has no name or type"
            raise self._unexpected(text) from None

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
        reasons = result.get("errors")
        if not isinstance(reasons, list) or not all(isinstance(item, dict) for item in reasons):
            raise self._unexpected(f"a result that says nothing: {_short(result)}")
        stated = [Stated.of(item) for item in reasons or [{}]]
        return refusals.of_record(stated, system=self._system)

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
        if refusals.session_ended(response):
            response = send(self._login.token(refused=token))
        if response.is_success:
            return response
        refusal = refusals.of_call(response, system=self._system, version=self._version)
        self._throttle.heed(refusal)
        raise refusal

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


def _short(value: Any) -> str:
    return json.dumps(value, sort_keys=True)[:_SHOWN_CHARACTERS]
