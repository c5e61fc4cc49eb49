"""Stripe's API: calls, limits, and the one mapping of errors.

Knows paths and answers, not what an invoice is; `gateways.payments.stripe.payments` does. Written
from Stripe's documentation and its official client, and not yet run against a live account.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from contracts.model import JsonObject
from gateways import errors
from gateways.errors import GatewayError
from gateways.http import date_of, expected_object, json_object, retry_after, unanswered
from gateways.payments.objects import not_found, rows_of, text_field
from gateways.secrets import Secret
from gateways.throttle import Throttle

PAGE = 100
"""Objects in one page; Stripe's limit."""
MAX_PAGES = 100
"""Of one list that is read whole, such as the payments of a payout."""
CALLS_PER_SECOND = 20.0
"""Stripe allows 100 in a second; the account has other users."""

_LIMIT_RETRY = timedelta(seconds=5)
_SHOWN_CHARACTERS = 500
_ROOT = "/v1"


class ListPage(NamedTuple):
    """Objects, the newest first, the mark that the next page begins behind ("": this was the last),
    and Stripe's own time."""

    rows: list[JsonObject]
    next: str
    as_of: datetime


class StripeApi:
    """One account behind one pooled client (of `pooled_client`); thread-safe."""

    def __init__(
        self,
        http: httpx.Client,
        api_key: Secret,
        *,
        system: str,
        version: str,
        calls_per_second: float = CALLS_PER_SECOND,
    ) -> None:
        self._http = http
        self._api_key = api_key
        self._system = system
        self._version = version
        self._throttle = Throttle(calls_per_second, system=system)

    def close(self) -> None:
        self._http.close()

    def read(self, kind: str, object_id: str, **params: Any) -> JsonObject:
        """One object of a kind such as `refunds`."""
        path = f"/{kind}/{quote(object_id, safe='')}"
        found = self._object(self._answered("GET", path, params=params))
        text_field(found, "id", self.unexpected)
        return found

    def page(self, kind: str, after: str = "", **params: Any) -> ListPage:
        """A page of the objects of a kind."""
        marked = {"starting_after": after} if after else {}
        response = self._answered("GET", f"/{kind}", params={"limit": PAGE, **params, **marked})
        answer = self._object(response)
        rows = rows_of(answer, "data", self.unexpected)
        last = text_field(rows[-1], "id", self.unexpected) if rows else ""
        more = last if answer.get("has_more") is True else ""
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

    def create(self, kind: str, form: Mapping[str, str], key: str) -> JsonObject:
        """Create an object once for each key, as far back as Stripe remembers keys."""
        headers = {"Idempotency-Key": key}
        return self._object(self._answered("POST", f"/{kind}", data=dict(form), headers=headers))

    # --- calls ----------------------------------------------------------------------------------

    def _answered(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        self._throttle.wait()
        every = {
            "Authorization": self._api_key.bearer(),
            "Stripe-Version": self._version,
            **(headers or {}),
        }
        try:
            response = self._http.request(method, _ROOT + path, headers=every, **more)
        except httpx.HTTPError as error:
            raise unanswered(error, self._system, "Stripe") from None
        if response.is_success:
            return response
        refusal = self._error(response)
        self._throttle.heed(refusal)
        raise refusal

    def _object(self, response: httpx.Response) -> JsonObject:
        return expected_object(response, self.unexpected)

    def _error(self, response: httpx.Response) -> GatewayError:
        """A refusal as a GatewayError: the only place that gives an answer its kind."""
        body, status, system = json_object(response) or {}, response.status_code, self._system
        stated = body.get("error")
        detail = stated if isinstance(stated, dict) else {}
        text = str(detail.get("message") or response.reason_phrase)[:_SHOWN_CHARACTERS]
        code = detail.get("code") or detail.get("type") or ""
        message = f"{code}: {text} (HTTP {status})".removeprefix(": ")
        if status == httpx.codes.UNAUTHORIZED:
            return errors.credentials(system, "credentials_refused", message)
        if status == httpx.codes.FORBIDDEN:
            return errors.business(system, "access_denied", message)
        if status == httpx.codes.NOT_FOUND:
            return not_found(system, message)
        if status == httpx.codes.TOO_MANY_REQUESTS:
            wait = retry_after(response) or _LIMIT_RETRY
            return errors.transient(system, "rate_limited", message, wait)
        if status in (httpx.codes.CONFLICT, httpx.codes.REQUEST_TIMEOUT) or status >= 500:
            return errors.transient(system, "unavailable", message, retry_after(response))
        if status in (httpx.codes.BAD_REQUEST, httpx.codes.PAYMENT_REQUIRED):
            return errors.business(system, "payments_refused", message)
        return self.unexpected(message)

    def unexpected(self, text: str) -> GatewayError:
        return errors.defect(self._system, "unexpected_answer", f"Stripe: {text}")
