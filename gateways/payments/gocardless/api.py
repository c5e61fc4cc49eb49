"""GoCardless' API: calls, limits, and the one mapping of errors.

Knows paths and answers, not what an invoice is; `gateways.payments.gocardless.payments` does.
Written from GoCardless' documentation and its official client, and not yet run against a live
account.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import httpx

from contracts.model import JsonObject
from gateways.errors import GatewayError
from gateways.http import date_of
from gateways.payments.lists import ListPage, ProcessorApi
from gateways.payments.objects import reference, rows_of
from gateways.remote_api import Refusal, wait_until
from gateways.secrets import Secret

VERSION = "2015-07-06"
PAGE = 500
"""Objects in one page; GoCardless' limit."""
CALLS_PER_SECOND = 10.0
"""GoCardless allows 1,000 in a minute."""


class GoCardlessApi(ProcessorApi):
    """One creditor of GoCardless."""

    name = "GoCardless"
    limit_retry = timedelta(minutes=1)
    max_pages = 20

    def __init__(
        self,
        http: httpx.Client,
        token: Secret,
        *,
        system: str,
        calls_per_second: float = CALLS_PER_SECOND,
    ) -> None:
        super().__init__(http, system=system, calls_per_second=calls_per_second)
        self._token = token

    def read(self, kind: str, object_id: str) -> JsonObject:
        """One object of a kind such as `refunds`."""
        return self._one(kind, self.answered("GET", f"/{kind}/{quote(object_id, safe='')}"))

    def page(self, kind: str, after: str = "", **params: Any) -> ListPage:
        """A page of the objects of a kind."""
        marked = {"after": after} if after else {}
        response = self.answered("GET", f"/{kind}", params={"limit": PAGE, **params, **marked})
        answer = self.object_of(response)
        rows = rows_of(answer, kind, self.unexpected)
        meta = answer.get("meta")
        cursors = meta.get("cursors") if isinstance(meta, dict) else None
        more = reference(cursors.get("after")) if isinstance(cursors, dict) else ""
        return ListPage(rows, more, date_of(response) or datetime.now(UTC))

    def create(self, kind: str, fields: Mapping[str, Any], key: str) -> JsonObject:
        """Create an object once for each key: what was created under it before is read."""
        headers = {"Idempotency-Key": key}
        try:
            found = self.answered("POST", f"/{kind}", json={kind: dict(fields)}, headers=headers)
        except _AlreadyThere as there:
            return self.read(kind, there.object_id)
        return self._one(kind, found)

    # --- calls ----------------------------------------------------------------------------------

    def _one(self, kind: str, response: httpx.Response) -> JsonObject:
        found = self.object_of(response).get(kind)
        if not isinstance(found, dict) or not reference(found):
            raise self.unexpected(f"an answer without its {kind}")
        return found

    def credentials(self) -> Mapping[str, str]:
        return {"Authorization": self._token.bearer(), "GoCardless-Version": VERSION}

    def stated(self, body: JsonObject) -> tuple[object, object]:
        detail = _detail(body)
        return detail.get("type"), detail.get("message")

    def own_meaning(self, refusal: Refusal) -> GatewayError | None:
        """Raises _AlreadyThere where it is no refusal."""
        if refusal.status == httpx.codes.CONFLICT:
            if known := _conflicting(_detail(refusal.body)):
                raise _AlreadyThere(known)
            return self.passing(refusal)
        if refusal.status in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
            return self.not_there(refusal)
        if refusal.status in (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY):
            return self.for_people("payments_refused", refusal)
        return None

    def limited_for(self, refusal: Refusal) -> timedelta:
        """It says when the limit ends, as a date."""
        try:
            until = parsedate_to_datetime(refusal.response.headers.get("ratelimit-reset", ""))
        except ValueError:
            return super().limited_for(refusal)
        aware = until if until.tzinfo else until.replace(tzinfo=UTC)
        return wait_until(aware, refusal.response)


class _AlreadyThere(Exception):
    """An object was created under this key before."""

    def __init__(self, object_id: str) -> None:
        super().__init__(object_id)
        self.object_id = object_id


def _detail(body: JsonObject) -> JsonObject:
    found = body.get("error")
    return found if isinstance(found, dict) else {}


def _conflicting(detail: JsonObject) -> str:
    """The object that was created under the same key, by its id; "" where it says nothing of one.
    The links are those of the error itself, or of one of its reasons."""
    reasons = detail.get("errors")
    for item in (detail, *(reasons if isinstance(reasons, list) else ())):
        links = item.get("links") if isinstance(item, dict) else None
        if isinstance(links, dict) and (found := reference(links.get("conflicting_resource_id"))):
            return found
    return ""
