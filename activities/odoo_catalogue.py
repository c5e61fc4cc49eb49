"""The firm's products, which contracts name by their internal reference."""

from __future__ import annotations

from collections.abc import Collection

from activities.failures import BusinessRefusal
from gateways.odoo import OdooClient


def product_ids(odoo: OdooClient, codes: Collection[str]) -> dict[str, int]:
    """Product ids by internal reference; a missing or ambiguous one is a business failure."""
    wanted = sorted(set(codes))
    found = odoo.search_read("product.product", [("default_code", "in", wanted)], ["default_code"])
    for code in wanted:
        count = sum(row["default_code"] == code for row in found)
        if count != 1:
            raise BusinessRefusal(
                "service_code_ambiguous" if count else "service_code_unknown",
                f"Odoo has {count} products with the internal reference {code}, not one",
                field="services.code",
                value=code,
            )
    return {row["default_code"]: row["id"] for row in found}
