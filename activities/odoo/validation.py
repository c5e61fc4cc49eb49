"""Contract data is accepted or refused: by its own rules, and by what Odoo has of what it names."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import BaseModel
from temporalio import activity

from activities import metrics
from activities.odoo.catalogue import Catalogue
from activities.odoo.handover_checks import handover_problems
from activities.policies import Policies, PolicyRequest
from contracts.billing.order import LineKind, order_lines
from contracts.handover import with_defaults
from contracts.model import Contract, JsonObject, Key
from contracts.problems import first_of
from contracts.validation import InvalidContract, Problem, validate

_FITTING = {
    LineKind.MILESTONE: ("milestones", 'a product that Odoo invoices "Based on Milestones"'),
    LineKind.TIME: (
        "timesheet",
        'a product in hours that Odoo invoices "Based on Timesheets"',
    ),
    LineKind.MANUAL: (
        "manual",
        'a product that Odoo invoices "Based on Delivered Quantity (Manual)"',
    ),
}
"""By how an order line is delivered: the product's service type, and what people look for."""


class AcceptRequest(BaseModel):
    """Contract data to accept or refuse for a legal entity; `today` is the workflow's date."""

    contract_data: JsonObject
    legal_entity: Key
    today: date


class Validation(BaseModel):
    """Either a contract and its company's id in Odoo, or every problem found."""

    contract: Contract | None = None
    company_id: int | None = None
    problems: list[Problem] = []


class Accepted(Validation):
    """A validation, with the time zone of the legal entity."""

    time_zone: str


class OdooValidation:
    """An activity on the `odoo-master` task queue."""

    def __init__(self, catalogue: Catalogue, policies: Policies) -> None:
        self._catalogue = catalogue
        self._policies = policies

    @activity.defn
    def validate_contract(self, request: AcceptRequest) -> Accepted:
        """Check contract data by its own rules, its legal entity's and Odoo's catalogue.

        Refuses `legal_entity_unknown`; every other problem is in the answer.
        """
        policy = self._policies.entity_policy(
            PolicyRequest(legal_entity=request.legal_entity, today=request.today)
        )
        defaults = self._policies.handover_defaults(request.legal_entity)
        contract_data = with_defaults(request.contract_data, defaults)
        validation = self.check(contract_data, policy.odoo_company, policy.payment_term)
        return Accepted(**dict(validation), time_zone=policy.calendar.time_zone)

    def check(self, contract_data: JsonObject, company: str, payment_term: str) -> Validation:
        """Check contract data by its own rules and Odoo's catalogue; every problem at once. The
        company in Odoo (by name) and the payment term are the legal entity's."""
        # The entity's default belongs to the contract from here on: what was agreed is frozen.
        if not contract_data.get("payment_term"):
            contract_data = {**contract_data, "payment_term": payment_term}
        problems: list[Problem] = []
        contract: Contract | None = None
        try:
            contract = validate(contract_data)
        except InvalidContract as invalid:
            problems += invalid.problems
        company_id = self._catalogue.company(company)
        if company_id is None:
            problems.append(
                Problem(
                    code="company_unknown",
                    field="legal_entity",
                    value=company,
                    expected="a legal entity whose company exists in Odoo and is open to c2c",
                )
            )
        problems += self._catalogue_problems(contract_data)
        if contract is not None and not problems:
            problems += self._product_problems(contract)
            problems += handover_problems(self._catalogue, contract, company)
        metrics.contracts_validated.add(1, {"outcome": "refused" if problems else "accepted"})
        if problems:
            return Validation(problems=first_of(problems))
        return Validation(contract=contract, company_id=company_id)

    def _catalogue_problems(self, contract_data: JsonObject) -> list[Problem]:
        """What the data names that Odoo does not have: services, payment term, currency."""
        problems = []
        rows = contract_data.get("services")
        services = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        codes = {str(row["code"]) for row in services if row.get("code")}
        known = self._catalogue.products(codes)
        for index, row in enumerate(services):
            code = str(row.get("code") or "")
            if code and not known[code]:
                problems.append(
                    Problem(
                        code="service_code_unknown",
                        field=f"services.{index}.code",
                        value=code,
                        expected="the internal reference of a product in Odoo",
                    )
                )
        for field, model, expected in (
            ("payment_term", "account.payment.term", "the name of a payment term in Odoo"),
            ("currency", "res.currency", "a currency that is active in Odoo"),
        ):
            value = contract_data.get(field)
            if isinstance(value, str) and value and not self._catalogue.has(model, value):
                problems.append(
                    Problem(
                        code=f"{field}_not_in_odoo", field=field, value=value, expected=expected
                    )
                )
        return problems

    def _product_problems(self, contract: Contract) -> list[Problem]:
        """Services whose product Odoo delivers another way than the contract bills it."""
        products = self._catalogue.products({line.code for line in contract.services})
        kinds = _kinds_of_services(contract)
        problems = []
        for index, service in enumerate(contract.services):
            product = products[service.code][-1]
            problems += [
                Problem(
                    code="service_type_unfit",
                    field=f"services.{index}.code",
                    value=service.code,
                    expected=_FITTING[kind][1],
                )
                for kind in sorted(kinds.get(service.key, ()))
                if not _fits(product, kind)
            ]
        return problems


def _kinds_of_services(contract: Contract) -> dict[str, set[LineKind]]:
    """By the keys of the services, how the order lines on them are delivered."""
    # Services may share a product: tell them apart by their keys instead.
    by_key = [item.model_copy(update={"code": item.key}) for item in contract.services]
    kinds: dict[str, set[LineKind]] = {}
    for line in order_lines(contract.model_copy(update={"services": tuple(by_key)})):
        kinds.setdefault(line.service_code, set()).add(line.kind)
    return kinds


def _fits(product: Mapping[str, Any], kind: LineKind) -> bool:
    in_hours = bool(product["uom_id"]) and product["uom_id"][1] == "Hours"
    return product["service_type"] == _FITTING[kind][0] and (kind is not LineKind.TIME or in_hours)
