"""The Compose file, the image and their configuration, as far as they can be checked unrun."""

from __future__ import annotations

import configparser
import re
import runpy
import subprocess
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from gateways.http import refuse_plain_http
from sandbox.real_odoo.preparation import MODULES
from starters.web import serving
from starters.web.senders import senders
from wiring.config_file import CONFIG_VARIABLE
from wiring.settings import Settings, load_settings
from wiring.telemetry import OTLP_ENDPOINT, OTLP_METRICS_GRPC
from workers import process
from workflows import search_attributes, task_queues

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE_TEXT = (ROOT / "temporal-dev.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ["c2c-setup", "worker-contracts", "worker-odoo", "web"]
COLLECTOR: dict[str, Any] = yaml.safe_load((DEPLOY / "otel-collector.yml").read_text())
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
NOT_SETTINGS = {CONFIG_VARIABLE, OTLP_METRICS_GRPC}
"""Variables of ours that are read beside the settings."""

each_service = pytest.mark.parametrize("name", list(SERVICES))
each_of_ours = pytest.mark.parametrize("name", OURS)


def instructions(dockerfile: str) -> list[str]:
    """The Dockerfile's instructions, each on one line, without comments."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    return [line for line in "\n".join(lines).replace("\\\n", " ").splitlines() if line.strip()]


def is_setting(variable: str) -> bool:
    """Whether pydantic-settings would find a field under this name."""
    model: Any = Settings
    for part in variable.removeprefix("C2C_").lower().split("__"):
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return False
        if part not in model.model_fields:
            return False
        model = model.model_fields[part].annotation
        options = [item for item in get_args(model) if isinstance(item, type)]
        model = next((item for item in options if issubclass(item, BaseModel)), model)
    return True


# --- services ---------------------------------------------------------------------------------


def test_every_c2c_variable_is_a_setting() -> None:
    named = set(re.findall(r"\bC2C_[A-Z0-9_]+\b", COMPOSE_TEXT))
    assert "C2C_ODOO__API_KEY_FILE" in named
    assert {name for name in named - NOT_SETTINGS if not is_setting(name)} == set()


@pytest.mark.parametrize("variable", ["C2C_ODOO__NO_SUCH", "C2C_NONE", "C2C_ODOO__URL__X"])
def test_a_variable_without_a_setting_is_noticed(variable: str) -> None:
    assert not is_setting(variable)


@each_service
def test_depends_on_services_that_are_there(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        assert other in SERVICES
        assert how["condition"] in CONDITIONS
        if how["condition"] == "service_completed_successfully":
            assert SERVICES[other].get("restart", "no") != "unless-stopped"


@each_service
def test_waits_for_health_only_where_it_is_checked(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]


def test_nothing_waits_in_a_circle() -> None:
    open_, done = dict(SERVICES), set[str]()
    while open_:
        ready = [n for n, s in open_.items() if set(s.get("depends_on", {})) <= done]
        assert ready, f"these wait for each other: {sorted(open_)}"
        done |= set(ready)
        open_ = {n: s for n, s in open_.items() if n not in done}


@each_service
def test_ports_are_published_on_the_loopback_only(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


@each_service
def test_images_are_pinned_to_a_version(name: str) -> None:
    image, _, tag = SERVICES[name]["image"].partition(":")
    assert image
    assert re.search(r"\d+\.\d+", tag), f"{name}: {tag!r} is no version"


def test_temporals_images_are_of_one_version() -> None:
    images = {s["image"] for s in SERVICES.values() if s["image"].startswith("temporalio/")}
    tags = {image.split(":")[1] for image in images if "/ui:" not in image}
    assert len(tags) == 1


def test_our_image_is_of_the_projects_version() -> None:
    version = PROJECT["project"]["version"]
    assert {SERVICES[name]["image"] for name in OURS} == {f"contract-to-cash:{version}"}


def test_secrets_are_files_outside_the_repository() -> None:
    ignored = (DEPLOY / ".gitignore").read_text().splitlines()
    assert "secrets/" in ignored
    for name, secret in COMPOSE["secrets"].items():
        assert secret == {"file": f"./deploy/secrets/{name}"}


@each_service
def test_no_secret_is_inline(name: str) -> None:
    for key, value in SERVICES[name].get("environment", {}).items():
        if re.search(r"PASSWORD|PWD|SECRET|TOKEN|API_KEY", key):
            assert key.endswith("_FILE"), f"{name}: {key}"
            assert str(value).startswith("/run/secrets/")


@each_service
def test_secret_files_that_are_read_are_mounted(name: str) -> None:
    service = SERVICES[name]
    text = yaml.safe_dump([service.get("environment"), service.get("command")])
    assert set(re.findall(r"/run/secrets/(\w+)", text)) <= set(service.get("secrets", []))
    assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])


@each_service
def test_mounts_exist_and_are_read_only(name: str) -> None:
    for mount in SERVICES[name].get("volumes", []):
        source, target, *mode = mount.split(":")
        assert target.startswith("/")
        if source.startswith("./"):
            assert (ROOT / source).is_file(), source
            assert mode == ["ro"]
        else:
            assert source in COMPOSE["volumes"]


def test_every_task_queue_is_served_once() -> None:
    served = [
        word
        for service in SERVICES.values()
        if (command := service.get("command", [""]))[0] == "worker"
        for flag, word in zip(command[1::2], command[2::2], strict=True)
        if flag == "--queue"
    ]
    assert sorted(served) == sorted(task_queues.ALL)


@each_of_ours
def test_our_containers_share_odoos_loopback_and_can_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["network_mode"] == "service:odoo"
    # Compose refuses these beside network_mode.
    assert not {"ports", "networks"} & set(service)
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


def test_workers_have_time_to_drain() -> None:
    grace = Settings.model_fields["worker"].default.graceful_shutdown_seconds
    seconds = grace + process.AFTER_THE_GRACE_SECONDS
    for name in OURS[1:]:
        assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > seconds


# --- configuration ----------------------------------------------------------------------------


def test_the_configuration_loads_as_in_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = SERVICES["worker-odoo"]["environment"]
    assert (
        f"./deploy/c2c.toml:{environment[CONFIG_VARIABLE]}:ro"
        in (SERVICES["worker-odoo"]["volumes"])
    )
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv(CONFIG_VARIABLE, str(DEPLOY / "c2c.toml"))
    settings = load_settings()
    refuse_plain_http(settings.odoo.url)
    assert str(settings.odoo.api_key_file) == "/run/secrets/odoo_api_key"
    assert settings.odoo.database == odoo_conf()["db_name"]
    assert list(settings.crm) == ["odoo-crm"]
    # Prometheus of its own would take the SDK's metrics away from the collector.
    assert settings.telemetry.prometheus is None


def test_the_gateway_takes_what_odoo_sends_on_the_loopback_that_they_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    web = SERVICES["web"]
    for key, value in web["environment"].items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv(CONFIG_VARIABLE, str(DEPLOY / "c2c.toml"))
    settings = load_settings()
    assert web["command"] == ["serve"]
    serving.check_address(settings.web)
    [(name, sender)] = senders(settings).items()
    assert (name, sender.kind) == ("odoo", "odoo")
    [file] = settings.sender[name].webhook_secret_files
    assert file.parent == Path("/run/secrets")
    assert file.name in web["secrets"]
    address = f"http://{settings.web.host}:{settings.web.port}"
    assert settings.web.public_url == address
    assert f"{address}/health" in web["healthcheck"]["test"][-1]


def test_the_firm_is_the_one_that_odoo_setup_makes() -> None:
    firm = tomllib.loads((DEPLOY / "c2c.toml").read_text())["entities"]["northwind"]
    bootstrap = runpy.run_path(str(ROOT / "sandbox/real_odoo/bootstrap.py"))
    assert firm["odoo_company"] == bootstrap["COMPANY"]
    assert firm["payment_term"] in bootstrap["PAYMENT_TERMS_DAYS"]


def odoo_conf() -> configparser.SectionProxy:
    parser = configparser.RawConfigParser()
    parser.read(DEPLOY / "odoo.conf")
    return parser["options"]


def test_odoo_sends_its_mail_to_the_mailbox_and_hides_the_database_manager() -> None:
    conf = odoo_conf()
    assert conf["smtp_server"] in SERVICES
    assert conf["list_db"] == "False"
    assert not [key for key in conf if "passw" in key]


def test_odoo_setup_installs_what_the_sandbox_does() -> None:
    script = (DEPLOY / "odoo-setup.sh").read_text()
    [modules] = re.findall(r"^modules=(\S+)$", script, re.MULTILINE)
    assert modules.split(",") == MODULES


@pytest.mark.parametrize(
    ("shell", "script"), [("bash", "deploy/odoo-setup.sh"), ("sh", "deploy/secrets.sh")]
)
def test_scripts_parse(shell: str, script: str) -> None:
    subprocess.run([shell, "-n", ROOT / script], check=True)


@pytest.mark.parametrize("name", ["temporal-schema", "temporal", "temporal-namespace"])
def test_inline_scripts_parse(name: str) -> None:
    service = SERVICES[name]
    assert service["entrypoint"] == ["/bin/sh", "-euc"]
    [script] = service["command"]
    # A lone $ would be filled in by Compose.
    assert "$" not in script.replace("$$", "")
    subprocess.run(["sh", "-n", "-c", script.replace("$$", "$")], check=True)


def test_secrets_are_made_once(tmp_path: Path) -> None:
    script = tmp_path / "secrets.sh"
    script.write_bytes((DEPLOY / "secrets.sh").read_bytes())
    subprocess.run(["sh", script], check=True)
    folder = tmp_path / "secrets"
    first = {file.name: file.read_text() for file in folder.iterdir()}
    subprocess.run(["sh", script], check=True)
    assert {file.name: file.read_text() for file in folder.iterdir()} == first
    assert set(first) == set(COMPOSE["secrets"])
    assert first.pop("odoo_api_key") == ""
    assert all(re.fullmatch(r"[A-Za-z0-9]{32}", value) for value in first.values())
    assert folder.stat().st_mode & 0o777 == 0o700


def test_dynamic_configuration_is_a_list_of_values_by_key() -> None:
    config = yaml.safe_load((DEPLOY / "temporal-dynamic-config.yml").read_text())
    for values in config.values():
        assert all("value" in item for item in values)


def test_search_attributes_fit_sql_visibility() -> None:
    kinds = [key.indexed_value_type.name for key in search_attributes.ALL]
    for kind in set(kinds):
        assert kinds.count(kind) <= (10 if kind == "KEYWORD" else 3), kind


def test_the_collectors_pipelines_name_what_is_defined() -> None:
    for pipeline in COLLECTOR["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline.get(kind, [])) <= set(COLLECTOR[kind])
        assert pipeline["receivers"]
        assert pipeline["exporters"]


def test_workers_and_collector_agree_on_ports() -> None:
    protocols = COLLECTOR["receivers"]["otlp"]["protocols"]
    for name in OURS[1:]:
        environment = SERVICES[name]["environment"]
        for variable, protocol in ((OTLP_ENDPOINT, "http"), (OTLP_METRICS_GRPC, "grpc")):
            port = protocols[protocol]["endpoint"].rpartition(":")[2]
            assert environment[variable] == f"http://otel-collector:{port}"
    metrics = COLLECTOR["exporters"]["prometheus"]["endpoint"].rpartition(":")[2]
    assert f"127.0.0.1:{metrics}:{metrics}" in SERVICES["otel-collector"]["ports"]


# --- the image --------------------------------------------------------------------------------


def test_the_image_installs_what_is_locked() -> None:
    installs = [line for line in instructions(DOCKERFILE) if "requirements/run.txt" in line]
    [locked] = [line for line in installs if line.startswith("RUN")]
    assert "--require-hashes" in locked
    # All that is not locked comes from the context, and never from an index.
    [own] = [line for line in instructions(DOCKERFILE) if "pip wheel" in line]
    assert "--no-deps --no-build-isolation" in own
    assert "--no-deps --no-index" in own


def test_the_image_runs_as_somebody_and_without_build_tools() -> None:
    steps = instructions(DOCKERFILE)
    final = steps[max(i for i, line in enumerate(steps) if line.startswith("FROM")) :]
    [user] = [line for line in final if line.startswith("USER")]
    assert re.fullmatch(r"USER [1-9]\d*:[1-9]\d*", user)
    assert any("pip uninstall --yes setuptools wheel pip" in line for line in final)
    assert not [line for line in final if "pip install" in line or "apt-get" in line]
    assert 'ENTRYPOINT ["c2c"]' in final


def test_the_images_bases_are_pinned() -> None:
    bases = [line.split()[1] for line in instructions(DOCKERFILE) if line.startswith("FROM")]
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", bases[0])


def test_the_build_sees_every_package_and_no_secrets() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    seen = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    packages = {name.split(".")[0] for name in PROJECT["tool"]["setuptools"]["packages"]}
    assert packages <= seen
    assert {"pyproject.toml", "requirements/run.txt"} <= seen
    assert {PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]} <= seen
    assert not {item for item in seen if item.startswith(("deploy", ".git"))}


@pytest.mark.parametrize(
    "file", [".dockerignore", "temporal-dev.yml", *(f"deploy/{p.name}" for p in DEPLOY.glob("*.*"))]
)
def test_no_package_registry_is_named(file: str) -> None:
    text = (ROOT / file).read_text()
    assert not re.search(
        r"py[p]i|python[h]osted|index-url|docker\.io|ghcr\.io", text, re.IGNORECASE
    )


# --- documents --------------------------------------------------------------------------------


def test_every_direct_dependency_has_its_reason() -> None:
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    direct = [*project["dependencies"], *(item for extra in extras.values() for item in extra)]
    rows = (ROOT / "docs/dependencies.md").read_text().splitlines()
    told = {name for row in rows if row.startswith("| `") for name in re.findall(r"`([^`]+)`", row)}
    missing = {item for item in direct if re.split(r"[<>=]", item)[0] not in told}
    assert missing == set()


def test_the_groups_of_the_service_user_are_told_as_they_are() -> None:
    bootstrap = runpy.run_path(str(ROOT / "sandbox/real_odoo/bootstrap.py"))
    told = re.findall(
        r"^\| `(\w+\.group_\w+)`", (ROOT / "docs/secure-setup.md").read_text(), re.MULTILINE
    )
    assert told == bootstrap["USERS"]["c2c"][1]


def test_each_worker_is_asked_whether_it_is_ready() -> None:
    """All share one network, so each has an address of its own."""
    workers = [name for name, one in SERVICES.items() if one.get("command", [""])[0] == "worker"]
    addresses = [SERVICES[name]["environment"]["C2C_WORKER__HEALTH"] for name in workers]
    assert len(set(addresses)) == len(workers) == 2
    for name, address in zip(workers, addresses, strict=True):
        assert f"http://{address}/ready" in SERVICES[name]["healthcheck"]["test"][-1]
        assert "OTEL_EXPORTER_OTLP_ENDPOINT" in SERVICES[name]["environment"]
