"""``tinyformer report``."""

from __future__ import annotations

from pathlib import Path

import click

from tinyformer.errors import TinyFormerError


@click.command("report")
@click.argument("summaries", nargs=-1, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the comparison as one HTML file, too.")
def report_command(summaries: tuple[Path, ...], output: Path | None) -> None:
    """Print the headline figures; with several SUMMARIES (files, or directories of experiments), compare them."""
    from tinyformer.pipeline import artifacts  # noqa: PLC0415
    from tinyformer.pipeline.documents import read_json  # noqa: PLC0415

    if not summaries:
        from tinyformer.cli.repro import project_root  # noqa: PLC0415
        from tinyformer.config.load import load_params  # noqa: PLC0415
        from tinyformer.report.summary import print_summary  # noqa: PLC0415

        root = project_root()
        config = load_params(root / artifacts.PARAMS)
        print_summary(read_json(root / artifacts.SUMMARY), config.mcu, config.sparsenas.limits.model_dump())
        page = root / artifacts.REPORT / "index.html"
        if page.is_file():
            click.echo(f"\nThe whole report: {page}")
        return
    from tinyformer.report.compare import print_comparison, write_comparison  # noqa: PLC0415

    rows = {str(path): read_json(_summary_file(path)) for path in summaries}
    print_comparison(rows)
    if output:
        write_comparison(rows, output)
        click.echo(f"Written: {output}")


def _summary_file(path: Path) -> Path:
    from tinyformer.pipeline import artifacts  # noqa: PLC0415

    if path.is_dir():
        for candidate in (path / artifacts.SUMMARY, path / artifacts.SUMMARY.name):
            if candidate.is_file():
                return candidate
        raise TinyFormerError(f"{path} holds no summary.json; name an experiment's directory or its summary.json.")
    return path
