# SPDX-License-Identifier: Apache-2.0
"""Runs: what an offline run records, what happens without network, and that tracking never harms a stage."""

from __future__ import annotations

import http.server
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tinyformer.config.tracking import TrackingConfig
from tinyformer.errors import TinyFormerError
from tinyformer.keys import content_digest
from tinyformer.tracking import publish_summary, read_run, read_runs, start_run, summary_run_id

CONF = Path(__file__).parents[2] / "conf" / "tracking"
PARAMETERS = {"seed": 3, "mcu": {"name": "stm32f746", "memories": [1, 2]}}


@pytest.fixture(autouse=True)
def _no_account_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))


def _config(choice: str, **changes: Any) -> TrackingConfig:
    return TrackingConfig(**{**yaml.safe_load((CONF / f"{choice}.yaml").read_text()), **changes})


def _start(config: TrackingConfig, directory: Path, stage: str = "finetune") -> Any:
    return start_run(config, experiment="quick", stage=stage, parameters=PARAMETERS, directory=directory)


def test_an_offline_run_reads_back(tmp_path: Path) -> None:
    directory = tmp_path / "outputs" / "wandb"
    model = tmp_path / "model.bin"
    model.write_bytes(b"weights")
    with _start(_config("offline", tags=["a", "b"]), directory) as run:
        for epoch in range(3):
            run.log({"loss": 1 / (1 + epoch), "val_accuracy": 0.5 + epoch / 10}, epoch)
        run.summarize({"accuracy": 0.9, "nested": {"flash": 12}})
        run.use_artifact(model, "supernet", "model")
        run.add_artifact(model, "sub net", "model")
    [recorded] = read_runs(directory)
    assert recorded.id == next(directory.glob("offline-run-*/run-*.wandb")).stem.removeprefix("run-")
    assert (recorded.project, recorded.group, recorded.job_type) == ("tinyformer", "quick", "finetune")
    assert recorded.tags == ("a", "b")
    digest = content_digest(model)
    assert recorded.config == {
        **PARAMETERS,
        "artifacts": {
            "inputs": {"supernet": {"sha256": digest, "type": "model"}},
            "outputs": {"sub net": {"sha256": digest, "type": "model"}},
        },
    }
    assert recorded.summary["accuracy"] == 0.9
    assert recorded.summary["nested"] == {"flash": 12}
    assert [(point["_step"], point["loss"]) for point in recorded.history] == [(0, 1.0), (1, 1 / 2), (2, 1 / 3)]
    assert recorded.artifacts == {"sub-net": "model"}
    assert recorded.complete
    assert recorded.exit_code == 0


def test_all_files_stay_in_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "deep" / "a.txt").write_text("a")
    with _start(_config("offline"), tmp_path / "wandb") as run:
        run.add_artifact(tmp_path / "folder", "firmware", "code")
    assert not list(home.rglob("*")), "nothing belongs into the user's home"
    assert "WANDB_DATA_DIR" not in os.environ
    staged = [path.read_text() for path in (tmp_path / "wandb" / "staging").rglob("*") if path.is_file()]
    assert staged == ["a"], "a copy is kept for a later upload"


def test_runs_of_one_process_are_separate_even_when_nested(tmp_path: Path) -> None:
    config = _config("offline", group="sweep")
    with _start(config, tmp_path, "a") as outer:
        with _start(config, tmp_path, "b") as inner:
            assert outer.id != inner.id
            inner.log({"x": 2.0}, 0)
        outer.log({"x": 1.0}, 0)
    recorded = {run.job_type: run for run in read_runs(tmp_path)}
    assert {stage: run.history[0]["x"] for stage, run in recorded.items()} == {"a": 1.0, "b": 2.0}
    assert {run.group for run in recorded.values()} == {"sweep"}


def test_a_failing_stage_keeps_its_error_and_marks_its_run(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), _start(_config("offline"), tmp_path) as run:
        run.log({"x": 1.0}, 0)
        _ = 1 // 0
    [recorded] = read_runs(tmp_path)
    assert recorded.exit_code == 1
    assert len(recorded.history) == 1


