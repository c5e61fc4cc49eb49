"""Random lives of contracts through the real workflows, to their close and to the cent.

What happens is drawn from a seed: milestones, hours, expenses, usage, credits, change orders,
payments in part. Whatever it was, the contract has to close by itself once everybody has done
their part, and Odoo's own books have to say what ours do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from contracts.billing import account
from contracts.billing.usage import UsageRecord
from contracts.contract.messages import CreditRequest, RetainageRelease, ServiceCredit, UsageReport
from contracts.contract.state import ContractStage, ContractState, money_table
from contracts.invoice.state import CLEARED, UNBILLED, InvoiceStage
from contracts.model import JsonObject
from contracts.money import Money
from starters.client import Refused, messages
from tests.e2e.telling import SAM, change, invoiced, invoices, last_of, month, order_lines
from tests.world import ANA, World, contract_data

MONTHS = 2
_ROUNDS = 40
"""Looks at a contract until it has to be closed."""


def contract_of(random: Random) -> JsonObject:
    """Milestones, and some of all else that bills, for two months from the coming one on."""
    amounts = [random.randint(100_00, 900_00) for _ in range(random.randint(1, 3))]
    fixed = _euros(sum(amounts))
    result = contract_data(
        value=fixed,
        starts_on=str(month(1)),
        ends_on=str(last_of(MONTHS)),
        services=[
            {"key": "build", "code": "BUILD", "description": "Build", "amount": fixed},
            _service("dev", "DEVELOPMENT"),
            _service("care", "RETAINER"),
            _service("api", "USAGE"),
            _service("travel", "EXPENSES"),
            _service("down", "DEPOSIT"),
            _service("held", "RETAINAGE"),
        ],
        milestones=[
            {"key": f"m{n}", "name": f"Part {n}", "service": "build", "amount": _euros(amount)}
            for n, amount in enumerate(amounts, start=1)
        ],
    )
    if random.random() < 0.5:
        percent = random.choice(("10", "33.3", "100"))
        result["deposit"] = {"percent": percent, "service": "down"}
    if random.random() < 0.5:
        result["retainage"] = {"percent": random.choice(("5", "12.5")), "service": "held"}
    if random.random() < 0.6:
        rates = [{"price": _euros(random.randint(50_00, 150_00))}]
        result["time"] = [{"key": "dev", "service": "dev", "rates": rates}]
    if random.random() < 0.5:
        fee = _euros(random.randint(100_00, 900_00))
        in_advance = random.random() < 0.5
        result["retainers"] = [
            {"key": "care", "service": "care", "fee": fee, "in_advance": in_advance}
        ]
    if random.random() < 0.4:
        tiers = [{"up_to": "50", "price": "0.123456"}, {"price": "0.07"}]
        plan = {"key": "api", "service": "api", "unit": "calls", "tiers": tiers}
        result["usage"] = [plan | ({"minimum": "5.55"} if random.random() < 0.5 else {})]
    if random.random() < 0.4:
        result["expenses"] = [{"key": "travel", "service": "travel", "markup": "12.5"}]
    return result


def _service(key: str, code: str) -> JsonObject:
    return {"key": key, "code": code, "description": code.title(), "amount": "0.00"}


def _euros(cents: int) -> str:
    return f"{Decimal(cents).scaleb(-2):f}"


class Life:
    """One contract's, from its start to its close."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._random = Random(seed)  # noqa: S311 - to repeat, not to keep a secret
        self._contract_data = contract_of(self._random)
        self._workflow_id = ""
        self._unreached = [row["key"] for row in self._contract_data["milestones"]]
        self.told: list[str] = []
        """What has happened, for whoever has to find out why it went wrong."""

    async def lead(self, steps: int) -> None:
        """Let so many things happen, then everything come to its end."""
        self._workflow_id = await self._world.active(self._contract_data)
        await self._world.skip_to(self._workflow_id, month(1))
        for _ in range(steps):
            step = self._random.choice(self._possible())
            self.told.append(step.__name__)
            try:
                await step()
            except Refused as refused:
                self.told.append(f"refused: {refused}")
        await self._close()
        await self._agrees()

    def _possible(self) -> list[Callable[[], Awaitable[None]]]:
        has = self._contract_data.get
        steps: list[Callable[[], Awaitable[None]]] = [self._go_on, self._issue, self._pay]
        steps += [self._credit, self._reinvoice, self._reprice]
        steps += [self._reach] * bool(self._unreached)
        steps += [self._work, self._work] * bool(has("time"))
        steps += [self._owe] * bool(has("retainers"))
        steps += [self._meter] * bool(has("usage"))
        steps += [self._spend] * bool(has("expenses"))
        steps += [self._release] * bool(has("retainage"))
        return steps

    # --- what may happen

    async def _go_on(self) -> None:
        await self._forward(self._random.randint(5, 20))

    async def _reach(self) -> None:
        key = self._unreached.pop()
        await self._world.reach(self._workflow_id, key)
        await self._world.contract(self._workflow_id, lambda state: key in state.account.reached)

    async def _work(self) -> None:
        worked = self._random.choice(("0.25", "1.33", "7.5"))
        await self._world.work(self._workflow_id, "dev", worked, str(self._day()))

    async def _spend(self) -> None:
        await self._world.spend(
            self._workflow_id, _euros(self._random.randint(1, 99_99)), str(self._day())
        )

    async def _meter(self) -> None:
        quantity = Decimal(self._random.randint(0, 200_000)).scaleb(-3)
        name = f"r{self._random.randint(1, 4)}"
        record = UsageRecord(id=name, plan="api", on=self._day(), quantity=quantity)
        report = UsageReport(records=(record, record))
        await self._world.tell(self._workflow_id, messages.RECORD_USAGE, report)

    async def _owe(self) -> None:
        owed = ServiceCredit(
            retainer="care",
            reference=f"ref-{self._random.randint(1, 3)}",
            reason="outage",
            amount=Money(_euros(self._random.randint(1, 300_00)), "EUR"),
            by=ANA,
        )
        await self._world.tell(self._workflow_id, messages.CREDIT_SERVICE, owed)

    async def _issue(self) -> None:
        """The oldest invoice that waits is approved and sent."""
        state = await self._world.contract(self._workflow_id)
        for number, report in state.invoices.items():
            if report.total is None and report.stage not in UNBILLED:
                await self._world.issue(self._workflow_id, number)
                return

    async def _pay(self) -> None:
        """A part of a posted invoice is paid; the sweep tells of it."""
        state = await self._world.contract(self._workflow_id)
        for number, report in state.invoices.items():
            if report.residual and report.residual.is_positive:
                part = Money.rounded(report.residual.amount / 3, "EUR")
                if part.is_positive:
                    await self._world.pay(self._invoice(number), str(part.amount))
                    await self._world.sweep()
                return

    async def _credit(self) -> None:
        await self._ask_for_credit(part=self._random.random() < 0.6, reinvoice=False)

    async def _reinvoice(self) -> None:
        await self._ask_for_credit(part=False, reinvoice=True)

    async def _ask_for_credit(self, *, part: bool, reinvoice: bool) -> None:
        state = await self._world.contract(self._workflow_id)
        posted = [n for n, report in state.invoices.items() if report.untaxed is not None]
        if not posted:
            return
        number = self._random.choice(posted)
        untaxed = state.invoices[number].untaxed
        amount = Money.rounded(untaxed.amount / 3, "EUR") if part and untaxed else None
        request = CreditRequest(
            number=number, amount=amount, by=SAM, reason="agreed", reinvoice=reinvoice
        )
        await self._world.tell(self._workflow_id, messages.REQUEST_CREDIT, request)

    async def _reprice(self) -> None:
        """A change order about a milestone; it may be billed already."""
        key = self._random.choice(self._contract_data["milestones"])["key"]
        amount = _euros(self._random.randint(100_00, 900_00))
        await change(self._world, self._workflow_id, reprice={key: amount})
        await self._world.approve(self._workflow_id)
        # It is void if the milestone was proposed meanwhile.
        await self._world.contract(self._workflow_id, lambda state: state.change is None)

    async def _release(self) -> None:
        word = RetainageRelease(by=ANA, reason="handed over")
        await self._world.tell(self._workflow_id, messages.RELEASE_RETAINAGE, word)

    def _day(self) -> date:
        return month(1) + timedelta(days=self._random.randint(0, 55))

    # --- to the end

    async def _forward(self, days: int) -> None:
        await self._world.skip(self._workflow_id, days=days)

    def _invoice(self, number: int) -> str:
        return f"{self._workflow_id}/invoice/{number}"

    async def _close(self) -> None:
        """Everybody does their part until nothing is left to do."""
        while self._unreached:
            await self._reach()
        for _ in range(_ROUNDS):
            state = await self._world.contract(self._workflow_id)
            if state.stage is ContractStage.CLOSED:
                return
            if not await self._attend(state):
                await self._forward(10)
        raise AssertionError(f"it does not close: {await self._why()}")

    async def _attend(self, state: ContractState) -> bool:
        """Approve, pay and settle what there is; False if there is nothing."""
        attended = False
        for number, report in state.invoices.items():
            if report.stage in UNBILLED or report.stage is InvoiceStage.SETTLED:
                continue
            if report.total is None:
                await self._world.issue(self._workflow_id, number)
            await self._settle(number)
            attended = True
        return attended

    async def _settle(self, number: int) -> None:
        found = await self._world.invoice(self._invoice(number), until=lambda f: f.delivered)
        assert found.balance is not None
        if found.balance.residual.is_positive:
            await self._world.pay(self._invoice(number))
            await self._world.sweep()
        await self._world.invoice(
            self._invoice(number),
            until=lambda f: f.stage in CLEARED,
        )
        await self._world.skip(self._invoice(number), days=31)

    async def _why(self) -> str:
        state = await self._world.contract(self._workflow_id)
        assert state.contract is not None
        steps = await self._world.c2c.contract_or_invoice(self._workflow_id).exceptions()
        return f"{state.stage}, {account.open_ends(state.account, state.today)}, {steps}"

    async def _agrees(self) -> None:
        """Odoo's totals, residuals and quantities are what the books say: no cent is missing."""
        state = await self._world.contract(self._workflow_id)
        assert state.contract is not None
        table = money_table(state)
        assert table is not None
        value = account.sums(state.account, state.today).value
        assert invoiced(self._world, self._workflow_id) == value == table.invoiced - table.credited
        assert table.open.is_zero
        for row in invoices(self._world, self._workflow_id):
            assert row["state"] in ("posted", "cancel")
            assert row["state"] == "cancel" or row["amount_residual"] == 0
        quantities: dict[str, Decimal] = {}
        for line in (x for item in state.account.invoices.values() for x in item.lines):
            before = quantities.get(line.order_line, Decimal(0))
            quantities[line.order_line] = before + line.quantity
        for key, row in (await order_lines(self._world, self._workflow_id)).items():
            found = Decimal(str(row["qty_invoiced"])).quantize(Decimal("0.01"))
            assert found == quantities.get(key, Decimal(0)), key


async def lead(world: World, seeds: range, *, steps: int, at_once: int) -> None:
    """Lead the lives of these seeds, some at a time, each to its end."""
    turns = asyncio.Semaphore(at_once)

    async def one(seed: int) -> None:
        async with turns:
            life = Life(world, seed)
            try:
                await life.lead(steps)
            except Exception as error:
                raise AssertionError(f"seed {seed}: {', '.join(life.told)}") from error

    done = await asyncio.gather(*(one(seed) for seed in seeds), return_exceptions=True)
    failed = [item for item in done if isinstance(item, Exception)]
    if failed:
        raise ExceptionGroup(f"{len(failed)} of {len(seeds)} lives", failed)
