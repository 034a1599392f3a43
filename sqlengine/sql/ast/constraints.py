"""Constraints of CREATE TABLE and ALTER TABLE."""

from __future__ import annotations

from sqlengine.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class CheckDef:
    """CHECK (expr): `name` None where no CONSTRAINT names it, `column` where it stands behind one."""

    name: str | None
    expr_text: str
    position: int | None = None
    column: str | None = None


@dataclass(frozen=True, slots=True)
class UniqueDef:
    """UNIQUE (columns): `name` None where no CONSTRAINT names it; `nulls_equal`: NULLS NOT DISTINCT."""

    name: str | None
    columns: tuple[str, ...]
    position: int | None = None
    nulls_equal: bool = False
