"""The codec server: who may ask, what they get, and what is recorded of it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload

from gateways.encryption.settings import CodecSettings
from gateways.record_store.folder import FolderStore
from starters.web import codec
from starters.web.app import application
from tests.unit.encryption.stores import CONTRACT, sealing_codec
from wiring.sealed import KEY_ID, RECORD, SEALED
from wiring.settings import WebSettings

CLEAR = Payload(metadata={"encoding": b"json/plain"}, data=b'"Acme Industries"')
UI, EVIL = "http://127.0.0.1:8233", "http://evil.example"
TOKENS: dict[str, Any] = {"tokens": {"ana": {"token": "ana's"}, "ui": {"token": "the ui's"}}}
ANA = {"Authorization": "Bearer ana's"}


def payloads(*items: Payload) -> dict[str, Any]:
    return {"payloads": [json_format.MessageToDict(item) for item in items]}


def read(answer: httpx.Response) -> list[Payload]:
    assert answer.status_code == 200, answer.text
    return [json_format.ParseDict(item, Payload()) for item in answer.json()["payloads"]]


@contextlib.asynccontextmanager
async def serving(
    folder: Path,
    web: WebSettings | None = None,
    *,
    client: str = "127.0.0.1",
    host: str = "127.0.0.1:8400",
    **settings: Any,
) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway with a codec server, asked by a client of this address under this host."""
    web = web or WebSettings()
    configured = CodecSettings.model_validate({"origins": [UI], **settings})
    served = codec.server(sealing_codec(folder), FolderStore(folder), configured, web)

    async def connect() -> None:
        return None

    app = application(web, {}, connect, codec=served)
    transport = httpx.ASGITransport(app, client=(client, 1), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as http:
        yield http


async def sealed(folder: Path, scope: str = CONTRACT) -> Payload:
    [payload] = await sealing_codec(folder, scope=scope).encode([CLEAR])
    return payload


def records(folder: Path) -> list[dict[str, Any]]:
    store = FolderStore(folder)
    return [json.loads(store.read(name) or b"") for name in store.names("decodes/")]


@pytest.mark.parametrize("route", ["decode", "download", "decode?preserveStorageRefs=true"])
async def test_a_payload_is_shown_and_that_is_recorded(tmp_path: Path, route: str) -> None:
    payload = await sealed(tmp_path)
    async with serving(tmp_path) as http:
        answer = await http.post(
            f"/codec/{route}", json=payloads(payload, CLEAR), headers={"X-Namespace": "default"}
        )
    assert read(answer) == [CLEAR, CLEAR]
    [entry] = records(tmp_path)
    assert datetime.fromisoformat(entry.pop("at")) <= datetime.now(UTC)
    assert entry == {
        "action": route.partition("?")[0],
        "who": "this machine",
        "from": "127.0.0.1",
        "namespace": "default",
        "keys": [payload.metadata[KEY_ID].decode()],
        "payloads": 2,
    }


async def test_what_is_encoded_is_decoded(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        [shared] = read(await http.post("/codec/encode", json=payloads(CLEAR)))
        assert shared.metadata[KEY_ID].startswith(b"shared/")
        named = {"X-Contract": "northwind/C-1001"}
        [own] = read(await http.post("/codec/encode", json=payloads(CLEAR), headers=named))
        assert own.metadata[KEY_ID].startswith(f"{CONTRACT}/".encode())
        assert read(await http.post("/codec/decode", json=payloads(shared, own))) == [CLEAR] * 2


@pytest.mark.parametrize("contract", ["C-1001", "../C-1", "northwind/C-1001/invoice/1", "a/b/"])
async def test_a_header_that_names_no_contract_is_refused(tmp_path: Path, contract: str) -> None:
    async with serving(tmp_path) as http:
        answer = await http.post(
            "/codec/encode", json=payloads(CLEAR), headers={"X-Contract": contract}
        )
    assert answer.status_code == 400


@pytest.mark.parametrize("route", ["encode", "decode", "download"])
async def test_an_empty_list_is_answered_by_one(tmp_path: Path, route: str) -> None:
    async with serving(tmp_path) as http:
        answer = await http.post(f"/codec/{route}", json={"payloads": []})
        assert (answer.status_code, answer.json()) == (200, {"payloads": []})
        answer = await http.post(f"/codec/{route}", json={})
        assert (answer.status_code, answer.json()) == (200, {"payloads": []})
    assert records(tmp_path) == []


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"[]", b"{", b"[" * 50_000),
        *(b'{"payloads": [""]}', b'{"payloads": [[]]}', b'{"payloads": [null]}'),
        *(b'{"payloads": 1}', b'{"payloads": [1]}', b'{"payloads": [{"data": 1}]}', b'{"x": []}'),
    ],
)
async def test_what_is_no_list_of_payloads_is_refused(tmp_path: Path, body: bytes) -> None:
    async with serving(tmp_path) as http:
        answer = await http.post("/codec/decode", content=body)
    assert answer.status_code == 400


