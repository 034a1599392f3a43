"""How a statement makes what a continuous query stands behind: names are taken at once, and free again if it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from sqlengine.catalog.objects import CatalogObject, MaterializedView, Sink, Stream
from sqlengine.quick_dataclass import dataclass
from sqlengine.statements.context import Context


@dataclass(frozen=True)
class Making:
    """Objects that are being made; `done` is called, with the lock held, when their query is up to date."""

    context: Context
    objects: tuple[CatalogObject, ...]

    def done(self) -> None:
        """They are there now."""
        self.context.instance.filled(self.objects)


@contextmanager
def being_made(
    context: Context, objects: tuple[CatalogObject, ...], undo: Callable[[], None] | None = None
) -> Iterator[Making]:
    """Within, with the lock free: the query of `objects` is started; the caller of this holds no lock.

    In the background the objects outlive the statement, and a restart; otherwise they are nothing before `Making.done`.
    What is raised undoes everything: `undo` is called with the lock held.
    """
    instance = context.instance
    made: tuple[CatalogObject, ...] = ()
    try:
        with instance.lock:
            made = _entered(objects, context)
        yield Making(context, made)
    except BaseException:
        with instance.lock:
            for obj in made:
                if isinstance(obj, (MaterializedView, Sink)):
                    instance.stop_query(obj.query_id)
            names = {obj.name for obj in made if not instance.catalog.is_held(obj.name)}
            topics = [obj.topic for obj in made if isinstance(obj, Stream) and obj.name in names]
            instance.catalog.change((), [n for n in names if n in instance.catalog], topics)
            for obj in made:
                instance.catalog.release(obj)
            if undo is not None:
                undo()
        raise


def _entered(objects: tuple[CatalogObject, ...], context: Context) -> tuple[CatalogObject, ...]:
    """The objects as the catalog has them from now on."""
    catalog = context.instance.catalog
    held: list[CatalogObject] = []
    try:
        for obj in objects:
            catalog.hold(obj)
            held.append(obj)
        if context.in_background:
            objects = tuple(
                replace(obj, filling=True) if isinstance(obj, (MaterializedView, Sink)) else obj for obj in objects
            )
            catalog.change(objects)
    except BaseException:
        for obj in held:
            catalog.release(obj)
        raise
    return objects
