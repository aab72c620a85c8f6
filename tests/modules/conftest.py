"""The modules' code is imported as `plugins.module_utils.NAME`, from the root of the checkout."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
