"""Random histories of GRANT, REVOKE, memberships and owners, and the file of what PostgreSQL 15 made of them.

`python -m tests.access.postgres_cases SOCKET_DIRECTORY` runs them on a PostgreSQL and writes the file anew: each line
is `actor|statement|SQLSTATE`; a line of `=` ends a case, with the answers of `has_table_privilege` as bits.
"""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CASES, STEPS, SEED = 80, 40, 20261
ROLES = ("a", "b", "c", "d")
TABLES = ("t", "u")
PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
WITH_OPTION = " WITH GRANT OPTION"
SETUP = [
    "GRANT ALL ON SCHEMA public TO PUBLIC",
    *(f"CREATE ROLE {role}" for role in ROLES),
    "CREATE TABLE t (x BIGINT)",
    "CREATE TABLE u (x BIGINT)",
    "CREATE VIEW v AS SELECT x FROM t",
    "ALTER TABLE t OWNER TO a",
    "ALTER VIEW v OWNER TO b",
]
TEARDOWN = ["DROP VIEW v", "DROP TABLE t, u", *(f"DROP OWNED BY {r}" for r in ROLES), f"DROP ROLE {', '.join(ROLES)}"]
SUPERUSER = "superuser"


@dataclass(frozen=True)
class Step:
    """What one role did; state: the SQLSTATE it ended in, 00000 = well."""

    actor: str
    text: str
    state: str = ""


def questions() -> list[tuple[str, str, str]]:
    """(role, table, privilege) of all that is asked at the end of a case."""
    asked = [p + option for p in PRIVILEGES for option in ("", WITH_OPTION)]
    return [(role, table, p) for role in ROLES for table in TABLES for p in asked]


def make_case(seed: int) -> list[Step]:
    """One random history."""
    rng = random.Random(seed)
    return [_step(rng) for _ in range(STEPS)]


def _step(rng: random.Random) -> Step:
    actor = rng.choice((SUPERUSER, "a", "a", "b", rng.choice(ROLES)))
    table, role, other = rng.choice(TABLES), rng.choice(ROLES), rng.choice(ROLES)
    some = ", ".join(rng.sample(PRIVILEGES[:2], rng.randint(1, 2))) if rng.random() < 0.9 else "ALL"
    to = role if rng.random() < 0.85 else "PUBLIC"
    cascade = rng.choice(("", "", " CASCADE"))
    kind = rng.choices(
        ("grant", "revoke", "join", "leave", "owner", "inherit", "read", "role", "reassign"),
        (10, 7, 4, 2, 1, 1, 4, 2, 0.3),
    )[0]
    if kind == "grant":
        return Step(actor, f"GRANT {some} ON {table} TO {to}" + rng.choice(("", WITH_OPTION, WITH_OPTION)))
    if kind == "revoke":
        return Step(actor, f"REVOKE {rng.choice(('', '', 'GRANT OPTION FOR '))}{some} ON {table} FROM {to}{cascade}")
    if kind in ("join", "leave") and (actor == role or rng.random() < 0.6):
        actor = SUPERUSER  # until version 15 a role may let others into itself
    if kind == "join":
        return Step(actor, f"GRANT {role} TO {other}" + rng.choice(("", " WITH ADMIN OPTION")))
    if kind == "leave":
        return Step(actor, f"REVOKE {rng.choice(('', 'ADMIN OPTION FOR '))}{role} FROM {other}")
    if kind == "owner":
        return Step(actor, f"ALTER {rng.choice(('TABLE t', 'TABLE u', 'VIEW v'))} OWNER TO {role}")
    if kind == "inherit":
        return Step(SUPERUSER, f"ALTER ROLE {role} {rng.choice(('INHERIT', 'NOINHERIT'))}")
    if kind == "role":
        return Step(actor, f"SET ROLE {role}")
    if kind == "reassign":
        return Step(actor, f"REASSIGN OWNED BY {role} TO {other}")
    text = rng.choice(READS).format(table=table)
    return Step("a" if actor == SUPERUSER and " v" in text else actor, text)


# A superuser's SELECT from a view is left out: there PostgreSQL still asks for the rights of the view's owner, and we
# ask superusers nothing.
READS = (
    "SELECT count(*) FROM {table}",
    "SELECT count(*) FROM v",
    "INSERT INTO {table} VALUES (1)",
    "INSERT INTO {table} SELECT x FROM v",
    "UPDATE {table} SET x = 1",
    "UPDATE {table} SET x = x + 1",
    "DELETE FROM {table}",
    "DELETE FROM {table} WHERE x = 5",
    "INSERT INTO {table} VALUES (2) RETURNING x",
)


@dataclass(frozen=True)
class History:
    """How cases of one kind are run on PostgreSQL, and the file of what came of it; questions: SQL expressions."""

    path: Path
    setup: list[str]
    teardown: list[str]
    questions: list[str]

    def recorded(self) -> list[tuple[list[Step], str]]:
        """The cases of the file: what was done, and the bits of the answers in the end."""
        cases: list[tuple[list[Step], str]] = []
        steps: list[Step] = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            if line.startswith("="):
                cases.append((steps, line[1:]))
                steps = []
            else:
                steps.append(Step(*line.split("|")))
        return cases

    def record(self, socket_directory: str, cases: list[list[Step]]) -> None:
        """Run all cases on PostgreSQL and write the file."""
        lines = []
        for steps in cases:
            answers = self._psql(socket_directory, steps)
            states, bits = answers[: len(steps)], answers[len(steps) :]
            lines += [f"{s.actor}|{s.text}|{state}" for s, state in zip(steps, states, strict=True)]
            lines.append("=" + "".join("1" if bit == "t" else "0" for bit in bits))
        self.path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _psql(self, socket_directory: str, steps: list[Step]) -> list[str]:
        script = ["\\set QUIET on", *(f"{text};" for text in self.setup)]
        for step in steps:
            script += ["\\o /dev/null", "RESET SESSION AUTHORIZATION;"]
            if step.actor != SUPERUSER:
                script.append(f"SET SESSION AUTHORIZATION {step.actor};")
            script += [f"{step.text};", "\\o", "\\echo :SQLSTATE"]
        script.append("RESET SESSION AUTHORIZATION;")
        script += [f"SELECT {question};" for question in self.questions]
        script += [f"{text};" for text in self.teardown]
        command = ["psql", "-X", "-q", "-A", "-t", "-h", socket_directory, "-U", "postgres", "postgres"]
        done = subprocess.run(command, input="\n".join(script), capture_output=True, text=True, check=True)
        answers = done.stdout.split()
        assert len(answers) == len(steps) + len(self.questions), done.stdout + done.stderr
        return answers


HISTORY = History(
    Path(__file__).with_name("postgres_answers.txt"),
    SETUP,
    TEARDOWN,
    [f"has_table_privilege('{r}', '{t}', '{p}')" for r, t, p in questions()],
)

if __name__ == "__main__":
    HISTORY.record(sys.argv[1], [make_case(SEED + number) for number in range(CASES)])
