"""Run the command line as `python -m fastmlp`."""

from __future__ import annotations

import sys

from fastmlp.cli import main

sys.exit(main())
