"""A code problem whose answers try to break out, as a model could write them, and the EvalJob that grades them.

Decides what is tried and which verdicts say that nothing got through. The cluster's addresses are those that pods have
in any cluster made with the usual settings.
"""

import json
from pathlib import Path

from tests.cluster.api import Document
from tests.e2e.cluster.installation import CLAIM, give_to_jobs

TRIED = ("a server of the cluster", "a datagram", "a socket of the machine", "a file", "a process")
PROGRAM = """
def attempt(what):
    import os, socket
    try:
        if what == "a server of the cluster":
            socket.create_connection(("10.96.0.1", 443), 2)
        elif what == "a datagram":
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("10.96.0.10", 53))
        elif what == "a socket of the machine":
            socket.socket(socket.AF_UNIX)
        elif what == "a file":
            open("/tmp/left-behind", "w").write("x")
        elif what == "a process":
            os.posix_spawn("/bin/sh", ["sh", "-c", "true"], {})
        return "done"
    except OSError:
        return "refused"
"""
"""It says itself what it could do, and so is right only where it could do nothing."""
LIAR = 'def attempt(what):\n    return "done"\n'
ANSWERS, VERDICTS = (PROGRAM, LIAR), ["correct", "wrong"]
"""What stands where two answers of a model stood, and what grading has to make of them."""


def write_problem(volume: Path) -> None:
    """The problem, on a volume; its solution says that everything is refused."""
    record = {
        "task_id": "Own/0",
        "prompt": 'def attempt(what):\n    """Try it and say how it went."""\n',
        "canonical_solution": '    return "refused"\n',
        "entry_point": "attempt",
        "base_input": [[what] for what in TRIED],
        "plus_input": [],
        "atol": 0,
    }
    (volume / "data" / "attempts.jsonl").write_text(json.dumps(record) + "\n")
    give_to_jobs(volume / "data")


def replace_answers(volume: Path) -> None:
    """Put the programs where the answers of the tiny model stand, and forget their grades."""
    drawn = (volume / "evaluations" / "generations").glob("*/manifest.json")
    (folder,) = (one.parent for one in drawn if json.loads(one.read_text())["samples"] == len(ANSWERS))
    records = folder / "records.jsonl"
    rows = sorted(map(json.loads, records.read_text().splitlines()), key=lambda row: row["sample"])
    for row, text in zip(rows, ANSWERS, strict=True):
        row |= {"text": f"```python\n{text}\n```\n", "finish": "stop"}
    records.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for grades in (volume / "evaluations" / "grades").glob("*/records.jsonl"):
        grades.unlink()


def verdicts(volume: Path) -> list[str]:
    """What grading has made of the answers."""
    (records,) = (volume / "evaluations" / "grades").glob("*/records.jsonl")
    rows = sorted(map(json.loads, records.read_text().splitlines()), key=lambda row: row["sample"])
    return [row["verdict"] for row in rows]


def evaluation(name: str, secret: str) -> Document:
    """An EvalJob of the problem; `secret` holds credentials that its grading must not have."""
    return {
        "apiVersion": "gopd.io/v1alpha1",
        "kind": "EvalJob",
        "metadata": {"name": name},
        "spec": {
            "subjects": [{"name": "tiny", "model": "models/tiny-student"}],
            "tasks": [{"benchmark": "code", "data": "data/attempts.jsonl", "samples": len(ANSWERS)}],
            "sampling": {"maxResponseTokens": 8},
            "compute": {"accelerator": "cpu"},
            "tracking": {"secret": secret},
            "storage": {"claim": CLAIM},
        },
    }
