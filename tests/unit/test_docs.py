"""What the pages name exists, and what exists and people meet is on the pages."""

from __future__ import annotations

import ast
import json
import re
import runpy
import shlex
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import typer.main
from pydantic import BaseModel

from contracts import exception_codes, parking
from contracts.contract.state import ContractStage
from contracts.exception_codes import ExceptionCode, Outcome
from contracts.invoice.state import InvoiceStage
from contracts.parking import Action, Resolution, Step
from contracts.validation import InvalidContract, validate
from starters.cli import app
from starters.cli.errors import EXIT_CODES, ExitCode
from wiring.settings import Settings
from workers.worker import WORKFLOWS
from workflows import search_attributes, task_queues

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
BY_TASK = sorted(DOCS.glob("*.md"))
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
MADE_LATER = {"docs/images/temporal-ui.png"}
"""A picture of a running system: it need not be there before one has run."""
README_BYTES, PAGE_BYTES, DECISION_BYTES = 7_168, 26_000, 3_000

ANY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def code(text: str) -> list[str]:
    """The lines of shell blocks (continuations joined), and the spans in backticks."""
    blocks = re.findall(r"^```sh[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [*lines, *re.findall(r"`([^`]+)`", prose(text))]


def section(name: str, title: str) -> str:
    """The part of a page under a heading of the second level, up to the next of its level."""
    match = re.search(
        rf"^## {re.escape(title)}\n(.*?)(?=^#{{1,2}} |\Z)", page(name), re.MULTILINE | re.DOTALL
    )
    assert match, f"docs/{name} has no heading {title!r}"
    return match[1]


def first_cells(text: str) -> list[str]:
    """The names in backticks in the first cell of each row of the tables."""
    rows = re.findall(r"^\| *(`.*?) *\|", text, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


# --- size and links ---------------------------------------------------------------------------


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= README_BYTES


@pytest.mark.parametrize("file", BY_TASK, ids=lambda file: file.name)
def test_a_page_can_be_read_in_one_sitting(file: Path) -> None:
    assert len(file.read_bytes()) <= PAGE_BYTES


@pytest.mark.parametrize("file", DECISIONS, ids=lambda file: file.name)
def test_a_decision_is_short_and_names_its_alternatives(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.encode()) <= DECISION_BYTES
    assert text.startswith(f"# {file.name[:3]} ")
    assert re.search(r"^\*\*Status\*\*: .*(?:in force|not built)", text, re.MULTILINE)
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[-3:] == ["Decision", "Alternatives", "Consequences"]


@ANY_PAGE
def test_pages_use_plain_words(page: Path) -> None:
    text = re.sub(r"`[^`]+`", "", prose(page.read_text(encoding="utf-8")))
    assert re.findall(r"\b(?:anew|told|stands|mends?)\b", text) == []


@ANY_PAGE
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if file.relative_to(ROOT).as_posix() in MADE_LATER:
            continue
        assert file.exists(), f"{target} is not there"
        if anchor:
            assert anchor in anchors(file), f"{target}: no such heading"


@ANY_PAGE
def test_files_and_folders_named_on_the_pages_exist(page: Path) -> None:
    # What runs leave behind, such as .run, comes and goes.
    folders = [file.name for file in ROOT.iterdir() if file.is_dir()]
    packages = "|".join(name for name in folders if not name.startswith("."))
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`([\w./-]+)(?:::\w+)?`", prose(text)):
        if re.match(rf"(?:{packages})/", name):
            assert (ROOT / name).exists(), name
    for tree in re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for name in folders_of(tree):
            assert (ROOT / name).is_dir(), name


def folders_of(tree: str) -> Iterator[str]:
    """The folders of a drawn tree; what is indented is inside the last that is not."""
    outer = ""
    for indent, name in re.findall(r"^( *)([a-z]+/)", tree, re.MULTILINE):
        outer = outer if indent else name
        yield outer + name if indent else name


@ANY_PAGE
def test_tests_named_on_the_pages_exist(page: Path) -> None:
    """By their function or their module."""
    named = re.findall(r"`(?:tests/[\w/]+\.py::)?(test_\w+)`", page.read_text(encoding="utf-8"))
    assert [name for name in named if name not in names_of_tests()] == []


@cache
def names_of_tests() -> frozenset[str]:
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    found = (
        re.findall(r"^(?:async )?def (test_\w+)", file.read_text("utf-8"), re.M) for file in files
    )
    return frozenset(name for names in found for name in names) | {file.stem for file in files}


def test_links_of_the_changelog_lead_somewhere() -> None:
    test_links_and_pictures_lead_somewhere(ROOT / "CHANGELOG.md")


