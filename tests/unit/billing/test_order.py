"""The order in which facts arrive, and in which invoices are decided, changes no amount."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from contracts.billing import account, keys
from contracts.billing.account import BillingState
from contracts.billing.posting import ledger_of
from contracts.billing.usage import UsageRecord
from contracts.model import Contract
from contracts.validation import validate
from tests.unit.billing.lives import Cost, Life, Line, worked_plans
from tests.unit.billing.strategies import HOURS, QUANTITIES, contract_data, in_units, money
from tests.unit.examples import MINOR_UNITS

DAY = timedelta(days=1)
DAYS = 115
ORDERS = 4
ROOT = Path(__file__).parents[3]

Act = Callable[[Life], None]


@dataclass
class Facts:
    """What is true of a contract, each fact with the words that came before the last one."""

    contract: Contract
    first: date
    lines: dict[int, list[Line]] = field(default_factory=dict)
    costs: dict[int, list[Cost]] = field(default_factory=dict)
    records: dict[str, list[UsageRecord]] = field(default_factory=dict)
    acts: list[tuple[int, Act]] = field(default_factory=list)

    @classmethod
    def drawn(cls, random: Random) -> Facts:
        contract = validate(contract_data(random))
        if contract.ends_on is None or contract.ends_on > contract.first_day + 100 * DAY:
            ends_on = contract.first_day + 100 * DAY
            contract = contract.model_copy(update={"ends_on": ends_on})
        facts = cls(contract, contract.first_day)
        plans = worked_plans(contract)
        for number in range(1, random.randint(2, 8) if plans else 0):
            plan = random.choice(plans)
            days = [facts.day(random) for _ in range(2)]
            facts.lines[number] = [
                Line(plan, random.choice(days), random.choice(HOURS), random.randint(0, 1))
                for _ in range(random.randint(1, 3))
            ]
        for number in range(1, random.randint(2, 5) if contract.expenses else 0):
            on = facts.day(random)
            facts.costs[number] = [
                Cost(on, money(random.randint(1, 30_000), contract.currency))
                for _ in range(random.randint(1, 3))
            ]
        for number in range(1, random.randint(2, 5) if contract.usage else 0):
            on, name = facts.day(random), f"r{number}"
            facts.records[name] = [
                UsageRecord(id=name, plan="calls", on=on, quantity=random.choice(QUANTITIES))
                for _ in range(random.randint(1, 3))
            ]
        facts._agree(random)
        return facts

    def day(self, random: Random) -> date:
        last = self.contract.ends_on or self.first + 100 * DAY
        return self.first + DAY * random.randint(0, (last - self.first).days)

    def _agree(self, random: Random) -> None:
        """Milestones, service credits and changes have a day of their own, whatever the order."""
        for item in self.contract.milestones:
            self.acts.append((random.randint(0, 90), _reaches(item.key)))
        for number in range(random.randint(0, 2) if self.contract.retainers else 0):
            amount = random.randint(1, 100_000)
            self.acts.append((random.randint(0, 90), _owes(f"ref{number}", amount)))
        if random.random() < 0.5:
            rate = in_units(random.randint(1, 20_000), self.contract.currency)
            possible: dict[str, dict[str, object]] = {
                "time": {"time.0.rates": [{"price": rate}]},
                "retainers": {"retainers.0.fee": rate},
                "usage": {"usage.0.tiers": [{"price": rate}]},
                "expenses": {"expenses.0.markup": "7"},
            }
            for name, settings in possible.items():
                if getattr(self.contract, name) and random.random() < 0.5:
                    self.acts.append((random.randint(0, 90), _changes(settings)))

    def told(self, random: Random) -> Life:
        """A life in which they come in some order, each word between the day it is of and the
        end; invoices wait, are rejected and retried, or issued, as chance has it."""
        life = Life(random, self.contract)
        news: dict[int, list[Act]] = {}
        for number, words in self.lines.items():
            self._schedule(random, news, [_works(number, word) for word in words])
        for number, costs in self.costs.items():
            self._schedule(random, news, [_spends(number, cost) for cost in costs])
        for records in self.records.values():
            self._schedule(random, news, [_meters(record) for record in records])
        for day, act in self.acts:
            news.setdefault(day, []).append(act)
        busy = random.random() * 0.6
        for day in range(DAYS):
            life.today = self.first + DAY * day
            for act in news.get(day, ()):
                act(life)
            while random.random() < busy:
                self._bill(random, life)
        life.to_the_end()
        assert not account.check(life.billing, life.today)
        return life

    def _schedule(self, random: Random, news: dict[int, list[Act]], acts: list[Act]) -> None:
        for day in sorted(random.randint(0, DAYS - 1) for _ in acts):
            news.setdefault(day, []).append(acts.pop(0))

    def _bill(self, random: Random, life: Life) -> None:
        open_ = [item.number for item in life.billing.invoices.values() if item.is_open]
        if open_ and random.random() < 0.6:
            number = random.choice(open_)
            if number in account.undecided(life.billing):
                life.billing = account.retry_rejected(life.billing, number)
            elif random.random() < 0.3:
                life.billing = account.rejected(life.billing, number)
            else:
                life.billing = account.issued(life.billing, number)
            return
        life.read()
        found = account.occasions(life.billing, life.today)
        if found:
            life.propose(random.choice(found))


def _works(number: int, line: Line) -> Act:
    def act(life: Life) -> None:
        life.lines[number] = line

    return act


def _spends(number: int, cost: Cost) -> Act:
    def act(life: Life) -> None:
        life.costs[number] = cost

    return act


def _meters(record: UsageRecord) -> Act:
    def act(life: Life) -> None:
        life.billing = account.record_usage(life.billing, [record]).billing

    return act


def _reaches(key: str) -> Act:
    def act(life: Life) -> None:
        life.billing = account.reach(life.billing, key, life.today)

    return act


def _owes(reference: str, units: int) -> Act:
    def act(life: Life) -> None:
        amount = money(units, life.currency)
        life.billing, _ = account.credit_service(
            life.billing, "care", reference, "outage", amount, life.today
        )

    return act


def _changes(settings: dict[str, object]) -> Act:
    def act(life: Life) -> None:
        life.change({"set": settings})

    return act


def nets(billing: BillingState, today: date) -> dict[str, Decimal]:
    """What is billed of each key; retainage and rounding by what they come to together."""
    found: dict[str, Decimal] = {}
    for key, item in ledger_of(billing, today).accounts.items():
        kind = keys.kind_of(key)
        if kind == keys.ROUNDING:
            continue
        name = kind if kind == keys.RETAINAGE else key
        found[name] = found.get(name, Decimal(0)) + item.amount
    return {key: amount for key, amount in sorted(found.items()) if amount}


@pytest.mark.parametrize("seed", range(20))
def test_the_same_facts_bill_the_same_in_every_order(seed: int) -> None:
    facts = Facts.drawn(Random(seed))  # noqa: S311 - to repeat
    orders = [Random(f"{seed} {order}") for order in range(ORDERS)]  # noqa: S311 - to repeat
    lives = [facts.told(order) for order in orders]
    [first, *others] = [nets(life.billing, life.today) for life in lives]
    for other in others:
        assert _without_caps(other) == _without_caps(first)
        for key in first.keys() | other.keys():
            # A cap makes up for what the lines of its plan were rounded by.
            change = abs(other.get(key, Decimal(0)) - first.get(key, Decimal(0)))
            assert change <= 3 * MINOR_UNITS[facts.contract.currency]


def _without_caps(found: dict[str, Decimal]) -> dict[str, Decimal]:
    return {key: amount for key, amount in found.items() if keys.kind_of(key) != keys.CAP}


def dumps(seeds: range) -> str:
    """What is stored at the end of some lives, as text."""
    texts = []
    for seed in seeds:
        life = Life(Random(seed))  # noqa: S311 - to repeat
        for _ in range(40):
            life.step()
        texts.append(life.billing.model_dump_json())
    return "\n".join(texts)


@pytest.mark.long
def test_what_is_stored_does_not_depend_on_the_hash_seed() -> None:
    program = "from tests.unit.billing.test_order import dumps; print(dumps(range(12)))"
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            check=True,
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
        ).stdout
        for seed in ("0", "1", "4711")
    }
    assert len(found) == 1
