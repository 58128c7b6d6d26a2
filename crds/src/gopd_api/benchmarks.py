"""The benchmarks that a task may name: how answers are graded, what is drawn where the user sets nothing, which data.

It holds facts that the types, the planner and the evaluation share. Prompts, sources of data and graders are the
evaluation's own: see `gopd_eval.core.benchmarks`.
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

BenchmarkName = Literal[
    "math", "code", "kl-to-teacher", "aime24", "aime25", "hmmt25-feb", "hmmt25-nov", "math500", "gsm8k",
    "humaneval-plus", "mbpp-plus", "livecodebench",
]  # fmt: skip
Release = Literal[
    "v1", "v2", "v3", "v4", "v5", "v6",
    "release_v1", "release_v2", "release_v3", "release_v4", "release_v5", "release_v6",
]  # fmt: skip
"""As LiveCodeBench spells them: `v6` is what release 6 added, `release_v6` everything up to it."""
DEFAULT_RELEASE: Final[Release] = "v6"
KindOfGrade = Literal["math", "code", "divergence"]


@dataclass(frozen=True)
class Figures:
    """How answers are drawn where the user sets nothing."""

    samples: int
    temperature: float
    top_p: float
    max_response_tokens: int


@dataclass(frozen=True)
class Benchmark:
    """A benchmark by name."""

    name: BenchmarkName
    grade: KindOfGrade
    figures: Figures
    data_sets: tuple[str, ...] = ()
    """What `gopd data fetch` puts into the data store for it. Empty: the task names a file of its own."""


OWN_FILE: Final = Figures(samples=1, temperature=1.0, top_p=1.0, max_response_tokens=8192)
PUBLISHED_MATH: Final = Figures(samples=32, temperature=1.0, top_p=1.0, max_response_tokens=16384)
PUBLISHED_CODE: Final = Figures(samples=4, temperature=1.0, top_p=1.0, max_response_tokens=16384)
"""The published harness draws so. It does not run math500 and gsm8k: theirs are fewer, over more problems."""
FOUR: Final = Figures(samples=4, temperature=1.0, top_p=1.0, max_response_tokens=16384)
ONE: Final = Figures(samples=1, temperature=1.0, top_p=1.0, max_response_tokens=16384)

BENCHMARKS: Final[dict[str, Benchmark]] = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark("math", "math", OWN_FILE),
        Benchmark("code", "code", OWN_FILE),
        Benchmark("kl-to-teacher", "divergence", OWN_FILE),
        Benchmark("aime24", "math", PUBLISHED_MATH, ("aime24",)),
        Benchmark("aime25", "math", PUBLISHED_MATH, ("aime25",)),
        Benchmark("hmmt25-feb", "math", PUBLISHED_MATH, ("hmmt25-feb",)),
        Benchmark("hmmt25-nov", "math", PUBLISHED_MATH, ("hmmt25-nov",)),
        Benchmark("math500", "math", FOUR, ("math500",)),
        Benchmark("gsm8k", "math", ONE, ("gsm8k",)),
        Benchmark("humaneval-plus", "code", PUBLISHED_CODE, ("humaneval-plus",)),
        Benchmark("mbpp-plus", "code", PUBLISHED_CODE, ("mbpp-plus",)),
        Benchmark("livecodebench", "code", PUBLISHED_CODE, tuple(f"livecodebench-v{number}" for number in range(1, 7))),
    )
}
OWN_FILES: Final = tuple(name for name, benchmark in BENCHMARKS.items() if not benchmark.data_sets)
"""Benchmarks whose problems are always the user's."""
IN_STORE: Final = tuple(name for name, benchmark in BENCHMARKS.items() if benchmark.data_sets)
"""Benchmarks whose problems `gopd data fetch` gets."""


def data_sets(benchmark: str, release: Release | None = None) -> tuple[str, ...]:
    """The data sets of the store that a task reads, in order; `release` matters to livecodebench only."""
    found = BENCHMARKS[benchmark].data_sets
    if benchmark != "livecodebench":
        return found
    chosen = release or DEFAULT_RELEASE
    number = int(chosen[-1])
    return found[:number] if chosen.startswith("release_") else found[number - 1 : number]


def entry_path(store: str, data_set: str) -> str:
    """The file of the data store at `store` that says what it holds of a data set; without it, it holds nothing."""
    return f"{store}/sets/{data_set}.json"


def fetch_command(store: str, data_set: str) -> str:
    """What to give to get a data set into the store."""
    return f"gopd data fetch {data_set} --store {store}"


assert tuple(BENCHMARKS) == get_args(BenchmarkName), "every name has its benchmark"
