"""The prompt without a terminal: keys come through a pipe, nothing is drawn."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from repl.app import history_path, run_prompt
from repl.complete import Names, SqlCompleter, fetch_names
from repl.options import Options
from repl.shell import Shell
from repl.terminal import Output, Screen
from tests.repl.fake import FakeSession


class Prompt:
    """A prompt that is typed to; `out` and `err` are what it wrote."""

    def __init__(self, keys: PipeInput) -> None:
        self._keys = keys
        self.session = FakeSession()
        self.err = io.StringIO()
        self._stream = io.BytesIO()
        self.shell = Shell(
            self.session, lambda: Output(self._stream, Screen()), self.err, interactive=True
        )  # fmt: skip

    def type(self, text: str, options: Options = Options()) -> None:  # noqa: B008 - frozen
        """Type, then leave with Ctrl-D if that has not been done; afterwards all has been run."""
        self._keys.send_text(text + "\x04")
        assert run_prompt(self.shell, options, input=self._keys, output=DummyOutput()) == 0
        self.shell.close()

    @property
    def out(self) -> str:
        return self._stream.getvalue().decode()

    @property
    def typed(self) -> list[str]:
        """Statements that came to the session, without those that fetch names."""
        return [s for s in self.session.executed if not s.startswith(("SHOW ", "DESCRIBE "))]


@pytest.fixture
def prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prompt]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with create_pipe_input() as keys:
        yield Prompt(keys)


def test_a_statement_may_take_several_lines(prompt: Prompt) -> None:
    prompt.type("SELECT 1 AS a,\r'x;' AS b\r;\r")
    assert [s.strip() for s in prompt.typed] == ["SELECT 1 AS a,\n'x;' AS b"]
    assert "│ x;   │" in prompt.out


def test_several_statements_on_a_line_stop_at_the_first_error(prompt: Prompt) -> None:
    prompt.type("SELECT 1; MISSING prcie; SELECT 2;\rSELECT 3;\r")
    assert [s.split()[0] + s.split()[1] for s in prompt.typed] == ["SELECT1", "MISSINGprcie", "SELECT3"]
    assert "at line 1:19" in prompt.err.getvalue()


def test_ctrl_c_clears_and_blank_lines_do_nothing(prompt: Prompt) -> None:
    prompt.type("SELECT 1\r\x03\r\r  \rSELECT 2;\r")
    assert [s.strip() for s in prompt.typed] == ["SELECT 2"]


@pytest.mark.parametrize("word", ["\\q", "quit", "exit;", "QUIT"])
def test_leaving(prompt: Prompt, word: str) -> None:
    prompt.type(f"{word}\rSELECT 1;\r")
    assert prompt.typed == []


def test_help_and_mistakes(prompt: Prompt) -> None:
    prompt.type("help\r\\fromat\r\\timing on\rCREATE STREAM s;\r")
    told = prompt.err.getvalue()
    assert "commands\n" in told and "did you mean \\format?" in told and "CREATE STREAM (" in told


def test_the_banner_says_where_the_data_is(prompt: Prompt) -> None:
    prompt.type("", Options(data_dir="some/where"))
    assert "data in some/where" in prompt.err.getvalue()


def test_quiet_has_no_banner(prompt: Prompt) -> None:
    prompt.type("", Options(quiet=True))
    assert prompt.err.getvalue() == ""


def test_history_is_kept_by_statement(prompt: Prompt) -> None:
    prompt.type("SELECT 1,\r2;\r")
    assert list(FileHistory(str(history_path())).load_history_strings()) == ["SELECT 1,\n2;"]


def test_history_that_cannot_be_written_is_no_reason_to_stop(prompt: Prompt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/none")
    prompt.type("SELECT 1;\r")
    assert "history is not kept" in prompt.err.getvalue()
    assert len(prompt.typed) == 1


def test_names_are_fetched_after_they_changed(prompt: Prompt) -> None:
    prompt.type("SELECT 1;\rCREATE STREAM s;\rSELECT 2;\r")
    assert prompt.session.executed.count("SHOW STREAMS") == 2


def test_names_of_a_session() -> None:
    names = fetch_names(FakeSession())
    assert names == Names(("clicks", "orders", "people"), ("price", "quantity"))


def completions(text: str, names: Names = Names(("orders",), ("price",))) -> list[str]:  # noqa: B008 - frozen
    completer = SqlCompleter()
    completer.names = names
    return [c.text for c in completer.get_completions(Document(text), CompleteEvent())]


def test_completion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert completions("SELECT * FROM or") == ["orders", "or", "order"]
    assert completions("SELEC") == ["SELECT"]
    assert completions("sel") == ["select"]
    assert completions("SELECT pri") == ["price", "primary", "print"]
    assert completions("SELECT 'or") == []
    assert completions("SELECT 'a' OR") == ["orders", "OR", "ORDER"]
    assert completions("") == []
    assert completions("\\f") == ["\\format"]
    assert completions("\\format nd") == ["ndjson"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "load.sql").touch()
    (tmp_path / "scripts").mkdir()
    assert completions("\\i ") == ["load.sql", "scripts/"]
    assert completions("\\i scripts/") == completions("\\i none/x") == []
