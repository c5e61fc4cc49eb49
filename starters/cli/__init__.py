"""The `c2c` command: a thin layer over `starters.client`.

Global options may stand anywhere on the line. Results go to standard output, everything else to
standard error; `--json` makes the result one JSON document, failures included.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Annotated, Any, NoReturn, TextIO, cast

import typer
from typer.core import TyperGroup

from starters.cli import added, commands
from starters.cli.errors import EXIT_CODES, ExitCode, Failure, explain, in_plain_words
from starters.cli.output import Output, OutputFailed, end_as_a_pipe, writable
from starters.cli.session import API_VARIABLE, ENTITY_VARIABLE, Session, session_of
from wiring import garbage
from wiring.process_exit import end

__all__ = ["app", "main"]

DEBUG_VARIABLE = "C2C_DEBUG"
_DISTRIBUTION = "contract-to-cash"
_WRONG_USAGE: Any = typer.BadParameter.__mro__[1]
"""Typer's own error for a command line it cannot parse; it exports only this kind of it."""
_FLAGS = ("--json", "--no-color")
_WITH_VALUE = ("--entity", "--api")


class _Root(TyperGroup):
    """The root of the command: global options anywhere, failures told instead of traced."""

    def __init__(self, **attributes: Any) -> None:
        # By these names Typer suggests another one for a wrong one.
        super().__init__(**{**attributes, "commands": dict.fromkeys(commands.names())})

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return [*commands.names(), *added.names()]

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        return commands.command(cmd_name) or added.command(cmd_name)

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        with _usage_told(as_json="--json" in args, color="--no-color" not in args):
            return super().parse_args(ctx, _globals_first(args))

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        given = ctx.params
        with _usage_told(as_json=given["as_json"], color=not given["no_color"]):
            try:
                return super().invoke(ctx)
            except _WRONG_USAGE:
                raise
            except Exception as error:
                failure = explain(error)
                if failure is None:
                    raise
                _end(session_of(ctx), failure, error)


@contextlib.contextmanager
def _usage_told(*, as_json: bool, color: bool) -> Iterator[None]:
    """Wrong usage in plain words, and as the document that programs read where they ask for it.
    Nothing may have been made of the global options yet."""
    try:
        yield
    except _WRONG_USAGE as error:
        error.message = in_plain_words(error.message)
        if not as_json:
            raise
        session = Session(as_json=True, color=color, entity=None, api="")
        told = error.format_message().strip()
        told = "Missing command." if told.startswith("Usage:") else told  # people get the help
        _end(session, Failure(ExitCode.USAGE, told), error)


def _end(session: Session, failure: Failure, error: Exception) -> NoReturn:
    session.fail(failure)
    raise typer.Exit(failure.exit_code) from error


def _globals_first(args: list[str]) -> list[str]:
    """The same line with the global options moved to where they are parsed."""
    first: list[str] = []
    rest: list[str] = []
    remaining = list(args)
    while remaining:
        arg = remaining.pop(0)
        if arg == "--":
            rest += [arg, *remaining]
            break
        if arg in _FLAGS or arg.startswith(tuple(f"{name}=" for name in _WITH_VALUE)):
            first.append(arg)
        elif arg in _WITH_VALUE and remaining:
            first += [arg, remaining.pop(0)]
        else:
            rest.append(arg)
    return [*first, *rest]


app = typer.Typer(
    cls=_Root,
    name="c2c",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Plain help: it starts sooner, and NO_COLOR has nothing to take away.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"Exit codes: {' · '.join(f'{code:d} {told}' for code, told in EXIT_CODES.items())}",
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(version(_DISTRIBUTION))
        except PackageNotFoundError:  # run from a checkout that was never installed
            typer.echo("unknown")
        raise typer.Exit


_HELP = (
    "Contract to Cash: each signed contract is one durable workflow, from signature to cash."
    "\n\n"
    "Temporal is found as TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE say, the configuration in "
    "c2c.toml or the file that C2C_CONFIG names. The options below may stand anywhere on the line."
)


@app.callback(help=_HELP)
def root(
    context: typer.Context,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON document.")
    ] = False,
    no_color: Annotated[
        bool, typer.Option("--no-color", help="No colours (NO_COLOR does the same).")
    ] = False,
    entity: Annotated[
        str | None,
        typer.Option(
            "--entity",
            envvar=ENTITY_VARIABLE,
            help="The legal entity that is meant where a reference names none; by default the "
            "only one configured.",
        ),
    ] = None,
    api: Annotated[
        str,
        typer.Option(
            "--api",
            metavar="URL",
            envvar=API_VARIABLE,
            help="The address of the application (c2c serve), asked instead of Temporal as whoever "
            "has signed in: see c2c login.",
        ),
    ] = "",
    show_version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version.")
    ] = False,
) -> None:
    """The global options, for every command."""
    context.obj = Session(as_json=as_json, color=not no_color, entity=entity, api=api)
    context.call_on_close(context.obj.close)


def main() -> NoReturn:
    """Run the command and end the process at once."""
    garbage.look_seldom()
    sys.stdout = cast("TextIO", Output(writable(sys.stdout)))
    sys.stderr = writable(sys.stderr)
    try:
        code = _run()
        sys.stdout.flush()
    except OutputFailed as error:
        if error.reader_is_gone:
            end_as_a_pipe()
        sys.stderr.write(f"Error: {error}\n")
        os._exit(ExitCode.NO_OUTPUT)  # what is left in the buffers cannot be written either
    end(code)


def _run() -> int:
    try:
        app()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else ExitCode.OK
    except OutputFailed:
        raise
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        sys.stderr.write(
            f"Error: a defect of c2c, please report it: {type(error).__name__}: {error} "
            f"({DEBUG_VARIABLE}=1 shows where)\n"
        )
        return ExitCode.DEFECT
    return ExitCode.OK
