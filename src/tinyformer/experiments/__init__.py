# SPDX-License-Identifier: Apache-2.0
"""Experiments: one in the project's directory, or the points of a sweep, each in a directory of its own."""
