"""Typed configuration: one module a section of ``params.yaml``; ``compose`` alone knows Hydra."""
