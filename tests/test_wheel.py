"""The distribution as a user gets it: a wheel installed into an empty environment, far from the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.depth import DEEP
from tests.source_tree import ROOT

# In one process: the wheel is built once.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]

WINDOWED_VIEW = """
CREATE STREAM bids (auction BIGINT, price BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
CREATE MATERIALIZED VIEW per_minute AS
  SELECT auction, window_start, count(*) AS bids, sum(price) AS total
  FROM TUMBLE(bids, ts, INTERVAL '1 minute') GROUP BY auction, window_start;
INSERT INTO bids VALUES
  (1, 10, '2024-01-01 00:00:01'), (1, 20, '2024-01-01 00:00:59'), (2, 5, '2024-01-01 00:01:00');
SELECT auction, window_start, bids, total FROM per_minute ORDER BY auction;
"""

OTHER_KERNELS = ("[!ghkp]*.pyx",)
"""Kernels that stand alone: each is built like the others, and `make` has built all of them for this checkout."""

PERMISSIVE = re.compile(r"apache|mit|bsd|isc|psf|python software|zlib|unlicense|cc0|mpl", re.IGNORECASE)


def run(*command: str | Path, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run without anything of this environment but PATH and the settings of pip."""
    kept = ("PATH", "HOME", "TMPDIR", "LANG")
    environment = {k: v for k, v in os.environ.items() if k in kept or k.startswith("PIP_")}
    # Of what is installed here most is never imported: each module is compiled when it is.
    environment |= {"PIP_NO_COMPILE": "1"} | variables
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built from this checkout by an isolated build, compiled as quickly as can be: in the short run with
    only those kernels that others, or headers, belong to."""
    without = () if DEEP else OTHER_KERNELS
    return build(tmp_path_factory.mktemp("wheel"), without, SQLENGINE_OPTIMIZE="0")


def build(folder: Path, without: tuple[str, ...] = (), isolated: bool = True, **variables: str) -> Path:
    """Build a copy of what git would give a stranger, so that nothing built before can help; `without`: files, by
    pattern, that it goes without; not `isolated`: by what is installed here."""
    source = folder / "source"
    source.mkdir()
    for name in ("sqlengine", "storage", "repl"):
        built = shutil.ignore_patterns("*.so", "*.c", "__pycache__", *without)
        shutil.copytree(ROOT / name, source / name, ignore=built)
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "LICENSE", "README.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, source / name)
    options = ("--no-deps", "--quiet", "--wheel-dir", folder, *(() if isolated else ("--no-build-isolation",)))
    command = ("-m", "pip", "wheel", *options, source)
    done = run(sys.executable, *command, folder=folder, **variables)
    if done.returncode and _registry_is_missing(done.stderr):
        pytest.skip("THE WHEEL IS NOT TESTED: the package registry cannot be reached for the build")
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a new environment that holds the wheel, what it needs to run, and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "env", with_pip=False, system_site_packages=False)
    binaries = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
    command = ("-m", "pip", "--python", binaries / "python", "install", "--quiet", wheel)
    done = run(sys.executable, *command, folder=folder)
    if done.returncode and _registry_is_missing(done.stderr):
        pytest.skip("THE WHEEL IS NOT TESTED: the package registry cannot be reached for its dependencies")
    assert done.returncode == 0, done.stderr
    return binaries


def _registry_is_missing(stderr: str) -> bool:
    return any(
        word in stderr for word in ("NewConnectionError", "Temporary failure in name", "No matching distribution")
    )


def test_the_wheel_holds_the_packages_and_their_data(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    assert {t for t in top if not t.endswith(".dist-info")} == {"sqlengine", "storage", "repl"}
    for package in ("sqlengine", "storage", "repl"):
        assert f"{package}/py.typed" in names
    data = [p for p in (ROOT / "sqlengine").rglob("*") if p.suffix in (".lark", ".pyx")]
    left_out = () if DEEP else OTHER_KERNELS
    wanted = [p for p in data if not any(p.match(pattern) for pattern in left_out)]
    missing = [p for p in wanted if p.relative_to(ROOT).as_posix() not in names]
    assert not missing
    kernels = {p.stem for p in wanted if p.suffix == ".pyx"}
    assert kernels == {Path(name).name.split(".")[0] for name in names if name.endswith(".so")}
    assert any(name.endswith("LICENSE") for name in names)


def test_without_a_compiler_the_build_succeeds(tmp_path: Path) -> None:
    assert find_spec("Cython") is not None, "else nothing is compiled anyway"
    most = ("[e-z]*.pyx",)  # each takes its time to be translated, and then fails alike
    names = zipfile.ZipFile(build(tmp_path, most, isolated=False, CC="false", CXX="false")).namelist()
    assert "sqlengine/kernels/__init__.py" in names
    assert not [name for name in names if name.endswith(".so")]


def test_a_query_runs(installed: Path, tmp_path: Path) -> None:
    done = run(installed / "sqlengine", "--format", "csv", "-c", "SELECT 1 AS one", folder=tmp_path)
    assert (done.returncode, done.stdout.split()) == (0, ["one", "1"]), done.stderr


def test_a_windowed_view_runs(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "view.sql").write_text(WINDOWED_VIEW)
    done = run(installed / "sqlengine", "--format", "csv", "-f", "view.sql", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["1,2024-01-01 00:00:00,2,30", "2,2024-01-01 00:01:00,1,5"]


def test_a_data_directory_survives(installed: Path, tmp_path: Path) -> None:
    command = (installed / "sqlengine", "data", "--format", "csv", "-c")
    first = run(*command, "CREATE TABLE t (a BIGINT); INSERT INTO t VALUES (42)", folder=tmp_path)
    assert first.returncode == 0, first.stderr
    second = run(*command, "SELECT a FROM t", folder=tmp_path)
    assert second.stdout.split() == ["a", "42"], second.stderr


def test_what_it_depends_on_is_under_permissive_licences(installed: Path, tmp_path: Path) -> None:
    code = (
        "import importlib.metadata as m\n"
        "for d in m.distributions():\n"
        "    lines = [d.metadata.get('License-Expression') or '', d.metadata.get('License') or '']\n"
        "    lines += [c for c in d.metadata.get_all('Classifier') or () if c.startswith('License')]\n"
        "    print(d.metadata['Name'], '|', ' '.join(' '.join(lines).split())[:300])\n"
    )
    done = run(installed / "python", "-c", code, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    other = [line for line in done.stdout.splitlines() if not PERMISSIVE.search(line.split("|", 1)[1])]
    assert not other, other
    assert "GPL" not in done.stdout
