"""CLUSTERED BY, SORTED BY and SKEWED BY of tables over files: kept and told; rows are not placed by them.

TABLESAMPLE (BUCKET ...) finds the rows that Hive would have put into a bucket by their hash.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlengine.catalog.objects import FileTable, Skewed
from sqlengine.errors import InvalidDefinition, InvalidParameter, UndefinedColumn, did_you_mean
from sqlengine.sql import ast


def skewed_as_kept(said: ast.Skewed | None) -> Skewed | None:
    """SKEWED BY as the catalog has it; InvalidDefinition (42P17) for a row of more or fewer values than columns."""
    if said is not None and any(len(row) != len(said.columns) for row in said.rows):
        raise InvalidDefinition("SKEWED BY has as many values in each row as columns")
    return None if said is None else (said.columns, said.rows, said.as_directories)


def check_clustering(table: FileTable) -> None:
    """UndefinedColumn (42703) for a column that is not one of the files'."""
    _check(table, (name for name, _ in table.sort_columns), "sort")
    _check(table, table.skewed[0] if table.skewed is not None else (), "skewed")
    _check(table, table.bucket_columns, "bucket")


def _check(table: FileTable, names: Iterable[str], what: str) -> None:
    known = [name for name, _, _ in table.hive_columns]
    for name in names:
        if name not in known:
            raise UndefinedColumn(
                f'{what} column "{name}" is not a column of table "{table.name}"', hint=did_you_mean(name, known)
            )


def reclustered(table: FileTable, change: ast.TableChange) -> FileTable:
    """The table after CLUSTERED BY, INTO n BUCKETS, NOT CLUSTERED, NOT SORTED, SKEWED BY or NOT SKEWED."""
    match change.verb:
        case "clustered":
            said = change.buckets
            if said.number < 1:
                raise InvalidParameter("the number of buckets is at least 1")
            made = replace(table, bucket_columns=said.columns, num_buckets=said.number, sort_columns=said.sorted)
        case "buckets":
            if not table.bucket_columns:
                raise InvalidDefinition(
                    f'table "{table.name}" is not clustered', hint="CLUSTERED BY (...) INTO n BUCKETS"
                )
            if change.buckets.number < 1:
                raise InvalidParameter("the number of buckets is at least 1")
            made = replace(table, num_buckets=change.buckets.number)
        case "not_clustered":
            made = replace(table, bucket_columns=(), num_buckets=0, sort_columns=())
        case "not_sorted":
            made = replace(table, sort_columns=())
        case _:
            made = replace(table, skewed=skewed_as_kept(change.skewed))
    check_clustering(made)
    return made
