"""The session and the server: who asks, under what settings, and who else is there."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlengine.catalog.pg.facts import Facts
from sqlengine.catalog.pg.functions.registry import pg
from sqlengine.errors import UndefinedObject
from sqlengine.pg_settings import VERSION_TEXT


@pg("version() -> text")
def version(facts: Facts) -> str:
    """What the server says it is."""
    return VERSION_TEXT


@pg("current_database() -> name; current_catalog() -> name")
def current_database(facts: Facts) -> str:
    """The name of the database."""
    return facts.backend.database


@pg("current_user() -> name; user() -> name; current_role() -> name")
def current_user(facts: Facts) -> str:
    """The role whose privileges the session has."""
    return facts.user


@pg("session_user() -> name; system_user() -> name")
def session_user(facts: Facts) -> str:
    """The role that the session began as."""
    return facts.session_user


@pg("current_schema() -> name")
def current_schema(facts: Facts) -> str | None:
    """The schema that new objects go to."""
    return facts.search_path[0] if facts.search_path else None


@pg("current_schemas(bool) -> name[]")
def current_schemas(facts: Facts, with_implicit: bool) -> list[str]:
    """The schemas that are looked into."""
    return ["pg_catalog", *facts.search_path] if with_implicit else facts.search_path


# ---------------------------------------------------------------- settings


@pg("current_setting(text) -> text")
def current_setting(facts: Facts, name: str) -> str:
    """The value of a setting."""
    return facts.settings(name)


@pg("current_setting(text, bool) -> text")
def current_setting_or_null(facts: Facts, name: str, missing_ok: bool) -> str | None:
    """The value of a setting, NULL for an unknown one."""
    try:
        return facts.settings(name)
    except UndefinedObject:
        if missing_ok:
            return None
        raise


@pg("set_config(text, text, bool) -> text", strict=False, volatile=True)
def set_config(facts: Facts, name: str | None, value: str | None, is_local: bool | None) -> str:
    """Change a setting, as SET does; answers its new value."""
    facts.set_setting(name or "", value or "", bool(is_local))
    return facts.settings(name or "")


# ---------------------------------------------------------------- sessions


@pg("pg_backend_pid() -> int4")
def pg_backend_pid(facts: Facts) -> int:
    """The number of the session."""
    return facts.backend.pid


@pg("pg_terminate_backend(int4) -> bool; pg_terminate_backend(int4, int8) -> bool", volatile=True)
def pg_terminate_backend(facts: Facts, pid: int, timeout_ms: int = 0) -> bool:
    """End another session."""
    return _signalled(facts, pid, facts.backend.terminate)


@pg("pg_cancel_backend(int4) -> bool", volatile=True)
def pg_cancel_backend(facts: Facts, pid: int) -> bool:
    """End what another session runs."""
    return _signalled(facts, pid, facts.backend.cancel)


def _signalled(facts: Facts, pid: int, act: Callable[[int], bool]) -> bool:
    """Whether there is a session of that number; InsufficientPrivilege (42501) when the user may not end it."""
    facts.signal(pid)
    if not act(pid):
        facts.warn(f"PID {pid} is not a PostgreSQL server process")
        return False
    return True


@pg("pg_blocking_pids(int4) -> int4[]; pg_safe_snapshot_blocking_pids(int4) -> int4[]")
def pg_blocking_pids(facts: Facts, pid: int) -> list[int]:
    """Nobody: sessions wait for advisory locks only."""
    return []


@pg("inet_client_addr() -> inet")
def inet_client_addr(facts: Facts) -> str | None:
    """Where the client is."""
    return facts.backend.client_addr


@pg("inet_client_port() -> int4")
def inet_client_port(facts: Facts) -> int | None:
    """The client's port."""
    return facts.backend.client_port


@pg("inet_server_addr() -> inet")
def inet_server_addr(facts: Facts) -> str | None:
    """Where the server is."""
    return facts.backend.server_addr


@pg("inet_server_port() -> int4")
def inet_server_port(facts: Facts) -> int | None:
    """The server's port."""
    return facts.backend.server_port


@pg("pg_sleep(float8) -> void", volatile=True)
def pg_sleep(facts: Facts, seconds: float) -> str:
    """Wait; cancelling ends it."""
    facts.wait(seconds)
    return ""


# ---------------------------------------------------------------- the server


