"""Writing many rows in few calls while one bad row fails only itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from gateways.errors import FailureKind, GatewayError

T = TypeVar("T")


def chunks(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The rows in runs of at most `size`."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def write_apart(
    rows: Sequence[T],
    write: Callable[[Sequence[T]], None],
    may_be_one_rows_fault: Callable[[GatewayError], bool] = lambda error: True,
) -> list[tuple[T, GatewayError]]:
    """Write the rows in one call; where the remote refuses them as a whole, find the culprits.

    Halving costs about log2(n) calls for one culprit, where one call a row would cost n. `write`
    must be repeatable. Returns the rows refused for themselves. Raises GatewayError of any kind
    but business, and of that kind where it cannot be one row's fault.
    """
    if not rows:
        return []
    try:
        write(rows)
    except GatewayError as error:
        if error.kind is not FailureKind.BUSINESS or not may_be_one_rows_fault(error):
            raise
        if len(rows) == 1:
            return [(rows[0], error)]
        middle = len(rows) // 2
        halves = (rows[:middle], rows[middle:])
        return [pair for half in halves for pair in write_apart(half, write, may_be_one_rows_fault)]
    return []
