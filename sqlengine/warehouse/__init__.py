"""The warehouse: Hive tables as files. Knows nothing of SQL text or sessions, only Arrow, files and descriptions.

What others call:

- `describe` makes a checked `TableDescription` of DDL's texts; `parse_type` and `from_arrow` give a `HiveType`, whose
  `arrow` is its Arrow type and `str` Hive's text; `stored_as`, `stored_by_classes` and `serde_of` read words and
  class names; `avro_columns` gives the columns of a declared Avro schema; `local_path` reads LOCATION and INPATH.
- `table_location`, `find_partitions`, `prune`, `partition_at`, `partition_name`, `data_files`: where things are.
- `read` gives the rows of a file, `read_table` those of a table or of some of its partitions, as batches.
- `write_rows` is INSERT INTO and OVERWRITE, `write_directory` INSERT OVERWRITE DIRECTORY; both wholly or not at all.
  `recover` finishes or undoes what a process that died has left: call it before a table is first used.
- `load_data`, `truncate`, `add_partition`, `drop_partitions`, `rename_partition`, `exchange_partitions`, `drop_table`,
  `rename_table`: what statements do on disk. `check_partitions` and `report` are MSCK, `statistics` is ANALYZE.
- `export_table`, `read_export`, `import_table`; `to_json` and `from_json` keep a description.
- `line_writer` and `as_bytes` make rows of text formats bytes; `is_text` tells these formats from others.
- `changes` tells which files have come and gone since somebody looked.
"""

from sqlengine.hive_types import HiveType, from_arrow, parse_type
from sqlengine.warehouse.avro_files import avro_columns
from sqlengine.warehouse.changes import Changes, DataFile, changes
from sqlengine.warehouse.commit import recover
from sqlengine.warehouse.description import (
    BLOCK_OFFSET,
    FILE_NAME,
    Column,
    RowFormat,
    TableDescription,
    describe,
    local_path,
)
from sqlengine.warehouse.description_json import from_json, to_json
from sqlengine.warehouse.exports import Exported, export_table, import_table, read_export
from sqlengine.warehouse.file_schemas import WHOLE_LINES, describe_files, partitions_below
from sqlengine.warehouse.layout import (
    NO_OVERRIDES,
    FileInfo,
    Overrides,
    Partition,
    data_files,
    database_location,
    find_partitions,
    matching,
    parse_partition_name,
    partition_at,
    partition_name,
    prune,
    table_location,
    typed_values,
)
from sqlengine.warehouse.operations import (
    Loaded,
    add_partition,
    drop_partitions,
    drop_table,
    exchange_partitions,
    load_data,
    rename_partition,
    rename_table,
    truncate,
)
from sqlengine.warehouse.reading import read, read_table
from sqlengine.warehouse.repair import Repair, check_partitions, report
from sqlengine.warehouse.row_texts import as_bytes, line_writer
from sqlengine.warehouse.serdes import is_text, serde_class, serde_of, stored_as, stored_by_classes
from sqlengine.warehouse.spark_csv import csv_properties
from sqlengine.warehouse.statistics import Statistics, statistics
from sqlengine.warehouse.value_texts import to_texts
from sqlengine.warehouse.writing import APPEND, OVERWRITE, Written, write_directory, write_rows

__all__ = [
    "APPEND",
    "BLOCK_OFFSET",
    "Changes",
    "Column",
    "DataFile",
    "Exported",
    "FILE_NAME",
    "FileInfo",
    "HiveType",
    "Loaded",
    "NO_OVERRIDES",
    "OVERWRITE",
    "Overrides",
    "Partition",
    "Repair",
    "RowFormat",
    "Statistics",
    "TableDescription",
    "WHOLE_LINES",
    "Written",
    "add_partition",
    "as_bytes",
    "avro_columns",
    "changes",
    "check_partitions",
    "data_files",
    "csv_properties",
    "database_location",
    "describe",
    "describe_files",
    "drop_partitions",
    "drop_table",
    "exchange_partitions",
    "export_table",
    "find_partitions",
    "from_arrow",
    "from_json",
    "import_table",
    "is_text",
    "line_writer",
    "load_data",
    "local_path",
    "matching",
    "parse_partition_name",
    "parse_type",
    "partition_at",
    "partition_name",
    "partitions_below",
    "prune",
    "read",
    "read_export",
    "read_table",
    "recover",
    "rename_partition",
    "rename_table",
    "report",
    "serde_class",
    "serde_of",
    "statistics",
    "stored_as",
    "stored_by_classes",
    "table_location",
    "to_json",
    "to_texts",
    "truncate",
    "typed_values",
    "write_directory",
    "write_rows",
]
