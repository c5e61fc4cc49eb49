"""What an org has switched on: without it, its fields do not exist, and a query that names one is
refused as a whole."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import NamedTuple

from gateways.crm.salesforce.api import FieldInfo, SalesforceApi

_KEPT = timedelta(hours=1)


class Features(NamedTuple):
    """`currencies`: more than one. `country_codes`: on addresses. `quotes`: with lines, which
    `quote_links` lead to the opportunity's products. `schedules`: of products' revenue."""

    currencies: bool
    country_codes: bool
    quotes: bool
    quote_links: bool
    schedules: bool


class OrgFeatures:
    """The features of one org, asked for once an hour by one thread while the others wait."""

    def __init__(self, api: SalesforceApi, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[Features, float] | None = None

    def now(self) -> Features:
        """Three or four calls where they are not known. Raises GatewayError."""
        with self._lock:
            known, now = self._known, self._clock()
            if known is None or now - known[1] > _KEPT.total_seconds():
                known = self._known = (self._described(), now)
            return known[0]

    def forget(self) -> None:
        """Ask again next time: perhaps one was switched off."""
        with self._lock:
            self._known = None

    def _described(self) -> Features:
        deal, account, product = map(
            self._fields, ("Opportunity", "Account", "OpportunityLineItem")
        )
        quoted = self._fields("QuoteLineItem") if "SyncedQuoteId" in deal else {}
        return Features(
            currencies="CurrencyIsoCode" in deal,
            country_codes="BillingCountryCode" in account,
            quotes=bool(quoted),
            quote_links="OpportunityLineItemId" in quoted,
            schedules="HasSchedule" in product,
        )

    def _fields(self, kind: str) -> Mapping[str, FieldInfo]:
        return self._api.fields(kind) or {}
