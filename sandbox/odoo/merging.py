"""Odoo's wizard that merges contacts: one stays, and takes over all that refers to the others."""

from __future__ import annotations

from typing import Any

from sandbox.odoo.errors import UserError
from sandbox.odoo.records import Env, Model, Row, on_records
from sandbox.odoo.schema import links_table

PARTNER = "res.partner"
NEVER_COPIED = frozenset(
    {"id", "parent_id", "create_date", "write_date", "create_uid", "write_uid"}
)


class MergeWizard(Model):
    @on_records
    def action_merge(self, ids: list[int]) -> dict[str, Any]:
        """The chosen contact keeps its own values and fills empty ones from the others, which are
        deleted; records, messages and external ids of theirs are its own from then on."""
        self.check_access("write")
        row = self.row(self.single(ids))
        chosen = int(row["dst_partner_id"])
        partners = self.env[PARTNER]
        others = [one for one in self.links(row["id"], "partner_ids") if one != chosen]
        if len(others) > 2:
            raise UserError("For safety reasons, you cannot merge more than 3 contacts together.")
        for other in others:
            values = _missing(partners.row(chosen), partners.row(other))
            _repoint(self.env, other, chosen)
            partners.remove([other])
            partners.write([chosen], values)
        self.env.flush()
        return {"type": "ir.actions.act_window_close"}


def _missing(kept: Row, merged: Row) -> Row:
    """What the kept contact lacks, as the merged one has it."""
    return {
        name: value
        for name, value in merged.items()
        if value and not kept[name] and name not in NEVER_COPIED and name != "commercial_partner_id"
    }


def _repoint(env: Env, old: int, new: int) -> None:
    """Let everything that refers to one contact refer to another."""
    for model in Env.models:
        schema = env[model].schema
        for field in schema.fields.values():
            if field.relation != PARTNER or env[model].computes(field) or field.related:
                continue
            if field.type == "many2one":
                sql = f'UPDATE {schema.table} SET "{field.name}" = ? WHERE "{field.name}" = ?'
                env.execute(sql, (new, old))
            elif field.type == "many2many":
                table, _, other = links_table(model, field)
                env.execute(
                    f"UPDATE OR IGNORE {table} SET {other} = ? WHERE {other} = ?", (new, old)
                )
    for table, column in (("mail_message", "model"), ("sandbox_xid", "model")):
        sql = f"UPDATE {table} SET res_id = ? WHERE {column} = ? AND res_id = ?"
        env.execute(sql, (new, PARTNER, old))


MODELS: dict[str, type[Model]] = {"base.partner.merge.automatic.wizard": MergeWizard}
