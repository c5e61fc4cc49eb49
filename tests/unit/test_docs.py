"""What the pages name exists, and what exists and people meet is on the pages."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import typer.main
from pydantic import BaseModel

from contracts import parking
from contracts.contract.state import ContractStage
from contracts.invoice.state import InvoiceStage
from contracts.parking import Step
from contracts.validation import InvalidContract, validate
from starters.cli import app
from wiring.settings import Settings
from workflows import search_attributes, task_queues

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
MADE_LATER = {"docs/images/temporal-ui.png"}
"""A picture of a running system: it need not be there before one has run."""

ANY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def code(text: str) -> list[str]:
    """The lines of shell blocks (continuations joined), and the spans in backticks."""
    blocks = re.findall(r"^```sh[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [*lines, *re.findall(r"`([^`]+)`", prose(text))]


def section(title: str, level: int = 2) -> str:
    """The part of docs/operations.md under a heading, up to the next of its level or above."""
    match = re.search(
        rf"^{'#' * level} {re.escape(title)}.*?\n(.*?)(?=^#{{1,{level}}} |\Z)",
        OPERATIONS,
        re.MULTILINE | re.DOTALL,
    )
    assert match, f"docs/operations.md has no heading {title!r}"
    return match[1]


def first_cells(text: str) -> list[str]:
    """What stands in backticks in the first cell of each row of the tables."""
    rows = re.findall(r"^\| *(`.*?) *\|", text, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


# --- links ------------------------------------------------------------------------------------


@ANY_PAGE
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if file.relative_to(ROOT).as_posix() in MADE_LATER:
            continue
        assert file.exists(), f"{target} is not there"
        if anchor:
            assert anchor in anchors(file), f"{target}: no such heading"


@cache
def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#{1,6} (.+)$", prose(page.read_text()), re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {word.strip().replace(" ", "-") for word in words}


def test_the_readme_leads_to_every_page() -> None:
    text = (ROOT / "README.md").read_text()
    assert [page.name for page in PAGES[1:] if f"docs/{page.name}" not in text] == []


# --- exception codes --------------------------------------------------------------------------

# Where a code goes in, by the name of what is called: a position, or the keyword `code`.
_POSITION = {
    "BusinessRefusal": 0,
    "PydanticCustomError": 0,
    "_Verdict": 1,
    "_business": 0,
    "_credentials": 0,
    "_error_of": 1,
    "_problem": 0,
    "_transient": 0,
}
_REFUSAL = {"odoo_crm.py": 0, "terms.py": 1}
"""`_refusal` takes a code in these files of the gateways; elsewhere it has to do with sentences."""
_PASSED_ON = {"code", "error.code", "verdict.code", "first.code", "detail.code"}
"""These hand a code on that was stated elsewhere."""

_COMPOSED = {"f'{field}_not_in_odoo'": ("payment_term_not_in_odoo", "currency_not_in_odoo")}


def stated_codes() -> Iterator[str]:
    """Every code that the code itself states."""
    for package in ("contracts", "gateways", "activities", "workflows", "starters"):
        for file in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(file.read_text())
            constants = _constants(tree)
            for node in ast.walk(tree):
                if isinstance(node, ast.Call):
                    for expression in _code_arguments(node, file):
                        yield from _values(expression, constants, f"{file}:{node.lineno}")
                elif isinstance(node, ast.Return) and file.name == "changes.py":
                    yield from _returned_code(node)


def _constants(tree: ast.Module) -> dict[str, str]:
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value.value, str)
    }


def _code_arguments(call: ast.Call, file: Path) -> Iterator[ast.expr]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    yield from (item.value for item in call.keywords if item.arg == "code")
    position = _POSITION.get(name)
    if name == "_refusal" and "gateways" in file.parts:
        position = _REFUSAL[file.name]
    if position is not None and len(call.args) > position:
        yield call.args[position]
    if name == "_refuse" and file.name == "money.py":
        yield call.args[1] if len(call.args) > 1 else ast.Constant("money_malformed")


def _returned_code(node: ast.Return) -> Iterator[str]:
    """The code of a pair of code and expectation, which a caller makes a problem of."""
    if isinstance(node.value, ast.Tuple) and isinstance(node.value.elts[0], ast.Constant):
        yield str(node.value.elts[0].value)


def _values(node: ast.expr, constants: dict[str, str], where: str) -> Iterator[str]:
    text = ast.unparse(node)
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.IfExp):
        yield from _values(node.body, constants, where)
        yield from _values(node.orelse, constants, where)
    elif text in _COMPOSED:
        yield from _COMPOSED[text]
    elif text in constants:
        yield constants[text]
    else:
        assert text in _PASSED_ON, f"{where}: {text} is a code this test cannot read"


def codes_of_broken_contract_data() -> set[str]:
    """The codes that validation takes from pydantic, by breaking good contract data everywhere."""
    wrong: list[Any] = [
        None,
        1,
        1.5,
        "",
        "x" * 201,
        "a\x00",
        [],
        {},
        True,
        "2026-13-45",
        "5 USD",
        "-1",
        "0",
    ]
    found: set[str] = set()
    for file in (ROOT / "docs" / "examples").glob("*.json"):
        good = json.loads(file.read_text())
        good["source"] = {"system": "file", "id": "x"}
        for path in _paths(good):
            for value in wrong:
                contract_data = json.loads(json.dumps(good))
                _put(contract_data, path, value)
                try:
                    validate(contract_data)
                except InvalidContract as invalid:
                    found |= {problem.code for problem in invalid.problems}
    return found


def _paths(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items: list[tuple[Any, Any]] = []
    if isinstance(node, dict):
        items = [*node.items(), ("no_such_field", None)]
    elif isinstance(node, list):
        items = list(enumerate(node))
    for key, value in items:
        yield from _paths(value, (*path, key))


def _put(contract_data: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        contract_data = contract_data[key]
    contract_data[path[-1]] = value


def documented_codes() -> list[str]:
    """What the tables on exceptions name, without the tables of actions and steps before them."""
    text = section("Exceptions: every code")
    return first_cells(text[text.index("\n### ") :])


def test_every_code_is_documented_and_every_documented_code_is_one() -> None:
    there = {*stated_codes(), *codes_of_broken_contract_data()}
    documented = set(documented_codes())
    assert sorted(there - documented) == [], "not in docs/operations.md"
    assert sorted(documented - there) == [], "the code has none of these"


def test_no_code_is_documented_twice() -> None:
    # Of a contract, and of Odoo: the page says so at the first.
    twice = {item for item in documented_codes() if documented_codes().count(item) > 1}
    assert twice == {"field_unknown"}


# --- steps and stages -------------------------------------------------------------------------


def test_the_table_of_steps_is_the_codes() -> None:
    steps = [item for item in vars(parking).values() if isinstance(item, Step)]
    text = section("Exceptions: every code")
    for step in steps:
        allowed = ", ".join(step.allowed)
        assert f"| `{step.name}` | {step.doing} | {step.responsible} | {allowed} |" in text
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| (?:sales|operations|finance) \|", text, re.M)
    assert rows == [step.name for step in steps]


def test_every_stage_is_explained() -> None:
    explained = first_cells(section("What each stage means, and what to do"))
    assert explained == [*ContractStage, *InvoiceStage]


# --- search attributes, queues ----------------------------------------------------------------

FILTERS = re.findall(r"^```sql\n(.*?)\n```$", OPERATIONS, re.MULTILINE | re.DOTALL)
_TEMPORALS_OWN = {
    "WorkflowType",
    "ExecutionStatus",
    "WorkflowId",
    "TemporalWorkerDeploymentVersion",
}


def waiting_on() -> set[str]:
    """Every value of WaitingOn, from the one place that chooses them."""
    source = (ROOT / "contracts" / "views" / "details.py").read_text()
    return {*re.findall(r'return "(\w+)", ', source), "exception", parking.CREDENTIALS}


def test_filters_name_attributes_and_values_that_exist() -> None:
    names = {key.name for key in search_attributes.ALL}
    values: dict[str, set[str]] = {
        "ContractStage": set(ContractStage),
        "InvoiceStage": set(InvoiceStage),
        "WaitingOn": waiting_on(),
        "WorkflowType": {"ContractWorkflow", "InvoiceWorkflow"},
        "ExecutionStatus": {"Running", "ContinuedAsNew"},
    }
    for query in [*FILTERS, *re.findall(r'--query "([^"]+)"', OPERATIONS)]:
        for name, value in re.findall(r"(\w+) (?:=|!=|<|>=|>|IN) (\([^)]*\)|\S+)", query):
            assert name in names | _TEMPORALS_OWN, query
            for word in re.findall(r"'([^']*)'", value) if name in values else ():
                assert word in values[name], query


def test_every_attribute_and_value_of_waiting_on_is_on_the_page() -> None:
    text = section("Finding things: filters for the Temporal UI")
    assert [key.name for key in search_attributes.ALL if f"`{key.name}`" not in text] == []
    assert [value for value in sorted(waiting_on()) if f"`{value}`" not in text] == []


def test_queues_are_named_right() -> None:
    for page in PAGES:
        for queue in re.findall(r"--(?:task-)?queue ([a-z-]+)", page.read_text()):
            assert queue in task_queues.ALL
    assert [queue for queue in task_queues.ALL if f"`{queue}`" not in OPERATIONS] == []


# --- commands ---------------------------------------------------------------------------------


@ANY_PAGE
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in code(page.read_text()):
        for target in re.findall(r"(?:^|\s)make ([a-z][a-z-]*)", line):
            assert target in targets, line


@ANY_PAGE
def test_c2c_commands_and_their_options_exist(page: Path) -> None:
    root = typer.main.get_command(app)
    for line in code(page.read_text()):
        if re.match(r"c2c( [^…]|$)", line):
            check_command(root, line)


def check_command(root: Any, line: str) -> None:
    """Follow a line's words through the commands; its options must be theirs."""
    command, words = root, shlex.split(line.partition(" #")[0])[1:]
    options = option_names(root)
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        word = words.pop(0)
        assert word in command.commands, f"{line}: there is no {word}"
        command = command.commands[word]
        options |= option_names(command)
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in options, f"{line}: there is no option {word}"


