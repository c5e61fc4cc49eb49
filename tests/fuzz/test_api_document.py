"""`/api/v1` and `/codec` keep to their OpenAPI document, whatever they are sent: schemathesis says
what.

`C2C_API_EXAMPLES` is how many requests each operation gets: few in a test run, more by
`make fuzz-api`.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import schemathesis
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    negative_data_rejection,
    positive_data_acceptance,
)

from gateways.encryption.settings import CodecSettings
from gateways.record_store.folder import FolderStore
from starters.web import codec
from starters.web.codec import CodecServer
from tests.fuzz.bounds import EXAMPLES, bounded
from tests.unit.encryption.stores import sealing_codec
from tests.unit.web.test_api import application_of
from tests.unit.web.visiting import ALL, as_
from tests.unit.web.workflows import SHA256, firm
from wiring.settings import WebSettings

BOUNDED = bounded(EXAMPLES, random_from=10)
WITHOUT_LIMIT = WebSettings(requests_per_minute=1_000_000)

FOLDER = TemporaryDirectory()
"""Of the codec server's keys and records; it ends with the process."""


def codec_server() -> CodecServer:
    folder = Path(FOLDER.name)
    configured = CodecSettings.model_validate({"tokens": {"all": {"token": ALL}}})
    return codec.server(sealing_codec(folder), FolderStore(folder), configured, WITHOUT_LIMIT)


schema = schemathesis.openapi.from_asgi(
    "/openapi.json", application_of(firm(), WITHOUT_LIMIT, codec=codec_server())
)
load_all_checks()


THERE = {
    "entity": "northwind",
    "contract": "C-1",
    "number": 1,
    "file": SHA256,
    "source": "tickets",
    "key": "msg_1",
}
"""What the firm has."""


NOT_ASKED = [positive_data_acceptance, allow_header_conformance]
"""A schema cannot say all that a message is held to; and where two routes share an address, the
framework names the methods of the first alone."""


@schema.include(path_regex="^/(api/v1|codec)").parametrize()
@BOUNDED
def test_answers_are_as_the_document_says(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate(headers=as_(ALL), excluded_checks=NOT_ASKED)
    case.path_parameters = {name: THERE[name] for name in case.path_parameters or {}}
    case.call_and_validate(headers=as_(ALL), excluded_checks=[*NOT_ASKED, negative_data_rejection])
