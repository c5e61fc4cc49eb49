"""The HTTP client every gateway builds on, and the limit on calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from gateways.errors import FailureKind, GatewayError
from gateways.http import MAX_RETRY_AFTER, READ_TIMEOUT_SECONDS, pooled_client, retry_after
from gateways.throttle import Throttle


@pytest.mark.parametrize(
    "url",
    ["http://odoo.example.com", "http://10.0.0.1:8069", "http://localhost.example.com",
     "http://169.254.169.254", "ftp://127.0.0.1", "http://0.0.0.0:80"],
)  # fmt: skip
def test_plain_http_beyond_the_loopback_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="use https"):
        pooled_client(url)


@pytest.mark.parametrize("url", ["odoo.example.com", "", "/json/2"])
def test_an_address_without_a_scheme_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        pooled_client(url)


@pytest.mark.parametrize(
    "url",
    ["https://odoo.example.com", "http://localhost:8069", "http://127.0.0.1", "http://[::1]:8069"],
)
def test_https_and_loopback_are_accepted(url: str) -> None:
    pooled_client(url).close()


def test_plain_http_is_accepted_to_the_hosts_that_are_named_and_by_no_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    transport = httpx.MockTransport(lambda request: httpx.Response(200))
    with pooled_client("http://odoo:8069", plain_hosts=("odoo",), transport=transport) as client:
        assert client.get("/web/health").status_code == 200
        assert not client.trust_env
        for elsewhere in ("http://odoo.example.com/", "http://db:5432/", "ftp://odoo/"):
            with pytest.raises(ValueError, match="use https"):
                client.get(elsewhere)
    with pytest.raises(ValueError, match="use https"):
        pooled_client("http://odoo.example.com", plain_hosts=("odoo",))


def test_an_absolute_address_is_checked_when_it_is_asked_for() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200))
    with (
        pooled_client("https://odoo.example.com", transport=transport) as client,
        pytest.raises(ValueError, match="use https"),
    ):
        client.get("http://elsewhere.example.com/")


def test_timeouts_are_explicit_and_longer_than_odoos_own_retries() -> None:
    with pooled_client("https://odoo.example.com") as client:
        assert client.timeout == httpx.Timeout(60.0, connect=5.0, pool=30.0)
    assert READ_TIMEOUT_SECONDS > 45


def test_no_cookie_is_kept_and_no_redirect_followed() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(
            302, headers={"Set-Cookie": "session_id=abc; Path=/", "Location": "https://elsewhere/"}
        )

    transport = httpx.MockTransport(answer)
    with pooled_client("https://odoo.example.com", transport=transport) as client:
        assert client.get("/").status_code == 302
        client.get("/")
    assert len(seen) == 2
    assert "Cookie" not in seen[1].headers
    assert seen[0].headers["User-Agent"].startswith("contract-to-cash")


def test_the_environments_proxy_serves_remotes_but_never_the_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used: list[object] = []
    transport = httpx.HTTPTransport

    def spy(*, proxy: str | None, **options: Any) -> httpx.HTTPTransport:
        used.append(proxy)
        return transport(proxy=proxy, **options)

    monkeypatch.setattr(httpx, "HTTPTransport", spy)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://proxy.example.com:3128")
    monkeypatch.setenv("no_proxy", "inside.example.com")
    for url in (
        "https://odoo.example.com",
        "https://inside.example.com",
        "http://127.0.0.1:8069",
        "https://localhost",
    ):
        pooled_client(url, max_connections=1).close()
    assert used == ["http://proxy.example.com:3128", None, None, None]


def _with(value: str | None, **headers: str) -> httpx.Response:
    return httpx.Response(429, headers={**({"Retry-After": value} if value else {}), **headers})


def test_retry_after_in_seconds() -> None:
    assert retry_after(_with("12")) == timedelta(seconds=12)
    assert retry_after(_with("0.5")) == timedelta(seconds=0.5)


def test_retry_after_as_a_date_is_held_against_the_remotes_clock() -> None:
    remote = datetime(2001, 1, 1, 12, tzinfo=UTC)
    until = format_datetime(remote + timedelta(seconds=30), usegmt=True)
    response = _with(until, Date=format_datetime(remote, usegmt=True))
    assert retry_after(response) == timedelta(seconds=30)


def test_retry_after_as_a_date_without_the_remotes_clock() -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    delay = retry_after(_with(until))
    assert delay is not None
    assert timedelta(seconds=90) < delay <= timedelta(seconds=100)


def test_retry_after_stays_between_nothing_and_an_hour() -> None:
    assert retry_after(_with("999999999")) == MAX_RETRY_AFTER
    assert retry_after(_with("Mon, 01 Jan 2001 00:00:00 GMT")) == timedelta(0)


@pytest.mark.parametrize("value", [None, "soon", "-1", "nan", "inf", "1.2.3", "٣"])
def test_no_or_a_malformed_retry_after(value: str | None) -> None:
    headers: list[tuple[bytes, bytes]] = []
    if value is not None:
        headers = [(b"Retry-After", value.encode())]
    assert retry_after(httpx.Response(429, headers=headers)) is None


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def _throttle(rate: float | None, clock: _Clock, max_wait_seconds: float = 5) -> Throttle:
    return Throttle(
        rate,
        system="odoo",
        max_wait_seconds=max_wait_seconds,
        clock=lambda: clock.now,
        sleep=clock.sleep,
    )


def test_calls_are_spaced() -> None:
    clock = _Clock()
    throttle = _throttle(2, clock)
    starts = []
    for _ in range(4):
        throttle.wait()
        starts.append(clock.now)
    assert starts == [100.0, 100.5, 101.0, 101.5]


def test_without_a_limit_nobody_waits_until_the_remote_asks() -> None:
    clock = _Clock()
    throttle = _throttle(None, clock)
    throttle.wait()
    throttle.wait()
    assert clock.now == 100.0
    throttle.pause(timedelta(seconds=3))
    throttle.wait()
    assert clock.now == 103.0


def test_a_turn_too_far_off_is_refused_at_once() -> None:
    clock = _Clock()
    throttle = _throttle(None, clock)
    throttle.pause(timedelta(seconds=60))
    with pytest.raises(GatewayError) as caught:
        throttle.wait()
    assert (caught.value.kind, caught.value.code) == (FailureKind.TRANSIENT, "throttled")
    assert caught.value.retry_after == timedelta(seconds=60)
    assert clock.now == 100.0


@pytest.mark.parametrize("rate", [0.0, -1.0])
def test_a_rate_is_above_zero(rate: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        Throttle(rate, system="odoo")
