"""The ledger in Azure Tables: ``products`` and ``tilemonths``.

A row that does not parse (someone edited it by hand, or a later version wrote a new state) is logged and left out
of listings, so that it hides no other; asked for by name it raises, so that no step overwrites it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import TableClient, TableEntity, TableServiceClient, UpdateMode
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from shared.adapters.account import error_code, storage_errors
from shared.adapters.rows import Row, key_of, month_of, record_of, row_of, row_of_month, unknown
from shared.errors import BadRecord, NotFound, StorageUnavailable
from shared.models import State, Tile, TileMonth, shown
from shared.records import MonthRecord, Record

_T = TypeVar("_T")

_log = logging.getLogger("icewatch")
PRODUCTS, TILE_MONTHS = "products", "tilemonths"
_TRIES = 12  # of one update against other writers of the same row
_OF_PARTITION = "PartitionKey eq @partition"


class _LostRace(Exception):
    """Another writer has changed the row since it was read; never leaves this file."""


class AzureLedger:
    """Ledger on one storage account; makes a missing table when something is first written to it."""

    def __init__(
        self, service: TableServiceClient, *, products: str = PRODUCTS, tile_months: str = TILE_MONTHS
    ) -> None:
        """The names of the tables may differ in tests."""
        self._service = service
        self._products = service.get_table_client(products)
        self._months = service.get_table_client(tile_months)

    def close(self) -> None:
        """Give the connections back, which the tables share."""
        self._service.close()

    def get(self, partition: str, name: str) -> Record | None:
        """One record, None where there is none; BadRecord where the row does not parse."""
        row = self._row(self._products, partition, name)
        return record_of(row) if row is not None else None

    def add(self, record: Record) -> bool:
        """Create a record; False (and nothing changed) where one of that name exists."""
        row = row_of(record)
        with storage_errors(f"ledger row {record.partition}/{record.name}"):
            try:
                _making_table(self._products, lambda: self._products.create_entity(row))
            except ResourceExistsError:
                return False
        return True

    def update(self, partition: str, name: str, change: Callable[[Record], Record]) -> Record:
        """Replace a record by ``change(record)``; again with the newest where another writer was faster.

        Raises NotFound where there is no such record, StorageUnavailable where others are faster every time.
        """
        return _racing(f"{partition}/{name}", lambda: self._try_update(partition, name, change))

    def records(self, partition: str | None = None, *, since: datetime | None = None) -> Iterator[Record]:
        """All records, or those of one partition, or written since an instant of the service's clock; page by page."""
        return self._records(*_chosen(None if partition is None else key_of(partition), since))

    def in_state(self, state: State) -> Iterator[Record]:
        """All records in one state, page by page; the service filters."""
        return self._records("state eq @state", {"state": str(state)})

    def _records(self, condition: str, values: dict[str, Any]) -> Iterator[Record]:
        return _parsed(self._rows(condition, values, self._products), record_of)

    def by_l2a(self, tile: Tile, l2a: str) -> Record | None:
        """The record whose L2A product has this name (without .SAFE)."""
        if not l2a:
            return None
        condition = f"{_OF_PARTITION} and l2a eq @l2a"
        rows = self._rows(condition, {"partition": tile.name, "l2a": l2a}, self._products)
        return next((record_of(row) for row in rows), None)

    def month(self, month: TileMonth) -> MonthRecord | None:
        """What is known about a tile-month; None where nothing is, or its row does not parse (a search mends it)."""
        row = self._row(self._months, month.tile.name, month.key)
        return next(_parsed([row], month_of), None) if row is not None else None

    def months(self, tile: Tile | None = None, *, since: datetime | None = None) -> Iterator[MonthRecord]:
        """What is known about all tile-months, or those of one tile; rows that do not parse are left out."""
        return _parsed(self._rows(*_chosen(tile.name if tile else None, since), self._months), month_of)

    def update_month(self, month: TileMonth, change: Callable[[MonthRecord | None], MonthRecord]) -> MonthRecord:
        """Create or replace a tile-month by ``change(what is known)``; again where another writer was faster.

        Raises StorageUnavailable where others are faster every time.
        """
        return _racing(str(month), lambda: self._try_update_month(month, change))

    def _try_update_month(self, month: TileMonth, change: Callable[[MonthRecord | None], MonthRecord]) -> MonthRecord:
        old = self._row(self._months, month.tile.name, month.key)
        known = None if old is None else next(_parsed([old], month_of), None)
        new = change(known)
        if new == known:
            return new
        with storage_errors(f"ledger row of {month}"):
            if old is None:
                try:
                    _making_table(self._months, lambda: self._months.create_entity(row_of_month(new)))
                except ResourceExistsError as cause:
                    raise _LostRace from cause
            else:
                _replace(self._months, old, row_of_month(new))
        return new

    def _try_update(self, partition: str, name: str, change: Callable[[Record], Record]) -> Record:
        old = self._row(self._products, partition, name)
        if old is None:
            raise NotFound(f"The ledger has no record {partition}/{shown(name)}.")
        new = change(record_of(old))
        row = {**unknown(old), **row_of(new)}
        with storage_errors(f"ledger row {partition}/{name}"):
            _replace(self._products, old, row)
        return new

    def _row(self, table: TableClient, partition: str, name: str) -> TableEntity | None:
        with storage_errors(f"ledger row {partition}/{name}"):
            try:
                return table.get_entity(key_of(partition), key_of(name))
            except ResourceNotFoundError:
                return None

    @staticmethod
    def _rows(query: str, parameters: dict[str, Any], table: TableClient) -> Iterator[Row]:
        with storage_errors("ledger"):
            try:
                yield from table.query_entities(query, parameters=parameters) if query else table.list_entities()
            except ResourceNotFoundError as cause:
                if error_code(cause) != "TableNotFound":
                    raise


