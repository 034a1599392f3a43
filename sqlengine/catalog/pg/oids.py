"""The oids of what belongs to an object, made from the object's own so that they last as long as it does.

The catalog gives each object OIDS_PER_OBJECT numbers in a row (catalog/catalog.py): the object's is the first, and
behind it come those of its row type, its indexes and constraints, and from 1024 on one a column.
"""

from __future__ import annotations

DATABASE = 16383
STEP = 2048
SYSTEM_TABLES = 4_000_000_000
"""The first of the tables of the schema `system`."""
DEFAULT_ACLS = 15_000
BUILT_IN_FUNCTIONS = 100_000_000
SQL_FUNCTIONS = 100_100_000
USER_FUNCTIONS = 200_000_000
SYSTEM_ROW_TYPES = 14_000_000
"""The first of the row types of the system catalogs; those of the objects follow from theirs."""


def row_type(relation: int) -> int:
    """The type of a relation's rows."""
    return relation + 1 if relation >= 16384 else SYSTEM_ROW_TYPES + 2 * relation


def row_array(relation: int) -> int:
    """The type of arrays of a relation's rows."""
    return row_type(relation) + 1


def index(relation: int) -> int:
    """The primary key's index."""
    return relation + 3


def secondary(relation: int, serial: int) -> int:
    """A secondary index, by its number among the object's."""
    return relation + 512 + 2 * serial


def unique(relation: int, serial: int) -> int:
    """The UNIQUE constraint that a secondary index is for."""
    return secondary(relation, serial) + 1


def rule(relation: int) -> int:
    """The rule that makes a view one."""
    return relation + 4


def key(relation: int) -> int:
    """The primary key as a constraint."""
    return relation + 5


def check(relation: int, number: int) -> int:
    """A CHECK constraint, counted from 0."""
    return relation + 8 + number


def sequence(relation: int) -> int:
    """The sequence behind an identity column."""
    return relation + 6


def default(relation: int, attnum: int) -> int:
    """A column's default."""
    return relation + 1024 + attnum
