"""`doctor` knows the dependencies, and tells a kernel that computes something else."""

import tomllib
from pathlib import Path

import jax
import pytest

from recsys_cli.kernels import self_test
from recsys_cli.stages import doctor
from recsys_cli.stages.doctor import PACKAGES
from recsys_cli.stages.doctor import doctor as run

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_it_knows_every_dependency_of_the_project():
    wanted = tomllib.loads(PROJECT.read_text())["project"]["dependencies"]
    assert {*PACKAGES} - {"jaxlib"} == {line.partition(">")[0] for line in wanted}


def test_every_kernel_passes_here_and_the_surroundings_are_said():
    result = run()
    assert [test.passed for test in result.kernels] == [True] * 7
    assert result.devices == ["cpu 0: cpu"]
    assert None not in result.packages.values()
    assert result.memory is None or result.memory > 1 << 28
    assert 1 <= result.usable_processors <= result.processors


@pytest.mark.parametrize(
    ("broken", "failed"),
    [
        ("packed_attention", "attention"),
        ("blocked_attention", "blocked attention"),
        ("full_softmax_loss", "cross entropy"),
        ("attend_to_prefixes", "cross attention"),
        ("best_items", "search"),
    ],
)
def test_a_kernel_that_computes_something_else_is_failed(monkeypatch, broken, failed):
    whole = getattr(self_test, broken)

    def slightly_wrong(*arguments, **options):
        return jax.tree.map(lambda value: value * 1.001, whole(*arguments, **options))

    monkeypatch.setattr(self_test, broken, slightly_wrong)
    test = self_test._tests()[failed]
    monkeypatch.setattr(self_test, "_tests", lambda: {failed: test})
    assert [test.passed for test in self_test.self_test()] == [False]


def test_values_that_are_not_finite_are_failed(monkeypatch):
    pairs = [(1.0, 1.0), (float("nan"), 1.0)]
    monkeypatch.setattr(self_test, "_tests", lambda: {"search": lambda: pairs})
    [test] = self_test.self_test()
    assert not test.passed
    assert doctor._kernel_test(test).difference is None
