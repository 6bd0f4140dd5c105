# SPDX-License-Identifier: Apache-2.0
"""Confusion, intervals and chance, against their definitions and SciPy; images as a browser reads them."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binomtest

from tests.report.conftest import evaluation_of
from tinyformer.report.classification import Evaluation, Share
from tinyformer.report.images import data_uri


@pytest.mark.parametrize(("correct", "count"), [(0, 1), (1, 1), (0, 36), (36, 36), (358, 359), (7, 20), (512, 1024)])
def test_the_interval_is_wilsons(correct: int, count: int) -> None:
    expected = binomtest(correct, count).proportion_ci(0.95, method="wilson")
    assert Share("any", correct, count).interval == pytest.approx((expected.low, expected.high))


def test_no_images_say_nothing() -> None:
    share = Share("none", 0, 0)
    assert share.accuracy is None and share.interval == (0.0, 1.0)


def test_counts_by_class_follow_from_the_answers() -> None:
    rng = np.random.default_rng(3)
    labels, predicted = rng.integers(0, 5, 200), rng.integers(0, 5, 200)
    evaluation = Evaluation(list("abcde"), np.zeros((200, 2, 2, 1), np.uint8), labels, predicted)
    for i in range(5):
        for j in range(5):
            assert evaluation.confusion[i, j] == sum((labels == i) & (predicted == j))
    assert evaluation.total.correct == sum(labels == predicted)
    assert [share.count for share in evaluation.by_class] == [sum(labels == i) for i in range(5)]
    assert evaluation.misclassified() == [i for i in range(200) if labels[i] != predicted[i]]
    confused = evaluation.confused(100)
    assert [count for *_, count in confused] == sorted((count for *_, count in confused), reverse=True)
    assert sum(count for *_, count in confused) == 200 - evaluation.total.correct
    assert all(true != taken for true, taken, _ in confused)
    assert sorted(labels[evaluation.samples(9)]) == list(range(5))


def test_guesses_are_near_chance_and_knowledge_is_not() -> None:
    assert not evaluation_of(np.random.default_rng(0)).near_chance
    labels = np.repeat([0, 1, 2], [80, 10, 10])
    images = np.zeros((100, 1, 1, 1), np.uint8)
    constant = Evaluation(list("abc"), images, labels, np.zeros(100, np.int64))
    assert constant.most_frequent == Share("a", 80, 100)
    assert constant.near_chance, "80 % by always saying the same"
    assert not Evaluation(list("abc"), images, labels, labels).near_chance


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (2, "L")])
def test_small_images_come_back_as_they_are(channels: int, mode: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 9, channels), np.uint8)
    uri = data_uri(image)
    kind, _, data = uri.partition(",")
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert kind == "data:image/png;base64" and picture.mode == mode
    shown = image if channels == 3 else image[..., 0]
    np.testing.assert_array_equal(np.asarray(picture), shown)


def test_large_images_are_scaled_down() -> None:
    data = data_uri(np.zeros((300, 200, 3), np.uint8)).partition(",")[2]
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (64, 96)
