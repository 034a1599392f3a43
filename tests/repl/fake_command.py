"""The command over the fake session, as a process of its own: `python tests/repl/fake_command.py
ARGUMENTS`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import repl.__main__ as command  # noqa: E402
from tests.repl.fake import FakeDatabase  # noqa: E402

command.connect = FakeDatabase
sys.exit(command.main())
