"""`recsys doctor`: what recsys runs with and on, and a test of every kernel."""

import typer

from recsys_cli.cli import console, options
from recsys_cli.errors import ExitCode


def doctor(
    *,
    device: options.Device = None,
    threads: options.Threads = None,
    as_json: options.Json = None,
) -> None:
    """Show versions, devices, memory and disks, and test every kernel against its reference.

    It takes some ten seconds and changes nothing. The exit code is 1 where a kernel does not compute
    what it should.
    """
    from recsys_cli.cli import views
    from recsys_cli.cli.device import prepare_device
    from recsys_cli.cli.imports import heavy_imports

    with heavy_imports():
        prepare_device(device, threads)
        from recsys_cli.stages.doctor import doctor as run_stage

    result = run_stage()
    console.print_result(result, as_json=as_json, view=lambda: views.doctor_view(result))
    failed = [test.kernel for test in result.kernels if not test.passed]
    if failed:
        console.LOGGER.error("these kernels do not compute what they should: %s", ", ".join(failed))
        raise typer.Exit(ExitCode.BUG)
