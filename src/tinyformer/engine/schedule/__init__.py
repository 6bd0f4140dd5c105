# SPDX-License-Identifier: Apache-2.0
"""Schedules of graphs: constants, patches, kernels and their memory, within the budgets."""
