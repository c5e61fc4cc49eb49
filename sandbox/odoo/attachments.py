"""Files on records."""

from __future__ import annotations

import base64
import mimetypes

from sandbox.odoo.records import Model, Row, Values

UNKNOWN = "application/octet-stream"


class Attachment(Model):
    def defaults(self, values: Values) -> Values:
        guessed, _ = mimetypes.guess_type(str(values.get("name") or ""))
        return {"mimetype": guessed or UNKNOWN}

    def compute_file_size(self, row: Row) -> int:
        return len(base64.b64decode(row["datas"] or ""))


MODELS: dict[str, type[Model]] = {"ir.attachment": Attachment}
