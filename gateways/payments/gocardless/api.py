"""GoCardless' API: calls, limits, and the one mapping of errors.

Knows paths and answers, not what an invoice is; `gateways.payments.gocardless.payments` does.
Written from GoCardless' documentation and its official client, and not yet run against a live
account.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from contracts.model import JsonObject
from gateways import errors
from gateways.errors import GatewayError
from gateways.http import (
    MAX_RETRY_AFTER,
    date_of,
    expected_object,
    json_object,
    retry_after,
    unanswered,
)
from gateways.payments.objects import not_found, reference, rows_of
from gateways.secrets import Secret
from gateways.throttle import Throttle

VERSION = "2015-07-06"
PAGE = 500
"""Objects in one page; GoCardless' limit."""
MAX_PAGES = 20
"""Of one list that is read whole, such as the refunds of a payment."""
CALLS_PER_SECOND = 10.0
"""GoCardless allows 1,000 in a minute."""

_LIMIT_RETRY = timedelta(minutes=1)
_SHOWN_CHARACTERS = 500


class ListPage(NamedTuple):
    """Objects, the newest first, the mark that the next page begins behind ("": this was the last),
    and GoCardless' own time."""

    rows: list[JsonObject]
    next: str
    as_of: datetime


class GoCardlessApi:
    """One creditor behind one pooled client (of `pooled_client`); thread-safe."""

    def __init__(
        self,
        http: httpx.Client,
        token: Secret,
        *,
        system: str,
        calls_per_second: float = CALLS_PER_SECOND,
    ) -> None:
        self._http = http
        self._token = token
        self._system = system
        self._throttle = Throttle(calls_per_second, system=system)

    def close(self) -> None:
        self._http.close()

    def read(self, kind: str, object_id: str) -> JsonObject:
        """One object of a kind such as `refunds`."""
        return self._one(kind, self._answered("GET", f"/{kind}/{quote(object_id, safe='')}"))

    def page(self, kind: str, after: str = "", **params: Any) -> ListPage:
        """A page of the objects of a kind."""
        marked = {"after": after} if after else {}
        response = self._answered("GET", f"/{kind}", params={"limit": PAGE, **params, **marked})
        answer = expected_object(response, self.unexpected)
        rows = rows_of(answer, kind, self.unexpected)
        meta = answer.get("meta")
        cursors = meta.get("cursors") if isinstance(meta, dict) else None
        more = reference(cursors.get("after")) if isinstance(cursors, dict) else ""
        return ListPage(rows, more, date_of(response) or datetime.now(UTC))

    def every(self, kind: str, **params: Any) -> Iterator[JsonObject]:
        """All objects of a kind that fit, in bounds."""
        after = ""
        for _ in range(MAX_PAGES):
            found = self.page(kind, after, **params)
            yield from found.rows
            after = found.next
            if not after:
                return
        raise self.unexpected(f"a list of more than {MAX_PAGES} pages of {kind}")

    def create(self, kind: str, fields: Mapping[str, Any], key: str) -> JsonObject:
        """Create an object once for each key: what was created under it before is read."""
        headers = {"Idempotency-Key": key}
        try:
            found = self._answered("POST", f"/{kind}", json={kind: dict(fields)}, headers=headers)
        except _AlreadyThere as there:
            return self.read(kind, there.object_id)
        return self._one(kind, found)

    # --- calls ----------------------------------------------------------------------------------

    def _one(self, kind: str, response: httpx.Response) -> JsonObject:
        found = expected_object(response, self.unexpected).get(kind)
        if not isinstance(found, dict) or not reference(found):
            raise self.unexpected(f"an answer without its {kind}")
        return found

    def _answered(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        self._throttle.wait()
        every = {
            "Authorization": self._token.bearer(),
            "GoCardless-Version": VERSION,
            "Accept": "application/json",
            **(headers or {}),
        }
        try:
            response = self._http.request(method, path, headers=every, **more)
        except httpx.HTTPError as error:
            raise unanswered(error, self._system, "GoCardless") from None
        if response.is_success:
            return response
        refusal = self._error(response)
        self._throttle.heed(refusal)
        raise refusal

    def _error(self, response: httpx.Response) -> GatewayError:
        """A refusal as a GatewayError: the only place that gives an answer its kind. Raises
        _AlreadyThere where it is none."""
        body, status, system = json_object(response) or {}, response.status_code, self._system
        stated = body.get("error")
        detail = stated if isinstance(stated, dict) else {}
        text = str(detail.get("message") or response.reason_phrase)[:_SHOWN_CHARACTERS]
        message = f"{detail.get('type') or ''}: {text} (HTTP {status})".removeprefix(": ")
        if status == httpx.codes.CONFLICT and (known := _conflicting(detail)):
            raise _AlreadyThere(known)
        if status == httpx.codes.UNAUTHORIZED:
            return errors.credentials(system, "credentials_refused", message)
        if status == httpx.codes.FORBIDDEN:
            return errors.business(system, "access_denied", message)
        if status in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
            return not_found(system, message)
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return errors.transient(system, "rate_limited", message, _wait(response))
        if status in (httpx.codes.CONFLICT, httpx.codes.REQUEST_TIMEOUT) or status >= 500:
            return errors.transient(system, "unavailable", message, retry_after(response))
        if status in (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY):
            return errors.business(system, "payments_refused", message)
        return self.unexpected(message)

    def unexpected(self, text: str) -> GatewayError:
        return errors.defect(self._system, "unexpected_answer", f"GoCardless: {text}")


class _AlreadyThere(Exception):
    """An object was created under this key before."""

    def __init__(self, object_id: str) -> None:
        super().__init__(object_id)
        self.object_id = object_id


def _conflicting(detail: JsonObject) -> str:
    """The object that was created under the same key, by its id; "" where it says nothing of one.
    The links are those of the error itself, or of one of its reasons."""
    reasons = detail.get("errors")
    for item in (detail, *(reasons if isinstance(reasons, list) else ())):
        links = item.get("links") if isinstance(item, dict) else None
        if isinstance(links, dict) and (found := reference(links.get("conflicting_resource_id"))):
            return found
    return ""


def _wait(response: httpx.Response) -> timedelta:
    """How long a limit lasts: it says when it ends, as a date."""
    try:
        until = parsedate_to_datetime(response.headers.get("ratelimit-reset", ""))
    except ValueError:
        return retry_after(response) or _LIMIT_RETRY
    now = date_of(response) or datetime.now(UTC)
    aware = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(aware - now, timedelta(seconds=1)), MAX_RETRY_AFTER)
