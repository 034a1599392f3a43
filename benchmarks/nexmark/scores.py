"""What was measured, by query and engine; the bars; the table."""

from __future__ import annotations

from benchmarks.side_by_side import report

STATELESS = ("q0", "q1", "q2", "q10", "q14", "q21", "q22")
AT_PAR = ("q4", "q5", "q7", "q9", "q11", "q15", "q16", "q17", "q18", "q19", "q20")
"""Queries to be kept up to date at least as fast as DuckDB answers them once; half as fast on the others."""

RETRACTING = ("clink", "flink", "spark")
"""Streaming engines that retract and close windows: the best of them is to be outrun ten times on stateful queries."""

PEER_BARS = {"chdb": 3.0, "laminardb": 1.0}
TITLES = {"sqlengine": "ours", "sqlengine live": "ours at 1,024 rows", "duckdb": "duckdb once"}


class Scores:
    """Events a second by query and engine; every one is reported when it is added."""

    def __init__(self, threads: int) -> None:
        self._duckdb = f"duckdb, once, {threads} thread{'s' * (threads > 1)}"
        self._rates: dict[str, dict[str, float]] = {}

    def add(self, query: str, engine: str, events_per_s: float) -> None:
        """Keep and report; ours is compared with DuckDB, which must have been added."""
        rates = self._rates.setdefault(query, {})
        rates[engine] = events_per_s
        if engine == "sqlengine":
            bar = 1.0 if query in AT_PAR else 0.5
            report(query, engine, events_per_s / 1e6, "M events/s", events_per_s / rates["duckdb"], bar)
        else:
            name = self._duckdb if engine == "duckdb" else engine
            report(query, name, events_per_s / 1e6, "M events/s")

    def compare_with_peers(self) -> None:
        """Ours next to the best streaming engine, and next to those of a kind of their own."""
        for query, rates in self._rates.items():
            streaming = {peer: rates[peer] for peer in RETRACTING if peer in rates}
            if streaming:
                best = max(streaming, key=lambda peer: streaming[peer])
                self._compare(query, best, 1.0 if query in STATELESS else 10.0)
            for peer, bar in PEER_BARS.items():
                if peer in rates:
                    self._compare(query, peer, 1.0 if query in STATELESS else bar)

    def _compare(self, query: str, peer: str, bar: float) -> None:
        rates = self._rates[query]
        ours = rates["sqlengine"]
        report(f"{query} next to {peer}", "sqlengine", ours / 1e6, "M events/s", ours / rates[peer], bar)

    def table(self) -> str:
        """Queries by engines in M events/s, and ours over DuckDB's."""
        engines = list(dict.fromkeys(engine for rates in self._rates.values() for engine in rates))
        engines.sort(key=lambda engine: not engine.startswith("sqlengine"))
        lines = ["| query | " + " | ".join(TITLES.get(e, e) for e in engines) + " | ours / duckdb | bar |"]
        lines.append("| --- " * (len(engines) + 3) + "|")
        for query, rates in self._rates.items():
            cells = [f"{rates[e] / 1e6:.3g}" if e in rates else "" for e in engines]
            ratio, bar = rates["sqlengine"] / rates["duckdb"], 1.0 if query in AT_PAR else 0.5
            verdict = "met" if ratio >= bar else "missed"
            lines.append(f"| {query} | " + " | ".join(cells) + f" | {ratio:.2f} | {bar:g} {verdict} |")
        return "\n".join(lines)
