# SPDX-License-Identifier: Apache-2.0
"""What the deployed model made of the test split, as ``deploy`` has left it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinyformer.data.splits import load_splits
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.documents import damaged, read_json
from tinyformer.report.classification import Evaluation


def read_evaluation(data: Path) -> Evaluation:
    """The answers to the test images of the prepared data set ``data``.

    Raises:
        TinyFormerError: a file is missing or damaged.
    """
    splits = load_splits(data)
    predicted = np.array(read_json(artifacts.PREDICTIONS), dtype=np.int64)
    if len(predicted) != len(splits.test):
        raise damaged(artifacts.PREDICTIONS)
    return Evaluation(splits.classes, splits.test.images, splits.test.labels, predicted)
