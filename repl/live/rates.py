"""How many changes come per second: now, and in each of the last seconds."""

from __future__ import annotations

from collections import deque

_WINDOW_S = 2.0
_HISTORY = 60


class Rates:
    """Counts; times are seconds of any clock that does not go back."""

    def __init__(self) -> None:
        self.total = 0
        self._recent: deque[tuple[float, int]] = deque()
        self._seconds: deque[tuple[int, int]] = deque(maxlen=_HISTORY)

    def add(self, count: int, now: float) -> None:
        """So many came at `now`."""
        self.total += count
        self._recent.append((now, count))
        self._drop_old(now)
        second = int(now)
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds[-1] = (second, self._seconds[-1][1] + count)
        else:
            self._seconds.append((second, count))

    def per_second(self, now: float) -> float:
        """The mean of the last two seconds."""
        self._drop_old(now)
        return sum(count for _, count in self._recent) / _WINDOW_S

    def history(self, now: float, seconds: int) -> list[float | None]:
        """Changes in each of the last whole seconds, the newest last."""
        counts = dict(self._seconds)
        return [float(counts.get(second, 0)) for second in range(int(now) - seconds, int(now))]

    def _drop_old(self, now: float) -> None:
        while self._recent and self._recent[0][0] < now - _WINDOW_S:
            self._recent.popleft()
