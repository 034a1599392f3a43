"""Results to text and bytes: one renderer per format, behind `renderer`."""

from __future__ import annotations

from collections.abc import Callable

from repl.render.base import Renderer, Target
from repl.render.markdown import MarkdownRenderer
from repl.render.records import ArrowRenderer, CsvRenderer, JsonRenderer, NdjsonRenderer
from repl.render.table import TableRenderer
from repl.render.unaligned import UnalignedRenderer
from repl.render.vertical import VerticalRenderer


def _hive(target: Target) -> Renderer:
    from repl.render.hive import HiveRenderer  # loads the warehouse, which no other format needs

    return HiveRenderer(target)


_RENDERERS: dict[str, Callable[[Target], Renderer]] = {
    "table": TableRenderer,
    "vertical": VerticalRenderer,
    "csv": CsvRenderer,
    "json": JsonRenderer,
    "ndjson": NdjsonRenderer,
    "markdown": MarkdownRenderer,
    "arrow": ArrowRenderer,
    "unaligned": UnalignedRenderer,
    "hive": _hive,
}

FORMATS = tuple(_RENDERERS)


def renderer(format_name: str, target: Target) -> Renderer:
    """A renderer that writes one result to `target`; `format_name` is one of FORMATS."""
    return _RENDERERS[format_name](target)
