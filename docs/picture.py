"""What a command printed -> an SVG picture of a terminal: `make -s demo | python docs/picture.py FILE`.

The text is the command's own, unchanged; only standard input is read. Needs rich alone.
"""

import re
import sys
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

COLUMNS = 80
# The picture must not fetch a font from anywhere: any monospaced one will do.
OWN_FONTS = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def main() -> None:
    """Draw standard input into the file that is named."""
    with Path("/dev/null").open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi(sys.stdin.read().rstrip()))
        svg = console.export_svg(title="make demo", code_format=OWN_FONTS)
    Path(sys.argv[1]).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
