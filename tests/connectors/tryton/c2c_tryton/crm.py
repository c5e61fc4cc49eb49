"""Tryton's opportunities behind the Crm protocol.

Read: the opportunity, its party, and the lines of its sales, which have the prices. Tryton has no
fields of others, so a contract's status is a note of the opportunity: one text that people read
there, and that says which opportunities have a contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from c2c_tryton.api import TrytonApi, day, moment
from contracts.crm import ContractStatus, WonDeal, WonDeals
from contracts.model import JsonObject
from contracts.validation import Problem
from gateways import errors
from gateways.crm import terms
from gateways.crm.contract_data import decimal_text, present, unique_keys
from gateways.crm.status import STATUS_LABELS, refused, status_texts
from gateways.errors import GatewayError
from gateways.fields import names

OPPORTUNITY, NOTE = "sale.opportunity", "ir.note"
PAGE = 200
_MOST_STATUSES = 100
_MOST_LINES = 1_000
_MAX_ID = 2**31 - 1
_HEAD = "Contract to Cash"
_DEAL = names("""
    description number state end_date party amount currency.code payment_term.name
    employee.party.email
""")
_LINE = names("description amount product.code product.name type")
_PARTY = names("name tax_identifier.code")
_ADDRESS = names("street city postal_code country.code")


class TrytonCrm:
    """A Crm. Thread-safe: it holds nothing but its connections and settings."""

    most_at_once = _MOST_STATUSES

    def __init__(self, api: TrytonApi, *, system: str, closed_since: date) -> None:
        self.system = system
        self._api = api
        self._closed_since = closed_since

    def close(self) -> None:
        self._api.close()

    def read_contract(self, deal_id: str) -> JsonObject:
        """See Crm. Takes four calls."""
        deal = self._won_deal(deal_id)
        contract_data = present(
            {
                "title": deal["description"] or deal["number"],
                "currency": _of(deal, "currency", "code"),
                "value": decimal_text(deal["amount"]) if deal["amount"] else None,
                "signed_on": deal["end_date"],
                "payment_term": _of(deal, "payment_term", "name"),
                "requested_by": _of(deal, "employee", "party", "email"),
            }
        )
        contract_data["source"] = {"system": self.system, "id": deal_id}
        contract_data["customer"] = self._customer(deal["party"])
        contract_data["services"] = self._services(deal_id)
        return contract_data | {"milestones": terms.milestones(contract_data)}

    def write_statuses(self, statuses: Sequence[ContractStatus]) -> list[GatewayError | None]:
        """See Crm. Two calls to read, one to write, and one to delete what it replaces: Tryton lets
        nobody change a note. The newest counts, so that a repeat deletes what was left."""
        ids = [found for status in statuses if (found := _record_id(status.deal_id))]
        there = {row["id"] for row in self._search([["id", "in", ids]], ["id"], len(ids))}
        notes = self._notes(sorted(there))
        new: list[JsonObject] = []
        old: list[int] = []
        for status in statuses:
            key = _record_id(status.deal_id)
            if key not in there:
                continue
            text, mine = _text(status), notes.get(key or 0, [])
            is_shown = bool(mine) and mine[0]["message"] == text
            old += [note["id"] for note in mine[is_shown:]]
            if not is_shown:
                new.append({"resource": f"{OPPORTUNITY},{key}", "message": text})
        if new:
            self._api.create(NOTE, new)
        if old:
            self._api.delete(NOTE, old)
        return [self._verdict(status.deal_id, there) for status in statuses]

    def won_deals(self, since: datetime, after: str = "") -> WonDeals:
        """See Crm. Pages are in the order of ids, which never change. Which opportunities have a
        contract, their notes say, so that a page may be empty and not the last."""
        at = moment(since)
        changed = [
            "OR",
            ["write_date", ">=", at],
            [["write_date", "=", None], ["create_date", ">=", at]],
        ]
        beyond = ["id", ">", _record_id(after) or 0]
        rows = self._search([*self._due(), changed, beyond], ["last_modified_at"], PAGE)
        notes = self._notes([row["id"] for row in rows])
        deals = [
            WonDeal(
                deal_id=str(row["id"]), modified_at=datetime.fromisoformat(row["last_modified_at"])
            )
            for row in rows
            if row["id"] not in notes
        ]
        is_last = len(rows) < PAGE
        as_of = self._api.as_of or since
        return WonDeals(deals=deals, as_of=as_of, next="" if is_last else str(rows[-1]["id"]))

    def is_due(self, deal_id: str) -> bool:
        """See Crm."""
        key = _record_id(deal_id)
        if not key or not self._search([*self._due(), ["id", "=", key]], ["id"], 1):
            return False
        return key not in self._notes([key])

    def missing_setup(self) -> list[Problem]:
        """See Crm: it needs nothing but the rights to read opportunities and notes."""
        self._search([], ["id"], 1)
        self._notes([1])
        return []

    def ensure_setup(self) -> list[Problem]:
        """See Crm."""
        return self.missing_setup()

    def _due(self) -> list[object]:
        return [["state", "=", "won"], ["end_date", ">=", day(self._closed_since)]]

    def _search(
        self, domain: Sequence[object], fields: Sequence[str], limit: int
    ) -> list[JsonObject]:
        return self._api.search(OPPORTUNITY, domain, fields, limit=limit) if limit else []

    def _won_deal(self, deal_id: str) -> JsonObject:
        key = _record_id(deal_id)
        found = self._search([["id", "=", key]], _DEAL, 1) if key else []
        if not found:
            text = f"there is no opportunity {deal_id!r}"
            raise errors.business(
                self.system, "deal_not_found", text, field="deal_id", value=deal_id
            )
        state = found[0].get("state")
        if state != "won":
            text = f"opportunity {deal_id} is not won, but {state}"
            raise errors.business(
                self.system, "deal_not_won", text, field="state", value=str(state)
            )
        return found[0]

    def _customer(self, party: int | None) -> JsonObject:
        """The party with its first address and e-mail address."""
        if not party:
            return {}
        mine = [["party", "=", party]]
        found = self._api.search("party.party", [["id", "=", party]], _PARTY, limit=1)
        addresses = self._api.search("party.address", mine, _ADDRESS, limit=1)
        emails = self._api.search(
            "party.contact_mechanism", [*mine, ["type", "=", "email"]], ["value"], limit=1
        )
        if not found:
            raise errors.business(self.system, "access_denied", f"party {party} cannot be read")
        address = addresses[0] if addresses else {}
        return present(
            {
                "key": f"{self.system}-{party}",
                "name": found[0]["name"],
                "vat_number": _of(found[0], "tax_identifier", "code"),
                "country": _of(address, "country", "code"),
                "billing_email": emails[0]["value"] if emails else None,
                "street": address.get("street"),
                "city": address.get("city"),
                "zip": address.get("postal_code"),
            }
        )

    def _services(self, deal_id: str) -> list[JsonObject]:
        """A service for each line of the sales that the opportunity was converted to."""
        domain = [
            ["sale.origin", "=", f"{OPPORTUNITY},{deal_id}"],
            ["sale.state", "!=", "cancelled"],
            ["type", "=", "line"],
        ]
        lines = self._api.search("sale.line", domain, _LINE, limit=_MOST_LINES)
        codes = [_of(line, "product", "code") or "" for line in lines]
        return [
            present(
                {
                    "key": key,
                    "code": code,
                    "description": line["description"] or _of(line, "product", "name"),
                    "amount": decimal_text(line["amount"]) if line["amount"] else None,
                }
            )
            for key, code, line in zip(unique_keys(codes, "line"), codes, lines, strict=True)
        ]

    def _notes(self, ids: Sequence[int]) -> dict[int, list[JsonObject]]:
        """The notes that say a status, by opportunity, the newest first."""
        if not ids:
            return {}
        domain = [
            ["resource", "in", [f"{OPPORTUNITY},{key}" for key in ids]],
            ["message", "like", f"{_HEAD}%"],
        ]
        found = self._api.search(
            NOTE, domain, ["resource", "message"], limit=len(ids) * 10, order=[("id", "DESC")]
        )
        notes: dict[int, list[JsonObject]] = {}
        for row in found:
            notes.setdefault(int(str(row["resource"]).rpartition(",")[2]), []).append(row)
        return notes

    def _verdict(self, deal_id: str, there: set[int]) -> GatewayError | None:
        if _record_id(deal_id) in there:
            return None
        return refused(self.system, deal_id, "there is no such opportunity")


def _text(status: ContractStatus) -> str:
    texts = status_texts(status)
    lines = [f"{label}: {texts[name]}" for name, label in STATUS_LABELS.items() if texts[name]]
    return "\n".join([_HEAD, *lines])


def _of(row: JsonObject, *path: str) -> str | None:
    """A value of a record that this one refers to: Tryton ends such names with a dot."""
    found: object = row
    for place, name in enumerate(path, start=1):
        if not isinstance(found, dict):
            return None
        found = found.get(name if place == len(path) else f"{name}.")
    return str(found) if found else None


def _record_id(deal_id: str) -> int | None:
    """The database id, or None where the text cannot be one."""
    if not (deal_id.isascii() and deal_id.isdigit() and deal_id[0] != "0" and len(deal_id) <= 10):
        return None
    return number if (number := int(deal_id)) <= _MAX_ID else None
