"""Time stamps by an authority that nobody here wrote: `openssl ts`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from contracts.audit.anchors import NOTHING, Anchor, anchor_name, anchored
from gateways.audit.chains import Chains
from gateways.audit.reading import Reader
from gateways.audit.timestamps import Authority, stamp_name, stamp_of
from gateways.errors import GatewayError
from gateways.record_store.folder import FolderStore

_CONFIG = """
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[tsa]
extendedKeyUsage = critical,timeStamping
keyUsage = critical,digitalSignature
[config]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256,sha384,sha512
ess_cert_id_alg = sha256
[tsa_section]
default_tsa = config
"""
ANCHOR: Anchor = anchored("northwind", NOTHING, {}, "2026-03-02T00:00:00+00:00")


def openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=30)


def _certificate(folder: Path, name: str, *issuer: str | Path) -> None:
    openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / f"{name}.key",
            "-subj", f"/CN={name}", "-out", folder / f"{name}.csr")  # fmt: skip
    made = ("-extfile", folder / "ts.cnf", "-extensions", name, "-out", folder / f"{name}.pem")
    openssl("x509", "-req", "-in", folder / f"{name}.csr", *issuer, "-days", "2", *made)


@pytest.fixture(scope="module")
def tsa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of an authority, and the folder of its certificates."""
    folder = tmp_path_factory.mktemp("tsa")
    (folder / "ts.cnf").write_text(_CONFIG.format(folder=folder))
    (folder / "serial").write_text("01\n")
    _certificate(folder, "ca", "-signkey", folder / "ca.key")
    _certificate(
        folder, "tsa", "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-CAcreateserial"
    )

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            (folder / "query").write_bytes(asked)
            openssl("ts", "-reply", "-config", folder / "ts.cnf", "-section", "config",
                    "-queryfile", folder / "query", "-out", folder / "reply")  # fmt: skip
            answer = (folder / "reply").read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answering)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/tsr", folder
    server.shutdown()
    server.server_close()


def test_an_anchor_is_stamped_once_and_the_stamp_is_of_it_alone(
    tsa: tuple[str, Path], tmp_path: Path
) -> None:
    url, folder = tsa
    store, authority = FolderStore(tmp_path), Authority(url, folder / "ca.pem")
    assert stamp_of(store, ANCHOR, folder / "ca.pem") is None
    authority.stamp(store, ANCHOR)
    kept = store.read(stamp_name("northwind", 1))
    authority.stamp(store, ANCHOR)
    assert store.read(stamp_name("northwind", 1)) == kept
    at = stamp_of(store, ANCHOR, folder / "ca.pem")
    assert at is not None
    assert abs(at - datetime.now(UTC)) < timedelta(minutes=5)
    with pytest.raises(GatewayError, match="does not hold") as caught:
        stamp_of(store, ANCHOR.replace(at="2020-01-01"), folder / "ca.pem")
    assert caught.value.code == "timestamp_invalid"


def test_an_anchor_that_was_stamped_long_after_its_time_is_reported(
    tsa: tuple[str, Path], tmp_path: Path
) -> None:
    url, folder = tsa
    store, roots = FolderStore(tmp_path), folder / "ca.pem"
    authority = Authority(url, roots)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for anchor in (ANCHOR, anchored("contoso", NOTHING, {}, now)):
        store.create(anchor_name(anchor.legal_entity, 1), anchor.content)
        authority.stamp(store, anchor)
    reader = Reader(Chains(store, None), None, {}, roots)
    [problem] = reader.stamps("northwind")
    assert problem.startswith(f"anchor 1 is of {ANCHOR.at}, and was stamped on ")
    assert reader.stamps("contoso") == []


def test_a_stamp_of_another_authority_does_not_count(tsa: tuple[str, Path], tmp_path: Path) -> None:
    url, _ = tsa
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "other.key",
            "-subj", "/CN=other", "-days", "2", "-out", tmp_path / "other.pem")  # fmt: skip
    store = FolderStore(tmp_path / "records")
    with pytest.raises(GatewayError) as caught:
        Authority(url, tmp_path / "other.pem").stamp(store, ANCHOR)
    assert caught.value.code == "timestamp_invalid"
    assert store.read(stamp_name("northwind", 1)) is None


def test_an_authority_that_does_not_answer_is_asked_again_later(tmp_path: Path) -> None:
    with pytest.raises(GatewayError) as caught:
        Authority("http://127.0.0.1:9/tsr", tmp_path / "ca.pem").stamp(
            FolderStore(tmp_path), ANCHOR
        )
    assert caught.value.code == "unreachable"
