"""Errors as Salesforce answers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]


class SalesforceError(Exception):
    """An error as Salesforce answers it, for a call or for one record of it."""

    def __init__(self, status: int, code: str, message: str, fields: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = list(fields)

    def of_call(self) -> list[Json]:
        more = {"fields": self.fields} if self.fields else {}
        return [{"message": self.message, "errorCode": self.code, **more}]

    def of_record(self) -> Json:
        stated = {"statusCode": self.code, "message": self.message, "fields": self.fields}
        return {"success": False, "errors": [stated]}


def no_column(name: str, kind: str) -> SalesforceError:
    text = (
        f"\nERROR at Row:1:Column:8\nNo such column '{name}' on entity '{kind}'. If you are "
        "attempting to use a custom field, be sure to append the '__c' after the custom field "
        "name. Please reference your WSDL or the describe call for the appropriate names."
    )
    return SalesforceError(400, "INVALID_FIELD", text)
