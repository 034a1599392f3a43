"""Names of objects in a query, given the schemas they are looked for in: in the tree and in the text alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from sqlengine.sql import ast, deep
from sqlengine.sql.references import find

SchemaOf = Callable[[str], ast.Name]
"""A name without a schema -> (its schema,), or () where it needs none."""


def with_schemas(query: ast.Query, schema_of: SchemaOf) -> ast.Query:
    """The query with a schema before each name that `schema_of` has one for; the same Query where there is none."""
    return deep.run(lambda: _qualified(query, schema_of))


def _qualified(query: ast.Query, schema_of: SchemaOf) -> ast.Query:
    tree = query.tree.copy()
    places: list[tuple[int, str]] = []
    for node, ref in list(find(tree)):
        if type(ref) is not ast.TableRef or len(ref.parts) > 1:
            continue
        schema = schema_of(ref.parts[0])
        if not schema:
            continue
        named = exp.to_identifier(schema[0], quoted=True)
        node.set("db" if isinstance(node, exp.Table) else "table", named)
        places.append(((ref.position or 0) - query.position, schema[0]))
    if not places:
        return query
    return replace(query, tree=tree, text=_spelt(query.text, places))


def _spelt(text: str, places: list[tuple[int, str]]) -> str:
    """The text with the schemas put in, from the last place on."""
    for at, schema in sorted(places, reverse=True):
        spelt = '"' + schema.replace('"', '""') + '"'
        text = f"{text[:at]}{spelt}.{text[at:]}"
    return text
