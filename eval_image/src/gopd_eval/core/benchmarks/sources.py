"""The data sets that `gopd data fetch` gets: where from, at which revision, with which content, under which licence.

Everything is pinned: a file with another digest or another number of records is not the set. Fetching is the shell's.
"""

from dataclasses import dataclass
from typing import Final

UNKNOWN: Final = "unknown"
SEED = "https://raw.githubusercontent.com/RUCBM/G-OPD/{revision}/{path}"
SEED_REVISION: Final = "37371a4c31ad7947746200d234161769191f4748"
HUB = "https://huggingface.co/datasets/{repository}/resolve/{revision}/{path}"
LIVECODEBENCH_REVISION: Final = "0fe84c3912ea0c4d4a78037083943e8f0c4dd505"


@dataclass(frozen=True)
class DataSet:
    """One file of records."""

    name: str
    benchmark: str
    """The benchmark that reads it."""
    uri: str
    revision: str
    """40 hex digits: the commit that `uri` names."""
    sha256: str
    records: int
    licence: str
    bytes: int | None = None
    """Size of the file; None where it is not known."""


def _of_the_seed(
    name: str, path: str, sha256: str, records: int, licence: str, size: int | None, benchmark: str | None = None
) -> DataSet:
    uri = SEED.format(revision=SEED_REVISION, path=path)
    return DataSet(name, benchmark or name, uri, SEED_REVISION, sha256, records, licence, size)


def _shard(number: int, sha256: str, records: int, size: int) -> DataSet:
    path = f"test{number if number > 1 else ''}.jsonl"
    uri = HUB.format(
        repository="livecodebench/code_generation_lite", revision=LIVECODEBENCH_REVISION, path=path
    )  # fmt: skip
    return DataSet(
        f"livecodebench-v{number}", "livecodebench", uri, LIVECODEBENCH_REVISION, sha256, records,
        "cc (its card says no more)", size,
    )  # fmt: skip


MAA = "problems by the MAA; the repository: MIT"
MATHARENA = "CC-BY-NC-SA-4.0 (MathArena)"
EVALPLUS = "Apache-2.0 (EvalPlus); tasks MIT or Apache-2.0 upstream, not checked"
_SETS = (
    _of_the_seed(
        "aime24", "data/aime24/test.jsonl",
        "1c1004689dbaec0bd43b71f7083cabffefc27716783e19235947dc355031a95c", 30, MAA, 11519,
    ),
    _of_the_seed(
        "aime25", "data/aime25/test.jsonl",
        "b4e273c02d3e7fe1b74b59eae768fc8230bfb0f79539890cb56f4361caac0331", 30, MAA, 15813,
    ),
    _of_the_seed(
        "hmmt25-feb", "data/hmmt25_feb/test.jsonl",
        "86825dc3a44cf9fd5fd62c5d6a4ab4afeb8feba1ae47ded20eea5663ec733524", 30, MATHARENA, 11583,
    ),
    _of_the_seed(
        "hmmt25-nov", "data/hmmt25_nov/test.jsonl",
        "7bd6f3f15b689d36a458556fd7daef6f7257022be15f9cf42e2dff9ffb51ddd6", 30,
        f"{MATHARENA}, as its other sets; its own card was not seen", 11237,
    ),
    DataSet(
        "math500", "math500",
        HUB.format(
            repository="HuggingFaceH4/MATH-500", revision="6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be", path="test.jsonl"
        ),
        "6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be",
        "35dc41080a3680858b27fa7e0533d2d547825316fc5dafe5d316f4ccc5a06132", 500, "MIT (MATH, PRM800K)",
    ),
    DataSet(
        "gsm8k", "gsm8k",
        "https://raw.githubusercontent.com/openai/grade-school-math/3101c7d5072418e28b9008a6636bde82a006892c/"
        "grade_school_math/data/test.jsonl",
        "3101c7d5072418e28b9008a6636bde82a006892c",
        "3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14", 1319, "MIT", 749738,
    ),
    _of_the_seed(
        "humaneval-plus", "code_eval/data/HumanEvalPlus.jsonl",
        "42526ec0e7d5f3ee0b06d6ced98f8c8bae3d76519151bfb3d36f79010645bd7f", 164, EVALPLUS, None,
    ),
    _of_the_seed(
        "mbpp-plus", "code_eval/data/MbppPlus.jsonl",
        "b54e762755248ca411b523c917fa9f93c07b5ff2966bf60b3917b853926a3dad", 378, EVALPLUS, 2592369,
    ),
    _shard(1, "2bd02b38beb48e8c46b5b9987095d999ff38cd8efc255ea5d58974317c48f63f", 400, 1252609773),
    _shard(2, "095df7c5daf15f882c51a9deb84085cff1e073495a5dbcf95015a564d485f3a3", 111, 713377060),
    _shard(3, "28ed26cc83363ce3f1fe2d5fad9f8393077beb1907b167a31bd3b32f80801b79", 101, 623360766),
    _shard(4, "d711138ddaebfcf5f8ec6a4283ee677298c0f5c5d374a235af92aaf0584510da", 101, 1204644685),
    _shard(5, "7f77571c2a6df0c2a72a3277650309f67e01e0008e18117e624633df53f81214", 167, 557699297),
    _shard(6, "bb4c364f71921c4495a6ad15abe1a927350b720009f4933e2e71f8af0f6fd1f5", 175, 134303240),
)  # fmt: skip

DATA_SETS: Final[dict[str, DataSet]] = {one.name: one for one in _SETS}