async def test_a_body_and_a_list_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path) as http:
        many: dict[str, Any] = {"payloads": [{}] * (codec.MAX_PAYLOADS + 1)}
        assert (await http.post("/codec/decode", json=many)).status_code == 422
        monkeypatch.setattr(codec, "MAX_BODY_BYTES", 100)
        large = payloads(Payload(data=b"x" * 200))
        assert (await http.post("/codec/decode", json=large)).status_code == 413


async def test_a_key_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    payload = await sealed(tmp_path / "elsewhere")
    async with serving(tmp_path / "here") as http:
        answer = await http.post("/codec/decode", json=payloads(payload))
    assert answer.status_code == 422
    assert payload.metadata[KEY_ID].decode() in answer.json()["detail"]


async def test_an_id_that_is_none_is_recorded_in_few_letters(tmp_path: Path) -> None:
    payload = Payload(metadata={"encoding": SEALED, KEY_ID: b"x" * 11_000_000}, data=b"x")
    async with serving(tmp_path) as http:
        answer = await http.post("/codec/decode", json=payloads(payload))
    assert (answer.status_code, len(answer.text) < 1_000) == (422, True)
    [entry] = records(tmp_path)
    assert entry["keys"] == ["x" * 200]


async def test_where_it_cannot_be_recorded_nothing_is_shown(tmp_path: Path) -> None:
    payload = await sealed(tmp_path)
    (tmp_path / "decodes").write_text("a file, where the folder should be")
    async with serving(tmp_path) as http:
        answer = await http.post("/codec/decode", json=payloads(payload))
    assert answer.status_code == 503
    assert "Acme" not in answer.text


# --- who may ask --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "around",
    [
        {"client": "10.0.0.7"},
        {"host": "rebound.evil.example:8400"},
        {"web": WebSettings(tls_in_front=True)},
        {"web": WebSettings(proxies=("10.0.0.1",))},
        {"web": WebSettings(host="0.0.0.0", tls_in_front=True)},  # noqa: S104
    ],
    ids=["elsewhere", "another name", "TLS in front", "a proxy", "all addresses"],
)
async def test_without_tokens_only_this_machine_may_ask(
    tmp_path: Path, around: dict[str, Any]
) -> None:
    payload = await sealed(tmp_path)
    async with serving(tmp_path, **around) as http:
        for route in ("encode", "decode", "download"):
            answer = await http.post(f"/codec/{route}", json=payloads(payload))
            assert answer.status_code == 403
            assert "Acme" not in answer.text
    assert records(tmp_path) == []


@pytest.mark.parametrize(
    "header", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via"]
)
async def test_what_came_through_a_proxy_is_not_from_this_machine(
    tmp_path: Path, header: str
) -> None:
    """One that nobody stated: it asks from here, and may name this machine as the host."""
    payload = await sealed(tmp_path)
    async with serving(tmp_path) as http:
        answer = await http.post(
            "/codec/decode", json=payloads(payload), headers={header: "203.0.113.7"}
        )
    assert answer.status_code == 403
    assert records(tmp_path) == []


