"""Columns by name: which of those that a file or generator has a declared one is, and a generator's columns made the
declared ones: picked by name, in the declared order, cast to the declared types."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sqlengine.errors import DatatypeMismatch, UndefinedColumn, did_you_mean
from sqlengine.formats.base import batch_of
from sqlengine.types import to_sql


def same_name(name: str) -> str:
    """What a column's name comes down to: `dateTime`, `datetime` and `date_time` are one."""
    return name.replace("_", "").lower()


def fitting_names(names: Sequence[str]) -> list[str]:
    """Names that a table can have, as many: none empty, and none that comes down to the same as another.  What is made
    up is no name of another column."""
    own = {same_name(name) for name in names}
    made: list[str] = []
    seen: set[str] = set()
    for number, name in enumerate(names, 1):
        wanted = name.strip() or f"column_{number}"
        fitting, again, is_own = wanted, 2, wanted == name
        while (key := same_name(fitting)) in seen or (not is_own and key in own):
            fitting, again, is_own = f"{wanted}_{again}", again + 1, False
        seen.add(key)
        made.append(fitting)
    return made


def column_index(names: Sequence[str], wanted: str) -> int | None:
    """Which of a file's columns a declared one is: the first of its name, of its name among the fitting ones, or of
    what its name comes down to; None for none."""
    for known in (names, fitting_names(names)):
        if wanted in known:
            return list(known).index(wanted)
    plain = same_name(wanted)
    return next((i for i, name in enumerate(names) if same_name(name) == plain), None)


class Selection:
    """Gives batches of `made` the shape `declared` (None: as they are).

    Raises UndefinedColumn (42703) for a declared column that is not made, DatatypeMismatch (42804) for a
    type that the made one cannot become.
    """

    def __init__(self, made: pa.Schema, declared: pa.Schema | None, owner: str) -> None:
        self.schema = made if declared is None else declared
        by_name = {same_name(f.name): i for i, f in enumerate(made)}
        self._indexes = []
        for wanted in self.schema:
            index = by_name.get(same_name(wanted.name))
            if index is None:
                hint = did_you_mean(wanted.name, made.names) or "columns: " + ", ".join(made.names)
                raise UndefinedColumn(f'{owner} has no column "{wanted.name}"', hint=hint)
            self._check(made.field(index), wanted)
            self._indexes.append(index)

    def of(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """One batch in the declared shape."""
        columns = [batch.column(i) for i in self._indexes]
        cast = [_cast(c, f.type) for c, f in zip(columns, self.schema, strict=True)]
        return batch_of(self.schema, cast, batch.num_rows)

    @staticmethod
    def _check(made: pa.Field, wanted: pa.Field) -> None:
        try:
            _cast(pa.array([], made.type), wanted.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
            raise DatatypeMismatch(
                f'column "{wanted.name}" is of type {to_sql(made.type)} and cannot be {to_sql(wanted.type)}'
            ) from None


def _cast(values: pa.Array, dtype: pa.DataType) -> pa.Array:
    """Arrow's cast; the fields of a struct are matched by name as columns are."""
    if values.type == dtype:
        return values
    if not (pa.types.is_struct(values.type) and pa.types.is_struct(dtype)):
        return values.cast(dtype)
    by_name = {same_name(values.type.field(i).name): i for i in range(values.type.num_fields)}
    fields = [dtype.field(i) for i in range(dtype.num_fields)]
    missing = [f.name for f in fields if same_name(f.name) not in by_name]
    if missing:
        raise pa.ArrowTypeError(f"no field {missing[0]}")
    children = [_cast(values.field(by_name[same_name(f.name)]), f.type) for f in fields]
    return pa.StructArray.from_arrays(children, fields=fields, mask=values.is_null())
