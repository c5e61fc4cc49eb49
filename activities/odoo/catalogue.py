"""The firm's reference data, which contracts name: read for all who ask, and kept for a while."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Any

from activities.failures import BusinessRefusal
from activities.odoo import templates
from activities.odoo.needs import ACCOUNTING, SALES, USER, Need
from activities.odoo.people import users_by_email
from gateways.odoo import OdooClient

Row = Mapping[str, Any]

KEEP_SECONDS = 300.0
"""How long an answer counts. What is missing or ambiguous is looked up each time: somebody may
just have mended it."""

_PRODUCT_FIELDS = ("default_code", "service_type", "uom_id")

NEEDS = (
    Need("product.product", _PRODUCT_FIELDS, access=SALES),
    Need("product.pricelist", ("currency_id", "company_id", "sequence"), access=SALES),
    Need("account.payment.term", ("name",), access=ACCOUNTING),
    Need("res.currency", ("name",), access=USER),
    Need("res.company", ("name", "currency_id"), access=USER),
    Need("res.users", (), access=USER, methods=("context_get",)),
)


class Catalogue:
    """Products, payment terms, currencies, companies, price lists, and who we are there.
    Thread-safe: one for all the activities of a worker. Every method raises GatewayError."""

    def __init__(
        self,
        odoo: OdooClient,
        *,
        keep_seconds: float = KEEP_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._odoo = odoo
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._known: dict[Hashable, tuple[float, Any]] = {}
        # Who asks for the same thing at the same time waits for one answer.
        self._asking: defaultdict[Hashable, threading.Lock] = defaultdict(threading.Lock)

    def products(self, codes: Collection[str]) -> dict[str, list[Row]]:
        """The products of each internal reference: one, unless the firm has to mend something."""
        wanted = sorted(set(codes))
        with self._asking["products"]:
            missing = [code for code in wanted if self._kept(("product", code)) is None]
            if missing:
                for row in self._odoo.search_read(
                    "product.product", [("default_code", "in", missing)], _PRODUCT_FIELDS
                ):
                    key = ("product", row["default_code"])
                    self._keep(key, [*(self._kept(key) or []), row])
            found = {code: self._kept(("product", code)) or [] for code in wanted}
            for code, rows in found.items():
                if len(rows) > 1:
                    self._known.pop(("product", code), None)
            return found

    def product_ids(self, codes: Collection[str]) -> dict[str, int]:
        """Product ids by internal reference; a missing or ambiguous one is a business failure."""
        found = self.products(codes)
        for code, rows in found.items():
            if len(rows) != 1:
                raise BusinessRefusal(
                    "service_code_ambiguous" if rows else "service_code_unknown",
                    f"Odoo has {len(rows)} products with the internal reference {code}, not one",
                    field="services.code",
                    value=code,
                )
        return {code: int(rows[0]["id"]) for code, rows in found.items()}

    def has(self, model: str, name: str) -> bool:
        """Whether the model has a record of that name."""
        return bool(self._named(model, name))

    def company(self, name: str) -> int | None:
        """The id of the company of that name; None if there is none, or several."""
        found = self._named("res.company", name)
        return int(found[0]["id"]) if len(found) == 1 else None

    def price_list(self, currency: str, company_id: int) -> int | None:
        """The first price list in a currency (its ISO code) that a company may use."""
        found = self._once(
            ("pricelist", currency, company_id),
            lambda: self._odoo.search_read(
                "product.pricelist",
                [("currency_id.name", "=", currency), ("company_id", "in", [company_id, False])],
                ["id"],
                order="sequence, id",
                limit=1,
            ),
        )
        return int(found[0]["id"]) if found else None

    def currency_of(self, company: str) -> str:
        """The currency (ISO code) of the books of the company of that name; "" of no company."""
        found = self._once(
            ("currency", company),
            lambda: self._odoo.search_read(
                "res.company", [("name", "=", company)], ["currency_id"], limit=2
            ),
        )
        return str(found[0]["currency_id"][1]) if len(found) == 1 else ""

    def users(self, people: Collection[str]) -> dict[str, int]:
        """The ids of those who are users, by their e-mail addresses in lower case."""
        return users_by_email(self._odoo, people)

    def templates(self, wanted: Collection[str]) -> dict[str, list[Row]]:
        """The projects of each name that may be copied from: one, unless something is wrong."""
        return templates.find(self._odoo, wanted)

    def template_tasks(self, found: Mapping[str, Sequence[Row]]) -> set[str]:
        """The names of the tasks of these templates."""
        projects = [int(row["id"]) for rows in found.values() for row in rows]
        return {str(row["name"]) for row in templates.tasks_of(self._odoo, projects)}

    def own_user(self) -> int:
        """The id of the user whose key we call with: who wrote last what we wrote last."""
        found = self._once(("user",), lambda: [self._odoo.call("res.users", "context_get")])
        return int(found[0]["uid"])

    def _named(self, model: str, name: str) -> list[dict[str, Any]]:
        return self._once(
            (model, name),
            lambda: self._odoo.search_read(model, [("name", "=", name)], ["id"], limit=2),
        )

    def _once(
        self, key: Hashable, look: Callable[[], list[dict[str, Any]]]
    ) -> list[dict[str, Any]]:
        with self._asking[key]:
            found: list[dict[str, Any]] | None = self._kept(key)
            if found is None:
                found = look()
                if len(found) == 1:
                    self._keep(key, found)
            return found

    def _kept(self, key: Hashable) -> Any:
        until, value = self._known.get(key, (0.0, None))
        return value if self._clock() < until else None

    def _keep(self, key: Hashable, value: Any) -> None:
        self._known[key] = (self._clock() + self._keep_seconds, value)
