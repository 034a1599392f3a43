"""A server whose database is made anew each time it is asked: `python -m tests.server.fresh`.

For each line of standard input it closes what it has served, serves an empty database in memory, and writes the port.
"""

from __future__ import annotations

import sys

import sqlengine


def main() -> None:
    """Until standard input ends."""
    for _ in sys.stdin:
        with sqlengine.connect() as database, database.serve() as server:
            print(server.port, flush=True)
            sys.stdin.readline()
            print("closed", flush=True)


if __name__ == "__main__":
    main()
