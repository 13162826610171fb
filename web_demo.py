"""Open the inspector's desk in a browser: `python web_demo.py`, the same as `anomalygpt demo`."""

import sys

from anomalygpt.cli import main

if __name__ == "__main__":
    sys.exit(main(["demo", *sys.argv[1:]]))
