"""A work directory with tiny real model folders and prompts, a spec over them, and the gopd command as a process."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from gopd_api.load import load_file
from gopd_api.objects import Object
from gopd_operator.core.plan import Plan
from gopd_operator.core.workflow import Observed, Surroundings, plan

STANDINS = Path(__file__).parent / "standins"
TOKENIZER: dict[str, Any] = {
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []},
    "added_tokens": [],
    "normalizer": None,
}


@dataclass(frozen=True)
class Workplace:
    """Folders and files of one test."""

    root: Path

    @property
    def spec_file(self) -> Path:
        return self.root.parent / "job.yaml"

    def behave(self, **acts: Any) -> None:
        """Say how the stand-ins behave from now on."""
        (self.root / "behaviour.json").write_text(json.dumps(acts))

    def model(self, name: str, tokenizer: dict[str, Any] | None = None, template: str = "{{ messages }}") -> Path:
        """A model folder: config, tokenizer, template and a safetensors file of 8 parameters."""
        folder = self.root / "models" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 128}))
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer or TOKENIZER))
        (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
        header = json.dumps({"weight": {"dtype": "F32", "shape": [2, 4], "data_offsets": [0, 32]}}).encode()
        (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(32))
        return folder

    def prompts(self, *rows: dict[str, Any]) -> Path:
        """Training prompts, one a line."""
        file = self.root / "data" / "train.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return file

    def spec(self, **changes: Any) -> dict[str, Any]:
        """A DistillationJob of three steps; `changes` replace parts of its spec."""
        spec = {
            "student": {"model": "models/student"},
            "teachers": [{"name": "wise", "model": "models/teacher"}],
            "data": {"train": "data/train.jsonl", "maxPromptTokens": 32, "maxResponseTokens": 32},
            "optimization": {"batchSize": 2, "steps": 3},
            "checkpoints": {"everySteps": 1},
            "evaluation": {"tasks": [{"benchmark": "math", "data": "data/heldout.jsonl"}]},
            "compute": {"accelerator": "cpu"},
            "lifecycle": {"backoff": {"initialSeconds": 0}},
        }
        metadata = {"name": "small", "annotations": {"gopd.io/made-by": "python make_inputs.py"}}
        return {
            "apiVersion": "gopd.io/v1alpha1",
            "kind": "DistillationJob",
            "metadata": metadata,
            "spec": spec | changes,
        }

    def write(self, document: dict[str, Any]) -> Object:
        """Write the object to the spec file and read it back."""
        self.spec_file.write_text(yaml.safe_dump(document))
        return load_file(self.spec_file)[0]

    def plan(self, document: dict[str, Any] | None = None) -> Plan:
        """The plan of the object (without one: of `spec()`) in this work directory."""
        return plan(self.write(document or self.spec()), Surroundings(str(self.root), None), Observed(prompts=4))

    def environment(self) -> dict[str, str]:
        """An environment in which the stand-ins are found before the real programs."""
        return os.environ | {"PYTHONPATH": str(STANDINS), "COLUMNS": "160"}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """`gopd ...` as a process with the stand-ins in the images' place."""
        return subprocess.Popen(
            [sys.executable, "-m", "gopd_operator.shell.main", *arguments],
            env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.root.parent,
        )  # fmt: skip

    def gopd(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`gopd ...` to its end."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def run(self) -> subprocess.CompletedProcess[str]:
        """`gopd run` of the spec file in the work directory."""
        return self.gopd("run", str(self.spec_file), "--workdir", str(self.root))

    def daemon_is_gone(self) -> bool:
        """Whether the stand-in's daemon has ended; where nobody reaps it, it may stay as a zombie."""
        try:
            return psutil.Process(int((self.root / "daemon.pid").read_text())).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    def trained(self) -> list[int]:
        """The training steps that were made, in order."""
        log = self.root / "trained.log"
        return [int(line.split()[2]) for line in log.read_text().splitlines()] if log.exists() else []


def workplace(folder: Path) -> Workplace:
    """A work directory in which `spec()` can run."""
    place = Workplace(folder / "runs")
    place.model("student")
    place.model("teacher")
    place.prompts(*({"prompt": f"question {n}"} for n in range(4)))
    (place.root / "data" / "heldout.jsonl").write_text('{"prompt": "1 + 1", "answer": "2"}\n')
    return place


def lives(process: psutil.Process) -> bool:
    """Whether the process still runs; one that has ended and waits to be reaped by its adopter does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
