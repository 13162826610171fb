"""`python -m anomalygpt.cli`, the same as `python -m anomalygpt`."""

import sys

from anomalygpt.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
