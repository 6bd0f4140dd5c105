# SPDX-License-Identifier: Apache-2.0
"""The command ``tinyformer``. Each command imports what it needs when it runs, so that ``--help`` is immediate."""

from __future__ import annotations

import click

from tinyformer import __version__
from tinyformer.cli.compare import compare_command
from tinyformer.cli.compile import compile_command
from tinyformer.cli.listing import list_command
from tinyformer.cli.measure import measure_command
from tinyformer.cli.report import report_command
from tinyformer.cli.repro import compose_command, repro_command
from tinyformer.cli.simulate import simulate_command
from tinyformer.cli.space import space_command
from tinyformer.cli.sync import sync_command
from tinyformer.cli.zoo import zoo_command
from tinyformer.errors import TinyFormerError


class SentenceGroup(click.Group):
    """Prints a problem that the user can mend as a sentence, with exit status 1."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except TinyFormerError as error:
            raise click.ClickException(str(error)) from None
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package == "tinyformer":
                raise
            raise click.ClickException(
                f"This needs the package {package}, which a light installation lacks: "
                "run `pip install 'tinyformer[pipeline]'`."
            ) from None
        except OSError as error:
            if error.filename is None:
                raise
            raise click.ClickException(
                f"{error.filename}: {error.strerror}; make the path writable or choose another."
            ) from None


@click.group(cls=SentenceGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__)
def main() -> None:
    """From a data set and a microcontroller to a sparse INT8 convolution+transformer model in C."""


main.add_command(repro_command)
main.add_command(compose_command)
main.add_command(list_command)
main.add_command(compile_command)
main.add_command(simulate_command)
main.add_command(measure_command)
main.add_command(report_command)
main.add_command(compare_command)
main.add_command(space_command)
main.add_command(sync_command)
main.add_command(zoo_command)
