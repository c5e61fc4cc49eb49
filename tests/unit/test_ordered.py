"""Nothing in the domain depends on the order of a set, which is another in every process.

An amount, a sentence or the order of acts that followed from it would differ where a history is
replayed elsewhere. Sets are asked whether something is in them, compared, measured and sorted; they
are never gone through, nor is anything that keeps an order made from one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "contracts").rglob("*.py"))

_SETS = {"set", "frozenset", "AbstractSet"}
_UNORDERED = {"sorted", "len", "any", "all", "min", "max", "set", "frozenset", "sum", "bool"}
"""What may go through a set: its result is the same in any order."""
_SET_METHODS = {"union", "intersection", "difference", "symmetric_difference"}
_SET_OPERATORS = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)


class Names:
    """What is a set by its name: constants of all modules, functions that return one, fields."""

    def __init__(self, trees: list[ast.Module]) -> None:
        self.constants: set[str] = set()
        self.functions: set[str] = set()
        self.fields: set[str] = set()
        for tree in trees:
            for item in tree.body:
                if isinstance(item, ast.Assign) and is_made_a_set(item.value):
                    self.constants |= {t.id for t in item.targets if isinstance(t, ast.Name)}
            for node in ast.walk(tree):
                # A private function is called in its own module only, and asked for there.
                if isinstance(node, ast.FunctionDef) and names_a_set(node.returns):
                    self.functions.add(private(tree, node.name))
                if isinstance(node, ast.ClassDef):
                    self.fields |= {
                        field.target.id
                        for field in node.body
                        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
                        if names_a_set(field.annotation)
                    }


def names_a_set(annotation: ast.expr | None) -> bool:
    if isinstance(annotation, ast.Subscript):
        annotation = annotation.value
    return isinstance(annotation, ast.Name) and annotation.id in _SETS


def is_made_a_set(node: ast.expr) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _SETS


def private(tree: ast.Module, name: str) -> str:
    return f"{id(tree)}.{name}" if name.startswith("_") else name


def within(scope: ast.AST) -> Iterator[ast.AST]:
    """What is in a module or function itself, and not in a function inside."""
    for node in ast.iter_child_nodes(scope):
        yield node
        if not isinstance(node, ast.FunctionDef):
            yield from within(node)


def is_a_set(node: ast.expr, names: Names, local: set[str]) -> bool:
    if is_made_a_set(node):
        return True
    if isinstance(node, ast.Name):
        return node.id in local or node.id in names.constants
    if isinstance(node, ast.Attribute):
        return node.attr in names.fields
    if isinstance(node, ast.BinOp) and isinstance(node.op, _SET_OPERATORS):
        keys = isinstance(node.op, ast.Sub | ast.BitAnd | ast.BitXor)
        sides = (node.left, node.right)
        return any(is_a_set(s, names, local) or (keys and is_keys(s)) for s in sides)
    if isinstance(node, ast.IfExp):
        return is_a_set(node.body, names, local) or is_a_set(node.orelse, names, local)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in names.functions or node.func.id in local
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in names.functions | _SET_METHODS
    return False


def is_keys(node: ast.expr) -> bool:
    """`keys()` less something is a set, and has no order any more."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "keys"
    )


def gone_through(tree: ast.Module, names: Names) -> Iterator[int]:
    """The lines in which something goes through a set."""
    own = {name.partition(".")[2] for name in names.functions if name.startswith(f"{id(tree)}.")}
    for scope in [tree, *(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))]:
        local = own | set(locals_of(scope, names))
        harmless = {id(node) for node in harmless_in(scope)}
        for node in within(scope):
            for found in iterated(node):
                if id(node) not in harmless and is_a_set(found, names, local):
                    yield found.lineno


def locals_of(scope: ast.AST, names: Names) -> Iterator[str]:
    if isinstance(scope, ast.FunctionDef):
        arguments = (*scope.args.args, *scope.args.kwonlyargs)
        yield from (item.arg for item in arguments if names_a_set(item.annotation))
    for node in within(scope):
        if isinstance(node, ast.Assign) and is_a_set(node.value, names, set()):
            yield from (t.id for t in node.targets if isinstance(t, ast.Name))
        if isinstance(node, ast.AnnAssign) and names_a_set(node.annotation):
            assert isinstance(node.target, ast.Name | ast.Attribute)
            yield ast.unparse(node.target)


def harmless_in(scope: ast.AST) -> Iterator[ast.AST]:
    """What goes where order is no matter: into a set, a comparison, a sum, something sorted."""
    for node in within(scope):
        if isinstance(node, ast.SetComp):
            yield node
        if isinstance(node, ast.Set):
            yield from node.elts
        if isinstance(node, ast.Compare):
            yield from (item for side in node.comparators for item in getattr(side, "elts", []))
        if isinstance(node, ast.Call) and called(node) in _UNORDERED:
            yield from node.args


def called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


def iterated(node: ast.AST) -> Iterator[ast.expr]:
    """What a loop, a comprehension, a spread or a call of a container goes through."""
    if isinstance(node, ast.For):
        yield node.iter
    elif isinstance(node, ast.ListComp | ast.DictComp | ast.GeneratorExp):
        yield from (part.iter for part in node.generators)
    elif isinstance(node, ast.Starred | ast.YieldFrom):
        yield node.value
    elif isinstance(node, ast.Call):
        name = called(node)
        attribute = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        keeps_order = name in {"list", "tuple", "iter", "enumerate", "map", "filter", "zip"}
        if keeps_order or attribute in {"join", "fromkeys", "extend"}:
            yield from node.args


def lines(source: str) -> list[int]:
    tree = ast.parse(source)
    return sorted(set(gone_through(tree, Names([tree]))))


def test_no_set_is_gone_through_in_the_domain() -> None:
    trees = {file: ast.parse(file.read_text()) for file in FILES}
    names = Names(list(trees.values()))
    found = [
        f"{file.relative_to(ROOT)}:{line}"
        for file, tree in trees.items()
        for line in sorted(set(gone_through(tree, names)))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "for a in {1, 2}: pass",
        "x = list({1, 2})",
        "x = [a for a in set(b)]",
        "x = dict.fromkeys({1} | b)",
        "def f(a: frozenset[int]) -> None:\n    print(', '.join(a))",
        "def f() -> set[int]: ...\nx = tuple(f())",
        "A = frozenset({1})\nx = (*A, 2)",
        "def f(a, b):\n    c = a.keys() - b\n    for d in c: pass",
        "class A:\n    b: set[int]\ndef f(a): return [c for c in a.b]",
    ],
)
def test_a_set_that_is_gone_through_is_found(source: str) -> None:
    assert lines(source)


@pytest.mark.parametrize(
    "source",
    [
        "x = sorted({1, 2})",
        "x = any(a > 1 for a in {1, 2})",
        "x = {a for a in {1, 2}}",
        "x = 1 in {1, 2}",
        "for a in {1: 2}: pass",
        "x = {**a} | {'b': 1}\nfor c in x: pass",
    ],
)
def test_what_keeps_its_order_or_needs_none_is_left_alone(source: str) -> None:
    assert lines(source) == []
