"""People at the workbench: they sign in by the list of personas, and fill in its forms.

Nothing here knows more than a browser does: what a form sends is what its page says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx

_SECONDS = 60.0


@dataclass
class InboxPage(HTMLParser):
    """The hidden fields of a page, what may be picked, and what it says of the last form."""

    fields: dict[str, str] = field(default_factory=dict)
    picks: list[str] = field(default_factory=list)
    outcome: str = ""
    _depth: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "input" and given.get("name") == "pick":
            self.picks.append(given["value"])
        elif tag == "input" and given.get("type") == "hidden":
            self.fields[given["name"]] = given["value"]
        if given.get("id") == "outcome" or (self._depth and tag == "div"):
            self._depth += 1

    def handle_endtag(self, tag: str) -> None:
        if self._depth and tag == "div":
            self._depth -= 1

    def handle_data(self, data: str) -> None:
        if self._depth:
            self.outcome = f"{self.outcome} {data}".strip()


class Desk:
    """One person at the workbench."""

    def __init__(self, url: str, person: str) -> None:
        self.person = person
        # A page of another origin could not send these.
        headers = {"accept": "text/html", "origin": url, "sec-fetch-site": "same-origin"}
        self._http = httpx.AsyncClient(
            base_url=url, headers=headers, follow_redirects=True, timeout=_SECONDS
        )

    async def __aenter__(self) -> Desk:
        answer = await self._http.post("/login", data={"person": self.person, "to": "/inbox"})
        answer.raise_for_status()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def inbox(self, reference: str) -> InboxPage:
        """The inbox, with what may be picked of a contract or an invoice (as `northwind/C-1001/1`)
        alone; lists lag a little."""
        found = _read(await self._http.get("/inbox"))
        found.picks = [pick for pick in found.picks if pick.startswith(f"{reference}:")]
        return found

    async def approve(self, seen: InboxPage) -> str:
        """Approve what may be picked; what the page says then."""
        form: dict[str, str | list[str]] = {
            "csrf": seen.fields["csrf"],
            "once": seen.fields["once"],
            "pick": seen.picks,
            "decision": "approve",
        }
        return _read(await self._http.post("/inbox/decide", data=form)).outcome


def _read(answer: httpx.Response) -> InboxPage:
    answer.raise_for_status()
    page = InboxPage()
    page.feed(answer.text)
    return page
