"""Runs one program and ends it when its owner ends, however the owner ends.

    python keeper.py <stop signal> <user or -> <program> [arguments]

The owner holds the other end of standard input. When that closes (or on SIGTERM) the program gets
the stop signal, and after a while SIGKILL. A kernel death signal set by the owner itself would
fire when the *thread* that started the program ends; the keeper has one thread only. It runs as a
file on its own, so it imports nothing of ours. Its first line of output is the program's pid.
"""

import ctypes
import os
import pwd
import select
import signal
import subprocess
import sys
from types import FrameType

PR_SET_PDEATHSIG = 1
STOP_SECONDS = 15


class Stop(Exception):
    """SIGTERM arrived."""


def on_sigterm(_number: int, _frame: FrameType | None) -> None:
    """Turn the signal into the end of the wait."""
    raise Stop


def main(arguments: list[str]) -> int:
    """Start the program, wait for its end or the owner's, and leave no process of its group."""
    stop_signal, user, command = signal.Signals[arguments[0]], arguments[1], arguments[2:]

    def die_with_keeper() -> None:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, stop_signal)

    signal.signal(signal.SIGTERM, on_sigterm)
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        user=None if user == "-" else user,
        group=None if user == "-" else pwd.getpwnam(user).pw_gid,
        extra_groups=None if user == "-" else [],
        preexec_fn=die_with_keeper,
    )
    print(child.pid, flush=True)
    ended = os.pidfd_open(child.pid)
    try:
        ready, _, _ = select.select([sys.stdin.fileno(), ended], [], [])
    except Stop:
        ready = []
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if ended not in ready:
        signal.pidfd_send_signal(ended, stop_signal)
        select.select([ended], [], [], STOP_SECONDS)
    # Not reaped yet, so the number still is this program's: end whatever it left behind.
    os.killpg(child.pid, signal.SIGKILL)
    return child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