def option_names(command: Any) -> set[str]:
    return {name for item in command.params for name in (*item.opts, *item.secondary_opts)}


def test_the_metrics_are_those_there_are() -> None:
    source = (ROOT / "activities" / "metrics.py").read_text()
    named = re.findall(r"`(c2c\.[a-z._]+)`", section("Watching"))
    assert named == re.findall(r'"(c2c\.[a-z._]+)"', source)


# --- configuration, examples ------------------------------------------------------------------


_LEAVES = (".tiers", ".steps", ".auto_approve_up_to", ".delegations")
"""Lists of tables: the page has one row for each."""


def setting_names(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every setting by its path, as the page writes it."""
    for name, item in model.model_fields.items():
        inner, is_table = _model_in(item.annotation)
        path = f"{prefix}{name}"
        if inner is None or path.endswith(_LEAVES):
            yield path
        else:
            yield from setting_names(inner, f"{path}.<key>." if is_table else f"{path}.")


def _model_in(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    found = [_model_in(item)[0] for item in get_args(annotation)]
    return next((item for item in found if item), None), get_origin(annotation) is dict


def test_the_table_of_settings_is_the_codes() -> None:
    documented = first_cells(
        section("The configuration: c2c.toml", level=3).split("\n| variable")[0]
    )
    documented.remove("entities.<key>")  # the table itself
    assert sorted(documented) == sorted(setting_names(Settings))


@pytest.mark.parametrize(
    "file", sorted((ROOT / "docs" / "examples").glob("*.json")), ids=lambda file: file.stem
)
def test_examples_are_valid_contracts(file: Path) -> None:
    contract_data = json.loads(file.read_text())
    # What the command fills in.
    filled = {
        "legal_entity": "northwind",
        "source": {"system": "file", "id": contract_data["contract_id"]},
        **contract_data,
    }
    assert validate(filled).contract_id == contract_data["contract_id"]


@ANY_PAGE
def test_contracts_shown_on_the_pages_are_valid(page: Path) -> None:
    for block in re.findall(r"^```json\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        contract_data = json.loads(block)
        if "milestones" in contract_data:
            source = {"system": "file", "id": contract_data["contract_id"]}
            validate({"legal_entity": "northwind", "source": source, **contract_data})