def test_disabled_tracking_does_not_even_import_wandb(tmp_path: Path) -> None:
    code = f"""
import sys, yaml
from pathlib import Path
from tinyformer.config.tracking import TrackingConfig
from tinyformer.tracking import start_run
config = TrackingConfig(**yaml.safe_load(Path({str(CONF / "disabled.yaml")!r}).read_text()))
with start_run(config, experiment="e", stage="s", parameters={{}}, directory=Path({str(tmp_path / "out")!r})) as run:
    run.log({{"x": 1.0}}, 0)
    run.add_artifact(Path("nowhere"), "a", "b")
assert "wandb" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert not (tmp_path / "out").exists()


# --- the summary run ----------------------------------------------------------------------------------------------


def test_the_summary_run_has_a_fixed_id_and_everything_in_it(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"onnx")
    metrics = {"accuracy_int8": 0.98, "flash_bytes": 1000, "mcu": "stm32f746"}
    for _ in range(2):  # publishing twice, within one second, is no conflict
        run_id = publish_summary(
            _config("offline"),
            experiment="Quick start",
            parameters=PARAMETERS,
            metrics=metrics,
            directory=tmp_path / "wandb",
            artifacts={"model.onnx": (tmp_path / "model.onnx", "model")},
        )
    assert run_id == summary_run_id("Quick start", dict(reversed(PARAMETERS.items())))
    assert run_id.startswith("quick-start-")
    assert run_id == summary_run_id("Quick start", {**PARAMETERS, "tracking": {"mode": "online"}})
    assert run_id != summary_run_id("Quick start", {**PARAMETERS, "seed": 4})
    runs = read_runs(tmp_path / "wandb")
    assert [run.id for run in runs] == [run_id, run_id]
    for run in runs:
        assert run.job_type == "summary"
        assert run.config["mcu"] == PARAMETERS["mcu"]
        assert {key: run.summary[key] for key in metrics} == metrics
        assert run.artifacts == {"model.onnx": "model"}


# --- no network ---------------------------------------------------------------------------------------------------


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A server that answers every request with 404."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def nonsense_server() -> Iterator[str]:
    """A server that answers everything with 200 and words that mean nothing."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"data": {"viewer": 7, "nonsense": [None]}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PUT = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


_ONLINE = """
import json, sys, yaml
from pathlib import Path
from tinyformer.config.tracking import TrackingConfig
from tinyformer.tracking import start_run
config = TrackingConfig(**json.loads(sys.argv[1]))
with start_run(config, experiment="e", stage="s", parameters={}, directory=Path(sys.argv[2])) as run:
    print("begun")
    run.log({"x": 1.0}, 0)
"""


