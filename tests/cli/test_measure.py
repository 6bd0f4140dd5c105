# SPDX-License-Identifier: Apache-2.0
"""``tinyformer measure`` against simulated boards behind a pseudo-terminal."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial
from click.testing import CliRunner, Result
from tests.cli.models import small_model

from tinyformer.cli import main
from tinyformer.engine.run.board import BoardLink, build_board_firmware, checksum, request
from tinyformer.engine.run.package_files import open_package
from tinyformer.errors import TinyFormerError
from tinyformer.mcu import flashing
from tinyformer.mcu.board import known_boards, load_board
from tinyformer.mcu.simulator import Limits, Simulator
from tinyformer.mcu.simulator.terminal import pseudo_terminal
from tinyformer.mcu.target import load_mcu

IMAGES = 4


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("measure")
    small_model(directory)
    run("compile", directory / "model.onnx", "-o", directory / "package", "--verify", "0", status=0)
    return directory / "package"


def run(*arguments: object, status: int) -> Result:
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == status, result.output
    return result


@contextmanager
def simulated_board(elf: Path) -> Iterator[str]:
    """The name of the serial port of a board that runs ``elf``, until four damaged requests in a row."""
    with pseudo_terminal() as (terminal, name):
        simulator = Simulator(load_mcu("stm32f746"))
        limits = Limits(instructions=400_000_000, stop_text=b"CCCC")
        board = threading.Thread(target=simulator.run, args=(elf,), kwargs={"limits": limits, "terminal": terminal})
        board.start()
        try:
            yield name
        finally:
            damaged = request(bytes(4 * 8 * 8))[:-1] + b"?"
            with serial.Serial(name, 115200, timeout=10) as port:
                for _ in range(4):
                    port.write(damaged)
                    port.read(1)
            board.join()


@pytest.mark.parametrize("board", known_boards())
def test_outputs_and_cycles_are_those_of_the_simulation(package: Path, board: str, tmp_path: Path) -> None:
    elf = build_board_firmware(package, load_board(board), load_mcu("stm32f746"), tmp_path / "board.elf")
    figures = tmp_path / "board.json"
    with simulated_board(elf) as port:
        result = run("measure", package, "--port", port, "--board", board, "--count", IMAGES, "-o", figures, status=0)
    found = json.loads(figures.read_text())
    assert (found["images"], found["exact_images"]) == (IMAGES, IMAGES)
    assert found["simulation_error"] == pytest.approx(0, abs=0.002)
    assert found["board"] == board and f"{IMAGES} of {IMAGES}" in result.output
    assert found["model_sha256"] == json.loads((package / "report.json").read_text())["model_sha256"]


def test_a_board_with_another_model_is_named(package: Path, tmp_path: Path) -> None:
    board = load_board("nucleo-f746zg")
    elf = build_board_firmware(package, board, load_mcu("stm32f746"), tmp_path / "board.elf")
    other = tmp_path / "other"
    run("compile", package.parent / "model.onnx", "-o", other, "--name", "other", "--verify", "0", status=0)
    with simulated_board(elf) as port:
        refused = run("measure", other, "--port", port, "--board", board.name, status=1)
    assert "The board runs 'tinyformer model 256 64', not 'tinyformer other 256 64'" in " ".join(refused.output.split())
    assert not (tmp_path / "board.json").exists()


class Line:
    """A port that answers with ``answers``, one a request."""

    timeout: float | None = None

    def __init__(self, *answers: bytes) -> None:
        self._answers = [b"tinyformer model 256 64\n", *answers]
        self._pending = b""

    def read(self, size: int) -> bytes:
        taken, self._pending = self._pending[:size], self._pending[size:]
        return taken

    def write(self, data: bytes) -> int:
        self._pending = self._answers.pop(0) if self._answers else b""
        return len(data)

    def reset_input_buffer(self) -> None:
        self._pending = b""


def answer(cycles: int) -> bytes:
    body = cycles.to_bytes(4, "little") + bytes(64)
    return b"O" + body + checksum(body)


def test_a_damaged_answer_is_asked_for_again(package: Path) -> None:
    link = BoardLink(Line(b"C", answer(7)[:-1] + b"?", answer(7)), open_package(package), 1.0)
    assert link.infer(bytes(256)) == (bytes(64), 7)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([b"F\x02"], "failed with status -2"),
        ([], "did not answer within 1 s"),
        ([b"C", b"C", b"C"], "The serial line damages what it carries"),
    ],
)
def test_what_goes_wrong_is_named(package: Path, answers: list[bytes], message: str) -> None:
    link = BoardLink(Line(*answers), open_package(package), 1.0)
    with pytest.raises(TinyFormerError, match=message):
        link.infer(bytes(256))


def test_silence_and_missing_ports_have_a_remedy(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinyformer.engine.run.board._GREETING_SECONDS", 0.01)
    line = Line()
    line.write(b"")
    with pytest.raises(TinyFormerError, match="No answer from the board"):
        BoardLink(line, open_package(package), 1.0)


def test_what_is_not_there_has_a_remedy(package: Path, tmp_path: Path) -> None:
    refused = run("measure", package, "--port", tmp_path / "nowhere", status=1)
    assert "fails" in refused.output and "check --port" in " ".join(refused.output.split())
    run("measure", package, status=2)
    assert (
        "Unknown board 'none': choose one of"
        in run("measure", package, "--port", "x", "--board", "none", status=1).output
    )


def test_the_firmware_alone_can_be_kept(package: Path, tmp_path: Path) -> None:
    run("measure", package, "--firmware", tmp_path / "board.elf", status=0)
    assert (tmp_path / "board.elf").read_bytes()[:4] == b"\x7fELF"


def test_flashing_runs_the_tool_and_says_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board, elf = load_board("nucleo-f746zg"), tmp_path / "board.elf"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TinyFormerError, match="needs OpenOCD"):
        flashing.flash(elf, board, "openocd")
    tool = tmp_path / "openocd"
    for status, words in ((0, ""), (1, "Error: open failed")):
        tool.write_text(f"#!/bin/sh\necho \"$@\" > {tmp_path}/arguments\necho '{words}' >&2\nexit {status}\n")
        tool.chmod(0o755)
        if status:
            with pytest.raises(TinyFormerError, match=r"could not flash nucleo-f746zg \(Error: open failed\)"):
                flashing.flash(elf, board, "openocd")
        else:
            flashing.flash(elf, board, "openocd")
    told = (tmp_path / "arguments").read_text().strip()
    assert told == f"-f board/st_nucleo_f7.cfg -c program {{{elf}}} verify reset exit"
