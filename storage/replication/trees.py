"""The files of a storage, as they lie in a directory: comparing, checking and copying those that hold no records, and
removing all.

They are `FORMAT` and the journals, `snapshots/<name>/<number>/`, and of each topic its description and schemas.
Partitions (directories with a number below a topic) are not copied: their records are replicated.
"""

from __future__ import annotations

from storage import checked
from storage.env import Env, make_dir, read_file, write_file
from storage.errors import CorruptFile
from storage.journal import Contents, examine
from storage.topic_files import DESCRIPTION, FORMAT_MARK, SCHEMA_PREFIX, schema_file

JOURNALS = ("meta.journal", "offsets.journal", "producers.journal")
ROOT_FILES = ("FORMAT", *JOURNALS)
ROOT_ENTRIES = (*ROOT_FILES, "topics")
"""What every directory of an open storage has, besides its mark and its lock."""
_MANIFEST = "manifest.json"
_COPY_BYTES = 1 << 24


def completeness(env: Env, root: str) -> tuple[bool, int, bool, int]:
    """What makes of directories that should be equal the one to copy from.

    Undamaged: the format mark, the journals, the topics' descriptions and schemas. With the most topics, because those
    that it has not would be taken for dropped. Then with journals that end with whole records, and with the most of
    them: a last record that is damaged may be taken for a torn one.
    """
    journals = [_journal(env, f"{root}/{name}") for name in JOURNALS]
    read = [contents for contents in journals if contents is not None]
    is_undamaged = len(read) == len(journals) and _is_readable(env, root)
    is_torn, records = any(contents.is_torn for contents in read), sum(len(contents.texts) for contents in read)
    return is_undamaged, len(topics_in(env, root)), not is_torn, records


def _journal(env: Env, path: str) -> Contents | None:
    """What a journal has, None if it is missing or damaged or cannot be read."""
    try:
        return examine(env, path)
    except (CorruptFile, OSError):
        return None


def _is_readable(env: Env, root: str) -> bool:
    """Whether the format mark, the topics' descriptions and the schemas are there and undamaged."""
    try:
        for entry in _topics(env, root):
            for name in _needed_files(env, f"{root}/topics/{entry}"):
                checked.load(env, f"{root}/topics/{entry}/{name}")
        return not env.exists(f"{root}/FORMAT") or read_file(env, f"{root}/FORMAT") == FORMAT_MARK
    except (CorruptFile, OSError):
        return False


def copy_metadata(env: Env, source: str, target: str) -> None:
    """Make the files in `target` equal to those in `source`, durably; files that are equal are not touched.

    OSError if that fails; what was copied by then stays, and the next time goes on. A `source` that has lost its topics
    altogether has not dropped them: FileNotFoundError, before anything is copied.
    """
    if _topics(env, target) and not env.exists(f"{source}/topics"):
        raise FileNotFoundError(2, "its topics have vanished", f"{source}/topics")
    for name in ROOT_FILES:
        _copy_small(env, source, target, name)
    for folder in ("snapshots", "topics"):
        make_dir(env, f"{target}/{folder}")
    _copy_topics(env, source, target)
    names = env.list(f"{source}/snapshots")
    for stray in sorted(set(env.list(f"{target}/snapshots")) - set(names)):
        env.remove(f"{target}/snapshots/{stray}")
    for name in names:
        _copy_snapshots(env, f"{source}/snapshots/{name}", f"{target}/snapshots/{name}")
    env.sync_dir(f"{target}/snapshots")
    env.sync_dir(target)


def remove_storage(env: Env, root: str) -> None:
    """Remove all that a storage keeps in a directory, records too, but for its mark and its lock. OSError.

    `FORMAT` goes last: while it is there, a crash leaves what is known to be a storage.
    """
    for name in ("topics", "snapshots", *JOURNALS, "FORMAT"):
        for each in (name, f"{name}.tmp"):
            env.remove(f"{root}/{each}")
    env.sync_dir(root)