def _online(tmp_path: Path, **environment: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a stage in a process of its own, because wandb settles on a server once per process."""

    def run(**changes: Any) -> subprocess.CompletedProcess[str]:
        config = _config("online", timeout_s=1, **changes).model_dump_json()
        return subprocess.run(
            [sys.executable, "-c", _ONLINE, config, str(tmp_path / "wandb")],
            env={**os.environ, "HOME": str(tmp_path), **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.mark.parametrize("missing", ["key", "server"])
def test_where_online_is_impossible_it_falls_back_or_stops(tmp_path: Path, silent_server: str, missing: str) -> None:
    if missing == "key":
        online, words = _online(tmp_path, WANDB_BASE_URL=silent_server), "there are no credentials"
    else:
        online = _online(tmp_path, WANDB_API_KEY="0" * 40, WANDB_BASE_URL="http://127.0.0.1:9")
        words = "http://127.0.0.1:9 cannot be reached"
    fallen_back = online(unreachable="offline")
    assert fallen_back.returncode == 0, fallen_back.stderr
    assert f"Stage s is tracked offline because {words}" in fallen_back.stderr
    [recorded] = read_runs(tmp_path)
    assert recorded.complete
    assert len(recorded.history) == 1
    stopped = online(unreachable="stop")
    assert stopped.returncode == 1
    assert stopped.stdout == "", "the stage must not begin"
    assert f"TinyFormerError: tracking.mode is online but {words}" in stopped.stderr
    assert len(read_runs(tmp_path)) == 1


def test_a_server_that_refuses_the_run_counts_as_unreachable(tmp_path: Path, silent_server: str) -> None:
    fallen_back = _online(tmp_path, WANDB_API_KEY="0" * 40, WANDB_BASE_URL=silent_server)(unreachable="offline")
    assert fallen_back.returncode == 0, fallen_back.stderr
    assert f"Stage s is tracked offline because {silent_server} refused the run" in fallen_back.stderr
    assert [len(recorded.history) for recorded in read_runs(tmp_path) if recorded.complete] == [1]


@pytest.mark.parametrize("unreachable", ["offline"])
def test_a_server_that_answers_nonsense_harms_no_stage(tmp_path: Path, nonsense_server: str, unreachable: str) -> None:
    done = _online(tmp_path, WANDB_API_KEY="0" * 40, WANDB_BASE_URL=nonsense_server)(unreachable=unreachable)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "begun\n"
    assert "Tracking of stage s failed" in done.stderr or "is tracked offline" in done.stderr


# --- tracking never harms a stage ---------------------------------------------------------------------------------


def _blocked_by_a_file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("")
    return tmp_path / "file" / "wandb"


def _read_only(tmp_path: Path) -> Path:
    path = tmp_path / "locked"
    path.mkdir()
    path.chmod(0o555)
    if os.access(path, os.W_OK):
        pytest.skip("this user may write everywhere")
    return path / "wandb"


@pytest.mark.parametrize("directory", [_blocked_by_a_file, _read_only])
def test_an_unusable_directory_is_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, directory: Callable[[Path], Path]
) -> None:
    with caplog.at_level(logging.WARNING), _start(_config("offline"), directory(tmp_path)) as run:
        run.log({"x": 1.0}, 0)
        run.summarize({"x": 1.0})
        result = 42
    assert result == 42
    [record] = caplog.records
    assert "Tracking of stage finetune failed, its results are not affected" in record.getMessage()


def test_a_missing_artifact_is_a_warning_and_the_run_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), _start(_config("offline"), tmp_path / "wandb") as run:
        run.add_artifact(tmp_path / "nowhere", "model", "model")
        run.log({"x": 1.0}, 0)
    [record] = caplog.records
    assert "nowhere" in record.getMessage()
    [recorded] = read_runs(tmp_path / "wandb")
    assert recorded.history[0]["x"] == 1.0


def test_a_full_disk_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a small disk")
    try:
        with caplog.at_level(logging.WARNING), _start(_config("offline"), small) as run:
            for step in range(3000):
                run.log({f"metric_{i}": step / (i + 1) for i in range(10)}, step)
            result = 42
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
    assert result == 42
    assert [record for record in caplog.records if "disk full" in record.getMessage()]


def test_a_killed_run_reads_back_up_to_the_tear(tmp_path: Path) -> None:
    with _start(_config("offline"), tmp_path) as run:
        for step in range(2000):  # several blocks of 32 KiB
            run.log({"loss": 1 / (1 + step), "text": float(step)}, step)
    [path] = tmp_path.glob("**/run-*.wandb")
    content = path.read_bytes()
    assert len(content) > 3 * 32768
    whole = read_run(path)
    assert [point["_step"] for point in whole.history] == list(range(2000))
    for cut in (len(content) - 40, 32768, 32768 + 3, 70000):
        path.write_bytes(content[:cut])
        torn = read_run(path.parent)
        assert not torn.complete
        assert torn.history == whole.history[: len(torn.history)]
    assert torn.config == PARAMETERS
    path.write_bytes(content[:60000] + bytes(2000) + content[62000:])
    assert not read_run(path).complete
    path.write_bytes(content[:60000] + b"\xff" * 2000 + content[62000:])
    assert len(read_run(path).history) < 2000


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "run-x.wandb").write_bytes(b"something else")
    with pytest.raises(TinyFormerError, match="not a file of Weights & Biases"):
        read_run(tmp_path)
    with pytest.raises(TinyFormerError, match="holds no offline run"):
        read_run(tmp_path / "nowhere")


def test_directory_digests_depend_on_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x").write_text("1")
    first = content_digest(tmp_path / "a")
    (tmp_path / "a" / "b" / "x").rename(tmp_path / "a" / "b" / "y")
    second = content_digest(tmp_path / "a")
    (tmp_path / "a" / "b" / "y").write_text("2")
    assert len({first, second, content_digest(tmp_path / "a")}) == 3
