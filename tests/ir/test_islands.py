# SPDX-License-Identifier: Apache-2.0
"""Islands of element-wise operators, found once for the importer and the quantizer."""

from __future__ import annotations

from tinyformer.ir.islands import Islands


def test_an_island_ends_where_two_origins_meet() -> None:
    islands: Islands[str] = Islands()
    islands.begin("x")
    islands.begin("y")
    assert islands.join("sigmoid", "s", ["x"]) == ("x",)
    assert islands.join("product", "p", ["x", "s"]) == ("x",)
    assert islands.join("sum", "z", ["p", "y"]) == ()
    assert islands.members("p", "x") == ["sigmoid", "product"]
    assert islands.origins("z") == ()


def test_an_island_that_may_start_anew_prefers_the_nearest_origin_that_all_paths_share() -> None:
    islands: Islands[str] = Islands()
    islands.begin("x")
    islands.join("abs", "a", ["x"])
    islands.begin("a")
    assert islands.join("square", "b", ["a"]) == ("a", "x")
    assert islands.join("sum", "c", ["b", "x"]) == ("x",)
    assert islands.members("b", "a") == ["square"]
    assert islands.members("c", "x") == ["abs", "square", "sum"]
