"""The baseline of `benchmarks.analytics`: what a firm would write, with Odoo's own client.

    python -m benchmarks.analytics_script URL DATABASE KEY_FILE CONTRACTS FOLDER

It reads contract by contract and invoice by invoice, keeps all rows, and writes them at the end. It
asks Odoo alone: what only the contracts' workflows know, it does not have.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import odoolib
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.contracts import ENTITY

_BILLED = {"out_invoice": 1, "out_refund": -1}


def main(url: str, database: str, key_file: str, contracts: str, folder: str) -> None:
    address = urlsplit(url)
    odoo = odoolib.get_connection(
        hostname=address.hostname,
        port=address.port,
        protocol="json2",
        database=database,
        password=Path(key_file).read_text(encoding="utf-8"),
    )
    tables = _read(odoo, int(contracts))
    for name, rows in tables.items():
        pq.write_table(pa.Table.from_pylist(rows), Path(folder) / f"{name}.parquet")


def _read(odoo: Any, contracts: int) -> dict[str, list[dict[str, Any]]]:
    orders, moves, lines, partials, hours = map(
        odoo.get_model,
        (
            "sale.order",
            "account.move",
            "account.move.line",
            "account.partial.reconcile",
            "account.analytic.line",
        ),
    )
    found: dict[str, list[dict[str, Any]]] = {"billed": [], "open": [], "collected": [], "work": []}
    for order in orders.search_read(
        domain=[("origin", "=like", f"contract/{ENTITY}/%")],
        fields=["name", "origin", "project_id", "partner_id"],
        limit=contracts,
        order="id desc",
    ):
        contract = order["origin"].rpartition("/")[2]
        for move in moves.search_read(
            domain=[("invoice_origin", "=like", f"%{contract} %"), ("state", "=", "posted")],
            fields=["name", "move_type", "invoice_date", "amount_untaxed", "amount_total"],
        ):
            sign = _BILLED[move["move_type"]]
            found["billed"].append(
                {"contract": contract, **move, "untaxed": sign * move["amount_untaxed"]}
            )
            for line in lines.search_read(
                domain=[("move_id", "=", move["id"]), ("display_type", "=", "payment_term")],
                fields=["date_maturity", "amount_residual"],
            ):
                found["open"].append({"contract": contract, "invoice": move["name"], **line})
                found["collected"] += [
                    {"contract": contract, "invoice": move["name"], **paid}
                    for paid in partials.search_read(
                        domain=[("debit_move_id", "=", line["id"])],
                        fields=["max_date", "debit_amount_currency"],
                    )
                ]
        found["work"] += [
            {"contract": contract, "date": row["date"], "hours": row["unit_amount"]}
            for row in hours.search_read(
                domain=[("project_id", "=", order["project_id"][0])],
                fields=["date", "unit_amount", "amount"],
            )
        ]
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
