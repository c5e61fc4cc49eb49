"""The Helm chart: what it makes is what Kubernetes takes, and what is wrong is refused in words.

It is rendered by Helm's own library and held to Kubernetes' schemas, to what the API server demands
beyond these, and to the resources of other makers as far as the chart uses them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from helm_python import Chart, HelmError, lint

from wiring.settings import Settings, WebSettings, WorkerSettings
from workflows import task_queues

CHART = Path(__file__).parents[2] / "deploy" / "chart"
KUBERNETES = "1.34"
SWITCHES = ("required", "ingress", "monitoring", "controller", "keda", "everything-else")
Object = Mapping[str, Any]

TEXT = {"type": "string"}


def closed(required: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A schema of an object with these properties and no other; those of `required` are needed."""
    return {
        "type": "object",
        "properties": {**required, **more},
        "required": list(required),
        "additionalProperties": False,
    }


NAMED = closed({"name": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}})
OTHERS: dict[tuple[str, str], Any] = {
    ("temporal.io/v1alpha1", "WorkerDeployment"): closed(
        {
            "workerOptions": closed({"connectionRef": NAMED, "temporalNamespace": TEXT}),
            "rollout": closed(
                {"strategy": {"enum": ["Manual", "AllAtOnce", "Progressive"]}},
                steps={
                    "type": "array",
                    "items": closed({"rampPercentage": {"type": "integer"}, "pauseDuration": TEXT}),
                },
            ),
            "sunset": closed({}, scaledownDelay=TEXT, deleteDelay=TEXT),
            "template": {"type": "object"},
        },
        replicas={"type": "integer"},
    ),
    ("temporal.io/v1alpha1", "Connection"): closed(
        {"hostPort": {"type": "string", "pattern": "^[a-zA-Z0-9.-]+:[0-9]+$"}},
        tls=closed({"serverName": TEXT}),
        apiKeySecretRef=closed({"name": TEXT, "key": TEXT}),
        mutualTLSSecretRef=NAMED,
    ),
    ("keda.sh/v1alpha1", "ScaledObject"): closed(
        {
            "scaleTargetRef": closed({"name": TEXT}),
            "triggers": {
                "type": "array",
                "items": closed(
                    {
                        "type": {"enum": ["temporal", "cron", "cpu"]},
                        "metadata": {"type": "object", "additionalProperties": TEXT},
                    },
                    metricType={"enum": ["Utilization"]},
                    authenticationRef=closed({"name": TEXT}),
                ),
            },
        },
        minReplicaCount={"type": "integer"},
        maxReplicaCount={"type": "integer"},
    ),
    ("keda.sh/v1alpha1", "TriggerAuthentication"): closed(
        {
            "secretTargetRef": {
                "type": "array",
                "items": closed({"parameter": TEXT, "name": TEXT, "key": TEXT}),
            }
        }
    ),
    ("monitoring.coreos.com/v1", "ServiceMonitor"): closed(
        {
            "selector": closed({"matchLabels": {"type": "object", "additionalProperties": TEXT}}),
            "endpoints": {
                "type": "array",
                "items": closed({"port": TEXT, "path": TEXT, "interval": TEXT}),
            },
        }
    ),
}
"""What the chart uses of resources that Kubernetes does not know, as their definitions say: of the
Worker Controller 1.8, KEDA and the Prometheus operator."""


