"""Configuration: one TOML file, overridden by the environment; secrets from files or environment.

The file is `c2c.toml`, or the one named by C2C_CONFIG. Any value may be given by an environment
variable instead, such as C2C_ODOO__URL. The connection to Temporal is not configured here: it
comes from Temporal's own environment variables and profiles (TEMPORAL_ADDRESS, ...).
"""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from contracts.model import Key
from contracts.policy import LegalEntity
from contracts.problems import expectation
from gateways.secrets import Secret

CONFIG_VARIABLE = "C2C_CONFIG"
DEFAULT_CONFIG = Path("c2c.toml")


class ConfigurationError(Exception):
    """The configuration cannot be used; the message lists every problem."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Credential(_Section):
    """A secret in a file (re-read when it changes) or, for tests, given directly."""

    api_key_file: Path | None = None
    api_key: SecretStr | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.api_key_file is None) == (self.api_key is None):
            raise ValueError("give either api_key_file or api_key (by the environment)")
        return self

    @property
    def secret(self) -> Secret:
        if self.api_key is not None:
            return Secret.of(self.api_key.get_secret_value())
        return Secret.file(_expand(self.api_key_file or Path()))


class OdooSettings(_Credential):
    """The firm's Odoo. `protocol` is json2 for 19 and later, jsonrpc before; the latter needs the
    service user's `login`. Requests share calls, `calls_at_once` of them under way in a process and
    `batch_size` requests in each at most (1: none do); `calls_per_second` spares a hosted Odoo.
    `time_approved_field` is the boolean field of a timesheet line that says it is approved:
    Enterprise's `validated`, or one the firm added."""

    url: str
    database: str
    protocol: Literal["json2", "jsonrpc"] = "json2"
    login: str | None = None
    connect_timeout_seconds: float = Field(default=5, gt=0)
    read_timeout_seconds: float = Field(default=60, ge=45, le=80)
    calls_per_second: float | None = Field(default=None, gt=0)
    calls_at_once: int = Field(default=4, ge=1, le=32)
    batch_size: int = Field(default=100, ge=1, le=1000)
    time_approved_field: str = Field(default="validated", pattern=r"^[a-z][a-z0-9_]*$")

    @model_validator(mode="before")
    @classmethod
    def _spare_hosted(cls, given: Any) -> Any:
        """Odoo Online asks for about one call a second: so it is where nothing else is stated."""
        if isinstance(given, dict) and _is_hosted(str(given.get("url", ""))):
            return {"calls_per_second": 1, "calls_at_once": 1, **given}
        return given


class HubSpotSettings(_Credential):
    """A HubSpot portal, by a service key.

    `billing_label` is the association label of the contact that gets invoices, `default_currency`
    that of a single-currency account, whose deals carry none.
    """

    url: str = "https://api.hubapi.com"
    legal_entity: Key
    closed_since: date
    billing_label: str = "Billing"
    default_currency: str = ""


class OdooCrmSettings(_Section):
    """Odoo's own CRM, on the same server and as the same user."""

    legal_entity: Key
    closed_since: date


class CrmSettings(_Section):
    """The CRMs in use, and the legal entity whose contracts their won deals become. A deal won
    before `closed_since`, the day the firm began to use c2c, starts no contract by itself, whoever
    edits it."""

    hubspot: HubSpotSettings | None = None
    odoo: OdooCrmSettings | None = None


class WorkerSettings(_Section):
    """Limits of one worker process; rates hold for a whole task queue, across workers.

    `activities` is for each queue of Odoo. Their threads mostly wait: for an answer, or for the
    call that many of them share. `deployment` and `build_id` name the release for Temporal, both
    or neither. Before it serves, a worker replays up to `replay_check_count` open workflows, for
    at most `replay_check_seconds`; 0 switches that off. `sandboxed` runs workflows in the SDK's
    sandbox, which refuses what is not deterministic: for development, as it costs processor time.
    """

    activities: int = Field(default=100, ge=1, le=1000)
    workflow_tasks: int = Field(default=20, ge=2, le=500)
    cached_workflows: int = Field(default=1_500, ge=0, le=20_000)
    sandboxed: bool = False
    sticky_timeout_seconds: float = Field(default=2, ge=0.5, le=10)
    graceful_shutdown_seconds: float = Field(default=20, ge=0, le=120)
    rate_per_second: dict[str, float] = Field(default_factory=dict)
    deployment: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    build_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$")
    replay_check_count: int = Field(default=50, ge=0, le=1000)
    replay_check_seconds: float = Field(default=20, gt=0, le=600)

    @model_validator(mode="after")
    def _release_named_in_full(self) -> Self:
        if (self.deployment is None) != (self.build_id is None):
            raise ValueError("give both deployment and build_id, or neither")
        return self