@cache
def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#{1,6} (.+)$", prose(page.read_text(encoding="utf-8")), re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {word.strip().replace(" ", "-") for word in words}


def test_the_readme_leads_to_every_page() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in BY_TASK if f"(docs/{page.name})" not in text] == []
    assert "(docs/decisions/README.md)" in text


def test_the_list_of_decisions_leads_to_each_by_its_title() -> None:
    listed = re.findall(r"\| (\d{3}) \| \[(.+)\]\((.+\.md)\) \|", page("decisions/README.md"))
    titles = [file.read_text(encoding="utf-8").partition("\n")[0] for file in DECISIONS]
    assert [f"# {number} {title}" for number, title, _ in listed] == titles
    assert [name for _, _, name in listed] == [file.name for file in DECISIONS]


# --- exception codes --------------------------------------------------------------------------

# Where a code goes in, by the name of what is called: a position, or the keyword `code`.
_POSITION = {
    "with_question": 1,
    "BusinessRefusal": 0,
    "for_people": 0,
    "Failed": 1,
    "PydanticCustomError": 0,
    "_Verdict": 1,
    "_business": 0,
    "_credentials": 0,
    "misplaced": 1,
    "finding": 0,
    "business": 1,
    "credentials": 1,
    "defect": 1,
    "transient": 1,
}
_REFUSAL = {"crm.py": 0, "terms.py": 1}
"""`_refusal` takes a code in these files of the gateways; elsewhere it has to do with sentences."""
_PASSED_ON = {
    "code",
    "error.code",
    "card.code",
    "exception.code",
    "verdict.code",
    "first.code",
    "detail.code",
    "failed.code",
    "failure.code",
    "item.code",
}
"""These pass on a code that is stated elsewhere."""

_COMPOSED = {"f'{field}_not_in_odoo'": ("payment_term_not_in_odoo", "currency_not_in_odoo")}
_TABLE = ROOT / "contracts" / "exception_codes.py"


def raised_codes() -> Iterator[str]:
    """Every code that the product itself states, wherever it raises one."""
    for package in ("contracts", "gateways", "activities", "workflows", "workers", "starters"):
        for file in sorted((ROOT / package).rglob("*.py")):
            if file == _TABLE:
                continue
            tree = ast.parse(file.read_text(encoding="utf-8"))
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
    """The code of a pair of code and expectation, of which a caller makes a problem."""
    if isinstance(node.value, ast.Tuple) and isinstance(node.value.elts[0], ast.Constant):
        yield str(node.value.elts[0].value)


def _values(node: ast.expr, constants: dict[str, str], where: str) -> Iterator[str]:
    if isinstance(node, ast.Constant):
        yield str(node.value)
        return
    if isinstance(node, ast.IfExp):
        yield from _values(node.body, constants, where)
        yield from _values(node.orelse, constants, where)
        return
    text = ast.unparse(node)
    if text in _COMPOSED:
        yield from _COMPOSED[text]
    elif text in constants:
        yield constants[text]
    else:
        assert text in _PASSED_ON, f"{where}: {text} is a code that this test cannot read"


def codes_of_broken_data() -> set[str]:
    """The codes that validation takes from pydantic, by breaking good contracts everywhere."""
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
    for file in (DOCS / "examples").glob("*.json"):
        good = json.loads(file.read_text(encoding="utf-8"))
        good["source"] = {"system": "file", "id": "x"}
        for path in _paths(good):
            for value in wrong:
                broken = json.loads(json.dumps(good))
                _put(broken, path, value)
                try:
                    validate(broken)
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


