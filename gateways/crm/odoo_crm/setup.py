"""What Odoo's CRM needs for contracts: a module, and properties on each sales team."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from contracts.model import JsonObject
from contracts.validation import Problem
from gateways import errors
from gateways.crm import terms
from gateways.crm.status import STATUS_LABELS
from gateways.errors import GatewayError
from gateways.odoo import OdooClient

WON = (("stage_id.is_won", "=", True),)
"""The domain of opportunities in a won stage."""

_MOST_TEAMS = 2_000
_DEFINITION = "lead_properties_definition"
_PROPERTIES = {
    **{name: (label, "char") for name, label in STATUS_LABELS.items()},
    terms.PROPERTY: (terms.LABEL, "text"),
}
"""Label and type of each property this system needs on a team's opportunities."""


class OdooCrmSetup:
    """Looks for what is missing, and adds the properties to each team."""

    def __init__(self, odoo: OdooClient, system: str) -> None:
        self._odoo = odoo
        self._system = system

    def missing(self) -> list[Problem]:
        """The module that ties quotations to opportunities, teams and their properties."""
        return [*self._missing_module(), *self._missing_properties(), *self._missing_teams()]

    def ensure(self) -> list[Problem]:
        """Add the properties to each team; modules and teams are a person's matter.

        A person who changes the same team's properties in the same instant may lose that change.
        """
        for team in self._teams():
            there = team[_DEFINITION] or []
            missing = missing_names(there, _PROPERTIES)
            if missing:
                added = [
                    {"name": name, "string": label, "type": kind}
                    for name, (label, kind) in _PROPERTIES.items()
                    if name in missing
                ]
                self._odoo.write("crm.team", [team["id"]], {_DEFINITION: [*there, *added]})
        return self.missing()

    def _teams(self) -> list[JsonObject]:
        fields = ["name", _DEFINITION]
        found = self._odoo.search_read("crm.team", [], fields, limit=_MOST_TEAMS + 1, order="id")
        if len(found) > _MOST_TEAMS:
            why = f"more than {_MOST_TEAMS} teams"
            raise errors.defect(self._system, "unexpected_answer", why)
        return found

    def _missing_module(self) -> Iterator[Problem]:
        fields = self._odoo.call(
            "sale.order", "fields_get", allfields=["opportunity_id"], attributes=["type"]
        )
        if not isinstance(fields, dict):
            raise self._unexpected("fields of sale.order", fields)
        if "opportunity_id" not in fields:
            yield Problem(
                code="crm_module_missing",
                field="sale.order.opportunity_id",
                expected="Odoo's module sale_crm, which ties quotations to opportunities",
            )

    def _missing_properties(self) -> Iterator[Problem]:
        for team in self._teams():
            there = team[_DEFINITION] or []
            missing = missing_names(there, _PROPERTIES)
            if missing:
                yield Problem(
                    code="crm_property_missing",
                    field=f"crm.team.{team['id']}.{_DEFINITION}",
                    value=team["name"],
                    expected=f"the text properties {', '.join(missing)}",
                )
            for item in there:
                _, kind = _PROPERTIES.get(item["name"], ("", item["type"]))
                if item["type"] != kind:
                    yield Problem(
                        code="crm_property_wrong",
                        field=f"crm.team.{team['id']}.{_DEFINITION}.{item['name']}",
                        value=item["type"],
                        expected=f"a text property ({kind})",
                    )

    def _missing_teams(self) -> Iterator[Problem]:
        domain = [*WON, ("team_id", "=", False)]
        count = self._odoo.call("crm.lead", "search_count", domain=domain)
        if not isinstance(count, int):
            raise self._unexpected("a number of opportunities", count)
        if count:
            yield Problem(
                code="crm_team_missing",
                field="crm.lead.team_id",
                value=f"{count} won opportunities without one",
                expected="a sales team on each won opportunity, to hold the contract's status",
            )

    def _unexpected(self, wanted: str, found: object) -> GatewayError:
        text = f"instead of {wanted}: {str(found)[:200]}"
        return errors.defect(self._system, "unexpected_answer", text)


def missing_names(definition: Sequence[JsonObject], needed: Iterable[str]) -> list[str]:
    """Those of the needed properties that a definition, or an opportunity, does not have."""
    there = {item["name"] for item in definition}
    return [name for name in needed if name not in there]
