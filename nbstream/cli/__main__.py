"""``python -m nbstream.cli``."""

import sys

from nbstream.cli import main

sys.exit(main())
