"""A device that is asked for and not there is an error; threads are processors of this process."""

import os
import subprocess
import sys

import pytest

from recsys_cli.cli.device import limit_threads
from recsys_cli.errors import UsageError

needs_affinity = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")


def run_prepare(device: str | None, **environment: str) -> subprocess.CompletedProcess[str]:
    code = (
        "from recsys_cli.cli import console; from recsys_cli.cli.device import prepare_device\n"
        "from recsys_cli.errors import UsageError\n"
        "console.configure_logging(quiet=False)\n"
        f"try: prepare_device({device!r}, None)\n"
        "except UsageError as error: print(error.message)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )


def test_a_tpu_that_is_not_there_is_an_error():
    finished = run_prepare("tpu", JAX_PLATFORMS="cpu")
    assert finished.stdout == "--device tpu: jax finds no TPU here, only CPU.\n"


def test_the_cpu_is_there_and_is_named():
    finished = run_prepare("cpu", JAX_PLATFORMS="")
    assert finished.stdout == ""
    assert "running on the CPU" in finished.stderr


def test_a_platform_in_the_environment_that_is_not_there_is_an_error():
    finished = run_prepare(None, JAX_PLATFORMS="abacus")
    assert finished.stdout.startswith("JAX_PLATFORMS=abacus cannot be used: ")
    assert len(finished.stdout.splitlines()) == 1


@needs_affinity
def test_threads_bind_the_process():
    code = (
        "import os; from recsys_cli.cli.device import limit_threads\n"
        "limit_threads(1); print(len(os.sched_getaffinity(0)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "1\n"


@needs_affinity
def test_more_threads_than_processors_are_refused():
    processors = len(os.sched_getaffinity(0))
    with pytest.raises(UsageError, match=f"--threads {processors + 1} is more than the {processors} "):
        limit_threads(processors + 1)


@pytest.mark.parametrize("threads", [0, -1])
def test_fewer_than_one_thread_is_refused(threads):
    with pytest.raises(UsageError, match=f"--threads {threads} is not at least 1"):
        limit_threads(threads)


def test_a_system_that_cannot_bind_says_so(monkeypatch):
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    with pytest.raises(UsageError, match="cannot be kept"):
        limit_threads(1)
