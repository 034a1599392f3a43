"""How a statement makes what a continuous query stands behind: names are taken at once, and free again if it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sqlengine.catalog.objects import CatalogObject, MaterializedView, Sink
from sqlengine.statements.context import Context


@dataclass(frozen=True)
class Making:
    """Objects that are being made; `done` is called, with the lock held, when their query is up to date."""

    context: Context
    objects: tuple[CatalogObject, ...]

    def done(self) -> None:
        """They are there now."""
        for obj in self.objects:
            self.context.instance.filled(obj)


@contextmanager
def being_made(
    context: Context, objects: tuple[CatalogObject, ...], undo: Callable[[], None] | None = None
) -> Iterator[Making]:
    """Within, with the lock free: the query of `objects` is started; the caller of this holds no lock.

    In the background the objects outlive the statement, and a restart; otherwise they are nothing before `Making.done`.
    What is raised undoes everything: `undo` is called with the lock held.
    """
    instance = context.instance
    made: list[CatalogObject] = []
    try:
        with instance.lock:
            for obj in objects:
                made.append(_entered(obj, context))
        yield Making(context, tuple(made))
    except BaseException:
        with instance.lock:
            for obj in made:
                if isinstance(obj, (MaterializedView, Sink)):
                    instance.stop_query(obj.query_id)
                if context.in_background and obj.name in instance.catalog:
                    instance.catalog.drop(obj.name)
                instance.catalog.release(obj)
            if undo is not None:
                undo()
        raise


def _entered(obj: CatalogObject, context: Context) -> CatalogObject:
    """The object as the catalog has it from now on."""
    catalog = context.instance.catalog
    if not context.in_background:
        catalog.hold(obj)
        return obj
    obj = replace(obj, filling=True) if isinstance(obj, (MaterializedView, Sink)) else obj
    catalog.add(obj)
    return obj
