# SPDX-License-Identifier: Apache-2.0
"""Kernels and optimization levels chosen by measurement in the simulator."""
