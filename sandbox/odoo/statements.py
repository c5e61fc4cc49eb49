"""Bank statements: their lines, the entries behind them, and what is matched with them.

A line is made with the items that it is loaded with, or else on suspense, and posted at once. Items
that are marked alike (`I...`) are matched as it is posted. What is matched with an item of a bank
line is kept as partial reconciliations, and beside it as the settlement of the invoice or payment
that the other item is of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from sandbox.odoo import settlements
from sandbox.odoo.companies import company_values
from sandbox.odoo.entries import ALREADY, balanced, highest
from sandbox.odoo.errors import UserError, ValidationError
from sandbox.odoo.invoices import SALES, Move, MoveLine
from sandbox.odoo.partials import PARTIAL, pair
from sandbox.odoo.pricing import exact
from sandbox.odoo.records import Env, Model, Row, Values, on_records

_ITEM, _MOVE, _LINE = "account.move.line", "account.move", "account.bank.statement.line"
_SYNCHRONISED = ("payment_ref", "amount", "partner_id")


class Statement(Model):
    """Its day and journal are those of its lines."""


class StatementLine(Model):
    rec_name = "payment_ref"

    def defaults(self, values: Values) -> Values:
        journal = self.env["account.journal"].row(values["journal_id"])
        return {"company_id": journal["company_id"]}

    def add(self, values: Values) -> int:
        values = dict(values)
        items = values.pop("line_ids", None)
        record = super().add(values)
        row = self.row(record)
        entry = self._entry(row, items or [(0, 0, item) for item in self._two_items(row)])
        self.settle(record, {"move_id": entry})
        self._on_statement(row)
        _match_marked(self.env, self.env[_MOVE].links(entry, "line_ids"))
        self.env.flush()
        return record

    def _entry(self, row: Row, items: Sequence[Any]) -> int:
        """Its day is today where the line's lies in a closed period, as in Odoo."""
        company = company_values(self.env, row["company_id"])
        locks = [company[name] for name in ("fiscalyear_lock_date", "hard_lock_date")]
        is_closed = any(lock and row["date"] <= lock for lock in locks)
        day = str(self.env.today) if is_closed else row["date"]
        if is_closed:
            self.settle(row["id"], {"date": day})
        journal = self.env["account.journal"].row(row["journal_id"])
        prefix = f"{journal['code']}/{day[:4]}/"
        number = highest(self.env, prefix, row["journal_id"]) + 1
        currency = journal["currency_id"] or company["currency_id"]
        entry = self.env[_MOVE].add(
            {
                "move_type": "entry",
                "name": f"{prefix}{number:05d}",
                "state": "posted",
                "posted_before": True,
                "date": day,
                "ref": row["ref"],
                "journal_id": row["journal_id"],
                "partner_id": row["partner_id"],
                "currency_id": currency,
                "company_id": row["company_id"],
                "statement_line_id": row["id"],
                "line_ids": [(code, target, _complete(item)) for code, target, item in items],
            }
        )
        for item in self.env[_MOVE].links(entry, "line_ids"):
            self.env[_ITEM].settle(item, {"date": day})
        return entry

    def _two_items(self, row: Row) -> list[Values]:
        journal = self.env["account.journal"].row(row["journal_id"])
        if not journal["suspense_account_id"]:
            raise UserError(
                "You can't create a new statement line without a suspense account set on the "
                f"{journal['name']} journal."
            )
        sides = (
            (journal["default_account_id"], row["amount"]),
            (journal["suspense_account_id"], -row["amount"]),
        )
        return [
            {"account_id": account, "amount_currency": amount, "name": row["payment_ref"]}
            for account, amount in sides
        ]

    def _on_statement(self, row: Row) -> None:
        if row["statement_id"]:
            values = {"journal_id": row["journal_id"], "date": row["date"]}
            self.env["account.bank.statement"].settle(row["statement_id"], values)

    def after_change(self, ids: list[int], changed: set[str]) -> None:
        """What is edited of a line makes its items anew."""
        for row in self.rows(ids):
            self.env.touch(_LINE, [row["id"]])
            if row["move_id"] and changed & set(_SYNCHRONISED):
                self._reset(row)

    def recompute(self, record_id: int) -> None:
        row = self.row(record_id)
        if row["move_id"]:
            self.settle(record_id, {"is_reconciled": not self._suspense(row)})

    def _suspense(self, row: Row) -> list[int]:
        suspense = self.env["account.journal"].row(row["journal_id"])["suspense_account_id"]
        return self.env[_ITEM].find(
            [["move_id", "=", row["move_id"]], ["account_id", "=", suspense]]
        )

    @on_records
    def action_undo_reconciliation(self, ids: list[int]) -> None:
        self.check_access("write")
        for row in self.rows(self.existing(ids)):
            unmatch(self.env, self.env[_MOVE].links(row["move_id"], "line_ids"))
            self._reset(row)
        self.env.flush()

    def _reset(self, row: Row) -> None:
        moves, items = self.env[_MOVE], self.env[_ITEM]
        old = moves.links(row["move_id"], "line_ids")
        for item in self._two_items(row):
            items.add({**item, "move_id": row["move_id"]})
        items.remove(old)
        moves.settle(row["move_id"], {"partner_id": row["partner_id"]})
        self.env.touch(_MOVE, [row["move_id"]])
        self.env.touch(_LINE, [row["id"]])


