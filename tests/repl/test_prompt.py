"""The prompt without a terminal: keys come through a pipe, nothing is drawn."""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prompt_toolkit.history import FileHistory
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from repl.app import history_path, run_prompt
from repl.config import Config
from repl.options import Options
from repl.shell import Shell
from repl.terminal import Output, Screen
from sqlengine.errors import InvalidParameter
from tests.repl.fake import FakeSession


class Prompt:
    """A prompt that is typed to; `out` and `err` are what it wrote."""

    def __init__(self, keys: PipeInput) -> None:
        self._keys = keys
        self.session = FakeSession()
        self.err = io.StringIO()
        self.config = Config()
        self._stream = io.BytesIO()
        self.shell = Shell(
            self.session, lambda: Output(self._stream, Screen()), self.err, interactive=True
        )  # fmt: skip

    def type(self, text: str, options: Options = Options(), slowly: bool = False) -> None:  # noqa: B008 - frozen
        """Type, then leave with Ctrl-C and Ctrl-D if that has not been done; afterwards all has been run.

        `slowly`: with pauses, for what counts only after one: Escape on its own, and what threads find.
        """
        keys = (
            [text, "\x03", "\x04"]
            if not slowly
            else [*re.findall("\x1b\\[.|\x1b\r|.", text, re.DOTALL), "\x03", "\x04"]
        )

        def press() -> None:
            for key in keys:
                self._keys.send_text(key)
                time.sleep({"\x1b": 0.6, "\t": 0.4}.get(key, 0.05))

        if not slowly:
            self._keys.send_text(text + "\x04")
        else:
            threading.Thread(target=press, daemon=True).start()
        assert run_prompt(self.shell, options, self.config, input=self._keys, output=DummyOutput()) == 0
        self.shell.close()

    @property
    def out(self) -> str:
        return self._stream.getvalue().decode()

    @property
    def typed(self) -> list[str]:
        """Statements that came to the session."""
        return [s.strip() for s in self.session.executed]


@pytest.fixture
def prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prompt]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with create_pipe_input() as keys:
        yield Prompt(keys)


def test_a_statement_may_take_several_lines(prompt: Prompt) -> None:
    prompt.type("SELECT 1 AS a,\r'x;' AS b\r;\r")
    assert [s.strip() for s in prompt.typed] == ["SELECT 1 AS a,\n  'x;' AS b"]
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
    assert list(FileHistory(str(history_path())).load_history_strings()) == ["SELECT 1,\n  2;"]


def test_history_that_cannot_be_written_is_no_reason_to_stop(prompt: Prompt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/none")
    prompt.type("SELECT 1;\r")
    assert "history is not kept" in prompt.err.getvalue()
    assert len(prompt.typed) == 1


def test_names_are_fetched_after_they_changed(prompt: Prompt) -> None:
    opened: list[FakeSession] = []

    def open_session() -> FakeSession:
        opened.append(FakeSession())
        return opened[-1]

    prompt.shell.open_session = open_session
    prompt.type("SELECT 1;\rCREATE STREAM s;\rSELECT 2;\r")
    assert len(opened) == 1 and prompt.session not in opened
    assert 1 <= opened[0].executed.count("SHOW SCHEMAS") <= 2
    assert not any(statement.startswith("SHOW") for statement in prompt.session.executed)


def test_tab_chooses_and_enter_takes_without_running(prompt: Prompt) -> None:
    prompt.type("SELEC\t\r 1;\r", slowly=True)
    assert prompt.typed == ["SELECT 1"]


def test_escape_leaves_the_menu(prompt: Prompt) -> None:
    prompt.type("SELECT 1 A\t\x1b", slowly=True)
    assert prompt.typed == []


def test_earlier_statements_by_their_beginning(prompt: Prompt) -> None:
    prompt.type("SELECT 1;\rVALUES (2);\rSEL\x1b[A\r", slowly=True)
    assert prompt.typed == ["SELECT 1", "VALUES (2)", "SELECT 1"]


def test_searching_backwards(prompt: Prompt) -> None:
    prompt.type("SELECT 1;\rVALUES (2);\r\x12elect\r\r", slowly=True)
    assert prompt.typed == ["SELECT 1", "VALUES (2)", "SELECT 1"]


def test_the_suggestion_of_history_is_taken_with_the_right_arrow(prompt: Prompt) -> None:
    history_path().parent.mkdir(parents=True)
    FileHistory(str(history_path())).store_string("SELECT 12345;")
    prompt.type("SELECT 12\x1b[C\r", slowly=True)
    assert prompt.typed == ["SELECT 12345"]


def test_alt_enter_begins_a_line(prompt: Prompt) -> None:
    prompt.type("SELECT 1;\x1b\rSELECT 2;\r\x03")
    assert prompt.typed == ["SELECT 1", "SELECT 2"]
    assert list(FileHistory(str(history_path())).load_history_strings()) == ["SELECT 1;\nSELECT 2;"]


def test_a_bracket_that_begins_a_line_goes_to_the_margin(prompt: Prompt) -> None:
    prompt.type("CREATE STREAM s (\ra bigint\r);\r")
    assert prompt.typed == ["CREATE STREAM s (\n  a bigint\n)"]


def test_vi_keys(prompt: Prompt) -> None:
    prompt.shell.editing = "vi"
    prompt.type("SELECT 2;\x1bhr1A\r", slowly=True)
    assert prompt.typed == ["SELECT 1"]


def test_keys_of_the_configuration(prompt: Prompt) -> None:
    prompt.config = Config(keys={"run": "c-o"})
    prompt.type("SELECT 1\x0f")
    assert prompt.typed == ["SELECT 1"]


@pytest.mark.parametrize(
    "config", [Config(keys={"run": "f99x"}), Config(colors={"string": "nocolour nosuch:"})], ids=["key", "colour"]
)
def test_keys_and_colours_that_do_not_exist(prompt: Prompt, config: Config) -> None:
    prompt.config = config
    with pytest.raises(InvalidParameter):
        prompt.type("")
    prompt.shell.close()


@pytest.mark.parametrize(("answer", "ran"), [("y", True), ("YES", True), ("n", False), ("", False)])
def test_the_prompt_asks_before_what_loses_data(prompt: Prompt, answer: str, ran: bool) -> None:
    prompt.shell.read_answer = lambda: answer
    prompt.type("DROP TABLE t;\r")
    assert (prompt.typed == ["DROP TABLE t"]) is ran
    assert "this drops TABLE t. Go on? [y/N]" in prompt.err.getvalue()


def test_the_prompt_asks_nothing_where_it_was_told_so(prompt: Prompt) -> None:
    prompt.shell.confirms = False
    prompt.type("DROP TABLE t;\r")
    assert prompt.typed == ["DROP TABLE t"]


def test_ctrl_c_is_no(prompt: Prompt) -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    prompt.shell.read_answer = interrupted
    prompt.type("DROP TABLE t;\rSELECT 1;\r")
    assert prompt.typed == ["SELECT 1"]
