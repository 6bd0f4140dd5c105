# SPDX-License-Identifier: Apache-2.0
"""A generated package at work: on this computer and as a firmware, its sizes and its cycles."""
