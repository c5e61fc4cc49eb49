"""The one error people see, and how programs' failures become it."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

LAST_LINES = 40


class HarnessError(RuntimeError):
    """Something the harness needs failed; the message says what, and what to do."""


def last_lines(text: str) -> str:
    """The end of a log, which is where the reason stands."""
    return "\n".join(text.splitlines()[-LAST_LINES:])


def last_lines_of(log: Path) -> str:
    """The end of a log file that may not exist yet."""
    return last_lines(log.read_text(errors="replace")) if log.exists() else "(no log yet)"


def run(
    command: Sequence[str | Path],
    *,
    what: str,
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    timeout_seconds: float = 1200,
) -> str:
    """Run a program to its end and return what it printed; `what` names it in an error."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            input=stdin,
            env=environment,
            cwd=folder,
            timeout=timeout_seconds,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise HarnessError(f"{what}: the program {command[0]} is not on this machine") from error
    except subprocess.TimeoutExpired as error:
        raise HarnessError(f"{what}: not done after {timeout_seconds:.0f} s") from error
    if done.returncode != 0:
        output = last_lines(done.stdout + done.stderr)
        raise HarnessError(f"{what} failed (exit code {done.returncode}):\n{output}")
    return done.stdout
