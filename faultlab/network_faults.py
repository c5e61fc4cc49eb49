"""What happens to calls: decided by the seed of a scenario, so that it meets the same again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from contracts.identifiers import contract_of
from faultlab.worker_process import CARRIER
from sandbox.proxy import PASSED, Fate, Kind, Request

_READS = frozenset({"search_read", "read", "search_count", "context_get", "fields_get"})
_WRITTEN = ("/batch/update", "/batch/create", "/payment_links")
"""How the paths of what is posted to others than Odoo end, where it writes."""
_SPOILT = 0.12
"""The share of calls that something happens to."""
_STATUSES = (409, 429, 500, 503)
_CRM_STATUSES = (423, 429, 500, 503)
"""Odoo and Stripe answer 409 for a lock, HubSpot 423: there 409 says that something exists."""
_FATES = (
    (Kind.TWICE, 4),
    (Kind.DELAY, 4),
    (Kind.CUT_BEFORE, 3),
    (Kind.CUT_AFTER, 4),
    (Kind.STATUS, 4),
    (Kind.DRIP, 2),
)


@dataclass(frozen=True)
class Carrier:
    """The activity that a call is made for."""

    activity: str
    workflow_id: str
    activity_id: str

    @property
    def contract(self) -> str:
        """The workflow id of the contract it is for; a sweep's own id for a sweep."""
        return contract_of(self.workflow_id)


def carriers_of(request: Request) -> list[Carrier]:
    """Who makes a call; nobody known for what is not an activity's."""
    parts = (text.split("|") for text in request.tags.get(CARRIER, "").split())
    return [Carrier(*part) for part in parts if len(part) == 3]


def is_write(request: Request) -> bool:
    """Whether a call may change something."""
    _, method = request.call
    if method:
        return method not in _READS
    return request.method == "PATCH" or request.path.endswith(_WRITTEN)


def _is_of_crm(request: Request) -> bool:
    return request.path.startswith("/hubspot/")


def words_of(request: Request) -> str:
    """A call in words: model and method, or another's path."""
    model, method = request.call
    return f"{model} {method}" if model else request.path.split("?")[0]


CUT_AND_HELD = (Kind.CUT_AFTER, Kind.HOLD)
"""The connection breaks, or the caller's time runs out."""


_MOST_OF_ACTIVITY = 3
"""Each is followed by a longer pause: an activity with more would take minutes."""


@dataclass(frozen=True)
class Loss:
    """A write of an activity that is done, and whose answer is lost in this way. As text:
    `post_invoice/account.move action_post/cut_after`."""

    activity: str
    write: str
    way: Kind

    def __str__(self) -> str:
        return f"{self.activity}/{self.write}/{self.way}"

    @classmethod
    def parse(cls, text: str) -> Loss:
        """Raises ValueError if it does not read so."""
        activity, separator, rest = text.partition("/")
        write, again, way = rest.rpartition("/")
        if not (separator and again and activity and write):
            raise ValueError(f"{text!r} is not ACTIVITY/WRITE/WAY")
        return cls(activity, write, Kind(way))


@dataclass
class LostAnswers:
    """F2: each kind of write is done and its answer is lost, once in each of these ways; of one
    activity's writes a few. With `wanted` these are lost, and no others."""

    ways: tuple[Kind, ...] = CUT_AND_HELD
    wanted: tuple[Loss, ...] | None = None
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    hit: list[tuple[Loss, Carrier]] = field(default_factory=list)

    def fate(self, request: Request, carrier: Carrier) -> Fate:
        if not is_write(request):
            return PASSED
        key = carrier.activity, words_of(request)
        self.seen[key] += 1
        used = sum(1 for loss, _ in self.hit if (loss.activity, loss.write) == key)
        ways = self._ways_of(*key)
        if used == len(ways) or (self.wanted is None and self._has_enough(carrier)):
            return PASSED
        self.hit.append((Loss(*key, ways[used]), carrier))
        return Fate(ways[used])

    def _ways_of(self, activity: str, write: str) -> tuple[Kind, ...]:
        if self.wanted is None:
            return self.ways
        return tuple(
            loss.way for loss in self.wanted if (loss.activity, loss.write) == (activity, write)
        )

    def _has_enough(self, carrier: Carrier) -> bool:
        return sum(1 for _, by in self.hit if by == carrier) == _MOST_OF_ACTIVITY


@dataclass
class NetworkFaults:
    """Decides the fate of every call. `seed_of` gives a scenario's seed by its contract's workflow
    id; `families` says which faults are on for a seed, F2 or F3."""

    seed_of: Callable[[str], int | None]
    families: Callable[[int], frozenset[str]]
    lost: LostAnswers = field(default_factory=LostAnswers)
    is_off: bool = False
    _calls: Counter[int] = field(default_factory=Counter)

    def __call__(self, request: Request) -> Fate:
        carriers = carriers_of(request)
        if self.is_off or not carriers:
            return PASSED
        carrier = carriers[0]
        seed = self.seed_of(carrier.contract)
        if seed is None:
            return PASSED
        families = self.families(seed)
        if "F2" in families:
            fate = self.lost.fate(request, carrier)
            if fate.kind is not Kind.PASS:
                return fate
        if "F3" in families:
            self._calls[seed] += 1
            random = Random(f"faults {seed} {self._calls[seed]}")  # noqa: S311 - to repeat
            return draw_fate(random, _CRM_STATUSES if _is_of_crm(request) else _STATUSES)
        return PASSED


def draw_fate(random: Random, statuses: Sequence[int] = _STATUSES) -> Fate:
    """What happens to one call where F3 is on."""
    if random.random() >= _SPOILT:
        return PASSED
    kind = random.choices([k for k, _ in _FATES], weights=[w for _, w in _FATES])[0]
    if kind is Kind.STATUS:
        status = random.choice(statuses)
        return Fate(kind, status=status, retry_after_seconds=1 if status == 429 else None)
    if kind in (Kind.DELAY, Kind.DRIP):
        return Fate(kind, seconds=random.uniform(0.1, 1.5))
    return Fate(kind)
