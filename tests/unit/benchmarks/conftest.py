"""The benchmarks are no part of what is installed: they are found in the project's folder."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3]))