@cache
def values(*names: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in names:
        merge(found, yaml.safe_load((CHART / "ci" / f"{name}.yaml").read_text()))
    return found


def merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    """As Helm merges files of values."""
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def rendered(given: Mapping[str, Any]) -> list[Object]:
    files = Chart.load(CHART).render(values=dict(given), name="firm", namespace="c2c")
    texts = [text for name, text in sorted(files.items()) if name.endswith(".yaml")]
    return [item for text in texts for item in yaml.safe_load_all(text) if item]


@cache
def of_switch(switch: str) -> list[Object]:
    return rendered(values("required", switch))


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Each object that makes pods, by its name, and what it makes them of."""
    for item in objects:
        if "template" in item.get("spec", {}):
            yield item["metadata"]["name"], item["spec"]["template"]


def named(objects: list[Object], kind: str, name: str) -> Object:
    [found] = [it for it in objects if it["kind"] == kind and it["metadata"]["name"] == name]
    return found


def environment(pod: Object) -> dict[str, Any]:
    [container] = pod["spec"]["containers"]
    return {item["name"]: item.get("value", item.get("valueFrom")) for item in container["env"]}


# --- what is made -------------------------------------------------------------------------------


@pytest.mark.parametrize("switch", SWITCHES)
def test_helm_finds_nothing_to_say(switch: str) -> None:
    found = lint(CHART, values("required", switch), strict=True)
    said = [item for item in found["messages"] if "icon" not in str(item)]
    assert said == []


@pytest.mark.parametrize("switch", SWITCHES)
def test_kubernetes_takes_each_object(switch: str) -> None:
    for item in of_switch(switch):
        if others := OTHERS.get((item["apiVersion"], item["kind"])):
            jsonschema.validate(item["spec"], others)
        else:
            kubernetes_validate.validate(item, KUBERNETES, strict=True)


@pytest.mark.parametrize("switch", SWITCHES)
def test_what_no_schema_demands_holds(switch: str) -> None:
    """An API server refuses these, or nothing comes of them."""
    objects = of_switch(switch)
    keys = [(it["kind"], it["metadata"]["name"]) for it in objects]
    assert len(set(keys)) == len(keys)
    labels = [pod["metadata"]["labels"] for _, pod in pods(objects)]
    for item in objects:
        name, spec = item["metadata"]["name"], item.get("spec", {})
        assert len(name) <= 63
        of_pods = spec.get("podSelector", spec.get("selector", {}))
        selector = of_pods.get("matchLabels", of_pods if item["kind"] == "Service" else {})
        if selector and item["kind"] != "ServiceMonitor":
            assert any(selector.items() <= own.items() for own in labels), name
    for name, pod in pods(objects):
        [container] = pod["spec"]["containers"]
        limits, requests = container["resources"]["limits"], container["resources"]["requests"]
        assert megabytes(limits["memory"]) >= megabytes(requests["memory"]), name
        mounted = {item["name"] for item in container["volumeMounts"]}
        assert mounted == {item["name"] for item in pod["spec"]["volumes"]}, name
        assert all(len(item) <= 63 for item in mounted)
        ports = {item["name"] for item in container.get("ports", ())}
        probes = [value for key, value in container.items() if key.endswith("Probe")]
        assert {probe["httpGet"]["port"] for probe in probes} <= ports, name


def megabytes(quantity: str) -> int:
    assert quantity.endswith("Mi") or quantity.endswith("Gi")
    return int(quantity[:-2]) * (1_024 if quantity.endswith("Gi") else 1)


@pytest.mark.parametrize("switch", SWITCHES)
def test_every_pod_has_no_rights_and_no_secret_in_its_text(switch: str) -> None:
    for name, pod in pods(of_switch(switch)):
        spec = pod["spec"]
        [container] = spec["containers"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        said = environment(pod)
        assert all(isinstance(said[key], dict) for key in said if key.endswith("API_KEY"))
    assert all(item["kind"] != "Secret" for item in of_switch(switch))


def test_each_queue_has_one_role_and_odoos_are_in_one_process() -> None:
    """How many calls Odoo gets at once is a limit of a process."""
    chart = yaml.safe_load((CHART / "values.yaml").read_text())
    served = [queue for role in chart["workers"].values() for queue in role["queues"]]
    assert sorted(served) == sorted(task_queues.ALL)
    assert (CHART / "queues.txt").read_text().split() == sorted(task_queues.ALL)
    schema = Chart.load(CHART).schema
    assert schema is not None
    roles = schema["properties"]["workers"]["additionalProperties"]
    assert roles["properties"]["queues"]["items"]["enum"] == sorted(task_queues.ALL)
    [odoo] = [it for it in chart["workers"].values() if task_queues.ODOO_FINANCE in it["queues"]]
    assert {task_queues.ODOO_MASTER, task_queues.ODOO_MAIL} <= set(odoo["queues"])
    assert odoo["replicas"] == 1
    pod = named(of_switch("required"), "Deployment", "firm-c2c-contracts")["spec"]["template"]
    assert pod["spec"]["containers"][0]["args"] == [
        "worker",
        *("--queue", "contracts"),
    ]


@pytest.mark.parametrize("switch", SWITCHES)
def test_what_processes_are_given_is_what_they_read(switch: str) -> None:
    """Each C2C_ variable is a setting; a variable of another name would do nothing."""
    for _, pod in pods(of_switch(switch)):
        for name in environment(pod):
            if not name.startswith("C2C_") or name == "C2C_CONFIG":
                continue
            section, _, field = name.removeprefix("C2C_").lower().partition("__")
            kind = Settings.model_fields[section].annotation
            assert field in getattr(kind, "model_fields", {}), name


def test_a_worker_has_time_to_drain() -> None:
    chart = yaml.safe_load((CHART / "values.yaml").read_text())
    grace = WorkerSettings.model_fields["graceful_shutdown_seconds"].default
    assert chart["terminationGracePeriodSeconds"] >= grace + 5
    [web] = [pod for name, pod in pods(of_switch("ingress")) if name.endswith("-web")]
    assert environment(web)["C2C_WEB__PORT"] == str(WebSettings().port)


# --- what each switch changes -------------------------------------------------------------------


def test_setup_comes_before_the_rest_with_a_configuration_of_its_own() -> None:
    """Workers serve no namespace that is not bound yet: they would never become ready."""
    objects = of_switch("required")
    job = named(objects, "Job", "firm-c2c-setup")
    config = named(objects, "ConfigMap", "firm-c2c-setup")
    hooks = [item["metadata"]["annotations"] for item in (config, job)]
    assert [it["helm.sh/hook"] for it in hooks] == ["pre-install,pre-upgrade"] * 2
    assert int(hooks[0]["helm.sh/hook-weight"]) < int(hooks[1]["helm.sh/hook-weight"])
    [mount] = [it for it in job["spec"]["template"]["spec"]["volumes"] if it["name"] == "config"]
    assert mount["configMap"]["name"] == "firm-c2c-setup"
    kinds = [item["kind"] for item in of_switch("everything-else")]
    assert "Job" not in kinds
    assert "ConfigMap" not in kinds


def test_another_configuration_replaces_the_pods() -> None:
    def checksum(text: str) -> str:
        given = {**values("required"), "config": text}
        pod = named(rendered(given), "Deployment", "firm-c2c-odoo")["spec"]["template"]
        return str(pod["metadata"]["annotations"]["checksum/config"])

    assert checksum("a") != checksum("b")


def test_under_the_worker_controller_it_says_where_temporal_is() -> None:
    objects = of_switch("controller")
    kinds = [item["kind"] for item in objects]
    assert kinds.count("WorkerDeployment") == 2
    assert kinds.count("Deployment") == 1  # the web's
    pod = named(objects, "WorkerDeployment", "firm-c2c-odoo")["spec"]["template"]
    assert not [name for name in environment(pod) if name.startswith("TEMPORAL_")]
    connection = named(objects, "Connection", "firm-c2c")["spec"]
    assert connection["apiKeySecretRef"] == {"name": "temporal-api-key", "key": "api-key"}


def test_only_what_may_be_multiplied_scales() -> None:
    objects = of_switch("keda")
    scaled = {
        it["spec"]["scaleTargetRef"]["name"] for it in objects if it["kind"] == "ScaledObject"
    }
    assert scaled == {"firm-c2c-contracts", "firm-c2c-web"}
    for name in scaled:
        assert "replicas" not in named(objects, "Deployment", name)["spec"]
    assert named(objects, "Deployment", "firm-c2c-odoo")["spec"]["replicas"] == 1
    triggers = named(objects, "ScaledObject", "firm-c2c-contracts")["spec"]["triggers"]
    [backlog] = [item for item in triggers if item["type"] == "temporal"]
    assert backlog["metadata"]["queueTypes"] == "workflow,activity"
    assert backlog["authenticationRef"] == {"name": "firm-c2c"}


def test_connections_are_refused_but_for_what_is_named() -> None:
    objects = of_switch("required")
    everything = named(objects, "NetworkPolicy", "firm-c2c")["spec"]
    assert everything["policyTypes"] == ["Ingress", "Egress"]
    assert everything["ingress"] == []
    ports = {port["port"] for rule in everything["egress"] for port in rule["ports"]}
    assert ports == {53, 7233, 443}
    assert named(objects, "NetworkPolicy", "firm-c2c-web")["spec"]["ingress"] == []
    [opened] = named(of_switch("ingress"), "NetworkPolicy", "firm-c2c-web")["spec"]["ingress"]
    [peer] = opened["from"]
    assert peer["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "ingress-nginx"
    }
    assert not [it for it in of_switch("everything-else") if it["kind"] == "NetworkPolicy"]


def test_secrets_and_certificates_are_files() -> None:
    pod = named(of_switch("everything-else"), "Deployment", "firm-c2c-odoo")["spec"]["template"]
    [container] = pod["spec"]["containers"]
    places = {item["name"]: item["mountPath"] for item in container["volumeMounts"]}
    assert places["files-crm"] == "/run/secrets/crm"
    assert environment(pod)["SSL_CERT_FILE"] == "/etc/c2c-ca/ca.crt"
    assert container["image"].startswith("contract-to-cash@sha256:")
    tls = environment(named(of_switch("keda"), "Deployment", "firm-c2c-odoo")["spec"]["template"])
    assert tls["TEMPORAL_TLS_CLIENT_CERT_PATH"] == "/run/secrets/temporal/tls.crt"


# --- what is refused ----------------------------------------------------------------------------


def test_what_is_missing_is_said_at_once() -> None:
    with pytest.raises(HelmError) as refused:
        rendered({})
    said = str(refused.value)
    for words in ("config is empty", "temporal.address", "odoo.apiKeySecret", "tlsInFront"):
        assert words in said


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"imgae": {}}, "imgae"),
        ({"workers": {"odoo": {"queues": ["odoo"], "replicas": 1, "resources": {}}}}, "queues"),
        ({"temporal": {"address": "https://temporal"}}, "address"),
        ({"web": {"publicUrl": "http://c2c.example.com"}}, "publicUrl"),
        ({"web": {"replicas": -1}}, "replicas"),
        ({"secretFiles": [{"secret": "c2c", "folder": "odoo"}]}, "folder"),
        ({"keda": {"monthEnd": {"start": "the last"}}}, "start"),
        ({"workerController": {"steps": [{"rampPercentage": 200}]}}, "rampPercentage"),
        ({"ca": {"configMap": "a", "secret": "b"}}, "not both"),
        (
            {"ingress": {"enabled": True, "host": "c2c.example.com"}},
            "nothing is served without TLS",
        ),
        ({"web": {"tlsInFront": False}}, "tlsInFront"),
        ({"keda": {"enabled": True}, "workerController": {"enabled": True}}, "choose one"),
        (
            {
                "workers": {
                    "odoo": {
                        "queues": [
                            "odoo-master",
                            "odoo-finance",
                            "odoo-mail",
                            "mail",
                            "crm",
                            "esign",
                            "timesheets",
                            "payments",
                            "bank",
                        ]
                    }
                }
            },
            "the queue records",
        ),
    ],
)
def test_a_wrong_value_is_named(wrong: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {}
    merge(given, yaml.safe_load((CHART / "ci" / "required.yaml").read_text()))
    merge(given, wrong)
    with pytest.raises(HelmError) as refused:
        rendered(given)
    assert words in str(refused.value)


def test_every_value_is_in_the_schema_and_every_file_of_values_is_tried() -> None:
    schema = Chart.load(CHART).schema
    assert schema is not None
    chart = yaml.safe_load((CHART / "values.yaml").read_text())
    assert set(chart) == set(schema["properties"]) - {"global"}
    assert {path.stem for path in (CHART / "ci").iterdir()} == set(SWITCHES)
