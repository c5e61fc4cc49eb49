"""The data of an org: records in SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Any

from sandbox.salesforce import soql
from sandbox.salesforce.answers import Answer
from sandbox.salesforce.errors import Json, SalesforceError
from sandbox.salesforce.objects import PREFIXES, WON_STAGE, Catalogue, Features, Field
from sandbox.salesforce.records import Record, Values, record_id, record_of, stored

_FIRST_NUMBER = 30_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
    fields TEXT NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL,
    is_deleted INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS record_kind ON record (kind);
CREATE TABLE IF NOT EXISTS custom (kind TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL,
    label TEXT NOT NULL, length INTEGER NOT NULL, PRIMARY KEY (kind, name));
"""


class SalesforceOrg:
    """Records, fields and what is wrong with the org at the moment. Thread-safe.

    `path` is an SQLite file, made if need be, or ":memory:". `now` is the clock. `batch_size` is
    how many rows one answer holds; the rest is behind its `nextRecordsUrl`.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        features: Features | None = None,
        batch_size: int = 2_000,
    ) -> None:
        self._now = now
        self._lock = RLock()
        self.objects = Catalogue(features or Features())
        self._refusals: dict[str, deque[SalesforceError]] = {}
        self.batch_size = batch_size
        self.faults: deque[str] = deque()
        self._db = sqlite3.connect(str(path), check_same_thread=False, isolation_level=None)
        with self._lock:
            self._db.executescript(_SCHEMA)
            for kind, *field in self._db.execute(
                "SELECT kind, name, type, label, length FROM custom"
            ):
                self.objects.place(kind, Field(*field))

    def close(self) -> None:
        with self._lock:
            self._db.close()

    # What is wrong with it

    def fail_next(self, fault: str, times: int = 1) -> None:
        """Let the next calls fail; `app` says which faults there are."""
        with self._lock:
            self.faults.extend([fault] * times)

    def take_fault(self) -> str:
        with self._lock:
            return self.faults.popleft() if self.faults else ""

    def refuse_next(self, record_id: str, error: SalesforceError, times: int = 1) -> None:
        """Let the next updates of one record fail, as a rule or a lock of the firm's would."""
        with self._lock:
            self._refusals.setdefault(record_id, deque()).extend([error] * times)

    # Records

    def add_deal(
        self,
        *,
        name: str,
        amount: str | None,
        currency: str | None = "EUR",
        closed_on: str | None = None,
        won: bool = True,
        account: Values | None = None,
        contacts: Sequence[Values] = (),
        products: Sequence[Values] = (),
        quote_lines: Sequence[Values] | None = None,
        owner_email: str | None = None,
        modified_at: datetime | None = None,
        **fields: Any,
    ) -> str:
        """Seed an opportunity with what hangs on it, and return its id.

        An account's key `parent` is its parent's fields. A contact's keys `Role` and `IsPrimary`
        are of its role. A product's keys `code` and `name` are of the product itself, `schedule`
        are rows of its schedule; a line of a quote whose code is a product's belongs to that
        product. `modified_at` stamps a row that is committed later than its stamp says.
        """
        with self._lock:
            stated: dict[str, Any] = {
                "Name": name,
                "Amount": amount,
                "CloseDate": closed_on or self._now().date().isoformat(),
                "StageName": WON_STAGE if won else "Negotiation",
                "AccountId": self._add_account(account) if account is not None else None,
                "OwnerId": self._add_owner(owner_email) if owner_email else None,
                **fields,
            }
            if "CurrencyIsoCode" in self.objects.fields("Opportunity"):
                stated["CurrencyIsoCode"] = currency
            deal_id = self.add("Opportunity", stated, modified_at=modified_at)
            for contact in contacts:
                self._add_contact(deal_id, contact)
            lines = {
                str(product.get("code")): self._add_product(deal_id, product)
                for product in products
            }
            if quote_lines is not None:
                quote_id = self._add_quote(deal_id, quote_lines, lines)
                self._write(deal_id, {"SyncedQuoteId": quote_id}, modified_at)
        return deal_id

    def add(self, kind: str, fields: Values, *, modified_at: datetime | None = None) -> str:
        """Create a record and return its id. Raises SalesforceError for an unknown field."""
        with self._lock:
            self.objects.check_columns(kind, fields)
            stamp = int((modified_at or self._now()).timestamp())
            row = [kind, json.dumps(stored(fields)), stamp, stamp]
            cursor = self._db.execute(
                "INSERT INTO record (id, kind, fields, created, modified)"
                " VALUES (hex(randomblob(16)), ?, ?, ?, ?)",
                row,
            )
            number = int(cursor.lastrowid or 0)
            found = record_id(PREFIXES[kind], _FIRST_NUMBER + number)
            self._db.execute("UPDATE record SET id = ? WHERE number = ?", [found, number])
        return found

    def get(self, record_id: str) -> Record | None:
        """A record, also a deleted one."""
        with self._lock:
            row = self._db.execute(
                "SELECT id, kind, fields, created, modified, is_deleted FROM record WHERE id = ?",
                [record_id],
            ).fetchone()
        return record_of(row) if row else None

    def change(self, record_id: str, *, modified_at: datetime | None = None, **fields: Any) -> None:
        """Set fields as somebody in the firm would."""
        with self._lock:
            self._write(record_id, fields, modified_at)

    def delete(self, record_id: str) -> None:
        """Into the recycle bin."""
        with self._lock:
            self._db.execute("UPDATE record SET is_deleted = 1 WHERE id = ?", [record_id])
            self._write(record_id, {}, None)

    def update(self, kind: str, record_id: str, fields: Values) -> None:
        """Set fields as a call does. Raises SalesforceError for what the record refuses."""
        with self._lock:
            record = self.get(record_id)
            if len(record_id) != 18:
                raise SalesforceError(400, "MALFORMED_ID", f"Invalid id: {record_id}", ["Id"])
            if record is None or record.kind != kind:
                text = "invalid cross reference id"
                raise SalesforceError(404, "INVALID_CROSS_REFERENCE_KEY", text)
            if record.is_deleted:
                raise SalesforceError(404, "ENTITY_IS_DELETED", "entity is deleted")
            self.objects.check_writable(kind, fields)
            if self._refusals.get(record_id):
                raise self._refusals[record_id].popleft()
            self._write(record_id, fields, None)

    def rows(self, text: str, *, with_deleted: bool = False) -> list[Json]:
        """What a query finds; a sub-select is a list under its relationship's name."""
        try:
            query = soql.parsed(text)
        except soql.MalformedQuery as error:
            raise SalesforceError(400, "MALFORMED_QUERY", str(error)) from None
        with self._lock:
            return Answer(
                self.objects, lambda kind: self.records(kind, with_deleted=with_deleted)
            ).rows(query)

    def records(self, kind: str, *, with_deleted: bool = False) -> list[Record]:
        with self._lock:
            found = self._db.execute(
                "SELECT id, kind, fields, created, modified, is_deleted FROM record"
                " WHERE kind = ? AND is_deleted <= ? ORDER BY number",
                [kind, with_deleted],
            ).fetchall()
        return [record_of(row) for row in found]

    def define(self, kind: str, name: str, type_: str, label: str = "", length: int = 255) -> None:
        """Add a custom field that the integration user may read and edit."""
        with self._lock:
            row = [kind, name, type_, label, length]
            self._db.execute("INSERT OR REPLACE INTO custom VALUES (?, ?, ?, ?, ?)", row)
            self.objects.place(kind, Field(name, type_, label, length))

    def _write(self, record_id: str, fields: Values, modified_at: datetime | None) -> None:
        record = self.get(record_id)
        if record is None:
            raise KeyError(record_id)
        values = json.dumps(stored({**record.fields, **fields}))
        stamp = int((modified_at or self._now()).timestamp())
        self._db.execute(
            "UPDATE record SET fields = ?, modified = ? WHERE id = ?", [values, stamp, record_id]
        )

    def _add_account(self, fields: Values) -> str:
        own = {key: value for key, value in fields.items() if key != "parent"}
        if parent := fields.get("parent"):
            own["ParentId"] = self._add_account(parent)
        return self.add("Account", own)

    def _add_owner(self, email: str) -> str:
        for user in self.records("User"):
            if user.fields["Email"] == email:
                return user.id
        return self.add("User", {"Name": email, "Email": email})

    def _add_contact(self, deal_id: str, contact: Values) -> None:
        role = {key: contact[key] for key in ("Role", "IsPrimary") if key in contact}
        own = {key: value for key, value in contact.items() if key not in role}
        contact_id = self.add("Contact", own)
        self.add(
            "OpportunityContactRole", {"OpportunityId": deal_id, "ContactId": contact_id, **role}
        )

    def _add_product(self, deal_id: str, product: Values) -> str:
        line = {"OpportunityId": deal_id, **self._line(product)}
        line_id = self.add("OpportunityLineItem", line)
        for row in product.get("schedule", ()):
            values = {"OpportunityLineItemId": line_id, "Type": "Revenue", **row}
            self.add("OpportunityLineItemSchedule", values)
        if product.get("schedule"):
            self._write(line_id, {"HasSchedule": True}, None)
        return line_id

    def _add_quote(
        self, deal_id: str, quote_lines: Sequence[Values], products: Mapping[str, str]
    ) -> str:
        quote_id = self.add("Quote", {"Name": "Quote", "OpportunityId": deal_id})
        for line in quote_lines:
            product = products.get(str(line.get("code")))
            values = {"QuoteId": quote_id, "OpportunityLineItemId": product, **self._line(line)}
            self.add("QuoteLineItem", values)
        return quote_id

    def _line(self, line: Values) -> Values:
        product = {"Name": line.get("name"), "ProductCode": line.get("code")}
        own = {key: value for key, value in line.items() if key not in ("name", "code", "schedule")}
        return {"Product2Id": self.add("Product2", product), **own}
