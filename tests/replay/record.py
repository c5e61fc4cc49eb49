"""Records the histories that CI replays: `make histories`.

After the first release a change to a workflow must replay the recorded histories unchanged (use
`workflow.patched`); recording anew is for changes to workflows nobody runs yet.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HISTORIES = Path(__file__).parent / "histories"


def main() -> int:
    """Tell the stories of stories.py on the sandbox and keep their histories, and no older ones."""
    for old in HISTORIES.glob("*.json"):
        old.unlink()
    return int(
        pytest.main([str(Path(__file__).with_name("stories.py")), "-q", "-p", "no:cacheprovider"])
    )


if __name__ == "__main__":
    sys.exit(main())
