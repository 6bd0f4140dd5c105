"""The summary run: one per experiment and configuration, with everything one compares experiments by."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinyformer.config.tracking import TrackingConfig
from tinyformer.tracking.runs import start_run

JOB_TYPE = "summary"


def summary_run_id(experiment: str, parameters: Mapping[str, Any]) -> str:
    """Id of the summary run: the same for the same experiment and configuration, on every machine.

    The section ``tracking`` does not count: recording offline or online makes no other experiment.
    """
    counted = {key: value for key, value in parameters.items() if key != "tracking"}
    text = json.dumps(counted, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    slug = re.sub(r"[^a-z0-9]+", "-", experiment.lower()).strip("-")[:40]
    return f"{slug}-{digest}"


def publish_summary(
    config: TrackingConfig,
    *,
    experiment: str,
    parameters: Mapping[str, Any],
    metrics: Mapping[str, Any],
    directory: Path,
    inputs: Mapping[str, tuple[Path, str]] | None = None,
    artifacts: Mapping[str, tuple[Path, str]] | None = None,
) -> str:
    """Record the summary run and return its id; stages restored from a cache logged nothing, this run always does.

    ``inputs`` and ``artifacts`` map names to (path, type) of what the experiment read and made.
    """
    run_id = summary_run_id(experiment, parameters)
    with start_run(
        config,
        experiment=experiment,
        stage=JOB_TYPE,
        parameters=parameters,
        directory=directory,
        run_id=run_id,
    ) as run:
        run.summarize(metrics)
        for name, (path, kind) in sorted((inputs or {}).items()):
            run.use_artifact(path, name, kind)
        for name, (path, kind) in sorted((artifacts or {}).items()):
            run.add_artifact(path, name, kind)
    return run_id
