"""Tables of analytics as Parquet: a day of a legal entity is exported as a whole or not at all.

    with day_export(place, "northwind", day, TABLES) as export:
        async for table, rows in batches:
            export.write(table, rows)

Each table of the day is one file, `<table>/entity=<entity>/day=<day>/<table>-<digest>.parquet`,
also where it has no rows. The digest is of its bytes, and the same rows give the same bytes,
however they come in lists: exported again, a table that has not changed is left alone. Of one that
has, the file of before is removed, and then the new one appears as a whole. So nobody who reads a
file finds it changed, and nobody counts a row twice; only for that moment the table has no rows of
the day. `_exports/<entity>/<day>.json` says that all tables of the day are there, and is removed
before the first of them changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from contracts.analytics.columns import DECIMALS, DIGITS, Column, Kind, Row, Table
from gateways.analytics.places import STAGING, NotWritten, Place

if TYPE_CHECKING:
    import pyarrow as pa

LAYOUT = 1
"""Of the folders and of the file that says what is there; not of the tables' columns."""

_GROUP_ROWS = 5_000
"""So many rows of a table are in memory at most, besides the list that is being written."""


class BadRow(Exception):
    """A value is not of its column's kind, or too large for it."""


def folder_of(table: Table, entity: str, day: date) -> str:
    """Where the file with the rows of a day is, in a place."""
    return f"{table.name}/entity={entity}/day={day}"


def manifest_of(entity: str, day: date) -> str:
    """Where it says that a day is there as a whole."""
    return f"_exports/{entity}/{day}.json"


def schema_of(table: Table) -> pa.Schema:
    """The columns as Parquet has them. `entity` and `day` are in the names of the folders."""
    import pyarrow as pa

    return pa.schema(map(_field, table.columns), metadata={"about": table.about})


@contextlib.contextmanager
def day_export(
    place: Place, entity: str, day: date, tables: Iterable[Table]
) -> Iterator[DayExport]:
    """Export a day. Raises NotWritten and BadRow; then, or if the block raises, the files of
    before are as they were."""
    place.remove_abandoned()
    export = DayExport(place, entity, day, tables)
    try:
        yield export
        export.publish()
    finally:
        export.discard()


class DayExport:
    """The tables of a legal entity's day while they are written."""

    def __init__(self, place: Place, entity: str, day: date, tables: Iterable[Table]) -> None:
        self._place = place
        self._entity, self._day = entity, day
        self._staging = f"{STAGING}/{uuid.uuid4().hex}"
        self._files = {
            table.name: _TableFile(table, place, f"{self._staging}/{table.name}")
            for table in tables
        }

    @property
    def rows(self) -> Mapping[str, int]:
        """How many rows each table has so far."""
        return {name: file.rows for name, file in self._files.items()}

    def write(self, table: Table, rows: Sequence[Row]) -> None:
        """Add rows to a table. Tables may take turns."""
        self._files[table.name].add(rows)

    def publish(self) -> None:
        """Put the files that differ in their places."""
        for file in self._files.values():
            file.close()
        with self._place.alone():
            self._replace()

    def _replace(self) -> None:
        place, manifest, said = self._place, self._manifest(), manifest_of(self._entity, self._day)
        there = {name: place.names(self._folder(file)) for name, file in self._files.items()}
        changed = [name for name, file in self._files.items() if there[name] != [file.name]]
        if not changed and place.read(said) == manifest:
            return
        place.remove(said)
        for name in changed:
            file = self._files[name]
            folder = self._folder(file)
            for old in there[name]:
                place.remove(f"{folder}/{old}")
            place.move(file.path, f"{folder}/{file.name}")
        place.write(f"{self._staging}/manifest", manifest)
        place.move(f"{self._staging}/manifest", said)

    def discard(self) -> None:
        """Remove what is left of the export's own files; what cannot be removed now, a later export
        removes."""
        for file in self._files.values():
            with contextlib.suppress(NotWritten, ValueError):  # pyarrow's, of what is half written
                file.abandon()
        with contextlib.suppress(NotWritten):
            self._place.remove_folder(self._staging)

    def _folder(self, file: _TableFile) -> str:
        return folder_of(file.table, self._entity, self._day)

    def _manifest(self) -> bytes:
        tables = {
            name: {
                "file": f"{self._folder(file)}/{file.name}",
                "rows": file.rows,
                "sha256": file.digest,
            }
            for name, file in self._files.items()
        }
        said = {"layout": LAYOUT, "entity": self._entity, "day": str(self._day), "tables": tables}
        return (json.dumps(said, indent=2) + "\n").encode()


