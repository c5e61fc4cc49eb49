"""Imports run one way and in no circle, the domain stays pure, money meets no float, and what is
for users is shipped."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Container, Iterable, Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PRODUCT = {"contracts", "gateways", "activities", "workflows", "wiring", "workers", "starters"}

MAY_IMPORT: dict[str, set[str]] = {
    "contracts": set(),
    "gateways": {"contracts"},
    "activities": {"contracts", "gateways"},
    "workflows": {"contracts", "activities"},
    "wiring": {"contracts", "gateways", "activities", "workflows"},
    "workers": {"contracts", "gateways", "activities", "workflows", "wiring"},
    "starters": PRODUCT - {"starters"},
    "sandbox": PRODUCT,
    "faultlab": PRODUCT | {"sandbox"},
    "benchmarks": PRODUCT | {"sandbox", "tests"},
    "tests": PRODUCT | {"sandbox", "faultlab", "benchmarks"},
}
"""Each package of ours, and which others it may import."""

STAND_INS = ["odoo", "real_odoo", "faults.py", "hubspot.py", "proxy.py", "salesforce", "server.py"]
"""These parts of the sandbox stand for other people's systems, so they know nothing of ours."""

DOMAINS_LIBRARIES = {"pydantic", "pydantic_core", "stdnum", "email_validator"}

NOT_SHIPPED = {"faultlab", "benchmarks", "tests"}


def modules(package: str) -> list[Path]:
    place = ROOT / package
    if place.suffix:
        return [place]
    return sorted(path for path in place.rglob("*.py") if "node_modules" not in path.parts)


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every statement, however deep; not the expressions, which are most of a tree."""
    for name in ("body", "handlers", "orelse", "finalbody", "cases"):
        for node in getattr(tree, name, ()):
            yield node
            yield from statements(node)


def imports(tree: ast.AST) -> Iterator[str]:
    """The top-level packages imported anywhere, in a function or a `with` block too."""
    for node in statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def import_graph(root: Path, packages: Iterable[str]) -> dict[str, set[str]]:
    """Each module under the root's packages, and the modules there that it imports."""
    files = {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for package in packages
        for path in (root / package).rglob("*.py")
    }
    return {
        name: set(imported_modules(read(path), path.relative_to(root), files)) - {name}
        for name, path in files.items()
    }


def imported_modules(tree: ast.AST, file: Path, known: Container[str]) -> Iterator[str]:
    """The known modules that a file imports anywhere, under TYPE_CHECKING too."""
    for node in statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            above = file.parts[: -node.level] if node.level else ()
            source = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                if inner in known:
                    yield inner
                elif source in known:
                    yield source


def circle_in(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Modules that import each other in a circle, the first one again at the end."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return []


def floats(tree: ast.AST) -> Iterator[int]:
    """Lines where a float is written, made or promised.

    A check (`isinstance(value, float)`) is none of these, nor is the one door a remote's floats
    come in by: the parameter of `rounded`.
    """
    allowed: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
            allowed.update(ast.walk(node.args[1]))
        if isinstance(node, ast.FunctionDef) and node.name == "rounded":
            allowed.update(ast.walk(node.args))
    for node in ast.walk(tree):
        named = isinstance(node, ast.Name) and node.id == "float"
        written = isinstance(node, ast.Constant) and isinstance(node.value, float)
        if (named or written) and node not in allowed:
            assert isinstance(node, ast.expr)
            yield node.lineno


@cache
def read(path: Path) -> ast.AST:
    return ast.parse(path.read_text(encoding="utf-8"))


# --- the two readers themselves -------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "import gateways",
        "import gateways.odoo as odoo",
        "from gateways.odoo import OdooClient",
        "def late():\n    from gateways import errors",
        "if TYPE_CHECKING:\n    import gateways.http",
        "with workflow.unsafe.imports_passed_through():\n    from gateways.odoo import client",
        "if not known:\n    pass\nelse:\n    import gateways",
        "try:\n    pass\nexcept ValueError:\n    import gateways",
        "try:\n    pass\nfinally:\n    import gateways",
        "match kind:\n    case 1:\n        import gateways",
        "class Late:\n    import gateways",
    ],
)
def test_an_import_is_found_wherever_it_stands(source: str) -> None:
    assert list(imports(ast.parse(source))) == ["gateways"]


