"""Master keys in AWS KMS: they never leave it, and it says who may use them, and who has.

The id of the data key is the encryption context of each call. So a wrapped key opens under its own
id only, and the log of the service (CloudTrail) says which contract's key was opened.

boto3, of the extra `kms`, is imported late: nothing else needs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from gateways import aws, errors
from gateways.encryption.masters import SYSTEM, opens_not, unavailable

EXTRA = "contract-to-cash[kms]"
_CONTEXT = "c2c-key"
_CHECKED = "check"
"""What a check wraps: no key has this id."""
_CONNECT_SECONDS, _READ_SECONDS, _TRIES = 3, 5, 3
_OTHER_KEY = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
_PASSES = frozenset(
    {
        "DependencyTimeoutException",
        "KMSInternalException",
        "InternalFailure",
        "KeyUnavailableException",
        "LimitExceededException",
        "RequestTimeout",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_REMEDIES: Mapping[str, str] = {
    "AccessDeniedException": "the key's policy, or that of our role, must allow kms:Encrypt and "
    "kms:Decrypt",
    "DisabledException": "enable it",
    "KMSInvalidStateException": "cancel its deletion, or enable it",
    "NotFoundException": "correct kms_key or kms_region",
}
_CREDENTIALS = "correct the keys of AWS's variables, files or roles"


class KmsMaster:
    """A symmetric key of AWS KMS, by its ARN, id or alias, or of what speaks its protocol."""

    def __init__(
        self, name: str, key: str, *, endpoint: str | None = None, region: str | None = None
    ) -> None:
        self._name, self._key = name, key
        self._endpoint, self._region = endpoint, region

    def wrap(self, key_id: str, key: bytes) -> bytes:
        with self._asked(key_id):
            answer = self._kms.encrypt(
                KeyId=self._key, Plaintext=key, EncryptionContext={_CONTEXT: key_id}
            )
            return bytes(answer["CiphertextBlob"])

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        with self._asked(key_id):
            answer = self._kms.decrypt(
                # Without it any key that our role may use would do, whoever put its blob there.
                KeyId=self._key,
                CiphertextBlob=wrapped,
                EncryptionContext={_CONTEXT: key_id},
            )
            return bytes(answer["Plaintext"])

    def check(self) -> None:
        """Wrap something and open it again: a key may be allowed to do one and not the other."""
        if self.unwrap(_CHECKED, self.wrap(_CHECKED, b"c2c")) != b"c2c":
            raise opens_not(self._name, _CHECKED)

    @cached_property
    def _kms(self) -> Any:
        return aws.client(
            "kms",
            system=SYSTEM,
            wanted_by="AWS KMS",
            extra=EXTRA,
            endpoint=self._endpoint,
            region=self._region,
            config={
                "connect_timeout": _CONNECT_SECONDS,
                "read_timeout": _READ_SECONDS,
                "retries": {"total_max_attempts": _TRIES, "mode": "standard"},
            },
        )

    @contextmanager
    def _asked(self, key_id: str) -> Iterator[None]:
        """Raise GatewayError for whatever the service says."""
        try:
            yield
        except errors.GatewayError:
            raise
        except Exception as error:
            raise self._failure(key_id, error) from error

    def _failure(self, key_id: str, error: Exception) -> errors.GatewayError:
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
        from botocore.exceptions import ConnectionError as AwsConnectionError

        code = type(error).__name__
        if isinstance(error, ClientError):
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            if code in _OTHER_KEY:
                return opens_not(self._name, key_id)
            if code in _PASSES or status >= 500:
                return self._away(key_id, code)
        elif isinstance(error, (HTTPClientError, AwsConnectionError)):
            return self._away(key_id, code)
        elif not isinstance(error, BotoCoreError):
            raise error
        remedy = _REMEDIES.get(code, _CREDENTIALS)
        text = f"AWS KMS refuses the master {self._name} for the key {key_id} ({code}): {remedy}"
        return unavailable(text)

    def _away(self, key_id: str, code: str) -> errors.GatewayError:
        text = f"AWS KMS does not answer for the key {key_id} (master {self._name}): {code}."
        return errors.transient(SYSTEM, "kms_unavailable", text)
