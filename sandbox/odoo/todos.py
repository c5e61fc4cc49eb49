"""To-dos that one person leaves for another on a record."""

from __future__ import annotations

from html import escape

from sandbox.odoo.messages import Thread
from sandbox.odoo.records import Model, Row, Values, on_records


class Activity(Model):
    rec_name = "summary"

    def defaults(self, values: Values) -> Values:
        return {"user_id": self.env.uid, "date_deadline": str(self.env.today)}

    def compute_res_name(self, row: Row) -> str | bool:
        model = self.env[self.env["ir.model"].row(row["res_model_id"])["model"]]
        rows = model.rows([row["res_id"]])
        return model.display_name(rows[0]) if rows else False

    def compute_state(self, row: Row) -> str:
        if not row["active"]:
            return "done"
        today = str(self.env.today)
        if row["date_deadline"] == today:
            return "today"
        return "overdue" if row["date_deadline"] < today else "planned"

    @on_records
    def action_done(self, ids: list[int]) -> int:
        """Done: archived, and noted on the record."""
        self.check_access("write")
        message = 0
        for row in self.rows(self.existing(ids)):
            thread = self.env[self.env["ir.model"].row(row["res_model_id"])["model"]]
            assert isinstance(thread, Thread)
            text = f"<p><span>To-Do</span> done<span>: {escape(row['summary'] or '')}</span></p>"
            [message] = thread.message_post([row["res_id"]], body=text, body_is_html=True)
            self.put([row["id"]], {"active": False})
        return message


MODELS: dict[str, type[Model]] = {"mail.activity": Activity}