@pytest.mark.parametrize("source", ["from . import gateways", "from .gateways import x"])
def test_an_import_from_the_package_itself_is_none(source: str) -> None:
    assert list(imports(ast.parse(source))) == []


@pytest.mark.parametrize(
    "source",
    [
        "float(amount)",
        "x = 0.5",
        "amount: float",
        "def pay(amount: Decimal | float) -> None: ...",
        "def pay() -> list[float]: ...",
        "total = map(float, parts)",
        "isinstance(float(x), str)",
        "def rounded(x: float) -> float: ...",
    ],
)
def test_a_float_is_found_wherever_it_stands(source: str) -> None:
    assert list(floats(ast.parse(source))) == [1]


@pytest.mark.parametrize(
    "source",
    [
        "isinstance(value, float)",
        "isinstance(value, (int, float))",
        "def rounded(amount: Decimal | float) -> Money: ...",
        "x = 5",
        "Decimal('0.5')",
    ],
)
def test_a_check_and_the_one_door_are_let_be(source: str) -> None:
    assert list(floats(ast.parse(source))) == []


@pytest.mark.parametrize(
    "line",
    [
        "from contracts.a import name",
        "from contracts import a",
        "import contracts.a",
        "def late():\n    from contracts.a import name",
        "if TYPE_CHECKING:\n    from contracts.a import name",
    ],
)
def test_a_circle_is_found_whatever_its_length(tmp_path: Path, line: str) -> None:
    circle = circle_in(graph_of(tmp_path, line))
    assert sorted(set(circle)) == ["contracts.a", "contracts.b", "contracts.c"]


def test_a_module_may_import_its_package(tmp_path: Path) -> None:
    assert circle_in(graph_of(tmp_path, "import contracts")) == []


def graph_of(root: Path, last: str) -> dict[str, set[str]]:
    """The graph of a package whose module a imports b, b imports c, and c has one line."""
    sources = {"__init__": "", "a": "from contracts import b", "b": "import contracts.c", "c": last}
    (root / "contracts").mkdir()
    for name, source in sources.items():
        (root / "contracts" / f"{name}.py").write_text(source)
    return import_graph(root, ["contracts"])


# --- the house ------------------------------------------------------------------------------


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_run_one_way(package: str) -> None:
    barred = MAY_IMPORT.keys() - MAY_IMPORT[package] - {package}
    assert modules(package)
    assert imported_of(barred, modules(package)) == set()


@pytest.mark.parametrize("part", STAND_INS)
def test_stand_ins_know_nothing_of_ours(part: str) -> None:
    assert modules(f"sandbox/{part}")
    assert imported_of(PRODUCT, modules(f"sandbox/{part}")) == set()


def imported_of(barred: Iterable[str], files: Iterable[Path]) -> set[str]:
    """What these files import of the barred packages, in words."""
    return {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imports(read(path))
        if name in barred
    }


def test_no_two_files_import_each_other() -> None:
    assert circle_in(import_graph(ROOT, MAY_IMPORT)) == []


def test_the_domain_needs_next_to_nothing() -> None:
    known = sys.stdlib_module_names | DOMAINS_LIBRARIES | {"contracts"}
    found = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules("contracts")
        for name in imports(read(path))
        if name not in known
    }
    assert found == set()


def test_money_meets_no_float() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in modules("contracts")
        for line in floats(read(path))
    ]
    assert found == []


def test_what_users_need_is_shipped_and_every_package_shipped_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = project["tool"]["setuptools"]["packages"]
    top_level = [
        path.parent for path in ROOT.glob("*/__init__.py") if path.parent.name not in NOT_SHIPPED
    ]
    present = {
        ".".join(init.parent.relative_to(ROOT).parts)
        for package in top_level
        for init in package.rglob("__init__.py")
    }
    assert sorted(listed) == sorted(present)


def test_every_package_has_its_place_above_and_hides_no_module_of_python() -> None:
    top_level = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert top_level == MAY_IMPORT.keys()
    assert not top_level & sys.stdlib_module_names


def test_no_module_stands_outside_a_package() -> None:
    """Setuptools ships listed packages only: a folder without `__init__.py` would stay behind."""
    left_behind = [
        str(path.relative_to(ROOT))
        for package in MAY_IMPORT
        for path in modules(package)
        if not (path.parent / "__init__.py").exists()
    ]
    assert left_behind == []
