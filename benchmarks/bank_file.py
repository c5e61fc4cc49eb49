"""A bank's file applied in Odoo, and a script that does it line by line."""

from __future__ import annotations

import asyncio
import io
import json
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import odoolib

from benchmarks import product
from benchmarks.contracts import ENTITY
from benchmarks.frame import Bench, at_least, benchmark, paired_ratio
from benchmarks.product import Product
from benchmarks.remote import Remote
from benchmarks.script import COMPANY, best_threads, on_threads
from contracts.bank.file import FileStage
from contracts.money import Money
from gateways.bank.drop import Drop
from gateways.bank.folder.files import LocalFiles
from sandbox.bank_files import Dialect, made_line, made_statement, statement_file
from starters.bank import put
from starters.client import bank

ACCOUNT, BANK = "BE68539007547034", "inbox"
_CUSTOMERS, _GROUP = 200, 200
_WITHIN_SECONDS = 3_600
_INVOICE, _ITEM = "account.move", "account.move.line"


@dataclass(frozen=True)
class _Invoice:
    number: str
    open: Decimal
    customer: str


class _Firm:
    """A firm with a bank account, whose customers pay what they are billed."""

    def __init__(self, odoo: Remote, folder: Path) -> None:
        self.odoo, self.folder = odoo, folder
        self.today = datetime.now(UTC).date()
        self._client = odoo.client("admin")
        self._files = 0
        self._balance = Money("1000.00", "EUR")
        self.inbox = Drop(LocalFiles(folder, system=BANK), system=BANK)
        self.inbox.ensure_setup()
        names = [{"name": f"Customer {number} NV"} for number in range(_CUSTOMERS)]
        self._customers = self._client.create("res.partner", names)
        found = self._client.search_read("res.company", [("name", "=", COMPANY)], ["id"])
        self._company = found[0]["id"]
        domain = [("type", "=", "bank"), ("company_id", "=", self._company)]
        fields = ["code", "suspense_account_id"]
        self.journal = self._client.search_read("account.journal", domain, fields, limit=1)[0]
        self._product = self._client.search_read(
            "product.product", [("default_code", "=", "BUILD")], ["id"]
        )[0]["id"]

    @property
    def environment(self) -> dict[str, str]:
        inbox = {
            "kind": "folder",
            "legal_entity": ENTITY,
            "folder": str(self.folder),
            "accounts": {ACCOUNT: self.journal["code"]},
        }
        return {"C2C_BANK": json.dumps({BANK: inbox})}

    def paid(self, count: int, *, by_script: bool = False) -> tuple[str, bytes]:
        """A file in which so many new invoices are paid, one a line, each by its number; its name
        and content. What the script takes becomes lines without a statement, so that the balance
        of the statements goes on without it."""
        self._files += 1
        invoices = self._billed(count)
        lines = [
            made_line(
                ACCOUNT,
                self.today,
                f"{self._files}-{number}",
                Money(invoice.open, "EUR"),
                counterparty=invoice.customer,
                texts=(f"Payment of {invoice.number}, thank you",),
            )
            for number, invoice in enumerate(invoices)
        ]
        statement = made_statement(f"ST-{self._files}", lines, self._balance)
        if not by_script:
            self._balance = statement.closing or self._balance
        message = Dialect(new_message=f"MSG-{self._files}")
        return f"{self._files}.xml", statement_file([statement], message)

    def _billed(self, count: int) -> list[_Invoice]:
        found: list[_Invoice] = []
        for first in range(0, count, _GROUP):
            values = [self._values(number) for number in range(first, min(first + _GROUP, count))]
            made = self._client.create(_INVOICE, values)
            self._client.call(_INVOICE, "action_post", made)
            rows = self._client.read(_INVOICE, made, ["name", "amount_residual", "partner_id"])
            found += [
                _Invoice(
                    row["name"],
                    Money.rounded(row["amount_residual"], "EUR").amount,
                    row["partner_id"][1],
                )
                for row in rows
            ]
        return found

    def _values(self, number: int) -> dict[str, Any]:
        line = {"product_id": self._product, "quantity": 1, "price_unit": 100 + number % 97}
        return {
            "move_type": "out_invoice",
            "company_id": self._company,
            "partner_id": self._customers[number % len(self._customers)],
            "invoice_date": str(self.today),
            "invoice_line_ids": [[0, 0, line]],
        }

    def left(self) -> int:
        """How many of the invoices have something open."""
        domain = [("move_type", "=", "out_invoice"), ("state", "=", "posted")]
        still: int = self._client.call(
            _INVOICE, "search_count", domain=[*domain, ("amount_residual", "!=", 0)]
        )
        return still


