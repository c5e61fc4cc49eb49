"""Dataverse's Web API (v9.2): calls, pages, batches, limits, and the one mapping of its errors.

Knows paths and answers, not what a contract is; `gateways.crm.dynamics.crm` does.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import httpx

from contracts.model import JsonObject
from gateways import errors
from gateways.crm.dynamics import batch
from gateways.crm.dynamics.entra import EntraToken
from gateways.errors import GatewayError
from gateways.http import date_of, retry_after, unanswered
from gateways.throttle import Throttle

ROOT = "/api/data/v9.2/"

PAGE = 500
"""Rows in a page. Dataverse gives up to 5,000, in answers of many megabytes."""

MAX_PAGES = 100
"""Pages read of one list; a bound on a loop."""

MAX_WRITES, MAX_READS = 100, 300
"""Parts of one batch. Dataverse takes 1,000, but a call must end before its time-out."""

MAX_ANSWER_BYTES = 30_000_000

FORMATTED = "OData.Community.Display.V1.FormattedValue"
"""The annotation with what people see of a choice or a lookup."""

_HEADERS = {
    "Accept": "application/json",
    "OData-MaxVersion": "4.0",
    "OData-Version": "4.0",
    # Without it, what is expanded may come from a cache.
    "If-None-Match": "null",
}
_LIMIT_RETRY = timedelta(seconds=30)
"""Where a refusal for a limit states no wait; the limits are counted over five minutes."""
_SHOWN_CHARACTERS = 500
_UNQUOTED = "(),;=$'/@:"
"""What stays as it is in a query option."""

_UNDECLARED = "0x80048d19"
"""The code for a payload with a property that the table does not have."""

_PRIVILEGE = re.compile(r"\bprv[A-Za-z0-9_]+")
_PROPERTY = re.compile(
    r"(?:property named|property|attribute|segment) '([A-Za-z0-9_@.]{1,100})'", re.IGNORECASE
)


class Page(NamedTuple):
    """Rows; the mark of the next page, "" on the last; and Dataverse's own time, where its answer
    states it."""

    rows: list[JsonObject]
    next: str
    as_of: datetime | None


class DynamicsApi:
    """One organisation behind one pooled client (of `pooled_client`); thread-safe."""

    def __init__(
        self,
        http: httpx.Client,
        token: EntraToken,
        *,
        system: str,
        calls_per_second: float = 16.0,
    ) -> None:
        """6,000 calls in five minutes are allowed to a user; 16 a second leave some of them."""
        self.system = system
        self._http = http
        self._token = token
        self._calls = Throttle(calls_per_second, system=system)

    def close(self) -> None:
        """Close the connections. Calls still under way end with an error."""
        self._http.close()
        self._token.close()

    def get(self, path: str, options: Mapping[str, str], *, fresh: bool = False) -> JsonObject:
        """One row, or one object of the metadata; `fresh`: of definitions just changed, too.
        Raises GatewayError, `not_found` among others."""
        headers = {"Prefer": f'odata.include-annotations="{FORMATTED}"'}
        if fresh:
            headers["Consistency"] = "Strong"
        return self._json(self._call("GET", f"{path}{_query(options)}", headers=headers))

    def page(self, path: str, options: Mapping[str, str], mark: str = "") -> Page:
        """A page of the rows that `options` select; `mark` is that of the page before.

        A mark is Dataverse's own link to the next page, which must be used as it is.
        """
        headers = {"Prefer": f"odata.maxpagesize={PAGE}"}
        if mark and not mark.startswith(f"{path}?"):
            raise ValueError(f"{mark[:100]!r} is no mark of a page of {path}")
        response = self._call("GET", mark or f"{path}{_query(options)}", headers=headers)
        answer = self._json(response)
        return Page(self.rows_of(answer), self._mark(answer, path), date_of(response))

    def rows(self, path: str, options: Mapping[str, str]) -> list[JsonObject]:
        """The rows of all pages."""
        found: list[JsonObject] = []
        mark = ""
        for _ in range(MAX_PAGES):
            page = self.page(path, options, mark)
            found += page.rows
            mark = page.next
            if not mark:
                return found
        raise self.unexpected(f"more than {MAX_PAGES} pages of {path}")

    def definitions(self, path: str, options: Mapping[str, str]) -> list[JsonObject]:
        """Rows of the metadata, which come in one page."""
        return self.rows_of(self.get(path, options, fresh=True))

    def post(self, path: str, body: JsonObject, *, solution: str = "") -> None:
        """Create a row, or a part of the metadata in an unmanaged solution."""
        headers = {"MSCRM.SolutionUniqueName": solution} if solution else {}
        self._call("POST", path, content=json.dumps(body).encode(), headers=headers)

    def gets(
        self, wanted: Sequence[tuple[str, Mapping[str, str]]]
    ) -> list[JsonObject | GatewayError]:
        """What `get` says of each, in order, in one call for up to MAX_READS."""
        headers = ("Accept: application/json", f'Prefer: odata.include-annotations="{FORMATTED}"')
        parts = [
            batch.Part("GET", f"{ROOT}{path}{_query(options)}", headers=headers)
            for path, options in wanted
        ]
        return [self._found(answer) for answer in self._answers(parts, MAX_READS)]

    def upserts(self, rows: Sequence[tuple[str, JsonObject]]) -> list[GatewayError | None]:
        """Create or update each row, which a path with a key names; one verdict each, in order.

        One call for up to MAX_WRITES rows. Each is a transaction of its own: UpsertMultiple would
        write all or none, and one deal that is gone would hold up all other contracts.
        """
        parts = [batch.Part("PATCH", f"{ROOT}{path}", body) for path, body in rows]
        return [self._verdict(answer) for answer in self._answers(parts, MAX_WRITES)]

    def _answers(self, parts: Sequence[batch.Part], at_once: int) -> Iterator[batch.Answer]:
        for start in range(0, len(parts), at_once):
            yield from self._batch(parts[start : start + at_once])

    def _batch(self, parts: Sequence[batch.Part]) -> list[batch.Answer]:
        boundary = f"batch_{uuid.uuid4()}"
        response = self._call(
            "POST",
            "$batch",
            content=batch.encoded(parts, boundary),
            headers={
                "Content-Type": f'multipart/mixed; boundary="{boundary}"',
                "Prefer": "odata.continue-on-error",
            },
        )
        kind = response.headers.get("Content-Type", "")
        try:
            return batch.answers(kind, response.content, len(parts))
        except batch.MalformedBatch as error:
            raise self.unexpected(str(error)) from None

    def _verdict(self, answer: batch.Answer) -> GatewayError | None:
        is_done = 200 <= answer.status < 300
        return None if is_done else self._error(answer.status, answer.text, None)

    def _found(self, answer: batch.Answer) -> JsonObject | GatewayError:
        if error := self._verdict(answer):
            return error
        try:
            return self._object(answer.text)
        except GatewayError as error:
            return error

    def _call(
        self, method: str, path: str, *, headers: Mapping[str, str], content: bytes | None = None
    ) -> httpx.Response:
        bearer = self._token.bearer()
        response = self._sent(method, path, headers, content, bearer)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            # Refused before anything was done: once more, with a new token.
            bearer = self._token.bearer(refused=bearer)
            response = self._sent(method, path, headers, content, bearer)
        if response.is_success:
            if len(response.content) > MAX_ANSWER_BYTES:
                raise self.unexpected(f"an answer of {len(response.content)} bytes")
            return response
        refusal = self._error(response.status_code, response.text, retry_after(response))
        self._calls.heed(refusal)
        raise refusal

    def _sent(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        content: bytes | None,
        bearer: str,
    ) -> httpx.Response:
        self._calls.wait()
        every = {**_HEADERS, "Authorization": bearer, **headers}
        if content is not None:
            every.setdefault("Content-Type", "application/json")
        try:
            return self._http.request(method, f"{ROOT}{path}", content=content, headers=every)
        except httpx.HTTPError as error:
            raise unanswered(error, self.system, "Dynamics 365") from None

    def _error(self, status: int, text: str, wait: timedelta | None) -> GatewayError:
        """Dataverse's refusal, of a call or of a part of a batch, as a GatewayError: the only place
        that gives an answer its kind."""
        code, said = _error_of(text)
        message = f"{said[:_SHOWN_CHARACTERS]} [{code or 'no code'}] (HTTP {status})"
        if status == 401:
            return errors.credentials(self.system, "credentials_refused", message)
        if status == 403:
            missing = _PRIVILEGE.search(said)
            privilege = missing[0] if missing else ""
            return errors.business(
                self.system, "access_denied", message, field="privilege", value=privilege
            )
        if status == 404:
            return errors.business(self.system, "not_found", message)
        if status == 412:  # two made the row at the same time; a repeat finds it
            return errors.transient(self.system, "conflict", message)
        if status == 429:
            return errors.transient(self.system, "rate_limited", message, wait or _LIMIT_RETRY)
        if status >= 500 or status == 408:
            return errors.transient(self.system, "unavailable", message, wait, maybe_done=True)
        if status in (400, 413):
            named = _PROPERTY.search(said)
            column = named[1] if named else ""
            if code == _UNDECLARED:
                return errors.business(self.system, "crm_property_unknown", message, field=column)
            return errors.business(self.system, "crm_refused", message, field=column)
        return self.unexpected(message)

    def _json(self, response: httpx.Response) -> JsonObject:
        return self._object(response.text)

    def _object(self, text: str) -> JsonObject:
        """An answer's object, with its numbers exact."""
        try:
            answer = json.loads(text, parse_float=Decimal)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            shown = text[:_SHOWN_CHARACTERS]
            raise self.unexpected(f"an answer that is no JSON object: {shown}")
        return answer

    def rows_of(self, answer: JsonObject) -> list[JsonObject]:
        """The rows in an answer."""
        rows = answer.get("value")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self.unexpected("an answer without a list of rows in `value`")
        return rows

    def _mark(self, answer: JsonObject, path: str) -> str:
        """The link to the next page, without the address before it: a link that leads elsewhere
        would take the token along."""
        link = answer.get("@odata.nextLink") or ""
        if not link:
            return ""
        parts = urlsplit(str(link))
        _, _, relative = parts.path.partition(ROOT)
        if relative != path or parts.netloc != self._http.base_url.netloc.decode():
            raise self.unexpected(f"a next page that is none of {path}")
        return f"{path}?{parts.query}"

    def unexpected(self, message: str) -> GatewayError:
        """An answer that nobody here understands."""
        return errors.defect(self.system, "unexpected_answer", message)


def _query(options: Mapping[str, str]) -> str:
    """System query options as a URL has them: percent-encoded, never with `+` for a blank."""
    if not options:
        return ""
    pairs = (f"{name}={quote(value, safe=_UNQUOTED)}" for name, value in options.items())
    return f"?{'&'.join(pairs)}"


def _error_of(text: str) -> tuple[str, str]:
    """Code and message of an error's body; the text itself where it is something else."""
    try:
        body: Any = json.loads(text)
    except (ValueError, RecursionError):
        body = None
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return "", text.strip() or "no reason given"
    return str(error.get("code") or ""), str(error.get("message") or "no reason given")
