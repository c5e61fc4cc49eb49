"""`c2c serve`: the web gateway."""

from __future__ import annotations

from typing import Annotated

import typer

from starters.cli.session import session_of


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option("--host", help="Where to listen, instead of web.host.")] = "",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="Instead of web.port.")
    ] = 0,
) -> None:
    """Receive webhooks until SIGINT or SIGTERM."""
    session = session_of(context)
    settings = session.settings
    changes = {name: value for name, value in (("host", host), ("port", port)) if value}
    web = settings.web.model_copy(update=changes)
    from starters.web import serving  # late: the web framework comes with it

    session.runner.run(serving.serve(settings.model_copy(update={"web": web})))
