"""How often processes look for garbage: a server as often as what it forgets needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

FORGETS = """
import gc, weakref
from wiring import garbage

class Workflow:
    def __init__(self):
        self.parts = [[self] for _ in range(100)]

def left(count):
    made = [weakref.ref(Workflow()) for _ in range(count)]
    return sum(it() is not None for it in made)

garbage.look_seldom()
seldom = left(500)
garbage.{then}()
print(seldom, left(500))
"""


@pytest.mark.parametrize(
    ("then", "remaining"),
    [
        ("look_seldom", range(500, 501)),
        ("look_often", range(250)),
        ("look_while_reading", range(100)),
    ],
)
def test_a_server_finds_what_it_has_forgotten(then: str, remaining: range) -> None:
    """In a process of its own: the numbers hold for the whole of it."""
    command = [sys.executable, "-c", FORGETS.replace("{then}", then)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    seldom, left = map(int, run.stdout.split())
    assert seldom == 500
    assert left in remaining
