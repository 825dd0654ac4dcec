"""`recsys` and `python -m recsys_cli`: arguments in, an exit code out."""

import sys

from recsys_cli.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
