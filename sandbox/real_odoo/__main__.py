"""python -m sandbox.real_odoo prepare|start|status|stop"""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from sandbox.real_odoo.errors import HarnessError
from sandbox.real_odoo.folders import run_folders
from sandbox.real_odoo.preparation import prepare
from sandbox.real_odoo.server import RealOdoo, start, wait_for_a_signal

STOP_SECONDS = 60


def main() -> int:
    """Do what the command line says; a failure is one message, not a traceback."""
    options = _parse()
    # SIGTERM while preparing or starting cleans up as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if options.command == "prepare":
            prepare()
        elif options.command == "start":
            _start(options)
        elif options.command == "status":
            _status()
        else:
            _stop(options.port)
    except HarnessError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.real_odoo",
        description="A real Odoo 19 with PostgreSQL, without root and without installing anything.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("prepare", help="fill the cache: minutes the first time")
    run = commands.add_parser("start", help="run a fresh Odoo until Ctrl-C")
    run.add_argument("--json", action="store_true", help="print one line of JSON")
    run.add_argument("--port", type=int, help="Odoo's port (default: a free one)")
    run.add_argument("--smtp-port", type=int, help="the mailbox's port (default: a free one)")
    run.add_argument("--database", help="the database's name")
    run.add_argument("--workers", type=int, default=0, help="Odoo processes (0: threads)")
    run.add_argument("--durable", action="store_true", help="PostgreSQL survives being killed")
    run.add_argument("--cron", action="store_true", help="run Odoo's scheduled jobs")
    commands.add_parser("status", help="list what is running")
    stop = commands.add_parser("stop", help="end what `start` runs, not what tests run")
    stop.add_argument("--port", type=int, help="only the one on this port")
    return parser.parse_args()


def _start(options: argparse.Namespace) -> None:
    """Run until a signal; everything ends with this process."""
    with start(
        prepare(),
        database=options.database,
        workers=options.workers,
        port=options.port,
        durable=options.durable,
        smtp_port=options.smtp_port,
        cron=options.cron,
        by_command=True,
    ) as odoo:
        if options.json:
            print(json.dumps(odoo.describe()), flush=True)
        else:
            _print_for_people(odoo)
        wait_for_a_signal()


def _print_for_people(odoo: RealOdoo) -> None:
    print(f"URL       {odoo.url}")
    print(f"database  {odoo.database}")
    for login, file in odoo.keys.items():
        print(f"API key   {login}: {file}")
    print(f"SMTP      127.0.0.1:{odoo.smtp_port}")
    print(f"log       {odoo.log}")
    print("Ctrl-C stops it.", flush=True)


def _status() -> None:
    runs = _runs()
    for run in runs:
        kind = "started by command" if run["by_command"] else "started by a program"
        print(f"{run['url']}  database {run['database']}  pid {run['owner_pid']}  {kind}")
    if not runs:
        print("nothing is running")


def _stop(port: int | None) -> None:
    """Ask the owners to end, and wait until their run folders are gone."""
    stopping = [
        run
        for run in _runs()
        if run["by_command"] and (port is None or run["url"].endswith(f":{port}"))
    ]
    for run in stopping:
        os.kill(run["owner_pid"], signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    for run in stopping:
        while Path(run["log"]).parent.exists():
            if time.monotonic() > deadline:
                raise HarnessError(f"{run['url']} (pid {run['owner_pid']}) does not stop")
            time.sleep(0.1)
        print(f"stopped {run['url']}")
    if not stopping:
        print("nothing to stop")


def _runs() -> list[dict[str, Any]]:
    """What the living runs of this user say about themselves."""
    files = [folder / "run.json" for folder, alive in run_folders() if alive]
    return [json.loads(file.read_text()) for file in files if file.exists()]


if __name__ == "__main__":
    sys.exit(main())
