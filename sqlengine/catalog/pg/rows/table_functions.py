"""Functions without arguments that stand in FROM: relations whose names end in ()."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlengine.catalog.pg.facts import Facts
from sqlengine.catalog.pg.rows.classes import Row, Rows
from sqlengine.pg_words import RESERVED


def keywords(facts: Facts) -> Iterator[Row]:
    """pg_get_keywords(): the words that are no names without quotes."""
    for word in sorted(RESERVED):
        yield {
            "word": word,
            "catcode": "R",
            "barelabel": True,
            "catdesc": "reserved",
            "baredesc": "can be bare label",
        }


ROWS: dict[str, Callable[[Facts], Rows]] = {
    "pg_catalog.pg_get_keywords()": keywords,
}