class BankMove(Move):
    """A journal entry; that of a bank line is edited although it is posted, if the call says so."""

    def before_write(self, ids: list[int], values: Values) -> None:
        lines = [row["statement_line_id"] for row in self.rows(ids)]
        if self.env.context.get("skip_readonly_check") and all(lines):
            values["line_ids"] = [
                (code, target, *map(_complete, rest)) for code, target, *rest in values["line_ids"]
            ]
            self.env.touch(_LINE, lines)
            return
        super().before_write(ids, values)

    def _settle_open(self, move_id: int) -> None:
        items = BankItem(self.env, self.env[_ITEM].schema)
        for item in self.links(move_id, "line_ids"):
            items.settle_open(item)


class BankItem(MoveLine):
    """A journal item that bank lines may be matched with."""

    def before_write(self, ids: list[int], values: Values) -> None:
        mark = values.get("matching_number")
        if mark and str(mark).startswith("I") and any(partials(self.env, item) for item in ids):
            raise ValidationError("A temporary number can not be used in a real matching")
        super().before_write(ids, values)

    def after_change(self, ids: list[int], changed: set[str]) -> None:
        super().after_change(ids, changed)
        for row in self.rows(ids):
            self.env.touch(_MOVE, [row["move_id"]])

    def before_unlink(self, ids: list[int]) -> None:
        unmatch(self.env, ids)
        super().before_unlink(ids)

    @on_records
    def reconcile(self, ids: list[int]) -> None:
        self.check_access("write")
        match(self.env, self.existing(ids))
        self.env.flush()

    @on_records
    def remove_move_reconcile(self, ids: list[int]) -> None:
        self.check_access("write")
        matched = [item for item in self.existing(ids) if partials(self.env, item)]
        unmatch(self.env, matched)
        others = [item for item in ids if item not in matched]
        if others:
            super().remove_move_reconcile(others)
        self.env.flush()

    def settle_open(self, line_id: int) -> None:
        row = self.row(line_id)
        move = self.env[_MOVE].row(row["move_id"])
        account = self.env["account.account"].rows([row["account_id"]] if row["account_id"] else [])
        is_receivable = bool(account) and account[0]["account_type"] == "asset_receivable"
        if is_receivable and not move["statement_line_id"]:
            super().settle_open(line_id)
        elif account and account[0]["reconcile"]:
            left = exact(row["amount_currency"]) - matched(self.env, row)
            share = left / exact(row["amount_currency"]) if row["amount_currency"] else Decimal(0)
            residual = float(exact(row["balance"]) * share)
            values = {"amount_residual_currency": float(left), "amount_residual": residual}
            self.settle(line_id, values | {"reconciled": not left})


class Partial(Model):
    rec_name = "id"


# --- matching -------------------------------------------------------------------------------------


def match(env: Env, ids: Sequence[int]) -> None:
    """Match items of one account with each other, the earliest first."""
    items = env[_ITEM]
    rows = items.rows(ids)
    if len({row["account_id"] for row in rows}) > 1:
        raise UserError("Entries are not from the same account")
    if any(row["reconciled"] for row in rows):
        raise UserError(ALREADY)
    ordered = sorted(rows, key=lambda row: (row["date_maturity"] or row["date"] or "", row["id"]))
    left = {row["id"]: exact(row["amount_residual_currency"]) for row in ordered}
    credits = [row["id"] for row in ordered if left[row["id"]] < 0]
    for debit in (row["id"] for row in ordered if left[row["id"]] > 0):
        for credit in credits:
            amount = min(left[debit], -left[credit])
            if amount > 0:
                _pair(env, debit, credit, amount)
                left[debit] -= amount
                left[credit] += amount
    env.flush()
    _number(env, [row["id"] for row in ordered])


