"""Blocks, the searchable supernet, extracted sub-networks and baselines. ``spec`` and ``lowering`` need no torch."""
