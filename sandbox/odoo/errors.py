"""What Odoo answers when it refuses: the exception's name, HTTP status and message.

Any other Python exception (ValueError above all) becomes a 500 under its own name, as in Odoo.
"""

from __future__ import annotations


class OdooError(Exception):
    """A refusal with the name and status the real server gives it."""

    name = "odoo.exceptions.UserError"
    status = 422

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def arguments(self) -> list[object]:
        return [self.message]


class UserError(OdooError):
    """A business rule says no."""


class ValidationError(UserError):
    name = "odoo.exceptions.ValidationError"


class MissingRequired(ValidationError):
    """A mandatory field is empty. `load` reports it without the prefix and names the field."""

    def __init__(self, detail: str, field: str) -> None:
        super().__init__(f"The operation cannot be completed: {detail}")
        self.detail = detail
        self.field = field


class CheckViolation(Exception):
    """The database itself refuses a value; the message is PostgreSQL's."""


class AccessError(UserError):
    name = "odoo.exceptions.AccessError"
    status = 403


class MissingError(UserError):
    name = "odoo.exceptions.MissingError"
    status = 404

    @classmethod
    def of(cls, model: str, ids: list[int], uid: int) -> MissingError:
        record = f"{model}({', '.join(map(str, ids))}{',' if len(ids) == 1 else ''})"
        return cls(f"Record does not exist or has been deleted.\n(Record: {record}, User: {uid})")


class HttpError(OdooError):
    """The HTTP layer's own refusals, which carry the status among their arguments."""

    @property
    def arguments(self) -> list[object]:
        return [self.message, self.status]


class BadRequest(HttpError):
    name = "werkzeug.exceptions.BadRequest"
    status = 400


class Unauthorized(HttpError):
    name = "werkzeug.exceptions.Unauthorized"
    status = 401


class NotFound(HttpError):
    name = "werkzeug.exceptions.NotFound"
    status = 404


class Unprocessable(HttpError):
    name = "werkzeug.exceptions.UnprocessableEntity"
    status = 422
