"""``python -m nbstream.local``: see `process`."""

from __future__ import annotations

import sys

from nbstream.local.process import main

if __name__ == "__main__":
    sys.exit(main())
