"""What protects a local stack: keys that encrypt, keys that sign, and where records are kept. All
of it is made for the stack, in its folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateways.encryption.masters import new_master
from gateways.identity import keys

IDENTITY = "C2C_IDENTITY"


def encryption(folder: Path, ui: str, *, keep_data: bool) -> dict[str, str]:
    """A master key and the records; the UI may ask the codec server."""
    records, master = folder / "records", folder / "master-key"
    if not keep_data:
        shutil.rmtree(records, ignore_errors=True)  # keys of histories that are gone
    if not master.exists():
        master.touch(0o600)
        master.write_text(f"{new_master()}\n")
    return {
        "C2C_RECORDS__FOLDER": str(records),
        "C2C_ENCRYPTION": json.dumps(
            {
                "masters": {"local": {"key_file": str(master)}},
                "codec": {"origins": [ui]},
                "readable_logs": True,  # its contracts are made up
            }
        ),
    }


def signatures(folder: Path) -> dict[str, str]:
    """One key by which the application and the workers sign and verify what is decided, which has
    to be signed, and one that signs the anchors of the audit record."""
    private, public = folder / "signing.jwk", folder / "identity.jwks"
    if not private.exists():
        keys.new_pair(private, public)
    anchors = folder / "audit.pem"
    if not anchors.exists():
        key = Ed25519PrivateKey.generate()
        anchors.touch(0o600)
        anchors.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return {
        IDENTITY: json.dumps({"required": True, "signing_key_file": str(private)}),
        "C2C_AUDIT__SIGNING_KEY_FILE": str(anchors),
    }
