"""The command line as it is, but the loss of the first step is looked at at once, and ends the process."""

import os
import sys

from recsys_cli.cli.main import main
from recsys_cli.cli.training_progress import EpochLines
from recsys_cli.training import epoch


def stop(*_: object) -> None:
    """In place of counting the step's targets."""
    os._exit(0)


assert epoch.STEPS_BETWEEN_LOOKS > 1
epoch.STEPS_BETWEEN_LOOKS = 1
EpochLines.stepped = stop
sys.exit(main())