@pytest.mark.parametrize(
    "header", ["", "Bearer ", "Bearer wrong", "Basic ana's", "Bearer ana's more", "Bearer é"]
)
async def test_with_tokens_one_is_needed(tmp_path: Path, header: str) -> None:
    payload = await sealed(tmp_path)
    async with serving(tmp_path, **TOKENS) as http:
        headers = [(b"Authorization", header.encode())]
        for route in ("encode", "decode", "download"):
            answer = await http.post(f"/codec/{route}", json=payloads(payload), headers=headers)
            assert answer.status_code == 401
    assert records(tmp_path) == []


async def test_a_token_says_who_asks(tmp_path: Path) -> None:
    payload = await sealed(tmp_path)
    away: dict[str, Any] = {
        "client": "10.0.0.7",
        "host": "c2c.example",
        "web": WebSettings(tls_in_front=True),
    }
    async with serving(tmp_path, **away, **TOKENS) as http:
        answer = await http.post("/codec/decode", json=payloads(payload), headers=ANA)
    assert read(answer) == [CLEAR]
    assert [entry["who"] for entry in records(tmp_path)] == ["ana"]


async def test_a_token_whose_file_is_missing_lets_nobody_in(tmp_path: Path) -> None:
    tokens = {"ana": {"token": "ana's"}, "bob": {"token_file": str(tmp_path / "none")}}
    async with serving(tmp_path, tokens=tokens) as http:
        given = {"Authorization": "Bearer "}
        assert (await http.post("/codec/decode", json={}, headers=given)).status_code == 401
        assert (await http.post("/codec/decode", json={}, headers=ANA)).status_code == 200


async def test_only_a_configured_page_may_ask(tmp_path: Path) -> None:
    payload = await sealed(tmp_path)
    async with serving(tmp_path) as http:
        for origin in (EVIL, "null", f"{UI}.evil.example", "HTTP://127.0.0.1:8233"):
            headers = {"Origin": origin}
            answer = await http.post("/codec/decode", json=payloads(payload), headers=headers)
            assert answer.status_code == 403
            before = await http.options("/codec/decode", headers=headers)
            for refused in (answer, before):
                assert "access-control-allow-origin" not in refused.headers
        answer = await http.post("/codec/decode", json=payloads(payload), headers={"Origin": UI})
        before = await http.options("/codec/decode", headers={"Origin": UI})
    assert read(answer) == [CLEAR]
    for allowed in (answer, before):
        assert allowed.headers["access-control-allow-origin"] == UI
        assert allowed.headers["access-control-allow-credentials"] == "true"
        assert allowed.headers["vary"] == "Origin"
    for name in ("Authorization", "X-Namespace", "Content-Type"):
        assert name in before.headers["access-control-allow-headers"]


async def test_a_page_that_may_ask_may_read_why_it_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, **TOKENS) as http:
        answer = await http.post("/codec/decode", json={}, headers={"Origin": UI})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == UI
    assert answer.headers["vary"] == "Origin"
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_without_encryption_there_is_no_codec_server() -> None:
    async def connect() -> None:
        return None

    app = application(WebSettings(), {}, connect)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        assert (await http.post("/codec/decode", json={"payloads": []})).status_code == 404


async def test_a_large_payload_goes_through_the_record_store_both_ways(tmp_path: Path) -> None:
    huge = Payload(metadata={"encoding": b"binary/plain"}, data=os.urandom(400_000))
    async with serving(tmp_path) as http:
        [sealed] = read(await http.post("/codec/encode", json=payloads(huge)))
        assert sealed.metadata[RECORD].startswith(b"payloads/shared/")
        assert read(await http.post("/codec/decode", json=payloads(sealed))) == [huge]
        assert read(await http.post("/codec/download", json=payloads(sealed))) == [huge]
