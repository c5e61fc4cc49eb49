"""A client of one of Amazon's services, or of what speaks its protocol.

boto3 is imported late: only who configures such a service needs it. The keys are those of AWS's own
variables, files and roles.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateways import errors


def client(
    service: str,
    *,
    system: str,
    wanted_by: str,
    extra: str,
    endpoint: str | None,
    region: str | None,
    config: Mapping[str, Any],
) -> Any:
    """`config` is botocore's. Raises GatewayError `not_installed` of the `system`, which names what
    wants boto3 (`wanted_by`) and the `extra` that brings it."""
    try:
        import boto3
        from botocore.config import Config
    except ModuleNotFoundError as error:
        text = f"boto3 is not installed, which {wanted_by} requires: pip install '{extra}'"
        raise errors.credentials(system, "not_installed", text) from error
    session = boto3.session.Session()  # the default one is not thread-safe while it is made
    return session.client(
        service, endpoint_url=endpoint, region_name=region, config=Config(**config)
    )
