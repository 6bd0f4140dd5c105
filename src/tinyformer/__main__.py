# SPDX-License-Identifier: Apache-2.0
"""``python -m tinyformer``."""

from tinyformer.cli import main

if __name__ == "__main__":
    main()
