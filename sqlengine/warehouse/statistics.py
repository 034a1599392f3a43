"""What ANALYZE TABLE counts: files, bytes and rows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine.quick_dataclass import dataclass
from sqlengine.warehouse.columnar import open_file
from sqlengine.warehouse.description import TableDescription
from sqlengine.warehouse.layout import NO_OVERRIDES, Overrides, Partition, Values, data_files
from sqlengine.warehouse.reading import read
from sqlengine.warehouse.serdes import ORC, PARQUET
from sqlengine.warehouse.visibility import shown


@dataclass(frozen=True, slots=True)
class Statistics:
    """`num_rows`: None when rows were not counted (NOSCAN)."""

    num_files: int
    total_bytes: int
    num_rows: int | None = None


def statistics(
    description: TableDescription,
    partitions: Sequence[Partition],
    *,
    counts_rows: bool = True,
    overrides: Overrides = NO_OVERRIDES,
) -> dict[Values, Statistics]:
    """Of each partition, all as of one moment. Rows of Parquet and ORC files are known without reading them."""
    found: dict[Values, Statistics] = {}
    with shown(description.location) as view:
        with view.listing():
            files = {partition.values: data_files(partition.location) for partition in partitions}
        for values, infos in files.items():
            rows = None
            if counts_rows:
                rows = 0
                for info in infos:
                    with view.opening(info.path) as actual:
                        rows += count_rows(actual, overrides.describing(description, values))
            found[values] = Statistics(len(infos), sum(info.size for info in infos), rows)
    return found


def count_rows(path: str, description: TableDescription) -> int:
    """The rows of one file. Raises as `read`."""
    if description.serde == PARQUET:
        # pyarrow.parquet takes 40 ms to import and is needed for Parquet only
        import pyarrow.parquet as pq

        with open_file(path, "Parquet", pq.ParquetFile) as file:
            return int(file.metadata.num_rows)
    if description.serde == ORC:
        # ORC's reader is needed for ORC only
        import pyarrow.orc as orc

        return int(open_file(path, "ORC", orc.ORCFile).nrows)
    return sum(batch.num_rows for batch in read(path, description, []))
