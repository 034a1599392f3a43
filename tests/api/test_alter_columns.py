"""Columns of tables and streams renamed, dropped, added again and given other types, through restarts and crashes:
random histories beside a model of plain Python values."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

import sqlengine
from sqlengine.api.database import Database

NAMES = ("a", "b", "c")
Row = dict[str, Any]


class Model:
    """Columns by name with their types, and rows by id."""

    def __init__(self) -> None:
        self.columns: dict[str, str] = {"a": "INT", "b": "TEXT"}
        self.rows: dict[int, Row] = {}

    def answer(self) -> list[tuple[Any, ...]]:
        return sorted(((i, *(row[name] for name in self.columns)) for i, row in self.rows.items()), key=repr)


class History:
    """What is done, to the database and to the model alike."""

    def __init__(self, db: Database, path: Path, seed: int, kind: str) -> None:
        self.db, self.path, self.kind = db, path, kind
        self.random = random.Random(seed)
        self.model = Model()
        self.serial = 0
        key = " PRIMARY KEY" if kind == "TABLE" and self.random.random() < 0.7 else ""
        self.run(f"CREATE {kind} t (id INT{key}, a INT, b TEXT)")
        self.run("CREATE MATERIALIZED VIEW ids AS SELECT id, count(*) AS n FROM t GROUP BY id")

    def run(self, text: str) -> None:
        self.db.execute(text)

    def step(self) -> None:
        changes = [
            self.insert,
            self.insert,
            self.add,
            self.drop,
            self.rename,
            self.widen,
            self.restart,
            self.checkpoint,
        ]
        if self.kind == "TABLE":
            changes += [self.update, self.delete, self.cast, self.compute]
        else:
            changes.remove(self.add)
        self.random.choice(changes)()

    def value(self, kind: str) -> Any:
        number = self.random.randrange(-50, 50)
        return None if number < -40 else f"v{number}" if kind == "TEXT" else number

    def insert(self) -> None:
        for _ in range(self.random.randrange(1, 4)):
            self.serial += 1
            row = {name: self.value(kind) for name, kind in self.model.columns.items()}
            names = ", ".join(["id", *row])
            self.db.execute(f"INSERT INTO t ({names}) VALUES (?{', ?' * len(row)})", [self.serial, *row.values()])
            self.model.rows[self.serial] = row

    def update(self) -> None:
        if self.model.rows and self.model.columns:
            at, name = self.random.choice(list(self.model.rows)), self.random.choice(list(self.model.columns))
            value = self.value(self.model.columns[name])
            self.db.execute(f"UPDATE t SET {name} = ? WHERE id = ?", [value, at])
            self.model.rows[at][name] = value

    def delete(self) -> None:
        if self.model.rows:
            at = self.random.choice(list(self.model.rows))
            self.run(f"DELETE FROM t WHERE id = {at}")
            del self.model.rows[at]

    def add(self) -> None:
        free = [name for name in NAMES if name not in self.model.columns]
        if free:
            name, kind = self.random.choice(free), self.random.choice(["INT", "TEXT", "BIGINT"])
            default = self.value(kind) if self.random.random() < 0.5 else None
            shown = "" if default is None else f" DEFAULT {default!r}"
            self.run(f"ALTER TABLE t ADD COLUMN {name} {kind}{shown}")
            self.model.columns[name] = kind
            for row in self.model.rows.values():
                row[name] = default
            if default is not None:
                self.run(f"ALTER TABLE t ALTER {name} DROP DEFAULT")

    def drop(self) -> None:
        if self.model.columns:
            name = self.random.choice(list(self.model.columns))
            self.run(f"ALTER {self.kind} t DROP COLUMN {name}")
            del self.model.columns[name]
            for row in self.model.rows.values():
                del row[name]

    def rename(self) -> None:
        free = [name for name in NAMES if name not in self.model.columns]
        if free and self.model.columns:
            old, new = self.random.choice(list(self.model.columns)), self.random.choice(free)
            self.run(f"ALTER {self.kind} t RENAME COLUMN {old} TO {new}")
            self.model.columns = {new if n == old else n: k for n, k in self.model.columns.items()}
            for at, row in self.model.rows.items():
                self.model.rows[at] = {new if n == old else n: v for n, v in row.items()}

    def widen(self) -> None:
        for name, kind in self.model.columns.items():
            if kind == "INT":
                self.run(f"ALTER {self.kind} t ALTER COLUMN {name} TYPE BIGINT")
                self.model.columns[name] = "BIGINT"
                return

    def cast(self) -> None:
        name = next((n for n, kind in self.model.columns.items() if kind != "TEXT"), None)
        if name is not None:
            self.run(f"ALTER TABLE t ALTER COLUMN {name} SET DATA TYPE TEXT")
            self.made(name, "TEXT", lambda row: None if row[name] is None else str(row[name]))

    def compute(self) -> None:
        texts = [n for n, kind in self.model.columns.items() if kind == "TEXT"]
        numbers = [n for n, kind in self.model.columns.items() if kind != "TEXT"]
        if texts and numbers:
            name, other = texts[0], numbers[0]
            self.run(f"ALTER TABLE t ALTER {name} TYPE INT USING length({name}) + coalesce({other}, 100)::INT")
            other_value = lambda row: 100 if row[other] is None else row[other]  # noqa: E731
            self.made(name, "INT", lambda row: None if row[name] is None else len(row[name]) + other_value(row))

    def made(self, name: str, kind: str, value: Any) -> None:
        self.model.columns[name] = kind
        for row in self.model.rows.values():
            row[name] = value(row)

    def restart(self) -> None:
        if self.random.random() < 0.5:
            self.db.crash()
        else:
            self.db.close()
        self.db = sqlengine.connect(self.path)

    def checkpoint(self) -> None:
        self.run("CHECKPOINT")

    def check(self) -> None:
        assert sorted(self.db.execute("SELECT * FROM t").fetchall(), key=repr) == self.model.answer()
        assert self.db.execute("SELECT count(*), sum(n) FROM ids").fetchone() == (
            len(self.model.rows),
            len(self.model.rows) or None,
        )
        described = self.db.execute("DESCRIBE t").fetchall()
        assert [row[0] for row in described] == ["id", *self.model.columns]


@pytest.mark.parametrize("kind", ["TABLE", "STREAM"])
@pytest.mark.parametrize("seed", range(12))
def test_random_histories(tmp_path: Path, kind: str, seed: int) -> None:
    history = History(sqlengine.connect(tmp_path / "db"), tmp_path / "db", seed, kind)
    try:
        for _ in range(40):
            history.step()
            history.check()
        history.restart()
        history.check()
    finally:
        history.db.close()
