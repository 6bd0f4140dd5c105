# SPDX-License-Identifier: Apache-2.0
"""Where images come from: one module a source, each with ``load(config) -> LabelledImages``."""
