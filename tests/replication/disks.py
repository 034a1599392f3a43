"""The disks of a simulated machine: one `FaultyEnv` for each directory below a common one, one clock, one end of power.

The files are real and lie in memory; what is simulated is how disks fail.
"""

from __future__ import annotations

import random

from storage.env import Env, File, Lock, RealEnv
from storage.faults import FaultyEnv


class Crash(BaseException):
    """The process ends here; nothing may catch it but the simulation."""


class Disks:
    """An `Env` whose paths below `root`/<name> are on the disk of that name."""

    def __init__(self, root: str, rng: random.Random) -> None:
        self.root = root
        self.rng = rng
        self.now = 1_700_000_000_000_000
        self.base = RealEnv()
        self.base.mkdir(root)
        self.disks: dict[str, FaultyEnv] = {}
        self.is_down = False

    def disk(self, name: str) -> FaultyEnv:
        """The disk of that name."""
        if name not in self.disks:
            self.disks[name] = FaultyEnv(f"{self.root}/trash-{name}", base=self.base, seed=self.rng.getrandbits(32))
        return self.disks[name]

    def at(self, path: str) -> Env:
        """The disk of a path."""
        if self.is_down:
            raise Crash
        below = path[len(self.root) + 1 :]
        return self.disk(below.partition("/")[0]) if path.startswith(f"{self.root}/") else self.base

    def crash_at(self, name: str, nth: int) -> None:
        """The process ends at the `nth` next change on a disk."""
        self.disk(name).plan("any", nth, self.crash)

    def crash(self) -> None:
        """No operation succeeds any more, before `restart`."""
        self.is_down = True
        raise Crash

    def restart(self, *, power_loss: bool) -> None:
        """The process begins again, after everything lost its power or not."""
        self.is_down = False
        for disk in self.disks.values():
            if power_loss:
                disk.power_loss()
            else:
                disk.kill()

    def vanish(self, name: str, below: str = "") -> None:
        """A directory is removed, or what is `below` it."""
        self.disk(name).vanish(f"{self.root}/{name}{below}")

    # --- Env ---

    def now_us(self) -> int:
        """See `Env.now_us`."""
        return self.now

    def random_bytes(self, size: int) -> bytes:
        """See `Env.random_bytes`."""
        return self.rng.randbytes(size)

    def open(self, path: str, *, create: bool = False) -> File:
        """See `Env.open`."""
        return SimulatedFile(self, self.at(path).open(path, create=create))

    def absolute(self, path: str) -> str:
        """See `Env.absolute`."""
        return path

    def exists(self, path: str) -> bool:
        """See `Env.exists`."""
        return self.at(path).exists(path)

    def list(self, path: str) -> list[str]:
        """See `Env.list`."""
        return self.at(path).list(path)

    def mkdir(self, path: str) -> None:
        """See `Env.mkdir`."""
        self.at(path).mkdir(path)

    def rename(self, source: str, target: str) -> None:
        """See `Env.rename`."""
        self.at(source).rename(source, target)

    def remove(self, path: str) -> None:
        """See `Env.remove`."""
        self.at(path).remove(path)

    def sync_dir(self, path: str) -> None:
        """See `Env.sync_dir`; the common directory is on all disks."""
        if path == self.root:
            for disk in self.disks.values():
                disk.sync_dir(path)
        else:
            self.at(path).sync_dir(path)

    def lock(self, path: str) -> Lock:
        """See `Env.lock`."""
        return self.at(path).lock(path)


class SimulatedFile:
    """A file that cannot be used after a crash."""

    def __init__(self, disks: Disks, file: File) -> None:
        self.path = file.path
        self._disks = disks
        self._file = file

    def __getattr__(self, name: str) -> object:
        if self._disks.is_down:
            raise Crash
        return getattr(self._file, name)