def _put(node: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value


def listed_codes() -> list[ExceptionCode]:
    return [item for group in exception_codes.GROUPS for item in group.codes]


def test_every_code_raised_is_in_the_table_and_every_code_of_the_table_is_raised() -> None:
    raised = {*raised_codes(), *codes_of_broken_data()}
    listed = {item.code for item in listed_codes()}
    assert sorted(raised - listed) == [], "not in contracts/exception_codes.py"
    assert sorted(listed - raised) == [], "nothing raises these"


def test_no_code_is_listed_twice() -> None:
    assert len(exception_codes.BY_CODE) == len(listed_codes())


def test_a_remedy_names_only_actions_that_a_step_of_its_code_allows() -> None:
    for group in exception_codes.GROUPS:
        for item in group.codes:
            named = {action for action in Action if f"`{action}`" in item.remedy}
            of_steps = {action for step in item.steps or all_steps() for action in step.allowed}
            allowed = set(item.actions) or of_steps
            assert named <= allowed, item.code
            if group.outcome is Outcome.PARKS and item.steps:
                assert named or item.code in _NOTHING_TO_DECIDE, item.code


_NOTHING_TO_DECIDE = {"path_unknown", "too_long", "contract_data_too_large", "email_missing"}
"""Codes that park, or accompany a parked step, and whose remedy is no action on it."""


def test_a_remedy_can_be_printed_as_it_is() -> None:
    assert [item.code for item in listed_codes() if "](" in item.meaning + item.remedy] == []


def test_who_is_responsible_is_stated_where_a_person_has_to_act() -> None:
    for group in exception_codes.GROUPS:
        for item in group.codes:
            assert (item.responsible is None) == (group.outcome is Outcome.RETRIED), item.code


@pytest.mark.parametrize(
    "generator",
    [
        "generate_exceptions.py",
        "generate_connectors.py",
        "generate_analytics.py",
        "generate_capacity.py",
    ],
)
def test_the_generated_pages_are_up_to_date(generator: str) -> None:
    pages: Callable[[], dict[Path, str]] = runpy.run_path(str(DOCS / generator))["pages"]
    for file, text in pages().items():
        assert file.read_text(encoding="utf-8") == text, f"{file.name}: run `make docs`"


def test_every_setting_of_a_connector_says_what_it_means() -> None:
    declarations = runpy.run_path(str(DOCS / "generate_connectors.py"))["declarations"]
    for _, item in declarations():
        fields = item.settings.model_fields
        unsaid = [name for name, field in fields.items() if not field.description]
        assert unsaid == ["kind"], item.kind


def test_the_pages_list_every_code_once() -> None:
    steps = {step.name for step in all_steps()}
    actions = {str(action) for action in Action}
    names = ("exceptions.md", "exception-codes.md", "connector-codes.md", "contract-problems.md")
    cells = [cell for name in names for cell in first_cells(page(name))]
    on_pages = [name for name in cells if name not in steps | actions]
    assert sorted(on_pages) == sorted(exception_codes.BY_CODE)


# --- steps and stages -------------------------------------------------------------------------


def all_steps() -> list[Step]:
    return [item for item in vars(parking).values() if isinstance(item, Step)]


def test_the_table_of_steps_is_the_codes() -> None:
    text = section("exceptions.md", "Steps")
    for step in all_steps():
        allowed = ", ".join(step.allowed)
        assert f"| `{step.name}` | {step.doing} | {step.responsible} | {allowed} |" in text
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| (?:sales|operations|finance) \|", text, re.M)
    assert rows == [step.name for step in all_steps()]


def test_every_stage_is_explained() -> None:
    explained = first_cells(section("stages.md", "Stages of a contract"))
    explained += first_cells(section("stages.md", "Stages of an invoice or credit note"))
    assert explained == [*ContractStage, *InvoiceStage]


# --- search attributes, queues ----------------------------------------------------------------

ALL_TEXT = "\n".join(file.read_text(encoding="utf-8") for file in PAGES)
FILTERS = [
    query
    for file in PAGES
    if file.name != "analytics.md"  # its queries are of files
    for query in re.findall(
        r"^```sql\n(.*?)\n```$", file.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
]
_TEMPORALS_OWN = {
    "WorkflowType",
    "ExecutionStatus",
    "WorkflowId",
    "TemporalWorkerDeploymentVersion",
}


def waiting_on() -> set[str]:
    """Every value of WaitingOn, from the places that choose them."""
    files = ("invoice/waits.py", "contract/waits.py")
    source = "".join((ROOT / "contracts" / file).read_text(encoding="utf-8") for file in files)
    return {*re.findall(r'return "(\w+)", ', source), "exception", parking.CREDENTIALS}


def test_filters_name_attributes_and_values_that_exist() -> None:
    names = {key.name for key in search_attributes.ALL}
    values: dict[str, set[str]] = {
        "ContractStage": set(ContractStage),
        "InvoiceStage": set(InvoiceStage),
        "WaitingOn": waiting_on(),
        "WorkflowType": {item.__name__ for item in WORKFLOWS},
        "ExecutionStatus": {"Running", "ContinuedAsNew"},
    }
    assert len(FILTERS) > 20
    for query in [*FILTERS, *re.findall(r'--query "([^"]+)"', ALL_TEXT)]:
        for name, value in re.findall(r"(\w+) (?:=|!=|<|>=|>|IN) (\([^)]*\)|\S+)", query):
            assert name in names | _TEMPORALS_OWN, query
            for word in re.findall(r"'([^']*)'", value) if name in values else ():
                assert word in values[name], query


def test_every_attribute_and_value_of_waiting_on_is_on_the_page() -> None:
    text = section("find.md", "Search attributes")
    assert [key.name for key in search_attributes.ALL if f"`{key.name}`" not in text] == []
    explained = first_cells(section("find.md", "Values of WaitingOn"))
    assert sorted(explained) == sorted(waiting_on())


def test_queues_are_named_right() -> None:
    for queue in re.findall(r"--(?:task-)?queue ([a-z-]+)", ALL_TEXT):
        assert queue in task_queues.ALL
    assert sorted(first_cells(section("install.md", "Task queues"))) == sorted(task_queues.ALL)


# --- commands ---------------------------------------------------------------------------------


@ANY_PAGE
def test_make_targets_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for line in code(page.read_text(encoding="utf-8")):
        for target in re.findall(r"(?:^|\s)make ([a-z][a-z-]*)", line):
            assert target in targets, line


@ANY_PAGE
def test_c2c_commands_and_their_options_exist(page: Path) -> None:
    root = typer.main.get_command(app)
    for line in code(page.read_text(encoding="utf-8")):
        if re.match(r"c2c( [^…]|$)", line):
            check_command(root, line)


def test_the_exit_codes_are_on_the_page_as_the_command_has_them() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+?) \|$", section("command-line.md", "How it ends"), re.M)
    assert rows == [(str(int(code)), told) for code, told in EXIT_CODES.items()]
    assert EXIT_CODES.keys() == set(ExitCode)


def test_c2c_commands_that_a_remedy_names_exist() -> None:
    root = typer.main.get_command(app)
    for item in listed_codes():
        for line in re.findall(r"`(c2c [^`]+)`", f"{item.meaning} {item.remedy}"):
            check_command(root, line)


def check_command(root: Any, line: str) -> None:
    """Follow a line's words through the commands; its options must be theirs."""
    command, words = root, shlex.split(line.partition(" #")[0])[1:]
    options = option_names(root)
    while words and hasattr(command, "get_command") and not words[0].startswith("-"):
        word = words.pop(0)
        command = command.get_command(None, word)
        assert command is not None, f"{line}: there is no {word}"
        options |= option_names(command)
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in options, f"{line}: there is no option {word}"


def option_names(command: Any) -> set[str]:
    return {name for item in command.params for name in (*item.opts, *item.secondary_opts)}


def test_decisions_about_parked_steps_on_the_pages_can_be_read() -> None:
    found = 0
    for text in re.findall(r"^```sh[^\n]*\n(.*?)^```$", ALL_TEXT, re.MULTILINE | re.DOTALL):
        for command in text.split("temporal workflow ")[1:]:
            if re.search(r"--name (?:resolve_exception|exception_resolved)\b", command):
                words = shlex.split(command.replace("\\\n", " "))
                given = words[words.index("--input") + 1]
                resolution = Resolution.model_validate(json.loads(given))
                assert resolution.action is not Action.SKIP or resolution.reason
                assert resolution.action is not Action.AMEND or resolution.changes
                found += 1
    assert found >= len(Action)


def test_the_metrics_are_those_there_are() -> None:
    files = ("activities/metrics.py", "workers/gauges.py")
    source = "".join((ROOT / file).read_text(encoding="utf-8") for file in files)
    named = re.findall(r"`(c2c\.[a-z._]+)`", section("monitor.md", "Metrics"))
    assert named == re.findall(r'"(c2c\.[a-z._]+)"', source)


# --- configuration, examples ------------------------------------------------------------------


_LEAVES = (
    *(".tiers", ".steps", ".auto_approve_up_to", ".delegations", ".handover.services"),
    *("timesheets.<key>.projects", "timesheets.<key>.tasks", "bank.<key>.tolerance"),
)
"""Lists of tables, and texts that mean something: the page has one row for each."""


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
    documented = first_cells(section("configure.md", "The configuration: c2c.toml"))
    documented.remove("entities.<key>")  # the table itself
    assert sorted(documented) == sorted(setting_names(Settings))


@pytest.mark.parametrize(
    "file", sorted((DOCS / "examples").glob("*.json")), ids=lambda file: file.stem
)
def test_examples_are_valid_contracts(file: Path) -> None:
    data = json.loads(file.read_text(encoding="utf-8"))
    # What the command fills in.
    filled = {
        "legal_entity": "northwind",
        "source": {"system": "file", "id": data["contract_id"]},
        **data,
    }
    assert validate(filled).contract_id == data["contract_id"]


@ANY_PAGE
def test_contracts_shown_on_the_pages_are_valid(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        data = json.loads(block)
        if "milestones" in data:
            source = {"system": "file", "id": data["contract_id"]}
            validate({"legal_entity": "northwind", "source": source, **data})
