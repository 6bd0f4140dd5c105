# SPDX-License-Identifier: Apache-2.0
"""The file names of the pipeline, relative to the project's root. No other package knows them."""

from pathlib import Path

PARAMS = Path("params.yaml")
DEFINITION = Path("dvc.yaml")
LOCK = Path("dvc.lock")

DATA_FILES = Path("data/inputs/data.json")
USER_CODE = Path("data/inputs/code.json")
BOARD_SEEN = Path("data/inputs/board.json")
"""Content of :data:`BOARD` when the pipeline ran last; null without one."""
PROCESSED = Path("data/processed")
OUTPUTS = Path("outputs")
COST_TABLE = OUTPUTS / "cost_table.json"
SUPERNET_SPEC = OUTPUTS / "supernet.yaml"
SUPERNAS_SCORES = OUTPUTS / "supernas.json"
SUPERNET = OUTPUTS / "supernet.safetensors"
PARETO = OUTPUTS / "pareto.json"
SUBNET_SPEC = OUTPUTS / "subnet.yaml"
SUBNET = OUTPUTS / "subnet.safetensors"
MODEL = OUTPUTS / "model.onnx"
CODEGEN = OUTPUTS / "codegen"
"""The generated package, before it has run."""
FIRMWARE = OUTPUTS / "firmware"
"""The same package, verified, with its figures."""
DEPLOY = OUTPUTS / "deploy"
PREDICTIONS = DEPLOY / "predictions.json"
"""The class that the deployed model takes each test image for: a JSON list."""
ELF = DEPLOY / "firmware.elf"
REPORT = OUTPUTS / "report"
PROVENANCE = OUTPUTS / "provenance.html"
"""When and where each stage was computed: no output of DVC's, for it differs where results are the same."""
BOARD = OUTPUTS / "board.json"
"""Figures of a real board, written by `tinyformer measure` beside the package: no output of DVC's."""
SUMMARY = OUTPUTS / "summary.json"
METRICS = OUTPUTS / "metrics"
HISTORY = OUTPUTS / "history"

WANDB = OUTPUTS / "wandb"
_TEMPORARY = (".dvc", "tmp", "exps")
"""Below it lie the directories in which DVC runs queued experiments; it deletes them afterwards."""

WORK = Path(".tinyformer")
"""Checkpoints, evaluation stores and locks: outlives a failed stage, whose outputs DVC deletes."""

PROJECT_LOCK = WORK / "locks" / "project"
"""Held by the command that has written params.yaml, for as long as its stages run."""
STAGE_LOCK = WORK / "locks" / "stage"
"""Held by every stage that runs, whoever has started it."""


def metrics(stage: str) -> Path:
    """Metrics of a stage: flat JSON, a DVC metric. The report's are the summary of all."""
    return SUMMARY if stage == "report" else METRICS / f"{stage}.json"


def history(stage: str) -> Path:
    """Training curve of a stage: a JSON list with one entry an epoch."""
    return HISTORY / f"{stage}.json"


def recordings() -> Path:
    """Where runs are recorded: in the project, also for an experiment that DVC runs in a temporary copy of it
    (``dvc exp run --queue`` and ``--temp``)."""
    parts = Path.cwd().parts
    for i in range(len(parts) - len(_TEMPORARY)):
        if parts[i : i + len(_TEMPORARY)] == _TEMPORARY:
            return Path(*parts[:i]) / WANDB
    return WANDB
