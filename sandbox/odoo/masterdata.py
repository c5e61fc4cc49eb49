"""Companies, currencies, users, partners and products."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from sandbox.odoo import vat
from sandbox.odoo.companies import company_values, current_company
from sandbox.odoo.errors import ValidationError
from sandbox.odoo.messages import Thread
from sandbox.odoo.records import Domain, Env, Model, Row, Values, closed, on_model
from sandbox.odoo.schema import Field

NEVER = "1-01-01"
"""Odoo's date before all others."""


def currency_decimals(env: Env, currency_id: int) -> int:
    return int(env["res.currency"].row(currency_id)["decimal_places"])


def currency_name(env: Env, currency_id: int) -> str:
    return str(env["res.currency"].row(currency_id)["name"])


class Users(Model):
    @on_model
    def context_get(self) -> Row:
        row = self.row(self.env.uid)
        return {"lang": row["lang"], "tz": row["tz"], "uid": self.env.uid}


class Partner(Thread):
    def defaults(self, values: Values) -> Values:
        if not values.get("name"):
            raise ValidationError("Contacts require a name")
        return {"is_company": values.get("company_type") == "company"}

    def before_write(self, ids: list[int], values: Values) -> None:
        if "company_type" in values:
            values["is_company"] = values.pop("company_type") == "company"
        if "name" in values and not values["name"]:
            raise ValidationError("Contacts require a name")

    def after_change(self, ids: list[int], changed: set[str]) -> None:
        for row in self.rows(ids):
            self.settle(row["id"], {"commercial_partner_id": self._commercial(row)})
            if changed & {"vat", "country_id"} and row["vat"]:
                country = row["country_id"] and self.env["res.country"].row(row["country_id"])
                code = country["code"] if country else ""
                self.settle(row["id"], {"vat": vat.checked(row["vat"], code, row["name"])})

    def _commercial(self, row: Row) -> int:
        """The company a contact belongs to, or the contact itself."""
        if row["is_company"] or not row["parent_id"]:
            return int(row["id"])
        return self._commercial(self.row(row["parent_id"]))

    def address(self, partner_id: int, kind: str) -> int:
        """Who of a partner's contacts takes what is sent for that purpose; else the partner.

        As Odoo looks: among the contacts below, then those of the company above.
        """
        start = self.row(partner_id)
        while True:
            waiting = [start]
            while waiting:
                row = waiting.pop(0)
                if row["type"] == kind:
                    return int(row["id"])
                below = [["parent_id", "=", row["id"]], ["is_company", "=", False]]
                waiting = self.rows(self.find([*below, ["active", "=", True]])) + waiting
            if start["is_company"] or not start["parent_id"]:
                return partner_id
            start = self.row(start["parent_id"])

    def compute_company_type(self, row: Row) -> str:
        return "company" if row["is_company"] else "person"

    def display_name(self, row: Row) -> str | bool:
        if row["parent_id"] and not row["is_company"]:
            return f"{self.row(row['parent_id'])['name']}, {row['name'] or ''}"
        return row["name"] or False


class Product(Model):
    def display_name(self, row: Row) -> str | bool:
        code = row["default_code"]
        return f"[{code}] {row['name']}" if code else row["name"] or False

    def defaults(self, values: Values) -> Values:
        return {"uom_id": self.env["uom.uom"].find([])[0]}

    def compute_currency_id(self, row: Row) -> int:
        return int(company_values(self.env, current_company(self.env))["currency_id"])


class PartnerBank(Model):
    rec_name = "acc_number"

    def compute_sanitized_acc_number(self, row: Row) -> str:
        return re.sub(r"\W+", "", row["acc_number"]).upper()


class Company(Model):
    def compute_user_fiscalyear_lock_date(self, row: Row) -> str:
        return row["fiscalyear_lock_date"] or NEVER

    def compute_user_hard_lock_date(self, row: Row) -> str:
        return row["hard_lock_date"] or NEVER


class Pricelist(Model):
    def display_name(self, row: Row) -> str:
        return f"{row['name']} ({currency_name(self.env, row['currency_id'])})"


class Currency(Model):
    def compute_rounding(self, row: Row) -> float:
        return float(Decimal(1).scaleb(-row["decimal_places"]))


class Account(Model):
    """Codes are each company's own: searched and shown in the company a call acts in."""

    def rule(self) -> Domain:
        allowed = self.env.context.get("allowed_company_ids")
        return [["company_ids", "in", allowed]] if allowed else []

    def visible(
        self, domain: Domain | None, order: str | None, limit: int | None, offset: int
    ) -> list[int]:
        terms = list(domain or [])
        if any(isinstance(term, list | tuple) and term[0] == "code" for term in terms):
            company = current_company(self.env)
            terms = [["company_ids", "in", [company]], *(closed(terms) if terms else [])]
        return super().visible(terms, order, limit, offset)

    def values(self, row: Row, field: Field, load: str = "_classic_read") -> Any:
        if field.name == "code":
            owners = self.links(row["id"], "company_ids")
            return row["code"] if current_company(self.env) in owners else False
        return super().values(row, field, load)


MODELS: dict[str, type[Model]] = {
    "account.account": Account,
    "res.company": Company,
    "res.users": Users,
    "res.partner": Partner,
    "res.partner.bank": PartnerBank,
    "product.product": Product,
    "product.pricelist": Pricelist,
    "res.currency": Currency,
}
