"""Files of a bank, applied while workers are killed: each line is booked once, and none is lost.

Customers pay invoices that belong to no contract. Some lines say nothing: a person lets one of each
file pay an invoice, and ignores the others. All files come a second time, and then their statements
in other files.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from contracts.bank.file import BankFileState, FileStage, Settlement
from contracts.bank.statement import BankStatement
from contracts.identifiers import bank_workflow_id
from contracts.money import Money
from faultlab.contract_generator import ENTITY
from faultlab.invariants import histories_of, unreplayable
from faultlab.lab import BANK_ACCOUNT, Lab
from faultlab.ledger import patiently
from gateways.odoo import OdooClient
from sandbox.bank_files import Dialect, made_line, made_statement, statement_file
from starters.client import NotFound, Refused, bank

FILES, PAYMENTS = 4, 15
"""Lines of a file that pay an invoice each by its number; three more say nothing."""
_STRANGERS = 3
_CLERK = "clara@northwind.example"
_MOST_SECONDS = 900.0
_LOOK_SECONDS = 1.0
_OPENING = Money("1000.00", "EUR")
_INVOICE = "account.move"


@dataclass(frozen=True)
class _Invoice:
    id: int
    number: str
    total: Money


@dataclass
class _File:
    """A file: what is in it, and the invoice that a person lets a line of it pay."""

    name: str
    content: bytes
    statement: BankStatement
    by_hand: _Invoice

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def workflow_id(self) -> str:
        return bank_workflow_id(ENTITY, self.sha256)

    @property
    def resent(self) -> _File:
        """The same statement in another file."""
        content = statement_file([self.statement], Dialect(new_message="MSG-2"))
        return replace(self, name=f"resent-{self.name}", content=content)


@dataclass
class BankFiles:
    """The bank, its customers, and a clerk."""

    lab: Lab
    wrong: list[str] = field(default_factory=list)
    _files: list[_File] = field(default_factory=list)
    _invoices: list[_Invoice] = field(default_factory=list)

    async def prepare(self) -> None:
        """Invoices are posted in Odoo, before anything is broken there."""
        self._invoices = await asyncio.to_thread(self._billed, FILES * (PAYMENTS + 1))
        left, balance = iter(self._invoices), _OPENING
        for number in range(FILES):
            day = datetime.now(UTC).date() + timedelta(days=number - FILES)
            paid = [next(left) for _ in range(PAYMENTS)]
            by_hand = next(left)
            statement = _statement(number, day, paid, by_hand, balance)
            balance = statement.closing or balance
            content = statement_file([statement])
            self._files.append(_File(f"{day}.xml", content, statement, by_hand))

    async def run(self) -> None:
        """The files come, people decide, and everything comes again."""
        try:
            async with asyncio.timeout(_MOST_SECONDS):
                self._deliver(self._files)
                await asyncio.gather(*(self._see_to(file) for file in self._files))
                self._deliver(self._files)
                await self._until("the files that came twice to be put away", self._is_empty)
                for file in self._files:
                    await self._again(file.resent)
        except TimeoutError:
            self.wrong.append(f"bank files: not over after {_MOST_SECONDS:.0f} s")

    async def examine(self) -> list[str]:
        """What must not be, by Odoo's database, the workflows' histories and the folder."""
        found = list(self.wrong)
        if not self._files:
            return found
        found += self._in_odoo()
        found += self._in_the_folder()
        for file in self._files:
            histories = await patiently(lambda: histories_of(self.lab.client, file.workflow_id))  # noqa: B023
            found += [f"{key} does not replay: {why}" for key, why in await unreplayable(histories)]
            found += _not_all(file, await self._state(file))
        return found

    # --- what people do ---------------------------------------------------------------------------

    def _billed(self, count: int) -> list[_Invoice]:
        odoo: OdooClient = self.lab.odoo("admin")
        [product] = odoo.search_read("product.product", [("default_code", "=", "BUILD")], ["id"])
        customers = odoo.create("res.partner", [{"name": f"Payer {n}"} for n in range(count)])
        values = [
            {
                "move_type": "out_invoice",
                "partner_id": customer,
                "invoice_date": str(datetime.now(UTC).date() - timedelta(days=FILES + 1)),
                "invoice_line_ids": [[0, 0, _row(product["id"], 100 + number)]],
            }
            for number, customer in enumerate(customers)
        ]
        made = odoo.create(_INVOICE, values)
        odoo.call(_INVOICE, "action_post", made)
        rows = odoo.read(_INVOICE, made, ["name", "amount_total"])
        return [
            _Invoice(row["id"], row["name"], Money.rounded(row["amount_total"], "EUR"))
            for row in rows
        ]

    async def _again(self, resent: _File) -> None:
        """Nothing of it is applied."""
        self._deliver([resent])
        await self._until(f"{resent.name} to be done", lambda: self._is_done(resent))
        state = await self._state(resent)
        if state.lines:
            self.wrong.append(f"{resent.name}: {state.lines} lines are new")

    def _deliver(self, files: Sequence[_File]) -> None:
        for file in files:
            (self.lab.bank_files / file.name).write_bytes(file.content)

    async def _see_to(self, file: _File) -> None:
        """A person decides about what waits in the file, until nothing does."""
        await self._until(f"{file.name} to be applied", lambda: self._is_open(file))
        for line in (await self._state(file)).parked:
            is_payment = line.amount == file.by_hand.total
            asked = Settlement(
                line=line.number,
                by=_CLERK,
                invoices=(file.by_hand.number,) if is_payment else (),
                ignore="" if is_payment else "unknown",
            )
            await self._until(f"line {line.number}", lambda: self._settled(file, asked))  # noqa: B023
        await self._until(f"{file.name} to be done", lambda: self._is_done(file))

    async def _settled(self, file: _File, asked: Settlement) -> bool:
        """Decide; where Odoo does not answer in time, the person tries again."""
        request = f"{file.name}-{asked.line}"
        try:
            await patiently(lambda: bank.settle(self.lab.client, file.workflow_id, asked, request))
        except Refused as refused:
            return "line_not_parked" in str(refused)
        return True

    # --- how it stands ----------------------------------------------------------------------------

    async def _state(self, file: _File) -> BankFileState:
        found = await patiently(lambda: bank.show(self.lab.client, file.workflow_id))
        return found.state

    async def _is_open(self, file: _File) -> bool:
        return (await self._state(file)).is_put_away

    async def _is_done(self, file: _File) -> bool:
        return (await self._state(file)).stage is FileStage.DONE

    async def _is_empty(self) -> bool:
        return not self._waiting()

    def _waiting(self) -> list[str]:
        return [item.name for item in self.lab.bank_files.iterdir() if item.is_file()]

    async def _until(self, what: str, ask: Callable[[], Awaitable[bool]]) -> None:
        began = time.monotonic()
        while True:
            try:
                if await ask():
                    return
            except NotFound:
                pass  # no sweep has taken it yet
            if time.monotonic() - began > _MOST_SECONDS / 2:
                raise TimeoutError(what)
            await asyncio.sleep(_LOOK_SECONDS)

    # --- what must be true ------------------------------------------------------------------------

    def _in_odoo(self) -> Iterator[str]:
        """Each line is there once, on suspense if it was ignored; and nothing is owed."""
        lines = self.lab.books.bank_lines()
        suspense = self.lab.books.on_suspense()
        for file in self._files:
            for line in file.statement.lines:
                count = lines.pop(line.key, 0)
                if count != 1:
                    yield f"bank line {line.key} stands {count} times in Odoo"
                wanted = int(_says_nothing(line.texts) and line.amount != file.by_hand.total)
                if suspense.get(line.key, 0) != wanted:
                    yield f"bank line {line.key} is on suspense {suspense.get(line.key, 0)} times"
        yield from (f"bank line {key} is in Odoo and in no file" for key in lines)
        owed = self.lab.books.open_of([invoice.id for invoice in self._invoices])
        yield from (f"invoice {id} has {open} open" for id, open in owed.items() if open)

    def _in_the_folder(self) -> Iterator[str]:
        done, refused = (self._names(name) for name in ("done", "refused"))
        for file in self._files:
            kept = f"{file.sha256}-{file.name}"
            if not {kept, f"2-{kept}"} <= done:
                yield f"{file.name} came twice, and is not twice in done/"
        if refused or self._waiting():
            yield f"left: {sorted(refused)} in refused/, {self._waiting()} in the folder"

    def _names(self, folder: str) -> set[str]:
        return {item.name for item in Path(self.lab.bank_files / folder).iterdir()}


def _statement(
    number: int, day: date, paid: list[_Invoice], by_hand: _Invoice, opening: Money
) -> BankStatement:
    told = [(invoice.total, f"Invoice {invoice.number}") for invoice in paid]
    told.append((by_hand.total, "thank you"))
    told += [(Money(f"{9_000 + place}.00", "EUR"), "thank you") for place in range(1, _STRANGERS)]
    lines = [
        made_line(BANK_ACCOUNT, day, f"F{number}-{place}", amount, texts=(text,))
        for place, (amount, text) in enumerate(told)
    ]
    return made_statement(f"ST-{number}", lines, opening)


def _row(product: int, price: int) -> dict[str, Any]:
    return {"product_id": product, "quantity": 1, "price_unit": price}


def _says_nothing(texts: tuple[str, ...]) -> bool:
    return texts == ("thank you",)


def _not_all(file: _File, state: BankFileState) -> Iterator[str]:
    counts, lines = state.counts, len(file.statement.lines)
    came_to = (counts.booked, counts.settled + counts.elsewhere, counts.ignored)
    if came_to != (PAYMENTS, 1, _STRANGERS - 1):
        yield f"{file.name}: of {lines} lines booked, settled, ignored: {came_to}"
