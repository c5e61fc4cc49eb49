"""Reference data is read once for all who ask, for a while; what is missing is looked for again."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from activities.failures import BusinessRefusal
from activities.odoo.catalogue import Catalogue
from gateways.odoo import OdooClient


class Odoo:
    """Answers searches from lists of rows by model, and counts them."""

    def __init__(self, **rows: list[dict[str, Any]]) -> None:
        self.rows = {name.replace("_", "."): found for name, found in rows.items()}
        self.asked: list[list[Any]] = []
        self._lock = threading.Lock()

    def execute(
        self, model: str, method: str, ids: Sequence[int], arguments: Mapping[str, Any]
    ) -> Any:
        field, operator, wanted = arguments["domain"][0]
        with self._lock:
            self.asked.append([model, wanted])
        held = wanted if operator == "in" else [wanted]
        return [row for row in self.rows.get(model, []) if row.get(field) in held]

    def close(self) -> None: ...


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def product(number: int, code: str) -> dict[str, Any]:
    return {"id": number, "default_code": code, "service_type": "manual", "uom_id": [1, "Units"]}


def catalogue(odoo: Odoo, clock: Clock | None = None) -> Catalogue:
    return Catalogue(OdooClient(odoo), keep_seconds=60, clock=clock or Clock())


def test_what_is_known_is_not_asked_again_until_it_is_old() -> None:
    odoo, clock = Odoo(product_product=[product(7, "BUILD"), product(8, "TRAIN")]), Clock()
    known = catalogue(odoo, clock)
    assert known.product_ids(["BUILD"]) == {"BUILD": 7}
    assert known.product_ids(["BUILD", "TRAIN"]) == {"BUILD": 7, "TRAIN": 8}
    assert odoo.asked == [["product.product", ["BUILD"]], ["product.product", ["TRAIN"]]]
    odoo.rows["product.product"][0] = product(9, "BUILD")
    clock.seconds = 59
    assert known.product_ids(["BUILD"]) == {"BUILD": 7}
    clock.seconds = 61
    assert known.product_ids(["BUILD"]) == {"BUILD": 9}


def test_a_product_that_is_added_is_found_at_once() -> None:
    odoo = Odoo(product_product=[])
    known = catalogue(odoo)
    with pytest.raises(BusinessRefusal) as refused:
        known.product_ids(["BUILD"])
    assert refused.value.detail.code == "service_code_unknown"
    odoo.rows["product.product"].append(product(7, "BUILD"))
    assert known.product_ids(["BUILD"]) == {"BUILD": 7}


def test_products_of_one_reference_are_refused_until_somebody_mends_it() -> None:
    odoo = Odoo(product_product=[product(7, "BUILD"), product(8, "BUILD")])
    known = catalogue(odoo)
    for _ in range(2):
        with pytest.raises(BusinessRefusal, match="2 products") as refused:
            known.product_ids(["BUILD"])
        assert refused.value.detail.code == "service_code_ambiguous"
    del odoo.rows["product.product"][0]
    assert known.product_ids(["BUILD"]) == {"BUILD": 8}


def test_companies_and_terms_are_known_by_their_names() -> None:
    odoo = Odoo(
        res_company=[
            {"id": 1, "name": "North"},
            {"id": 2, "name": "Twin"},
            {"id": 3, "name": "Twin"},
        ],
        account_payment_term=[{"id": 4, "name": "30 Days"}],
    )
    known = catalogue(odoo)
    for _ in range(2):
        assert (known.company("North"), known.company("Twin"), known.company("West")) == (
            1,
            None,
            None,
        )
        assert known.has("account.payment.term", "30 Days")
        assert not known.has("account.payment.term", "31 Days")
    assert odoo.asked.count(["res.company", "North"]) == 1
    assert odoo.asked.count(["res.company", "Twin"]) == 2
    assert odoo.asked.count(["account.payment.term", "31 Days"]) == 2


def test_many_at_once_ask_once() -> None:
    odoo = Odoo(product_product=[product(7, "BUILD")], product_pricelist=[])
    known = catalogue(odoo)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: known.product_ids(["BUILD"]), range(64)))
    assert found == [{"BUILD": 7}] * 64
    assert len(odoo.asked) == 1
