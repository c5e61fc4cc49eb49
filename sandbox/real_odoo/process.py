"""A program kept running until it is stopped or this process ends."""

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.real_odoo.errors import HarnessError, last_lines_of

KEEPER = Path(__file__).with_name("keeper.py")
STOP_SECONDS = 30


class Process:
    """One program under its keeper; what it prints goes to `log`."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        stop_signal: signal.Signals = signal.SIGTERM,
        user: str | None = None,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.log = log
        with log.open("a") as output:
            self._keeper = subprocess.Popen(
                [
                    *(sys.executable, "-I", KEEPER, stop_signal.name, user or "-"),
                    *(str(part) for part in command),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=environment,
                cwd=folder,
                text=True,
                start_new_session=True,  # Ctrl-C reaches us; the keeper waits for our word
            )
        assert self._keeper.stdout is not None
        first_line = self._keeper.stdout.readline()
        if not first_line:
            raise HarnessError(f"could not start {command[0]}:\n{last_lines_of(log)}")
        self.pid = int(first_line)

    @property
    def running(self) -> bool:
        """Whether the program still runs."""
        return self._keeper.poll() is None

    def stop(self) -> None:
        """End the program and wait for its end; a second call does nothing."""
        self._keeper.terminate()
        for pipe in (self._keeper.stdin, self._keeper.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._keeper.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._keeper.kill()  # the kernel then signals the program
            self._keeper.wait()
