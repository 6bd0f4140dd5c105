# SPDX-License-Identifier: Apache-2.0
"""Stage ``publish``: the summary run of the experiment, once for each result, whatever came from the cache."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from typing import Any

from tinyformer.config.load import load_params
from tinyformer.config.root import Config
from tinyformer.files import replace_file
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.documents import read_json
from tinyformer.pipeline.evaluation import read_evaluation
from tinyformer.pipeline.stage import stage_process
from tinyformer.tracking.summary import Table, publish_summary, summary_run_id

OVERRIDES = "TINYFORMER_OVERRIDES"
"""Environment variable with what tells the experiment from its recipe, as a JSON list of overrides."""

_PUBLISHED = artifacts.WORK / "published.json"


def publish() -> None:
    """Record the run, unless this very result has been recorded already."""
    config = load_params(artifacts.PARAMS)
    if config.tracking.mode == "disabled":
        return
    summary = read_json(artifacts.SUMMARY)
    parameters = config.model_dump(mode="json")
    name = summary_run_id(config.experiment, parameters)
    state = sha256(json.dumps([summary, parameters["tracking"]], sort_keys=True).encode()).hexdigest()
    known: dict[str, str] = read_json(_PUBLISHED) if _PUBLISHED.is_file() else {}
    if known.get(name) == state:
        return
    if _record(config, parameters, summary) is not None:
        replace_file(_PUBLISHED, json.dumps({**known, name: state}, indent=1, sort_keys=True).encode())


def _record(config: Config, parameters: dict[str, Any], summary: dict[str, Any]) -> str | None:
    prefix = config.experiment
    evaluation = read_evaluation(artifacts.PROCESSED / config.data.name)
    return publish_summary(
        config.tracking,
        experiment=config.experiment,
        overrides=json.loads(os.environ.get(OVERRIDES, "[]")),
        parameters=parameters,
        metrics=summary,
        directory=artifacts.recordings(),
        inputs={f"{config.data.name}-data": (artifacts.PROCESSED / config.data.name / "manifest.json", "dataset")},
        artifacts={
            f"{prefix}-supernet": (artifacts.SUPERNET, "supernet"),
            f"{prefix}-subnet": (artifacts.SUBNET, "subnet"),
            f"{prefix}-model": (artifacts.MODEL, "model"),
            f"{prefix}-firmware": (artifacts.FIRMWARE, "firmware"),
            f"{prefix}-report": (artifacts.REPORT, "report"),
        },
        tables={
            "pareto": Table.of(read_json(artifacts.PARETO)["evaluated"]),
            "layers": Table.of(read_json(artifacts.DEPLOY / "layers.json")),
            "confusion": Table.of(
                [
                    {"class": name, "taken_for": other, "images": int(evaluation.confusion[i, j])}
                    for i, name in enumerate(evaluation.classes)
                    for j, other in enumerate(evaluation.classes)
                    if evaluation.confusion[i, j]
                ]
            ),
        },
        html={"report": artifacts.REPORT / "index.html"},
    )


if __name__ == "__main__":
    with stage_process("publish"):
        publish()