class TelemetrySettings(_Section):
    """`prometheus` is an address for the SDK's metrics, `business_prometheus` one for ours. OTLP
    is configured by OpenTelemetry's own OTEL_EXPORTER_OTLP_ENDPOINT."""

    prometheus: str | None = None
    business_prometheus: str | None = None


class SweepSettings(_Section):
    """How often each sweep looks, in seconds."""

    odoo_seconds: int = Field(default=60, ge=5, le=86_400)
    crm_seconds: int = Field(default=300, ge=5, le=86_400)
    burn_seconds: int = Field(default=86_400, ge=60, le=7 * 86_400)


class WebConnectorSettings(_Section):
    """Who may send webhooks to `/webhooks/<name>`, and the secrets that it may sign with.

    `kind` is a row of gateways/webhooks/connectors.py; left out, it is the name. `secrets` are for
    the environment. `legal_entity` is the one that contracts are of where the sender names none.
    """

    kind: str = ""
    secret_files: tuple[Path, ...] = ()
    secrets: tuple[SecretStr, ...] = ()
    legal_entity: Key | None = None

    @model_validator(mode="after")
    def _has_secrets(self) -> Self:
        if not self.secret_files and not self.secrets:
            raise ValueError("give secret_files, or secrets (by the environment)")
        return self

    @property
    def all_secrets(self) -> tuple[Secret, ...]:
        files = (Secret.file(_expand(path)) for path in self.secret_files)
        return (*files, *(Secret.of(item.get_secret_value()) for item in self.secrets))


class WebSettings(_Section):
    """The web gateway. `public_url` is its address as senders know it, which some of them sign.

    Beyond this machine it listens only if something in front of it speaks TLS, and
    `tls_in_front` says so; `proxies` are the addresses whose X-Forwarded-For is believed.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8400, ge=1, le=65_535)
    public_url: str = ""
    tls_in_front: bool = False
    proxies: tuple[str, ...] = ()
    max_body_bytes: int = Field(default=1_000_000, ge=1_000, le=20_000_000)
    requests_per_minute: int = Field(default=6_000, ge=1, le=1_000_000)
    connectors: dict[Key, WebConnectorSettings] = Field(default_factory=dict)


class Settings(BaseSettings):
    """Everything but the connection to Temporal.

    `default_entity` is the legal entity that commands mean where none is stated and several are
    configured.
    """

    model_config = SettingsConfigDict(
        env_prefix="C2C_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    odoo: OdooSettings
    crm: CrmSettings = CrmSettings()
    entities: dict[Key, LegalEntity] = Field(min_length=1)
    default_entity: Key | None = None
    worker: WorkerSettings = WorkerSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    sweeps: SweepSettings = SweepSettings()
    web: WebSettings = WebSettings()

    @model_validator(mode="after")
    def _entities_known(self) -> Self:
        for crm in (self.crm.hubspot, self.crm.odoo):
            if crm is not None and crm.legal_entity not in self.entities:
                raise ValueError(f"legal_entity {crm.legal_entity!r} is not among the entities")
        for name, sender in self.web.connectors.items():
            if sender.legal_entity is not None and sender.legal_entity not in self.entities:
                raise ValueError(
                    f"legal_entity {sender.legal_entity!r} of web.connectors.{name} is not among "
                    "the entities"
                )
        if self.default_entity is not None and self.default_entity not in self.entities:
            raise ValueError(f"default_entity {self.default_entity!r} is not among the entities")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = TomlConfigSettingsSource(settings_cls, config_path())
        return init_settings, env_settings, file


def config_path() -> Path:
    return Path(os.environ.get(CONFIG_VARIABLE, DEFAULT_CONFIG))


def is_configured() -> bool:
    """Whether there is a configuration to read, or somebody says there is."""
    return CONFIG_VARIABLE in os.environ or config_path().is_file()


def load_settings(**overrides: Any) -> Settings:
    """Read the configuration. Raises ConfigurationError naming every problem and where to mend."""
    path = config_path()
    if CONFIG_VARIABLE in os.environ and not path.is_file():
        raise ConfigurationError(f"{CONFIG_VARIABLE} names {path}, which is not a file")
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, item['loc'])) or 'configuration'}: expected {expectation(item)}"
            for item in error.errors(include_url=False, include_input=False)
        ]
        raise ConfigurationError(
            f"the configuration in {path} and the environment (C2C_...) cannot be used:\n"
            + "\n".join(lines)
        ) from None
    except (ValueError, OSError) as error:
        raise ConfigurationError(
            f"the configuration in {path} and the environment (C2C_...) cannot be read: {error}"
        ) from None


def _expand(path: Path) -> Path:
    return path.expanduser()


def _is_hosted(url: str) -> bool:
    return (urlsplit(url).hostname or "").endswith(".odoo.com")
