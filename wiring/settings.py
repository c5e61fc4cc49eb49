"""Configuration: one TOML file, overridden by the environment; secrets from files or environment.

The file is `c2c.toml`, or the one named by C2C_CONFIG. Any value may be given by an environment
variable instead, such as C2C_ODOO__URL. The connection to Temporal is not configured here: it
comes from Temporal's own environment variables and profiles (TEMPORAL_ADDRESS, ...).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError, PydanticKnownError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from contracts.addresses import is_loopback
from contracts.model import Key
from contracts.policy import LegalEntity
from contracts.problems import expectation
from gateways.analytics.settings import AnalyticsSettings
from gateways.audit.settings import AuditSettings
from gateways.connectors import Group, UnknownConnector, connector
from gateways.encryption.settings import EncryptionSettings, RecordsSettings
from gateways.identity.settings import IdentitySettings
from gateways.mail_settings import MailSettings
from gateways.retention.settings import RetentionSettings
from gateways.settings import (
    ENTITIES,
    SIGNATURES,
    BankSettings,
    Configured,
    ConnectorSettings,
    Credential,
    CrmSettings,
    PaymentsSettings,
    Section,
    SenderSettings,
    TimesheetSettings,
)
from gateways.vies_settings import ViesSettings
from wiring.config_file import CONFIG_VARIABLE, config_path


class ConfigurationError(Exception):
    """The configuration cannot be used; the message lists every problem."""


HostName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
"""The whole name of one host, in small letters."""


class OdooSettings(Credential):
    """The firm's Odoo. `protocol` is json2 for 19 and later, jsonrpc before; the latter needs the
    service user's `login`. Requests share calls, `calls_at_once` of them under way in a process and
    `batch_size` requests in each at most (1: none do); `calls_per_second` spares a hosted Odoo.
    `time_approved_field` is the boolean field of a timesheet line that says it is approved:
    Enterprise's `validated`, or one the firm added. `plain_http_hosts` are names of hosts that
    plain HTTP is spoken to, as inside a cluster: whoever is on the way there reads everything."""

    url: str
    plain_http_hosts: tuple[HostName, ...] = ()
    database: str
    protocol: Literal["json2", "jsonrpc"] = "json2"
    login: str | None = None
    connect_timeout_seconds: float = Field(default=5, gt=0)
    read_timeout_seconds: float = Field(default=60, ge=45, le=80)
    calls_per_second: float | None = Field(default=None, gt=0)
    calls_at_once: int = Field(default=4, ge=1, le=32)
    batch_size: int = Field(default=100, ge=1, le=1000)
    time_approved_field: str = Field(default="validated", pattern=r"^[a-z][a-z0-9_]*$")

    @property
    def is_in_clear_text(self) -> bool:
        """Whether it is spoken to without TLS beyond this machine."""
        address = urlsplit(self.url)
        host = address.hostname or ""
        return address.scheme == "http" and host in self.plain_http_hosts and not is_loopback(host)

    @model_validator(mode="before")
    @classmethod
    def _spare_hosted(cls, given: Any) -> Any:
        """Odoo Online asks for about one call a second: so it is where nothing else is stated."""
        if isinstance(given, dict) and _is_hosted(str(given.get("url", ""))):
            return {"calls_per_second": 1, "calls_at_once": 1, **given}
        return given


class WorkerSettings(Section):
    """Limits of one worker process; rates hold for a whole task queue, across workers.

    `activities` is for each queue of Odoo. Their threads mostly wait: for an answer, or for the
    call that many of them share. `gather_seconds` is how long a call to a CRM waits for contracts
    that can share it: nobody waits for a status in a CRM, and each call counts against the
    account's limits. `deployment` and `build_id` name the release for Temporal, both or neither;
    left out, TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID do, which Temporal's Worker
    Controller sets. `health` is an address (`host:port`) that says whether the process lives and is
    ready.
    Before it serves, a worker replays up to `replay_check_count` open workflows, for at most
    `replay_check_seconds`; 0 switches that off. `sandboxed` runs workflows in the SDK's sandbox,
    which refuses what is not deterministic: for development, as it costs processor time.
    """

    activities: int = Field(default=100, ge=1, le=1000)
    workflow_tasks: int = Field(default=20, ge=2, le=500)
    cached_workflows: int = Field(default=1_500, ge=0, le=20_000)
    sandboxed: bool = False
    sticky_timeout_seconds: float = Field(default=2, ge=0.5, le=10)
    graceful_shutdown_seconds: float = Field(default=20, ge=0, le=120)
    gather_seconds: float = Field(default=2, ge=0, le=10)
    rate_per_second: dict[str, float] = Field(default_factory=dict)
    deployment: str | None = Field(
        default_factory=lambda: os.environ.get("TEMPORAL_DEPLOYMENT_NAME"),
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_/-]{0,127}$",
        validate_default=True,
    )
    build_id: str | None = Field(
        default_factory=lambda: os.environ.get("TEMPORAL_WORKER_BUILD_ID"),
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$",
        validate_default=True,
    )
    health: str = ""
    replay_check_count: int = Field(default=50, ge=0, le=1000)
    replay_check_seconds: float = Field(default=20, gt=0, le=600)

    @model_validator(mode="after")
    def _release_named_in_full(self) -> Self:
        if (self.deployment is None) != (self.build_id is None):
            raise ValueError("give both deployment and build_id, or neither")
        return self


class TelemetrySettings(Section):
    """`prometheus` is an address for the SDK's metrics, `business_prometheus` one for ours. OTLP
    is configured by OpenTelemetry's own OTEL_EXPORTER_OTLP_ENDPOINT. What waits for people is
    counted every `count_seconds`. `logs` is what a worker's log lines are; those of `c2c serve` are
    always JSON."""

    prometheus: str | None = None
    business_prometheus: str | None = None
    count_seconds: float = Field(default=60, ge=1, le=3_600)
    logs: Literal["text", "json"] = "text"


class SweepSettings(Section):
    """How often each sweep looks, in seconds."""

    odoo_seconds: int = Field(default=60, ge=5, le=86_400)
    crm_seconds: int = Field(default=300, ge=5, le=86_400)
    esign_seconds: int = Field(default=300, ge=5, le=86_400)
    timesheets_seconds: int = Field(default=300, ge=5, le=86_400)
    bank_seconds: int = Field(default=60, ge=5, le=86_400)
    payments_seconds: int = Field(default=300, ge=5, le=86_400)
    burn_seconds: int = Field(default=86_400, ge=60, le=7 * 86_400)
    figures_seconds: int = Field(default=86_400, ge=3_600, le=7 * 86_400)


class WebSettings(Section):
    """The web gateway. `public_url` is its address as senders know it, which some of them sign;
    `temporal_url` that of Temporal's own pages, which ours link to where it is stated.

    Beyond this machine it listens only if something in front of it speaks TLS, and
    `tls_in_front` says so; `proxies` are the addresses whose X-Forwarded-For is believed.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8400, ge=1, le=65_535)
    public_url: str = ""
    temporal_url: str = ""
    tls_in_front: bool = False
    proxies: tuple[str, ...] = ()
    max_body_bytes: int = Field(default=1_000_000, ge=1_000, le=20_000_000)
    requests_per_minute: int = Field(default=6_000, ge=1, le=1_000_000)