class _Hashed:
    """A file as pyarrow writes to it, and the digest of what was written."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def write(self, content: bytes) -> int:
        self._digest.update(content)
        self._file.write(content)
        return len(content)

    def flush(self) -> None:
        """What is not closed is not there."""

    def close(self) -> None:
        self._file.close()

    @property
    def closed(self) -> bool:
        return bool(self._file.closed)

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()


class _TableFile:
    """One file, written in groups of `_GROUP_ROWS` rows."""

    def __init__(self, table: Table, place: Place, path: str) -> None:
        self.table = table
        self.path = path
        self.rows = 0
        self._place = place
        self._schema = schema_of(table)
        self._waiting: list[pa.RecordBatch] = []
        self._stream: _Hashed | None = None
        self._writer: Any = None

    @property
    def digest(self) -> str:
        """Of its bytes, once it is closed."""
        return self._stream.digest if self._stream else ""

    @property
    def name(self) -> str:
        """What it is called in its place."""
        return f"{self.table.name}-{self.digest[:16]}.parquet"

    def add(self, rows: Sequence[Row]) -> None:
        import pyarrow as pa

        if not rows:
            return
        self._waiting.append(_batch(self.table, self._schema, rows))
        self.rows += len(rows)
        waiting = sum(batch.num_rows for batch in self._waiting)
        if waiting >= _GROUP_ROWS:
            # In one piece: where the pages of a file end depends on the pieces it is written from.
            table = pa.Table.from_batches(self._waiting).combine_chunks()
            whole = waiting - waiting % _GROUP_ROWS
            self._write(table.slice(0, whole))
            self._waiting = table.slice(whole).to_batches()  # of nothing, none

    def close(self) -> None:
        """Write the rest, and what makes it a file of Parquet."""
        import pyarrow as pa

        stream = self._opened()
        if self._waiting:
            self._write(pa.Table.from_batches(self._waiting).combine_chunks())
        with self._place.failures():
            self._writer.close()
            stream.close()

    def abandon(self) -> None:
        """Close what an export that failed left open."""
        if self._stream is not None and not self._stream.closed:
            with self._place.failures():
                self._writer.close()
                self._stream.close()

    def _write(self, table: pa.Table) -> None:
        self._opened()
        with self._place.failures():
            self._writer.write_table(table, row_group_size=_GROUP_ROWS)

    def _opened(self) -> _Hashed:
        import pyarrow.parquet as pq

        if self._stream is None:
            self._stream = _Hashed(self._place.open(self.path))
            self._writer = pq.ParquetWriter(self._stream, self._schema, compression="zstd")
        return self._stream


# --- rows as columns ------------------------------------------------------------------------------


def _field(column: Column) -> pa.Field:
    import pyarrow as pa

    types = {
        Kind.TEXT: pa.string(),
        Kind.MONEY: pa.decimal128(DIGITS, DECIMALS),
        Kind.DECIMAL: pa.decimal128(DIGITS, DECIMALS),
        Kind.INTEGER: pa.int64(),
        Kind.INSTANT: pa.timestamp("us", "UTC"),
        Kind.DAY: pa.date32(),
        Kind.BOOLEAN: pa.bool_(),
    }
    said = {"about": column.about}
    if column.currency:
        said["currency"] = column.currency
    return pa.field(column.name, types[column.kind], nullable=column.optional, metadata=said)


_DECIMAL = f"a Decimal of {DIGITS - DECIMALS} digits and {DECIMALS} decimals at most"
_EXPECTED = {
    Kind.TEXT: "text",
    Kind.MONEY: _DECIMAL,
    Kind.DECIMAL: _DECIMAL,
    Kind.INTEGER: "a whole number of at most 64 bits",
    Kind.INSTANT: "a datetime with its zone",
    Kind.DAY: "a date",
    Kind.BOOLEAN: "True or False",
}


def _fits(column: Column, value: object) -> bool:
    """Checked here: pyarrow reads a datetime without a zone as UTC, 1.5 as the integer 1, and takes
    None for any column."""
    if value is None:
        return column.optional
    match column.kind:
        case Kind.TEXT:
            return isinstance(value, str)
        case Kind.MONEY | Kind.DECIMAL:
            return isinstance(value, Decimal)
        case Kind.INTEGER:
            return isinstance(value, int) and not isinstance(value, bool)
        case Kind.INSTANT:
            return isinstance(value, datetime) and value.utcoffset() is not None
        case Kind.DAY:
            return isinstance(value, date) and not isinstance(value, datetime)
        case Kind.BOOLEAN:
            return isinstance(value, bool)


def _batch(table: Table, schema: pa.Schema, rows: Sequence[Row]) -> pa.RecordBatch:
    import pyarrow as pa

    arrays = [
        _array(table, column, field.type, values)
        for column, field, values in zip(
            table.columns, schema, zip(*rows, strict=True), strict=True
        )
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(table: Table, column: Column, kind: pa.DataType, values: Sequence[Any]) -> pa.Array:
    import pyarrow as pa

    for value in values:
        if not _fits(column, value):
            raise _bad(table, column, value)
    try:
        return pa.array(values, type=kind)
    except (ValueError, OverflowError, TypeError) as error:
        for value in values:
            try:
                pa.array([value], type=kind)
            except (ValueError, OverflowError, TypeError):
                raise _bad(table, column, value) from error
        raise


def _bad(table: Table, column: Column, value: object) -> BadRow:
    return BadRow(f"{table.name}.{column.name}: {value!r}; expected {_EXPECTED[column.kind]}")
