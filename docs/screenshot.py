"""Makes docs/images/temporal-ui.png from a running `c2c demo --keep`.

    pip install playwright        # drives the browser; no browser of its own is downloaded
    export ...                    # what c2c demo --keep prints
    python docs/screenshot.py     # CHROMIUM names the program, /usr/bin/chromium unless told

The page is the Temporal UI's own: the contract's current details as operations see them.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from urllib.parse import quote

from playwright.async_api import async_playwright

from starters.client import C2C
from wiring import client as temporal

IMAGES = Path(__file__).parent / "images"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
UI = os.environ.get("TEMPORAL_UI", "http://127.0.0.1:8233")
_QUIET = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_SETTLE_SECONDS = 5


async def main(where: str) -> None:
    """Photograph the newest contract that fits a visibility condition."""
    client = await temporal.connect()
    [newest, *_] = await C2C(client).contracts(where=where, limit=1)
    workflow_id = newest.workflow_id
    run_id = (await client.get_workflow_handle(workflow_id).describe()).run_id
    page_of = f"{UI}/namespaces/{client.namespace}/workflows/{quote(workflow_id, safe='')}/{run_id}"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*_QUIET, "--no-sandbox"]
        )
        page = await browser.new_page(viewport={"width": 1400, "height": 1150})
        await page.goto(f"{page_of}/user-metadata", wait_until="domcontentloaded")
        await asyncio.sleep(_SETTLE_SECONDS)
        IMAGES.mkdir(exist_ok=True)
        await page.screenshot(path=IMAGES / "temporal-ui.png")
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "ExecutionStatus = 'Running'"))
