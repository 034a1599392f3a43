"""The `datagen` source: rows made from declared columns, by row number, so any row can be made again.

Flink's spellings (`rows-per-second`, `number-of-rows`, `fields.<column>.kind`) and RisingWave's
(`datagen.rows.per.second`, `datagen.split.num`) are accepted.  As Flink does, the rows end where the first
sequence with an end does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from sqlengine.connectors.base import Connector, Polled, Position
from sqlengine.connectors.datagen.fields import column, nested
from sqlengine.connectors.pace import Pace
from sqlengine.errors import InvalidParameter, UndefinedColumn, did_you_mean
from sqlengine.formats.base import batch_of
from sqlengine.formats.options import option
from sqlengine.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class DatagenOptions:
    """How many rows, how fast, and what each column holds."""

    rows_per_second: int = option(
        10, "pace by the clock, all partitions together; 0 = as fast as possible", unit="rows/s", minimum=0,
        aliases=("datagen_rows_per_second",),
    )  # fmt: skip
    number_of_rows: int = option(
        0, "stop after so many rows; 0 = never", minimum=0, aliases=("datagen_number_of_rows",)
    )
    seed: int = option(0, "another seed makes other rows", minimum=0)
    split_num: int = option(1, "how many partitions", minimum=1, aliases=("datagen_split_num", "partitions"))
    fields: Mapping[str, str] = option(dict, "fields.<column>.<option>: what a column holds")


class DatagenSource:
    """See connectors.base.Source; the columns must be declared."""

    def __init__(self, options: DatagenOptions, schema: pa.Schema | None) -> None:
        if schema is None or not len(schema):
            raise InvalidParameter("datagen needs declared columns")
        self.options = options
        self._schema = schema
        _check_names(options.fields, schema)
        self._columns = [column(f.name, f.type, _options_of(options.fields, f.name), options.seed) for f in schema]
        limits = [c.rows for c in self._columns if c.rows is not None]
        self.total = min([*limits, *([options.number_of_rows] if options.number_of_rows else [])], default=None)

    @property
    def bounded(self) -> bool:
        """Whether there is a last row."""
        return self.total is not None

    def schema(self) -> pa.Schema:
        """As declared."""
        return self._schema

    def partitions(self) -> Sequence[str]:
        """Named by number; partition i of k makes the rows i, i + k, i + 2 k, ..."""
        return [str(i) for i in range(self.options.split_num)]

    def open(self, partition: str, position: Position | None) -> DatagenReader:
        """At the partition's first row, or at the one the position names."""
        return DatagenReader(self, int(partition) if position is None else int(position["row"]))

    def rows(self, numbers: np.ndarray) -> pa.RecordBatch:
        """The rows with these numbers (int64)."""
        return batch_of(self._schema, [c.make(numbers) for c in self._columns], len(numbers))


class DatagenReader:
    """See connectors.base.Reader."""

    def __init__(self, source: DatagenSource, row: int) -> None:
        self._source = source
        self._row = row
        self._step = source.options.split_num
        self._pace = Pace(source.options.rows_per_second / self._step)

    def poll(self, max_rows: int, now_us: int) -> Polled:
        """The next rows that are due."""
        wanted = max_rows if self._source.total is None else min(max_rows, self._left())
        count = self._pace.allowed(wanted, now_us)
        batch = None
        if count:
            batch = self._source.rows(self._row + self._step * np.arange(count))
            self._row += self._step * count
            self._pace.gave(count)
        done = self._source.total is not None and self._left() == 0
        wait = self._pace.wait_us(now_us) if count < max_rows and not done else None
        return Polled(batch, {"row": self._row}, done=done, retry_after_us=wait)

    def progress(self) -> float | None:
        """The fraction of the rows made, when there is an end."""
        total = self._source.total
        return None if total is None else (1.0 if total == 0 else min(1.0, self._row / total))

    def close(self) -> None:
        """Nothing to release."""

    def _left(self) -> int:
        assert self._source.total is not None, "only asked where there is an end"
        return max(0, -(-(self._source.total - self._row) // self._step))


def _options_of(fields: Mapping[str, str], name: str) -> dict[str, str]:
    return nested({k[: len(name)].lower() + k[len(name) :]: v for k, v in fields.items()}, name.lower())


def _check_names(fields: Mapping[str, str], schema: pa.Schema) -> None:
    names = {n.lower() for n in schema.names}
    for key in fields:
        name = key.split(".")[0]
        if not any(key.lower().startswith(n + ".") for n in names):
            raise UndefinedColumn(f'datagen option for unknown column "{name}"', hint=did_you_mean(name, schema.names))


DATAGEN = Connector(
    "datagen", "made-up rows: sequences and random values", DatagenOptions, source=DatagenSource, reach="nothing"
)
