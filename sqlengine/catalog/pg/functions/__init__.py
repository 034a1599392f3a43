"""The functions that PostgreSQL has for its catalog and its sessions, by family; importing this declares them all."""

from sqlengine.catalog.pg.functions import definitions, names, privileges, session, sizes
from sqlengine.catalog.pg.functions.registry import PG_FUNCTIONS, PgFunction, call, overload

FAMILIES = (definitions, names, privileges, session, sizes)

__all__ = ["FAMILIES", "PG_FUNCTIONS", "PgFunction", "call", "overload"]
