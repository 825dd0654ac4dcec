"""docs/cron.md: its units are ones that systemd takes, and its codes and keys are the program's."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recsys_cli.cli.declared import declared_commands
from recsys_cli.errors import ExitCode
from recsys_cli.pipelines.pipeline import Expectations, load_pipeline
from recsys_cli.pipelines.process import GRACE

PAGE = (Path(__file__).parents[2] / "docs" / "cron.md").read_text(encoding="utf-8")
SERVICE, TIMER = re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)


def unit(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read_string(text)
    return parser


def test_the_pipeline_of_the_page_is_one(tmp_path):
    path = tmp_path / "night.toml"
    path.write_text(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0])
    (tmp_path / "train.toml").touch()
    pipeline = load_pipeline(path, declared_commands())
    assert [stage.command.name for stage in pipeline.stages] == [
        "preprocess", "train", "score", "score", "evaluate",
    ]  # fmt: skip
    assert [stage.judged for stage in pipeline.stages] == [True, True, False, False, False]


def test_the_page_has_every_expectation_and_every_exit_code():
    for key in Expectations.model_fields:
        assert f"| `{key}` |" in PAGE
    codes = {
        int(code) for row in re.findall(r"^\| ([\d, ]+) \|", PAGE, re.MULTILINE) for code in row.split(",")
    }
    assert codes == {int(code) for code in ExitCode} - {ExitCode.BROKEN_PIPE} | {137}


def test_the_service_starts_the_line_of_the_crontab_and_leaves_time_to_end():
    line = re.findall(r"```crontab\n(.*?)\n```", PAGE, re.DOTALL)[0]
    service = unit(SERVICE)["Service"]
    assert line.split("  ")[1].removesuffix(" > /dev/null") == service["ExecStart"]
    assert service["KillMode"] == "mixed"
    assert float(service["TimeoutStopSec"]) > GRACE
    assert unit(TIMER)["Install"]["WantedBy"] == "timers.target"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_the_units(tmp_path):
    program = str(Path(sys.executable).with_name("recsys"))
    (tmp_path / "recsys-night.service").write_text(SERVICE.replace("/opt/recsys/bin/recsys", program))
    (tmp_path / "recsys-night.timer").write_text(TIMER)
    for name in ("recsys-night.timer", "recsys-night.service"):
        verified = subprocess.run(
            ["systemd-analyze", "verify", tmp_path / name], capture_output=True, text=True, check=False
        )
        assert (verified.returncode, verified.stderr) == (0, "")
    times = subprocess.run(
        ["systemd-analyze", "calendar", unit(TIMER)["Timer"]["OnCalendar"]], capture_output=True, check=False
    )
    assert times.returncode == 0
