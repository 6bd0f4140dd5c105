# SPDX-License-Identifier: Apache-2.0
"""The DVC stages: each reads ``params.yaml``, calls the packages and writes what ``artifacts`` names."""

import signal
import sys
from pathlib import Path

from tinyformer.instruction_set import pin, requested_level
from tinyformer.signals import end_with_parent

if any(word.startswith(f"{__name__}.") for word in sys.orig_argv[1:]):
    # This process is a stage, whoever has started it: what must precede slow imports, and those of numerical libraries.
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback while modules are imported
    if requested_level(Path("params.yaml")) == "portable":
        pin()