C = TypeVar("C", bound=Configured)


def _configured(group: Group, least: type[C]) -> Callable[[Any, ValidationInfo], C]:
    """Reads the table of one connector as its kind declares it, so that all that is wrong with it
    is named at once, and each with its place."""

    def read(table: Any, info: ValidationInfo) -> C:
        if not isinstance(table, Mapping):
            raise PydanticKnownError("dict_type")
        try:
            model = connector(group, str(table.get("kind"))).settings
        except UnknownConnector as error:
            raise _invalid([(("kind",), str(error))]) from None
        if not issubclass(model, least):
            raise ValueError(f"a connector whose settings are {least.__name__}")
        # What was not right itself is told of already: nothing is held against it.
        context = {name: list(info.data[name]) for name in _REFERRED_TO if name in info.data}
        return model.model_validate(table, context=context)

    return read


_REFERRED_TO = (ENTITIES, SIGNATURES)


def _invalid(problems: Iterable[tuple[tuple[str, ...], str]]) -> ValidationError:
    """An error of these places, each with what was expected."""
    return ValidationError.from_exception_data(
        "configuration",
        [
            InitErrorDetails(
                type=PydanticCustomError("connector_invalid", "{expected}", {"expected": text}),
                loc=place,
                input=None,
            )
            for place, text in problems
        ],
    )


class _Configured(BaseSettings):
    """What is given, then the environment, then the file."""

    model_config = SettingsConfigDict(env_prefix="C2C_", env_nested_delimiter="__", frozen=True)

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
        return init_settings, _Environment(settings_cls), file


