# SPDX-License-Identifier: Apache-2.0
"""Costs of networks, without compiling them: a table of measured kernels, and estimates for the searches."""
