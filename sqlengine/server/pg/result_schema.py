"""A result's exact types as text, for clients that ask for them with SET result_schema: oids do not tell what a STRUCT
or MAP holds, nor how deep an array is.
"""

from __future__ import annotations

import base64

import pyarrow as pa

RESULT_SCHEMA = "result_schema"
"""The ParameterStatus that tells it, and the setting that asks for it."""


def schema_text(schema: pa.Schema) -> str:
    """A schema as text: base64 of its Arrow IPC message."""
    return base64.b64encode(schema.serialize()).decode()


def schema_of_text(text: str) -> pa.Schema:
    """The opposite."""
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))
