"""How buckets are reached: apart from what reaches them, because every command reads this."""

from __future__ import annotations

from pydantic import Field

from gateways.settings import Address, Section


class AnalyticsSettings(Section):
    """An object store other than Amazon's, and its region. The keys are those of AWS's own
    environment variables, files and roles."""

    s3_endpoint: Address | None = Field(
        None, description="the address of an object store that speaks S3; left out, Amazon's"
    )
    s3_region: str | None = Field(None, pattern=r"^[a-z0-9-]{1,64}$")
