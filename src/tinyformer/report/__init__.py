# SPDX-License-Identifier: Apache-2.0
"""The evidence for people: HTML report, terminal summary, comparison of experiments."""
