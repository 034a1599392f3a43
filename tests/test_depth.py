"""Which cases of a test that is marked `sampled` are run."""

from __future__ import annotations

import pytest

from tests import conftest, depth


@pytest.mark.parametrize(
    ("count", "kept"), [(1, [0]), (2, [0, 9]), (4, [0, 3, 6, 9]), (10, list(range(10))), (99, list(range(10)))]
)
def test_a_sample_is_spread_over_all(monkeypatch: pytest.MonkeyPatch, count: int, kept: list[int]) -> None:
    monkeypatch.setattr(depth, "DEEP", False)
    assert depth.sample(range(10), count) == kept
    monkeypatch.setattr(depth, "DEEP", True)
    assert depth.sample(range(10), count) == list(range(10))


def test_tests_of_a_group_run_in_one_process(pytester: pytest.Pytester) -> None:
    """They share what is dear: a server, a wheel. pytest and pytest-xdist have to fit each other for that."""
    pytester.makepyfile(
        "import pytest\n\npytestmark = pytest.mark.xdist_group('dear')\n\n"
        "@pytest.mark.parametrize('n', range(6))\ndef test_it(n, worker_id):\n"
        "    with open('workers', 'a') as file:\n        file.write(worker_id + '\\n')\n"
    )
    pytester.runpytest_subprocess("-n", "2", "--dist", "loadgroup").assert_outcomes(passed=6)
    assert len(set((pytester.path / "workers").read_text().split())) == 1


@pytest.mark.parametrize(("deep", "passed"), [(False, 2 + 5), (True, 6 + 5)])
def test_only_what_is_marked_is_left_out(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, deep: bool, passed: int
) -> None:
    monkeypatch.setattr(depth, "DEEP", deep)
    pytester.makeini("[pytest]\nmarkers =\n    sampled(n): a sample\n")
    pytester.makepyfile(
        "import pytest\n\n@pytest.mark.sampled(2)\n@pytest.mark.parametrize('a', range(3))\n"
        "@pytest.mark.parametrize('b', range(2))\ndef test_many(a, b):\n    assert (a, b) in ((0, 0), (2, 1)) or "
        f"{deep}\n\n@pytest.mark.parametrize('a', range(5))\ndef test_all(a):\n    pass\n"
    )
    done = pytester.inline_run(plugins=[conftest.Sampling()])
    done.assertoutcome(passed=passed)