def _copy_topics(env: Env, source: str, target: str) -> None:
    """The topics' descriptions and schemas; topics that are not in `source` go with all they hold."""
    entries = _topics(env, source)
    for stray in sorted(set(env.list(f"{target}/topics")) - set(entries)):
        env.remove(f"{target}/topics/{stray}")
    for entry in entries:
        here, there = f"{source}/topics/{entry}", f"{target}/topics/{entry}"
        make_dir(env, there)
        names = _topic_files(env, here)
        for stray in sorted(set(_topic_files(env, there)) - set(names)):
            env.remove(f"{there}/{stray}")
        for name in names:
            _copy_small(env, here, there, name)
        env.sync_dir(there)  # a file that is equal may have got its name without that being durable
    env.sync_dir(f"{target}/topics")


def _copy_snapshots(env: Env, source: str, target: str) -> None:
    """The snapshots of one name. They never change: where the manifest is the same, the tables are; of one without,
    which is there for files that others name, all is copied, as nothing tells whether they are the same."""
    make_dir(env, target)
    numbers = [number for number in env.list(source) if number.isdigit()]
    for stray in sorted(set(env.list(target)) - set(numbers)):
        env.remove(f"{target}/{stray}")
    for number in numbers:
        here, there = f"{source}/{number}", f"{target}/{number}"
        if _is_same(env, f"{here}/{_MANIFEST}", f"{there}/{_MANIFEST}") and env.list(here) == env.list(there):
            continue
        env.remove(there)
        env.remove(f"{there}.tmp")
        env.mkdir(f"{there}.tmp")
        for name in env.list(here):
            _copy_large(env, f"{here}/{name}", f"{there}.tmp/{name}")
        env.sync_dir(f"{there}.tmp")
        env.rename(f"{there}.tmp", there)
    env.sync_dir(target)


def _topics(env: Env, root: str) -> list[str]:
    """Names of the complete topics' directories."""
    return [entry for entry in env.list(f"{root}/topics") if not entry.endswith((".tmp", ".deleted"))]


def _topic_files(env: Env, directory: str) -> list[str]:
    """Names of a topic's files that hold no records."""
    return [name for name in env.list(directory) if name == DESCRIPTION or name.startswith(SCHEMA_PREFIX)]


def _needed_files(env: Env, directory: str) -> list[str]:
    """Names of the files without which a topic cannot be opened, there or not. CorruptFile."""
    description = checked.load_json(env, f"{directory}/{DESCRIPTION}")
    schemas = [name for name in _topic_files(env, directory) if name != DESCRIPTION]
    numbers = range(max(len(schemas), 1)) if description["payload"] != "bytes" else ()
    return [schema_file(number) for number in numbers]


def topics_in(env: Env, root: str) -> set[str]:
    """Names of the topics' directories in a directory; they say which topic of a name it is."""
    return set(_topics(env, root))


def _is_same(env: Env, left: str, right: str) -> bool:
    """Whether both files are there and equal."""
    return env.exists(left) and env.exists(right) and read_file(env, left) == read_file(env, right)


def _copy_small(env: Env, source: str, target: str, name: str) -> None:
    """Replace a small file by another, atomically; one that is not in `source` goes."""
    if not env.exists(f"{source}/{name}"):
        env.remove(f"{target}/{name}")
    elif not _is_same(env, f"{source}/{name}", f"{target}/{name}"):
        write_file(env, f"{target}/{name}", [read_file(env, f"{source}/{name}")])


def _copy_large(env: Env, source: str, target: str) -> None:
    """Copy a file in pieces, durably."""
    read, written = env.open(source), env.open(target, create=True)
    try:
        position = 0
        while piece := read.read(position, _COPY_BYTES):
            written.write(position, [piece])
            position += len(piece)
        written.sync()
    finally:
        read.close()
        written.close()
