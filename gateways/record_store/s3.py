"""Records as objects of a bucket, of Amazon's S3 or of what speaks its protocol.

With a lock the store itself keeps a record from being changed or removed, until its day. Such a
bucket keeps versions. Then to remove a key means to remove every version of it: what is only hidden
could be brought back.

boto3, of the extra `s3`, is imported late: nothing else needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from gateways import aws, errors
from gateways.record_store.protocol import (
    MAX_PAGE,
    MAX_RECORD_BYTES,
    NEVER_LOCKED,
    SYSTEM,
    checked_name,
    checked_prefix,
    differs,
    unavailable,
)

EXTRA = "contract-to-cash[s3]"
_CONNECT_SECONDS, _READ_SECONDS, _TRIES = 5, 30, 3
_TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_MISSING = frozenset({"NoSuchKey", "404"})
_DENIED = frozenset(
    {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "403"}
)


class S3Store:
    """A RecordStore in a bucket. The keys are those of AWS's own variables, files and roles."""

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint: str | None = None,
        region: str | None = None,
        lock: str | None = None,
        lock_days: int = 0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._bucket, self._prefix = bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._lock, self._lock_days, self._now = lock, lock_days, now
        self._s3 = _client(endpoint, region)

    def create(self, name: str, content: bytes) -> bool:
        if len(content) > MAX_RECORD_BYTES:
            raise ValueError(f"a record holds at most {MAX_RECORD_BYTES} bytes")
        request = {"Bucket": self._bucket, "Key": self._key(name), "Body": content}
        try:
            with _reached(name):
                self._s3.put_object(**request, **self._locked(name), IfNoneMatch="*")
        except _Taken:
            there = self.read(name)
            if there is None:  # removed since, or being written just now
                raise unavailable(name, "it is being written by somebody else") from None
            if there != content:
                raise differs(name) from None
            return False
        return True

    def read(self, name: str) -> bytes | None:
        with _reached(name):
            try:
                found = self._s3.get_object(Bucket=self._bucket, Key=self._key(name))
                return bytes(found["Body"].read())
            except Exception as error:
                if _code(error) in _MISSING:
                    return None
                raise

    def names(self, prefix: str, *, after: str = "", limit: int = MAX_PAGE) -> list[str]:
        below = f"{self._prefix}{checked_prefix(prefix)}"
        request: dict[str, Any] = {"Bucket": self._bucket, "Prefix": below}
        if after:
            request["StartAfter"] = f"{self._prefix}{after}"
        most, found = min(limit, MAX_PAGE), list[str]()
        while len(found) < most:
            with _reached(prefix or "of the store"):
                page = self._s3.list_objects_v2(**request, MaxKeys=most - len(found))
            found += [item["Key"].removeprefix(self._prefix) for item in page.get("Contents", ())]
            # A page may hold less than was asked for, and there is more behind it.
            if not page.get("IsTruncated"):
                break
            request["ContinuationToken"] = page["NextContinuationToken"]
        return found

    def delete(self, name: str) -> bool:
        """Every version of it; what is locked stays, and GatewayError says so."""
        key = self._key(name)
        with _reached(name):
            versions = list(self._versions(key))
            for version in versions:
                self._s3.delete_object(Bucket=self._bucket, Key=key, VersionId=version)
        return bool(versions)

    def _versions(self, key: str) -> Iterator[str]:
        pages = self._s3.get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=self._bucket, Prefix=key):
            for item in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                if item["Key"] == key:
                    yield item["VersionId"]

    def _key(self, name: str) -> str:
        return f"{self._prefix}{checked_name(name)}"

    def _locked(self, name: str) -> dict[str, Any]:
        if self._lock is None or name.startswith(NEVER_LOCKED):
            return {}
        until = self._now() + timedelta(days=self._lock_days)
        return {"ObjectLockMode": self._lock.upper(), "ObjectLockRetainUntilDate": until}


class _Taken(Exception):
    """The name is taken."""


@contextmanager
def _reached(name: str) -> Iterator[None]:
    """Raise GatewayError for whatever the store says; _Taken where a name is taken."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = _code(error)
        if code in _TAKEN:
            raise _Taken from error
        if code in _DENIED:
            text = f"The record {name} cannot be reached: the store refuses it ({code})."
            raise errors.credentials(SYSTEM, "record_store_refused", text) from error
        raise unavailable(name, code) from error
    except BotoCoreError as error:
        raise unavailable(name, type(error).__name__) from error


def _code(error: Exception) -> str:
    answer = getattr(error, "response", {})
    return str(answer.get("Error", {}).get("Code", ""))


def _client(endpoint: str | None, region: str | None) -> Any:
    return aws.client(
        "s3",
        system=SYSTEM,
        wanted_by="a bucket",
        extra=EXTRA,
        endpoint=endpoint,
        region=region,
        config={
            "connect_timeout": _CONNECT_SECONDS,
            "read_timeout": _READ_SECONDS,
            "retries": {"max_attempts": _TRIES, "mode": "standard"},
            # An object store other than Amazon's need not resolve a name for each bucket.
            "s3": {"addressing_style": "path"} if endpoint else {},
        },
    )
