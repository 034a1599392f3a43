"""Descriptions of tables as plain JSON values and back, for catalogs and exported tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlengine.hive_types import parse_type
from sqlengine.warehouse.description import Column, TableDescription, check


def to_json(description: TableDescription) -> dict[str, Any]:
    """All but the location."""
    return {
        "name": description.name,
        "columns": _columns(description.columns),
        "partition_columns": _columns(description.partition_columns),
        "file_format": description.file_format,
        "serde": description.serde,
        "serde_properties": dict(description.serde_properties),
        "properties": dict(description.properties),
        "is_external": description.is_external,
        "comment": description.comment,
        "bucket_columns": list(description.bucket_columns),
        "num_buckets": description.num_buckets,
    }


def _columns(columns: Sequence[Column]) -> list[list[str]]:
    return [[column.name, str(column.type), column.comment] for column in columns]


def from_json(values: Mapping[str, Any], location: str) -> TableDescription:
    """The description at a location. Raises what `check` raises, KeyError, TypeError or ValueError for other values."""
    columns, partition_columns = (
        tuple(Column(name, parse_type(text), comment) for name, text, comment in values[key])
        for key in ("columns", "partition_columns")
    )
    made = TableDescription(
        values["name"], columns, location, partition_columns, values["file_format"], values["serde"],
        dict(values["serde_properties"]), dict(values["properties"]), bool(values["is_external"]), values["comment"],
        tuple(values["bucket_columns"]), int(values["num_buckets"]),
    )  # fmt: skip
    check(made)
    return made
