"""The pytest plugin: which files are text tests, the items they become, and `--rewrite`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from tests.collectors import case_format, plan_format, slt_format, slt_run
from tests.collectors.case_engine import EmbeddedEngine
from tests.collectors.case_run import CaseFailure, Run, needs_disk
from tests.collectors.case_ways import IN_FILES, IN_SHARDS, ways
from tests.collectors.executor import EmbeddedExecutor, Executor, Failure
from tests.replication import transcript

EXPLAIN_THE_DIFFERENCE = "rewritten; commit the file only if you can explain every line of the difference"


class TextFailure(Exception):
    """What a text test says when it fails; shown without a traceback."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--rewrite` writes what was got into the files instead of comparing."""
    parser.addoption("--rewrite", action="store_true", help="write the answers of text tests into their files")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """.slt, .case, tests/plans/*.txt and tests/replication/*.txt."""
    if file_path.suffix == ".slt":
        return SltFile.from_parent(parent, path=file_path)
    if file_path.suffix == ".case":
        return CaseFile.from_parent(parent, path=file_path)
    if file_path.suffix == ".txt" and file_path.parent.name == "plans":
        return PlansFile.from_parent(parent, path=file_path)
    if file_path.suffix == ".txt" and file_path.parent.name == "replication":
        return TranscriptFile.from_parent(parent, path=file_path)
    return None


def embedded_executor() -> Executor:
    """A fresh in-memory database."""
    import sqlengine  # lazy: the tests of the collectors run without an engine

    return EmbeddedExecutor(sqlengine.connect(":memory:"))


def wire_executor() -> Executor:
    """An empty database of a server in another process."""
    pytest.importorskip("psycopg", reason="TEXT TESTS OVER THE WIRE ARE NOT TESTED: psycopg is not installed")
    from tests.collectors.wire_executor import WireExecutor  # lazy: as above

    return WireExecutor()


SLT_EXECUTORS = {"embedded": embedded_executor, "wire": wire_executor}
"""Every .slt file runs once on each."""


class TextItem(pytest.Item):
    """An item whose failure is a text of its own."""

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Only the message for what a text test found; a traceback for anything else."""
        if isinstance(excinfo.value, (TextFailure, CaseFailure, slt_format.FormatError, transcript.TranscriptError)):
            return f"{self.path}: {excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where pytest says the item is."""
        return self.path, 0, f"{self.path.name}::{self.name}"

    @property
    def rewriting(self) -> bool:
        """Whether `--rewrite` was given."""
        return bool(self.config.getoption("--rewrite"))


class SltFile(pytest.File):
    """One .slt file."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item per executor."""
        for name in SLT_EXECUTORS:
            yield SltItem.from_parent(self, name=name)


class SltItem(TextItem):
    """All records of a file, in order, on one executor."""

    def runtest(self) -> None:
        """Run, or rewrite the file from the embedded executor's answers."""
        text = self.path.read_text(encoding="utf-8")
        records = slt_format.parse(text)
        executor = SLT_EXECUTORS[self.name]()
        try:
            if self.rewriting and self.name == "embedded":
                _write_if_changed(self.path, text, slt_format.write(slt_run.rewrite(records, executor)))
            elif (mismatch := slt_run.run(records, executor)) is not None:
                raise TextFailure(str(mismatch))
        finally:
            executor.close()


class CaseFile(pytest.File):
    """One stream case."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item per way."""
        case = case_format.parse(self.path.read_text(encoding="utf-8"))
        for name, steps in ways(case, turn=crc32(self.path.name.encode())):
            if name == "as_written" or not self.config.getoption("--rewrite"):
                yield CaseItem.from_parent(self, name=name, steps=steps)


