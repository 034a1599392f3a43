"""Which files a path names, and what their names say about them."""

from __future__ import annotations

import glob
import os

from sqlengine.connectors.file.options import FileOptions
from sqlengine.errors import FileUnavailable, InvalidParameter

_FORMATS = {
    ".json": "json", ".ndjson": "json", ".jsonl": "json", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet",
    ".pq": "parquet", ".arrow": "arrow", ".arrows": "arrow", ".ipc": "arrow", ".feather": "arrow",
}  # fmt: skip
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


def files(options: FileOptions) -> list[str]:
    """The files that `path` names now, in the order of their names.

    A directory means its files (not those in folders below); names that begin with a point or underscore
    are left out, as are, without a stated format, names with an unknown extension.  Raises FileUnavailable
    (58P01) when there are none, unless they may still come (`follow` and a directory or glob).
    """
    path = os.path.expanduser(options.path)
    if glob.has_magic(path) and not os.path.exists(path):
        found = [f for f in glob.glob(path, recursive=True) if os.path.isfile(f)]
    elif os.path.isdir(path):
        found = [e.path for e in os.scandir(path) if e.is_file() and _wanted(e.name, options)]
    elif os.path.exists(path):
        return [path]
    else:
        raise FileUnavailable(f'could not open file "{options.path}": no such file or directory')
    if not found and not options.follow:
        raise FileUnavailable(f'no file to read in "{options.path}"')
    return sorted(found)


def _wanted(name: str, options: FileOptions) -> bool:
    return not name.startswith((".", "_")) and bool(options.format or _extension(name)[0] in _FORMATS)


def _extension(path: str) -> tuple[str, str]:
    """The extension that tells the format, and the one behind it that tells the compression ("" = none)."""
    stem, last = os.path.splitext(path.lower())
    if last in _COMPRESSIONS:
        return os.path.splitext(stem)[1], last
    return last, ""


def format_of(path: str, options: FileOptions) -> str:
    """The stated format, or the one of the file's extension; InvalidParameter (22023) when neither tells."""
    if options.format:
        return options.format
    extension = _extension(path)[0]
    if extension not in _FORMATS:
        raise InvalidParameter(
            f'the format of file "{path}" cannot be told from its name', hint="add: format = 'json' | 'csv' | ..."
        )
    return _FORMATS[extension]


def compression_of(path: str, options: FileOptions) -> str:
    """`gzip`, `zstd` or `none`."""
    if options.compression != "auto":
        return options.compression
    return _COMPRESSIONS.get(_extension(path)[1], "none")


def unavailable(path: str, error: OSError) -> FileUnavailable:
    """The operating system's complaint as ours."""
    reason = (error.strerror or str(error)).lower()
    return FileUnavailable(f'could not open file "{path}": {reason}')