class Settings(_Configured):
    """Everything but the connection to Temporal.

    `environment` is what people call this installation, such as production or acceptance; a
    namespace is bound to it, and to one Odoo, by `c2c setup`.
    `default_entity` is the legal entity that commands mean where none is stated and several are
    configured. `bank`, `esign`, `crm`, `payments`, `sender` and `timesheets` are the connectors by
    the name that each is configured under; what a table may say is declared by the connector of
    its kind.
    """

    model_config = SettingsConfigDict(extra="forbid")

    environment: Key = "production"
    odoo: OdooSettings
    entities: dict[Key, LegalEntity] = Field(min_length=1)
    # In this order: what a connector refers to has been read before it.
    esign: dict[
        Key,
        Annotated[ConnectorSettings, BeforeValidator(_configured(Group.ESIGN, ConnectorSettings))],
    ] = Field(default_factory=dict)
    crm: dict[Key, Annotated[CrmSettings, BeforeValidator(_configured(Group.CRM, CrmSettings))]] = (
        Field(default_factory=dict)
    )
    payments: dict[
        Key,
        Annotated[PaymentsSettings, BeforeValidator(_configured(Group.PAYMENTS, PaymentsSettings))],
    ] = Field(default_factory=dict)
    sender: dict[
        Key, Annotated[SenderSettings, BeforeValidator(_configured(Group.SENDER, SenderSettings))]
    ] = Field(default_factory=dict)
    timesheets: dict[
        Key,
        Annotated[
            TimesheetSettings, BeforeValidator(_configured(Group.TIMESHEETS, TimesheetSettings))
        ],
    ] = Field(default_factory=dict)
    bank: dict[
        Key, Annotated[BankSettings, BeforeValidator(_configured(Group.BANK, BankSettings))]
    ] = Field(default_factory=dict)
    default_entity: Key | None = None
    worker: WorkerSettings = WorkerSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    sweeps: SweepSettings = SweepSettings()
    web: WebSettings = WebSettings()
    mail: MailSettings | None = None
    vies: ViesSettings = ViesSettings()
    analytics: AnalyticsSettings = AnalyticsSettings()
    records: RecordsSettings = RecordsSettings()
    encryption: EncryptionSettings = EncryptionSettings()
    identity: IdentitySettings = IdentitySettings()
    audit: AuditSettings = AuditSettings()
    retention: RetentionSettings = RetentionSettings()

    def connectors(self, group: Group) -> Mapping[str, ConnectorSettings | SenderSettings]:
        """The configured connectors of a group, by name."""
        found: Mapping[str, ConnectorSettings | SenderSettings] = getattr(self, group.section)
        return found

    @field_validator("bank", "esign", "crm", "payments", "sender", "timesheets", mode="before")
    @classmethod
    def _kind_by_name(cls, tables: Any) -> Any:
        """A table that names no kind is of the kind that it is named after."""
        if not isinstance(tables, Mapping):
            return tables
        return {
            name: {**table, "kind": table.get("kind") or name}
            if isinstance(table, Mapping)
            else table
            for name, table in tables.items()
        }

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = [
            *self._named_twice(),
            *self._linked_twice(),
            *self._mailed(),
            *self.identity.unknown_entities(self.entities),
            *self._retained(),
        ]
        if self.default_entity is not None and self.default_entity not in self.entities:
            known = f"one of entities ({', '.join(self.entities)})"
            problems.append((("default_entity",), known))
        if problems:
            raise _invalid(problems)
        return self

    def _retained(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Rules of retention are for legal entities that there are, and for records."""
        for entity in self.retention.entities:
            if entity not in self.entities:
                known = f"one of entities ({', '.join(self.entities)})"
                yield ("retention", "entities", entity), known
        if self.retention.is_configured and not self.records.is_configured:
            yield ("records",), "a folder or a bucket, which rules of retention are for"

    @property
    def payment_links(self) -> Mapping[str, str]:
        """By legal entity, the processor whose page to pay on its invoices lead to."""
        return {item.legal_entity: name for name, item in self.payments.items() if item.links}

    def _linked_twice(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """An invoice leads to one page."""
        for name, item in self.payments.items():
            first = self.payment_links.get(item.legal_entity) if item.links else None
            if first is not None and first != name:
                expected = f"one processor with links for {item.legal_entity}: {first} has them too"
                yield ("payments", name, "links"), expected

    def _mailed(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Mails link to the pages, and owners are those of legal entities that there are."""
        if self.mail is None:
            return
        if not self.web.public_url:
            yield ("web", "public_url"), "the address of the web application, to which mails link"
        for entity in self.mail.owners:
            if entity not in self.entities:
                yield ("mail", "owners", entity), f"one of entities ({', '.join(self.entities)})"

    def _named_twice(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """A name is a connector's webhook address and its contracts' source: it has one meaning."""
        taken: dict[str, str] = {}
        for group in Group:
            for name in self.connectors(group):
                if name in taken:
                    there = f"{taken[name]}.{name}"
                    yield (group.section, name), f"a name of its own: there is {there}, too"
                taken.setdefault(name, group.section)


class Protection(_Configured):
    """The tables that a connection to Temporal needs, alone: a command that can do without the rest
    of the configuration must still neither write nor show what it should not."""

    model_config = SettingsConfigDict(extra="ignore")

    records: RecordsSettings = RecordsSettings()
    encryption: EncryptionSettings = EncryptionSettings()


class _Environment(EnvSettingsSource):
    """The environment, whose texts stay texts: a key of digits is no number."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        decoded = super().decode_complex_value(field_name, field, value)
        return decoded if isinstance(decoded, (dict, list)) else value


def load_settings(**overrides: Any) -> Settings:
    """Read the configuration. Raises ConfigurationError naming every problem and where to mend."""
    return _load(Settings, overrides)


def load_protection() -> Protection:
    """Read what a connection to Temporal needs of it. Raises ConfigurationError."""
    return _load(Protection, {})


L = TypeVar("L", bound=BaseSettings)


def _load(kind: type[L], overrides: Mapping[str, Any]) -> L:
    path = config_path()
    if CONFIG_VARIABLE in os.environ and not path.is_file():
        raise ConfigurationError(f"{CONFIG_VARIABLE} names {path}, which is not a file")
    try:
        return kind(**overrides)
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


def _is_hosted(url: str) -> bool:
    return (urlsplit(url).hostname or "").endswith(".odoo.com")
