"""Types as the protocol names them: Arrow type <-> oid, size and modifier.

Oids are PostgreSQL's own (catalog/pg/types.py), so that no driver has to ask what they are.  STRUCT and MAP, which
PostgreSQL has no ready type for, are told as json.
"""

from __future__ import annotations

from functools import cache

import pyarrow as pa

from sqlengine.catalog.pg.functions.names import REG_TYPES
from sqlengine.catalog.pg.types import BY_NAME, BY_OID, type_of
from sqlengine.server.pg.replies import Column
from sqlengine.snapshot.expand import PG_TYPE
from sqlengine.types import TYPES

OIDS = (pa.uint32(), pa.list_(pa.uint32()))
"""What parameters of catalog queries are that take oids (catalog/pg/types.py); nothing else is."""

TEXT, JSON, JSONB = (BY_NAME[name].oid for name in ("text", "json", "jsonb"))
_TEXTS = ("char", "name", "bpchar", "varchar", *sorted(REG_TYPES))

NUMBERED = frozenset((24, 26, 28, 29, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191))
"""oid and its relatives, reg* types among them: in binary four bytes without sign, whatever holds them here."""

VECTORS = frozenset((22, 30))
"""int2vector and oidvector."""
CIDR = 650
ADDRESSES = frozenset((CIDR, 869))
"""cidr and inet, which are texts here."""

_BY_OID: dict[int, pa.DataType] = {row.pg_oid: row.arrow for row in TYPES}
_BY_OID |= {BY_NAME[name].oid: pa.string() for name in _TEXTS}
_BY_OID |= {BY_NAME["oid"].oid: pa.int64(), BY_NAME["xid"].oid: pa.int64()}


def array_oid(element: int) -> int:
    """The array type of an element type; text[] of one that has none."""
    return (BY_OID[element].array if element in BY_OID else 0) or BY_OID[TEXT].array


def element_oid(oid: int) -> int | None:
    """The element type of an array type; None of any other."""
    found = BY_OID.get(oid)
    return found.elem if found is not None and found.category == "A" else None


def arrow_type(oid: int) -> pa.DataType | None:
    """Our type of a parameter declared with an oid; None where the type is not said (0, unknown) or not known."""
    element = element_oid(oid)
    if element is not None:
        inner = arrow_type(element)
        return None if inner is None else pa.list_(inner)
    return _BY_OID.get(oid)


@cache
def type_oid(dtype: pa.DataType) -> int:
    """The oid of one of our types."""
    if dtype in OIDS:
        return BY_NAME["oid"].oid if dtype == OIDS[0] else BY_NAME["oid"].array
    return type_of(dtype)[0]


def column(field: pa.Field) -> Column:
    """What RowDescription says of a field, which may name a type of pg_catalog its values are told as."""
    named = (field.metadata or {}).get(PG_TYPE.encode())
    oid, modifier = type_oid(field.type), type_of(field.type)[1]
    if named is not None:
        oid, modifier = _named(named.decode()), -1
    return Column(field.name, oid, BY_OID[oid].length, modifier)


def _named(name: str) -> int:
    if name.endswith("[]"):
        return array_oid(_named(name[:-2]))
    return BY_NAME[name].oid if name in BY_NAME else TEXT
