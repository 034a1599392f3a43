"""`sqlengine serve`: its command line."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from repl.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--pg", "nonsense"], '"nonsense" is no address to listen on\nhint: write HOST:PORT'),
        (["--pg", "127.0.0.1:99999"], "is no address to listen on"),
        (["--prt", "1"], "unrecognized arguments: --prt"),
        (["--tls-key", "x"], "TLS needs a certificate\nhint: give --tls-cert"),
        (["--max-connections", "many"], "invalid int value"),
    ],
)
def test_a_wrong_command_line_ends_with_status_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", *arguments])
    assert caught.value.code == 2 and said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--pg", "0.0.0.0:0"], "without authentication"), (["--tls-cert", "nowhere"], "TLS cannot be had with nowhere")],
)
def test_what_cannot_be_served_is_told(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", *arguments]) == 1
    assert said in capsys.readouterr().err


HEARD_ELSEWHERE = """
import signal, threading, time
from repl.serve import Stops
with Stops() as stops:
    def hear():
        time.sleep(0.2)  # until the first thread waits
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    threading.Thread(target=hear).start()
    stops.wait()
"""


def test_a_signal_that_another_thread_is_handed_ends_it() -> None:
    """As happens to a process that is stopped and continued; Python's handlers run on the first thread alone."""
    subprocess.run([sys.executable, "-c", HEARD_ELSEWHERE], timeout=60, check=True)


def test_signals_mean_afterwards_what_they_meant_before() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert main(["serve", "--pg", "0.0.0.0:0"]) == 1
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
