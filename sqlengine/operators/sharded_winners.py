"""ShardedWinners: WindowWinners in shards.  Each shard knows the best of its own groups; the best of those are told."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sqlengine.delta import Delta, concat
from sqlengine.operators.consolidate import consolidate
from sqlengine.operators.sharded import Sharded
from sqlengine.operators.window_winners import Best, WindowWinnersOperator, Winners
from sqlengine.plan.nodes import WindowWinners
from sqlengine.plan.sharding import shard_keys
from sqlengine.workers import Workers


class ShardedWinners(Sharded):
    """`_bests`: window -> shard -> the best it knows, for windows that still take rows; empty with one shard."""

    def __init__(self, node: WindowWinners, workers: Workers) -> None:
        super().__init__(lambda: WindowWinnersOperator(node), shard_keys(node), workers)
        self._bests: dict[int, dict[int, Best]] = {}
        self._final: int | None = None

    def _together(self, answers: Sequence[Delta]) -> Delta | None:
        winners = self._winners()
        if not winners:
            change = concat(answers)
            first = self._shards[0]
            assert isinstance(first, WindowWinnersOperator)
            return None if change is None else first.best_closed(change)
        news = [each.take_news() for each in winners]
        out: list[Delta] = []
        for window in sorted(set().union(*news)):
            bests = self._bests.setdefault(window, {})
            out += [Delta(rows).negated() for rows in _best(bests)]
            bests.update({shard: told[window] for shard, told in enumerate(news) if window in told})
            out += [Delta(rows) for rows in _best(bests)]
        final = max(each.final for each in winners)
        if final != self._final:
            self._bests = {window: bests for window, bests in self._bests.items() if window > final}
            self._final = final
        return consolidate(concat(out))

    def _changed_shards(self) -> None:
        self._bests = {}
        for shard, winners in enumerate(self._winners() if len(self._shards) > 1 else ()):
            winners.take_news()
            for window, (code, _, rows) in winners.best.items():
                self._bests.setdefault(window, {})[shard] = code, rows

    def _winners(self) -> list[Winners]:
        """What each shard knows; nothing when windows leave once, as they close."""
        shards = [s for s in self._shards if isinstance(s, WindowWinnersOperator)]
        return [s.winners for s in shards if s.winners is not None]


def _best(bests: dict[int, Best]) -> list[pa.RecordBatch]:
    """The best rows of one window, of what its shards know; nothing when none knows any."""
    top = max((code for code, _ in bests.values()), default=None)
    return [rows for code, rows in bests.values() if code == top]
