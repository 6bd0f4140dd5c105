# SPDX-License-Identifier: Apache-2.0
"""``tinyformer space``: how large a search space is."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("space")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--image-size", type=click.IntRange(1), default=32, show_default=True, help="Side of the images, pixels.")
@click.option("--channels", type=click.IntRange(1), default=3, show_default=True, help="Channels of the images.")
@click.option("--classes", type=click.IntRange(2), default=10, show_default=True, help="Classes.")
def space_command(file: Path, image_size: int, channels: int, classes: int) -> None:
    """Count the supernets and sub-networks of the search space in FILE (YAML),
    and weigh those of the supernet that takes every last choice."""
    from tinyformer.nets.spec import SubnetSpec, weighted_layers  # noqa: PLC0415
    from tinyformer.supernas.space import SupernetSpace, load_space  # noqa: PLC0415

    def size(spec: SubnetSpec) -> str:
        layers = weighted_layers(spec)
        weights, macs = sum(layer.weights for layer in layers), sum(layer.macs for layer in layers)
        return f"{weights:,} weights, {macs:,} multiply-accumulates"

    space = SupernetSpace(load_space(file), image_size, channels, classes)
    counts = space.subnetworks()
    last = space.build(tuple(len(gene.values) - 1 for gene in space.genes))
    click.echo(f"supernets: {space.count():,}")
    click.echo(f"sub-networks of the supernet with most: {counts.largest:,}")
    click.echo(f"sub-networks of all supernets: {counts.total:,}")
    click.echo(f"supernet of the last choices, largest sub-network: {size(last.largest())}")
    click.echo(f"supernet of the last choices, smallest sub-network: {size(last.smallest())}")