@pg("pg_is_in_recovery() -> bool; pg_is_wal_replay_paused() -> bool; pg_jit_available() -> bool")
def no(facts: Facts) -> bool:
    """False."""
    return False


@pg("pg_client_encoding() -> name; getdatabaseencoding() -> name")
def encoding(facts: Facts) -> str:
    """UTF8."""
    return "UTF8"


@pg("pg_my_temp_schema() -> oid")
def pg_my_temp_schema(facts: Facts) -> int:
    """0: nothing is temporary."""
    return 0


@pg("pg_is_other_temp_schema(oid) -> bool; pg_relation_is_publishable(regclass) -> bool")
def not_so(facts: Facts, oid: int) -> bool:
    """False for every object."""
    return False


@pg("pg_postmaster_start_time() -> timestamptz; pg_conf_load_time() -> timestamptz")
def started(facts: Facts) -> str | None:
    """When the session, or the server it belongs to, began."""
    at = facts.backend.start_us or facts.now_us
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(at // 1_000_000))}.{at % 1_000_000:06d}+00"


@pg("txid_current() -> int8; pg_current_xact_id() -> xid8; txid_snapshot_xmin(text) -> int8")
def txid_current(facts: Facts, snapshot: str = "") -> int:
    """The number of the newest tick, which is the moment that a statement sees."""
    return facts.tick


@pg("txid_current_if_assigned() -> int8; pg_current_xact_id_if_assigned() -> xid8")
def txid_current_if_assigned(facts: Facts) -> int | None:
    """The same within a transaction, NULL outside."""
    return facts.tick if facts.in_transaction else None


@pg(
    "pg_current_wal_lsn() -> pg_lsn; pg_current_wal_insert_lsn() -> pg_lsn; pg_last_wal_replay_lsn() -> pg_lsn; "
    "pg_last_wal_receive_lsn() -> pg_lsn"
)
def pg_current_wal_lsn(facts: Facts) -> str:
    """The newest tick as a position of a log."""
    return f"{facts.tick >> 32:X}/{facts.tick & 0xFFFFFFFF:X}"


# ---------------------------------------------------------------- advisory locks


def _declare_locks(shared: bool, in_transaction: bool) -> None:
    """The functions that take one kind of lock; a key is one bigint or two integers."""
    name = "advisory" + ("_xact" if in_transaction else "") + "_lock" + ("_shared" if shared else "")

    def lock(facts: Facts, key: int, second: int = 0) -> str:
        """Wait for a lock that programs agree on, and take it."""
        facts.locks.take((key, second), facts.backend, facts.check, shared=shared, in_transaction=in_transaction)
        return ""

    def try_lock(facts: Facts, key: int, second: int = 0) -> bool:
        """Take a lock that programs agree on, if it is free."""
        return facts.locks.try_take((key, second), facts.backend, shared=shared, in_transaction=in_transaction)

    pg(f"pg_{name}(int8) -> void; pg_{name}(int4, int4) -> void", volatile=True)(lock)
    pg(f"pg_try_{name}(int8) -> bool; pg_try_{name}(int4, int4) -> bool", volatile=True)(try_lock)


for _shared in (False, True):
    for _in_transaction in (False, True):
        _declare_locks(_shared, _in_transaction)


@pg("pg_advisory_unlock(int8) -> bool; pg_advisory_unlock(int4, int4) -> bool", volatile=True)
def unlock(facts: Facts, key: int, second: int = 0) -> bool:
    """Give a lock back; false when the session does not have it."""
    return _given(facts, (key, second), shared=False)


@pg("pg_advisory_unlock_shared(int8) -> bool; pg_advisory_unlock_shared(int4, int4) -> bool", volatile=True)
def unlock_shared(facts: Facts, key: int, second: int = 0) -> bool:
    """Give a shared lock back; false when the session does not have it."""
    return _given(facts, (key, second), shared=True)


def _given(facts: Facts, key: tuple[int, int], shared: bool) -> bool:
    if not facts.locks.give(key, facts.backend, shared=shared):
        facts.warn(f"you don't own a lock of type {'ShareLock' if shared else 'ExclusiveLock'}")
        return False
    return True


@pg("pg_advisory_unlock_all() -> void", volatile=True)
def unlock_all(facts: Facts) -> str:
    """Give all locks back that the session took for itself."""
    facts.locks.give_all(facts.backend, of_transaction=False)
    return ""
