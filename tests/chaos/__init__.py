# SPDX-License-Identifier: Apache-2.0
"""A standing campaign: kills, signals, refused writes, damaged files, two runs at once, hostile inputs."""