def _racing(row: str, write: Callable[[], _T]) -> _T:
    """What ``write`` returns, tried again where it lost the race; StorageUnavailable where it always does."""
    tries = Retrying(
        retry=retry_if_exception_type(_LostRace),
        wait=wait_random_exponential(multiplier=0.02, max=2),  # seconds
        stop=stop_after_attempt(_TRIES),
    )
    try:
        return tries(write)
    except RetryError as cause:
        raise StorageUnavailable(f"Other writers of the ledger row {shown(row)} were faster {_TRIES} times.") from cause


def _replace(table: TableClient, old: TableEntity, row: Row) -> None:
    """Put ``row`` where ``old`` still stands; raises _LostRace where another writer has changed it."""
    try:
        table.update_entity(
            row, mode=UpdateMode.REPLACE, etag=old.metadata["etag"], match_condition=MatchConditions.IfNotModified
        )
    except ResourceModifiedError as cause:
        raise _LostRace from cause


def _chosen(partition: str | None, since: datetime | None) -> tuple[str, dict[str, Any]]:
    """The filter of a query, and its parameters; an empty one takes every row."""
    parts = {_OF_PARTITION: ("partition", partition), "Timestamp ge @since": ("since", since)}
    wanted = {condition: named for condition, named in parts.items() if named[1] is not None}
    return " and ".join(wanted), dict(wanted.values())


def _parsed(rows: Iterable[Row], parse: Callable[[Row], _T]) -> Iterator[_T]:
    for row in rows:
        try:
            yield parse(row)
        except BadRecord as fault:
            _log.warning("A ledger row is left out: %s", fault)


def _making_table(table: TableClient, request: Callable[[], object]) -> None:
    """Run ``request``, which creates a row; where the table is missing, make it and run it again."""
    try:
        request()
    except ResourceNotFoundError:  # of a row that is created, nothing but the table can be missing
        with suppress(ResourceExistsError):  # another writer made it just now
            table.create_table()
        request()
