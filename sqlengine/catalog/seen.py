"""The catalog as a query knew it when it was planned: what it reads under the names of then.

Why: where a column is renamed the texts of the queries that read it are rewritten, but their plans must stay what they
are, for state fits no other. So a view or sink keeps the texts and names its plan was made of (`PlanningInfo`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sqlengine.catalog.catalog import Catalog
from sqlengine.catalog.objects import CatalogObject, MaterializedView, PlanningInfo, Sink, Stream, Table, View

OWN = ""
"""The key of the view's or sink's own text."""


def as_seen(catalog: Catalog, planning: PlanningInfo) -> Catalog:
    """The catalog in which relations have the names and texts that a plan was made of; itself where nothing differs."""
    for name, known in planning.names.items():
        obj = catalog.find(tuple(name.split(".")))
        if isinstance(obj, (Stream, Table)):
            catalog = catalog.with_object(_under(obj, known, planning.keys.get(name, ())))
    for name, text in planning.texts.items():
        obj = catalog.find(tuple(name.split("."))) if name != OWN else None
        if isinstance(obj, View):
            catalog = catalog.with_object(replace(obj, query=text))
    return catalog


def planned_text(obj: MaterializedView | Sink) -> str:
    """The text that the object's query is planned by."""
    return obj.planning.texts.get(OWN, obj.query)


def with_seen(planning: PlanningInfo, read: Iterable[CatalogObject], own: str) -> PlanningInfo:
    """The same, with the present names and texts of the objects that are read, and the own text, unless it has earlier
    ones."""
    names, texts, keys = dict(planning.names), {OWN: own, **planning.texts}, dict(planning.keys)
    for obj in read:
        if isinstance(obj, View):
            texts.setdefault(obj.name, obj.query)
        else:
            names.setdefault(obj.name, {c.stored_name: c.name for c in obj.columns})
        if isinstance(obj, Table) and obj.primary_key:
            keys.setdefault(obj.name, [c.stored_name for c in obj.columns if c.name in obj.primary_key])
    return replace(planning, names=names, texts=texts, keys=keys)


def unseen(planning: PlanningInfo) -> PlanningInfo:
    """The same for a plan of the texts and names there are now."""
    return replace(planning, names={}, texts={}, keys={}) if planning.names or planning.texts else planning


def _under(obj: Stream | Table, known: Mapping[str, str], key: Sequence[str]) -> Stream | Table:
    """The object with those of its columns, by their stored names, that were known, as they were called; a table with
    the `key` it had."""
    then = {c.name: known[c.stored_name] for c in obj.columns if c.stored_name in known}
    columns = tuple(replace(c, name=then[c.name], stored=c.stored_name) for c in obj.columns if c.name in then)
    mark = obj.watermark
    if mark is not None:
        mark = replace(mark, column=then.get(mark.column, mark.column))
    if isinstance(obj, Table):
        return replace(obj, columns=columns, watermark=mark, primary_key=tuple(known[name] for name in key))
    return replace(obj, columns=columns, watermark=mark)
