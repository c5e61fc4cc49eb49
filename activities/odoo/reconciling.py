"""What Odoo has of contracts, read for the comparison with their workflows after a restore."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from activities.odoo.needs import ACCOUNTING, PROJECT, SALES, Need
from activities.odoo.paging import batches, pages_of
from contracts.contract.state import ContractState
from contracts.identifiers import (
    contract_of,
    contract_scope,
    contract_workflow_id,
    invoice_number,
    invoice_origin,
    invoice_workflow_id,
    legal_entity_of,
    workflow_of_origin,
)
from contracts.money import Money
from contracts.reconciling import OdooContract, OdooInvoice, invoice_numbers
from gateways.fields import names
from gateways.odoo import OdooClient

PAGE_ORDERS = 500
_ORIGINS = 1_000
"""So many invoices are asked for in one call."""
_INVOICE_FIELDS = names("name state move_type invoice_origin amount_untaxed currency_id")

NEEDS = (
    Need("account.move", (*_INVOICE_FIELDS, "company_id"), access=ACCOUNTING),
    Need("project.project", ("active",), access=PROJECT),
    Need("sale.order", names("origin state company_id project_id"), access=SALES),
)


class OdooContracts:
    """Reads one company's records. Raises GatewayError."""

    def __init__(self, odoo: OdooClient, company_id: int) -> None:
        self._odoo = odoo.with_company(company_id)
        self._of_company = ("company_id", "=", company_id)

    def of(self, states: Mapping[str, ContractState]) -> dict[str, OdooContract]:
        """What there is of each of these contracts, by their workflow ids."""
        orders = self._orders(list(states))
        invoices = self._invoices(states)
        return {
            name: OdooContract(
                order_ids=tuple(orders[name]),
                has_project=state.odoo.project_id in orders[name].values(),
                invoices=tuple(invoices[name]),
            )
            for name, state in states.items()
        }

    def _orders(self, workflow_ids: Sequence[str]) -> Mapping[str, dict[int, int]]:
        """The project of each order, 0 for none, by the order's id and the contract's."""
        found: dict[str, dict[int, int]] = defaultdict(dict)
        for row in self._odoo.search_read(
            "sale.order",
            [("origin", "in", list(workflow_ids)), self._of_company],
            ["origin", "project_id"],
            order="id",
        ):
            project = row["project_id"]
            found[row["origin"]][row["id"]] = project[0] if project else 0
        return found

    def _invoices(self, states: Mapping[str, ContractState]) -> Mapping[str, list[OdooInvoice]]:
        origins = [
            invoice_origin(invoice_workflow_id(name, number))
            for name, state in states.items()
            for number in invoice_numbers(state)
        ]
        found: dict[str, list[OdooInvoice]] = defaultdict(list)
        for some in batches(origins, _ORIGINS):
            domain = [("invoice_origin", "in", list(some)), self._of_company]
            for row in self._odoo.search_read(
                "account.move", domain, list(_INVOICE_FIELDS), order="id"
            ):
                workflow_id = workflow_of_origin(row["invoice_origin"])
                found[contract_of(workflow_id)].append(
                    OdooInvoice(
                        invoice_id=row["id"],
                        number=invoice_number(workflow_id),
                        is_credit_note=row["move_type"] == "out_refund",
                        name=row["name"] or "",
                        state=row["state"],
                        untaxed=Money.rounded(row["amount_untaxed"], row["currency_id"][1]),
                    )
                )
        return found

    def running(self, legal_entity: str) -> Iterator[list[str]]:
        """The workflow ids of the contracts with a confirmed order in Odoo, and a project that is
        not archived, page by page."""
        domain = [
            self._of_company,
            # `=like` takes an underscore for any letter.
            ("origin", "=like", contract_workflow_id(legal_entity, "%")),
            ("state", "=", "sale"),
            ("project_id", "!=", False),
        ]
        fields = ["origin", "project_id"]
        for rows in pages_of(self._odoo, "sale.order", domain, fields, PAGE_ORDERS):
            projects = sorted({row["project_id"][0] for row in rows})
            active = self._odoo.by_id("project.project", projects, ["active"])
            yield [
                row["origin"]
                for row in rows
                if row["project_id"][0] in active and _is_of(row["origin"], legal_entity)
            ]


def _is_of(origin: str, legal_entity: str) -> bool:
    """Whether it is the workflow id of a contract of this legal entity, as no other text is."""
    return contract_scope(origin) == origin and legal_entity_of(origin) == legal_entity
