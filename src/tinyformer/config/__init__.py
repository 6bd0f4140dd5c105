# SPDX-License-Identifier: Apache-2.0
"""Typed configuration: one module a section of ``params.yaml``; ``compose`` alone knows Hydra."""
