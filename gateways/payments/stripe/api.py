"""Stripe's API: calls, limits, and the one mapping of errors.

Knows paths and answers, not what an invoice is; `gateways.payments.stripe.payments` does. Written
from Stripe's documentation and its official client, and not yet run against a live account.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx

from contracts.model import JsonObject
from gateways.errors import GatewayError
from gateways.http import date_of
from gateways.payments.lists import ListPage, ProcessorApi
from gateways.payments.objects import rows_of, text_field
from gateways.remote_api import Refusal
from gateways.secrets import Secret

PAGE = 100
"""Objects in one page; Stripe's limit."""
CALLS_PER_SECOND = 20.0
"""Stripe allows 100 in a second; the account has other users."""

_ROOT = "/v1"


class StripeApi(ProcessorApi):
    """One account of Stripe."""

    name = "Stripe"
    limit_retry = timedelta(seconds=5)
    max_pages = 100

    def __init__(
        self,
        http: httpx.Client,
        api_key: Secret,
        *,
        system: str,
        version: str,
        calls_per_second: float = CALLS_PER_SECOND,
    ) -> None:
        super().__init__(http, system=system, calls_per_second=calls_per_second)
        self._api_key = api_key
        self._version = version

    def read(self, kind: str, object_id: str, **params: Any) -> JsonObject:
        """One object of a kind such as `refunds`."""
        path = f"/{kind}/{quote(object_id, safe='')}"
        found = self.object_of(self.answered("GET", _ROOT + path, params=params))
        text_field(found, "id", self.unexpected)
        return found

    def page(self, kind: str, after: str = "", **params: Any) -> ListPage:
        """A page of the objects of a kind."""
        marked = {"starting_after": after} if after else {}
        params = {"limit": PAGE, **params, **marked}
        response = self.answered("GET", f"{_ROOT}/{kind}", params=params)
        answer = self.object_of(response)
        rows = rows_of(answer, "data", self.unexpected)
        last = text_field(rows[-1], "id", self.unexpected) if rows else ""
        more = last if answer.get("has_more") is True else ""
        return ListPage(rows, more, date_of(response) or datetime.now(UTC))

    def create(self, kind: str, form: Mapping[str, str], key: str) -> JsonObject:
        """Create an object once for each key, as far back as Stripe remembers keys."""
        headers = {"Idempotency-Key": key}
        path = f"{_ROOT}/{kind}"
        return self.object_of(self.answered("POST", path, data=dict(form), headers=headers))

    # --- calls ----------------------------------------------------------------------------------

    def credentials(self) -> Mapping[str, str]:
        return {"Authorization": self._api_key.bearer(), "Stripe-Version": self._version}

    def stated(self, body: JsonObject) -> tuple[object, object]:
        found = body.get("error")
        detail = found if isinstance(found, dict) else {}
        return detail.get("code") or detail.get("type"), detail.get("message")

    def own_meaning(self, refusal: Refusal) -> GatewayError | None:
        if refusal.status == httpx.codes.NOT_FOUND:
            return self.not_there(refusal)
        if refusal.status == httpx.codes.CONFLICT:
            return self.passing(refusal)
        if refusal.status in (httpx.codes.BAD_REQUEST, httpx.codes.PAYMENT_REQUIRED):
            return self.for_people("payments_refused", refusal)
        return None