@benchmark("bank_file", about="a bank's file of 5,000 payments applied in Odoo", minutes=120)
async def bank_file(bench: Bench) -> None:
    """Lines a minute, ours against the script with its best number of threads. The script applies
    fewer: a line takes it as long however many there are."""
    count = bench.size(full=5_000, quick=120)
    some = bench.size(full=300, quick=20)
    with bench.odoo() as odoo:
        firm = _Firm(odoo, bench.new_folder("bank"))
        script = _Script(firm)
        few = bench.size(full=60, quick=8)
        threads = await best_threads(
            bench, "lines a minute", lambda threads: _by_script(firm, script, threads, few)
        )
        async with product.running(bench, odoo, environment=firm.environment) as ours:
            await _ours(ours, firm, 10)  # neither is to be measured before it has ever run
            samples = await bench.rounds(
                {
                    "ours": lambda _: _ours(ours, firm, count),
                    "script": lambda _: _by_script(firm, script, threads, some),
                }
            )
    bench.report(
        "bank_file",
        paired_ratio(samples["ours"], samples["script"]),
        at_least(5),
        unit="lines a minute",
        lines=count,
        script_lines=some,
        script_threads=threads,
        samples=samples,
    )


async def _ours(ours: Product, firm: _Firm, count: int) -> float:
    """Lines a minute of one file, from when it is handed over until all of it is applied."""
    name, content = await asyncio.to_thread(firm.paid, count)
    path = ours.folder / name
    path.write_bytes(content)
    started = time.perf_counter()
    file = put(firm.inbox, ENTITY, path)
    await bank.start(ours.client, file)
    handle = ours.client.get_workflow_handle(file.workflow_id)
    async with asyncio.timeout(_WITHIN_SECONDS):
        await handle.result()
    seconds = time.perf_counter() - started
    found = await bank.show(ours.client, file.workflow_id)
    if (found.state.stage, found.state.counts.booked) != (FileStage.DONE, count) or firm.left():
        raise AssertionError(f"{found.state.counts} of {count} lines: {found.state.stage}")
    return count / seconds * 60


# --- the script -----------------------------------------------------------------------------------


class _Script:
    """What a firm would write: it reads the file, and for each payment looks up the invoice, makes
    the line, puts it on the customer's account, and reconciles the two. What can be looked up once
    is looked up once."""

    def __init__(self, firm: _Firm) -> None:
        address = urlsplit(firm.odoo.url)
        self._odoo = odoolib.get_connection(
            hostname=address.hostname,
            port=address.port,
            protocol="json2",
            database=firm.odoo.database,
            password=firm.odoo.key(),
        )
        self._journal = firm.journal["id"]
        self._suspense = firm.journal["suspense_account_id"][0]

    def payments(self, content: bytes) -> list[tuple[str, float, str]]:
        """Day, amount and text of each payment."""
        found = []
        for _, entry in ElementTree.iterparse(io.BytesIO(content)):  # noqa: S314 - a file of ours
            if entry.tag.endswith("}Ntry"):
                text = {item.tag.rpartition("}")[2]: item.text or "" for item in entry.iter()}
                found.append((text["Dt"], float(text["Amt"]), text["Ustrd"]))
                entry.clear()
        return found

    def apply(self, on: str, amount: float, text: str) -> None:
        number = re.findall(r"[A-Z]+/\d{4}/\d+", text)[0]
        model = self._odoo.get_model
        [invoice] = model(_INVOICE).search_read(
            domain=[("name", "=", number), ("state", "=", "posted")], fields=["partner_id"]
        )
        values = {
            "journal_id": self._journal,
            "date": on,
            "payment_ref": text,
            "amount": amount,
            "partner_id": invoice["partner_id"][0],
        }
        lines = model("account.bank.statement.line")
        [line] = lines.create(vals_list=[values])
        [made] = lines.search_read(domain=[("id", "=", line)], fields=["move_id"])
        move = made["move_id"][0]
        [own] = model(_ITEM).search_read(
            domain=[("move_id", "=", move), ("account_id", "=", self._suspense)], fields=["id"]
        )
        [owed] = model(_ITEM).search_read(
            domain=[
                ("move_id", "=", invoice["id"]),
                ("account_id.account_type", "=", "asset_receivable"),
            ],
            fields=["account_id"],
        )
        model(_INVOICE).write(
            ids=[move],
            vals={"line_ids": [[1, own["id"], {"account_id": owed["account_id"][0]}]]},
            context={"skip_readonly_check": True},
        )
        model(_ITEM).reconcile(ids=[own["id"], owed["id"]])


async def _by_script(firm: _Firm, script: _Script, threads: int, count: int) -> float:
    """Lines a minute of the script."""
    _, content = await asyncio.to_thread(firm.paid, count, by_script=True)
    started = time.perf_counter()
    await on_threads(threads, script.apply, script.payments(content))
    seconds = time.perf_counter() - started
    if left := firm.left():
        raise AssertionError(f"{left} invoices of {count} are open")
    return count / seconds * 60
