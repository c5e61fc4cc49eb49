"""How buckets are reached: apart from what reaches them, because every command reads this."""

from __future__ import annotations

from pydantic import Field, field_validator

from gateways.settings import Section


class AnalyticsSettings(Section):
    """An object store other than Amazon's, and its region. The keys are those of AWS's own
    environment variables, files and roles."""

    s3_endpoint: str | None = Field(
        None, description="the address of an object store that speaks S3; left out, Amazon's"
    )
    s3_region: str | None = Field(None, pattern=r"^[a-z0-9-]{1,64}$")

    @field_validator("s3_endpoint")
    @classmethod
    def _no_plain_http(cls, url: str | None) -> str | None:
        from gateways.http import refuse_plain_http  # late: few configurations name an address

        if url is not None:
            refuse_plain_http(url)
        return url
