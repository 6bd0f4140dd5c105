# SPDX-License-Identifier: Apache-2.0
"""Blocks, the searchable supernet, and extracted sub-networks. ``spec`` and ``lowering`` need no torch."""