class CaseItem(TextItem):
    """One way of a stream case."""

    def __init__(self, *, steps: tuple[case_format.Step, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.steps = steps

    def runtest(self) -> None:
        """Run on a fresh engine, on disk when it is opened again."""
        shards = 3 if self.name == IN_SHARDS else 1
        limit = TINY if self.name == IN_FILES else "none"
        with tempfile.TemporaryDirectory(prefix="case-") as folder, _divided(shards), _leaving():
            engine = EmbeddedEngine(folder if needs_disk(self.steps) else ":memory:", shards, limit)
            try:
                if self.rewriting:
                    self._rewrite(engine)
                else:
                    Run(engine).steps(self.steps)
            finally:
                engine.close()

    def _rewrite(self, engine: EmbeddedEngine) -> None:
        text = self.path.read_text(encoding="utf-8")
        run = Run(engine, answers={})
        run.steps(self.steps)
        assert run.answers is not None
        _write_if_changed(self.path, text, case_format.replace_rows(text, run.answers))


@contextmanager
def _divided(shards: int) -> Iterator[None]:
    """With several shards every tick is large enough to be divided."""
    with pytest.MonkeyPatch.context() as patch:
        if shards > 1:
            patch.setattr("sqlengine.workers.ROWS_MIN", 1)
        yield


TINY = "16 MB"
"""A memory limit that no process is within."""


@contextmanager
def _leaving() -> Iterator[None]:
    """Where there is a memory limit all state leaves memory after every tick."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sqlengine.runtime.memory_limit.OWN", 0.0)
        patch.setattr("sqlengine.runtime.memory_limit.STEP", -1.0)
        patch.setattr("sqlengine.runtime.memory_limit.LEAST_PART", 1 << 20)
        yield


class PlansFile(pytest.File):
    """One file of plan goldens."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item per query; a single one for the whole file when rewriting."""
        plans = plan_format.parse(self.path.read_text(encoding="utf-8"))
        if self.config.getoption("--rewrite"):
            yield PlanItem.from_parent(self, name="rewrite", setup=plans.setup, queries=plans.queries)
            return
        for query in plans.queries:
            yield PlanItem.from_parent(self, name=query.name, setup=plans.setup, queries=(query,))


class PlanItem(TextItem):
    """The stages of one query, or of all when rewriting."""

    def __init__(self, *, setup: str, queries: tuple[plan_format.PlanQuery, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.setup_sql = setup
        self.queries = queries

    def runtest(self) -> None:
        """Explain every stage and compare, or rewrite."""
        executor = embedded_executor()
        try:
            _run_setup(executor, self.setup_sql)
            got = {stage: _explain(executor, q, stage) for q in self.queries for stage in q.stages}
        finally:
            executor.close()
        if self.rewriting:
            text = self.path.read_text(encoding="utf-8")
            spans = {stage.span: lines for stage, lines in got.items()}
            _write_if_changed(self.path, text, case_format.replace_rows(text, spans))
            return
        for stage, lines in got.items():
            if list(stage.text) != lines:
                difference = slt_run.difference(list(stage.text), lines)
                raise TextFailure(f"line {stage.span[0]}: the {stage.name} plan differs\n{difference}")


class TranscriptFile(pytest.File):
    """One file of replication transcripts."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item per section; a single one for the whole file when rewriting."""
        sections = transcript.parse(self.path.read_text(encoding="utf-8"))
        if self.config.getoption("--rewrite"):
            yield TranscriptItem.from_parent(self, name="rewrite", sections=sections)
            return
        for section in sections:
            yield TranscriptItem.from_parent(self, name=section.name, sections=(section,))


class TranscriptItem(TextItem):
    """One section, or all when rewriting."""

    def __init__(self, *, sections: tuple[transcript.Section, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sections = sections

    def runtest(self) -> None:
        """Do the commands and compare what they put out, or rewrite."""
        got = {line: output for section in self.sections for line, output in transcript.play(section).items()}
        if self.rewriting:
            text = self.path.read_text(encoding="utf-8")
            _write_if_changed(self.path, text, transcript.rewritten(text, got))
            return
        for section in self.sections:
            for command in section.commands:
                if list(command.output) != got[command.line]:
                    difference = slt_run.difference(list(command.output), got[command.line])
                    raise TextFailure(f"line {command.line}: {command.text}: the output differs\n{difference}")


def _run_setup(executor: Executor, script: str) -> None:
    try:
        if script:
            executor.execute(script)
    except Failure as failure:
        raise TextFailure(f"the set-up failed with {failure}") from failure


def _explain(executor: Executor, query: plan_format.PlanQuery, stage: plan_format.Stage) -> list[str]:
    try:
        answer = executor.execute(f"EXPLAIN ({stage.name}) {query.sql}")
    except Failure as failure:
        raise TextFailure(f"line {query.line}: {query.name}: failed with {failure}") from failure
    return [line.rstrip() for row in answer.rows for line in str(row[0]).split("\n")]


def _write_if_changed(path: Path, before: str, after: str) -> None:
    if after != before:
        path.write_text(after, encoding="utf-8")
        pytest.skip(EXPLAIN_THE_DIFFERENCE)
