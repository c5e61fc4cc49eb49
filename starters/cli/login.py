"""`c2c login` and `c2c logout`: who you are, for an application that `--api` names."""

from __future__ import annotations

from typing import Annotated

import typer

from starters.cli.errors import UsageError
from starters.cli.session import API_VARIABLE, Session, session_of


def login(
    context: typer.Context,
    device: Annotated[
        bool,
        typer.Option("--device", help="Without a browser here: type a code in somewhere else."),
    ] = False,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address, and open nothing.")
    ] = False,
) -> None:
    """Sign in at the application that --api names, with the firm's provider."""
    from starters.client.logins import Login, Logins
    from starters.client.signing_in import PublicClient

    session = session_of(context)
    address = _address(session)
    client = PublicClient.of(address)

    def show(page: str) -> None:
        import webbrowser

        session.note(f"Sign in at {page}")
        if not no_browser:
            webbrowser.open(page)

    def show_code(page: str, code: str) -> None:
        session.note(f"Sign in at {page} with the code {code}")

    tokens = client.by_device(show_code) if device else client.by_browser(show)
    Logins.of_user().keep(address, Login(client, tokens))
    document = {"application": address, "person": session.person}
    session.show(document, f"You are signed in at {address} as {session.person}.")


def logout(context: typer.Context) -> None:
    """Forget the login at the application that --api names, and end it at the provider."""
    from starters.client.logins import Logins

    session = session_of(context)
    address = _address(session)
    found = Logins.of_user().drop(address)
    if found is not None:
        found.client.revoke(found.tokens.refresh_token)
    words = f"You are signed out at {address}." if found else f"Nobody was signed in at {address}."
    session.show({"application": address, "signed_out": found is not None}, words)


def _address(session: Session) -> str:
    if not session.api:
        raise UsageError(f"which application? Give its address by --api or {API_VARIABLE}")
    return session.api.rstrip("/")
