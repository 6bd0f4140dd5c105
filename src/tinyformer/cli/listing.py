# SPDX-License-Identifier: Apache-2.0
"""``tinyformer list``: what there is to choose from."""

from __future__ import annotations

import click


@click.command("list")
@click.argument("group", required=False)
def list_command(group: str | None) -> None:
    """List the choices of GROUP (mcu, experiment, data, sparsity, ...; without one: the groups).

    A choice is taken by `tinyformer repro GROUP=CHOICE`, an experiment by `tinyformer repro --experiment NAME`.
    """
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from tinyformer.config.groups import groups, purpose  # noqa: PLC0415
    from tinyformer.config.location import conf_directory  # noqa: PLC0415
    from tinyformer.errors import TinyFormerError  # noqa: PLC0415
    from tinyformer.mcu.target import load_mcu  # noqa: PLC0415

    conf = conf_directory()
    known = groups(conf)
    if group is None:
        table = Table("Group", "Choices", box=SIMPLE_HEAD)
        for name, choices in known.items():
            table.add_row(name, ", ".join(choices))
        Console().print(table)
        return
    name = group if group in known else group.removesuffix("s")
    if name not in known:
        raise TinyFormerError(f"There is no group {group!r}: choose one of {', '.join(known)}.")
    if name == "mcu":
        table = Table("mcu", "core", "clock", "flash", "SRAM", "cycle model", box=SIMPLE_HEAD)
        for choice in known[name]:
            mcu = load_mcu(choice)
            sizes = (f"{size // 1024:,} KB" for size in (mcu.flash_bytes, mcu.sram_bytes))
            table.add_row(choice, mcu.core, f"{mcu.clock_hz / 1e6:g} MHz", *sizes, mcu.validation)
    else:
        table = Table(name, "what it is", box=SIMPLE_HEAD)
        for choice in known[name]:
            table.add_row(choice, purpose(conf / name / f"{choice}.yaml"))
    Console().print(table)
