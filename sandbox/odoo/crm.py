"""Opportunities: stages, winning and losing, and the team's property fields."""

from __future__ import annotations

from typing import Any

from sandbox.odoo.companies import current_company
from sandbox.odoo.errors import ValidationError
from sandbox.odoo.messages import Thread
from sandbox.odoo.records import Model, Row, Values, on_records
from sandbox.odoo.schema import Field


class Lead(Thread):
    def defaults(self, values: Values) -> Values:
        partner = self._partner(values.get("partner_id"))
        return {
            "stage_id": self.env["crm.stage"].find([])[0],
            "team_id": self.env.xid("sales_team.team_sales_department"),
            "user_id": self.env.uid,
            "company_id": current_company(self.env),
            "email_from": partner.get("email"),
            "partner_name": partner.get("name") if partner.get("is_company") else None,
            "country_id": partner.get("country_id"),
        }

    def _partner(self, partner_id: int | None) -> Row:
        return self.env["res.partner"].row(partner_id) if partner_id else {}

    def before_write(self, ids: list[int], values: Values) -> None:
        """Written properties replace all that were there, as in Odoo."""
        properties = values.get("lead_properties")
        if isinstance(properties, list):
            values["lead_properties"] = {
                item["name"]: item["value"] for item in properties if "value" in item
            }

    def after_change(self, ids: list[int], changed: set[str]) -> None:
        if changed & {"stage_id", "active", "probability"}:
            for row in self.rows(ids):
                self.settle(row["id"], self._standing(row, "stage_id" in changed))

    def _standing(self, row: Row, moved: bool) -> Values:
        won = bool(self.env["crm.stage"].row(row["stage_id"])["is_won"])
        lost = not row["active"] and not row["probability"]
        values: Values = {"won_status": "won" if won else "lost" if lost else "pending"}
        if won and moved:
            closed = row["date_closed"] or self.env.timestamp[:19]
            values |= {"probability": 100.0, "date_closed": closed}
        return values

    def values(self, row: Row, field: Field, load: str = "_classic_read") -> Any:
        if field.name != "lead_properties":
            return super().values(row, field, load)
        values = self.properties(row, "lead_properties")
        return [
            item | ({"value": values[item["name"]]} if item["name"] in values else {})
            for item in self._definitions(row["team_id"])
        ]

    def property_definition(self, name: str) -> Values | None:
        for team in self.env["crm.team"].find([]):
            for item in self._definitions(team):
                if item["name"] == name:
                    return item
        return None

    def _definitions(self, team_id: int | None) -> list[Values]:
        if not team_id:
            return []
        teams = self.env["crm.team"]
        field = teams.field("lead_properties_definition")
        return [
            {"name": item["name"], "type": item["type"], "string": item["string"]}
            for item in teams.stored(teams.row(team_id), field) or []
        ]

    @on_records
    def action_set_won(self, ids: list[int]) -> bool:
        self.check_access("write")
        stage = self.env["crm.stage"].find([["is_won", "=", True]])[0]
        self.put(self.existing(ids), {"active": True, "stage_id": stage, "probability": 100.0})
        self.env.flush()
        return True

    @on_records
    def action_set_lost(self, ids: list[int]) -> None:
        self.check_access("write")
        if any(row["won_status"] == "won" for row in self.rows(self.existing(ids))):
            raise ValidationError(
                "A lead in a Won stage cannot be lost. Move it to another stage first."
            )
        self.put(ids, {"active": False, "probability": 0.0})
        self.env.flush()


class Team(Model):
    def values(self, row: Row, field: Field, load: str = "_classic_read") -> Any:
        value = super().values(row, field, load)
        return value or [] if field.name == "lead_properties_definition" else value


MODELS: dict[str, type[Model]] = {"crm.lead": Lead, "crm.team": Team}
