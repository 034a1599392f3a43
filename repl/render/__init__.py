"""Results to text and bytes: one renderer per format, behind `renderer`."""

from __future__ import annotations

import importlib
from typing import Any

from repl.render.base import Renderer, Target

_RENDERERS = {
    "table": ("repl.render.table", "TableRenderer"),
    "vertical": ("repl.render.vertical", "VerticalRenderer"),
    "markdown": ("repl.render.markdown", "MarkdownRenderer"),
    "csv": ("repl.render.records", "CsvRenderer"),
    "json": ("repl.render.records", "JsonRenderer"),
    "ndjson": ("repl.render.records", "NdjsonRenderer"),
    "arrow": ("repl.render.records", "ArrowRenderer"),
}

FORMATS = tuple(_RENDERERS)


def renderer(format_name: str, target: Target) -> Renderer:
    """A renderer that writes one result to `target`; `format_name` is one of FORMATS."""
    module, name = _RENDERERS[format_name]
    # loaded when first used: a command that prints one table should not pay for the encoders
    make: Any = getattr(importlib.import_module(module), name)
    return make(target)
