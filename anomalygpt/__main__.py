"""`python -m anomalygpt` is the command line."""

import sys

from anomalygpt.cli import main

if __name__ == "__main__":
    sys.exit(main())
