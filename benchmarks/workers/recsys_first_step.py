"""The command line as it is, but ended by the first loss that it is told."""

import os
import sys

from recsys_cli.cli.main import main
from recsys_cli.cli.training_progress import EpochLines


def stop(*_: object) -> None:
    """In place of counting the step's targets."""
    os._exit(0)


EpochLines.stepped = stop
sys.exit(main())
