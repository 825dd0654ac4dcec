"""Shell completion, as the shells ask for it."""

import os
import shutil
import subprocess
import sys

import pytest


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_script_for_bash_is_printed_under_bash():
    # The second command keeps bash from replacing itself with Python: its name is what is detected.
    command = f'"{sys.executable}" -m recsys_cli --show-completion; exit $?'
    finished = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert "complete -o default -F _recsys_completion recsys" in finished.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("recsys st", {"status"}),
        ("recsys d", {"diff", "doctor"}),
        ("recsys tr", {"train"}),
        ("recsys train --pres", {"--preset"}),
        ("recsys train --preset b", {"balanced", "best"}),
    ],
)
def test_commands_options_and_values_are_completed(words, expected):
    finished = subprocess.run(
        [sys.executable, "-m", "recsys_cli"],
        env={
            **os.environ,
            "_RECSYS_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert set(finished.stdout.split()) == expected
