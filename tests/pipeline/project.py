# SPDX-License-Identifier: Apache-2.0
"""A throw-away copy of the project, driven as a user drives it: through the command line and DVC."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from tinyformer.keys import content_digest

CHECKOUT = Path(__file__).parents[2]
COPIED = ("conf", "src", ".dvc/config", "dvc.yaml", ".dvcignore")


@dataclass(frozen=True)
class Project:
    """A checkout without Git, with a DVC cache of its own unless told otherwise."""

    root: Path

    @staticmethod
    def create(root: Path) -> Project:
        """Copy what the pipeline needs into ``root``."""
        for name in COPIED:
            source, target = CHECKOUT / name, root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        return Project(root)

    def environment(self) -> dict[str, str]:
        """The copy's sources, not the installed ones; its own wandb directories; quiet."""
        return {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.root / "src"),
            "WANDB_SILENT": "true",
            "OMP_WAIT_POLICY": "passive",
            "COLUMNS": "200",
        }

    def tinyformer(self, *arguments: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the command line; with ``ok``, fail the test on a non-zero exit."""
        return self._run([sys.executable, "-m", "tinyformer.cli", *arguments], ok)

    def dvc(self, *arguments: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        """Run DVC."""
        return self._run([sys.executable, "-m", "dvc", *arguments], ok)

    def start_stage(self, name: str) -> subprocess.Popen[bytes]:
        """Start a stage alone, to be killed."""
        return subprocess.Popen(
            [sys.executable, "-m", f"tinyformer.pipeline.{name}"],
            cwd=self.root, env=self.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def run_stage(self, name: str, ok: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a stage to its end, without DVC."""
        return self._run([sys.executable, "-m", f"tinyformer.pipeline.{name}"], ok, environment)

    def _run(
        self, command: list[str], ok: bool, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            command,
            cwd=self.root,
            env={**self.environment(), **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        assert not ok or result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
        return result

    def digests(self) -> dict[str, str]:
        """SHA-256 of every output and metric that dvc.yaml names and that exists."""
        stages = yaml.safe_load((self.root / "dvc.yaml").read_text("utf-8"))["stages"]
        found = {}
        for stage in stages.values():
            for entry in [*stage.get("outs", []), *stage.get("metrics", [])]:
                name = entry if isinstance(entry, str) else next(iter(entry))
                path = self.root / name
                if path.exists():
                    found[name] = content_digest(path)
        return found


def stages_run(output: str) -> list[str]:
    """Names of the stages that `tinyformer repro` or `dvc repro` really executed, from what it printed; without
    `inputs` and `publish`, which look each time."""
    found = re.findall(r"^(?:Running stage '(\w+)'|\d+/\d+ (\w+): running)", output, re.M)
    return [name for one, other in found if (name := one or other) not in ("inputs", "publish")]