def _pair(env: Env, debit: int, credit: int, amount: Decimal) -> None:
    pair(env, debit, credit, amount)
    _settlement(env, debit, credit, amount)
    _touch(env, (debit, credit))


def _settlement(env: Env, debit: int, credit: int, amount: Decimal) -> None:
    """What the pair means for an invoice, a credit note or a payment on the customer's account."""
    sides = _sides(env, debit, credit)
    if sides is not None:
        move, side, record = sides
        settlements.settle(env, move, amount, is_paired=True, **{side: record})


def _sides(env: Env, debit: int, credit: int) -> tuple[int, settlements.Side, int] | None:
    owing, paying = (env[_MOVE].row(env[_ITEM].row(it)["move_id"]) for it in (debit, credit))
    account = env["account.account"].row(env[_ITEM].row(debit)["account_id"])
    if account["account_type"] != "asset_receivable":
        return None
    if paying["origin_payment_id"]:
        return owing["id"], "payment_id", paying["origin_payment_id"]
    if owing["move_type"] in SALES:
        return owing["id"], "refund_id", paying["id"]
    if paying["move_type"] in SALES and owing["origin_payment_id"]:
        return paying["id"], "payment_id", owing["origin_payment_id"]
    if paying["move_type"] in SALES:
        return paying["id"], "refund_id", owing["id"]
    return None


def unmatch(env: Env, ids: Iterable[int]) -> None:
    """Take back what is matched with these items."""
    for item in ids:
        for row in partials(env, item):
            sides = _sides(env, row["debit_move_id"], row["credit_move_id"])
            if sides is not None:
                settlements.undo_one(env, *sides, exact(row["debit_amount_currency"]))
            env[PARTIAL].remove([row["id"]])
            both = (row["debit_move_id"], row["credit_move_id"])
            _touch(env, both)
            env.flush()
            _number(env, both)


def partials(env: Env, item: int) -> list[Row]:
    model = env[PARTIAL]
    either = ["|", ["debit_move_id", "=", item], ["credit_move_id", "=", item]]
    return model.rows(model.find(either))


def matched(env: Env, row: Row) -> Decimal:
    """How much of an item is matched, with its sign."""
    total = sum(
        (exact(item["debit_amount_currency"]) for item in partials(env, row["id"])), Decimal(0)
    )
    return total if row["amount_currency"] > 0 else -total


def _number(env: Env, ids: Iterable[int]) -> None:
    """How the items are shown to be matched: in full, in part (P), or not."""
    items = env[_ITEM]
    for row in items.rows(ids):
        found = partials(env, row["id"])
        number = str(found[0]["id"]) if found else None
        if number and not row["reconciled"]:
            number = f"P{number}"
        if number or not str(row["matching_number"] or "").startswith("I"):
            items.settle(row["id"], {"matching_number": number})


def _match_marked(env: Env, ids: Iterable[int]) -> None:
    """Match every group of items that carry the same temporary number."""
    env.flush()
    items = env[_ITEM]
    groups: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    marks = {row["matching_number"] for row in items.rows(ids)} - {None}
    for row in items.rows(items.find([["matching_number", "in", sorted(marks)]])):
        if str(row["matching_number"]).startswith("I"):
            groups[row["matching_number"], row["account_id"]].append(row["id"])
    for group in groups.values():
        if len(group) > 1:
            match(env, group)


def _touch(env: Env, items: Iterable[int]) -> None:
    for row in env[_ITEM].rows(items):
        env.touch(_MOVE, [row["move_id"]])
        move = env[_MOVE].row(row["move_id"])
        if move["origin_payment_id"]:
            env.touch("account.payment", [move["origin_payment_id"]])


def _complete(item: Any) -> Any:
    """Debit and credit of an item whose balance is given."""
    if not isinstance(item, dict) or "amount_currency" not in item:
        return item
    amount = exact(item["amount_currency"])
    values = {name: value for name, value in item.items() if name != "balance"}
    return values | balanced(exact(item.get("balance", amount)), amount)


MODELS: dict[str, type[Model]] = {
    "account.bank.statement": Statement,
    "account.bank.statement.line": StatementLine,
    "account.move": BankMove,
    "account.move.line": BankItem,
    PARTIAL: Partial,
}
