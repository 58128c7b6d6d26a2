"""Programs over standard input: honest ones pass under `strict`; under `seed`, what the published grader says."""

from collections.abc import Iterator

import pytest

from gopd_eval.core.code.tests import CodeTests, MethodTests, ProgramTests
from gopd_eval.core.grading import Preset
from gopd_eval.core.samples import Grade, Sample
from gopd_eval.shell.code.grader import CodeGrader, CodeWork

# Reads a number of rows, then rows of numbers, and writes the sum of each row.
CASES = ProgramTests((("2\n1 2\n3 4\n", "3\n7\n"), ("1\n10 -3\n", "7\n"), ("3\n1 1\n2 2\n3 3\n", "2\n4\n6\n")))
ROWS = "for row in rows[1:]: print(sum(map(int, row.split())))"
BYTES = "import sys\nrows = [part.decode() for part in {}]\n" + ROWS

LOOP = "for _ in range(int({0})): print(sum(map(int, {0}.split())))"
SCRIPT = LOOP.format("input()")
WORDS = "w = list(map(int, sys.stdin.read().split()))\nfor i in range(w[0]): print(w[1 + 2 * i] + w[2 + 2 * i])"
WRITE = "for _ in range(int(input())): {}(b'%d\\n' % sum(map(int, input().split())))"
MAIN = f"def main():\n    {SCRIPT}\n"
PROGRAMS = {
    "input": (SCRIPT, True),
    "readline": ("import sys\n" + LOOP.format("sys.stdin.readline()"), True),
    "read().split": ("import sys\n" + WORDS, True),
    "readlines": ("import sys\nrows = [r for r in sys.stdin.readlines() if r.strip()]\n" + ROWS, True),
    "for line in stdin": ("import sys\nrows = [line for line in sys.stdin]\n" + ROWS, True),
    "buffer.read": (BYTES.format("sys.stdin.buffer.read().splitlines()"), False),
    "buffer.readline": ("import sys\nr = sys.stdin.buffer.readline\n" + LOOP.format("r()"), False),
    "for line in buffer": (BYTES.format("sys.stdin.buffer"), False),
    "open(0)": ("rows = open(0).read().splitlines()\n" + ROWS, False),
    "open('/dev/stdin')": ("rows = open('/dev/stdin').read().splitlines()\n" + ROWS, False),
    "os.read": ("import os\nrows = os.read(0, 1 << 16).decode().splitlines()\n" + ROWS, False),
    "BytesIO of os.read": ("import io, os\nrows = [r.decode() for r in io.BytesIO(os.read(0, 999))]\n" + ROWS, False),
    "buffer.write": ("import sys\n" + WRITE.format("sys.stdout.buffer.write"), False),
    "os.write": ("import os\nput = lambda line: os.write(1, line)\n" + WRITE.format("put"), False),
    "a global set in a nested function": (
        "N = 0\ndef read():\n    global N\n    N = int(input())\nread()\n"
        "for _ in range(N): print(sum(map(int, input().split())))", False,
    ),
    "the words class Solution": (
        "class Solution:\n    def f(self, r): return sum(map(int, r.split()))\n"
        "for _ in range(int(input())): print(Solution().f(input()))", False,
    ),
    "a main guard": (MAIN + "if __name__ == '__main__':\n    main()", True),
    "a thread with a deep stack": (
        "import sys, threading\nsys.setrecursionlimit(10**6)\nthreading.stack_size(1 << 26)\n"
        f"{MAIN}t = threading.Thread(target=main)\nt.start()\nt.join()", True,
    ),
    "a thread that nobody waits for": (f"import threading\n{MAIN}threading.Thread(target=main).start()", None),
    "an import of resource": ("import resource\n" + SCRIPT, False),
}  # fmt: skip
"""An honest program, and whether the published grader (the copy that the seed runs) passes it; None: by chance."""


@pytest.fixture(scope="module")
def grader() -> Iterator[CodeGrader]:
    with CodeGrader(lambda: None, 2) as grader:
        yield grader


def graded(grader: CodeGrader, program: str, tests: CodeTests, preset: Preset) -> Grade:
    text = f"Here it is.\n```python\n{program}\n```\n"
    (grade,) = grader.grade([CodeWork(Sample("p", 0, 0, 1, [1], text, "stop"), tests)], preset)
    return grade


@pytest.mark.parametrize("way", PROGRAMS)
def test_strict_runs_a_script_with_real_pipes(way: str, grader: CodeGrader) -> None:
    grade = graded(grader, PROGRAMS[way][0], CASES, "strict")
    assert (grade.verdict, grade.detail) == ("correct", "3/3 cases")


def test_a_scripts_pipes_may_be_opened_again_by_whoever_it_runs_as(grader: CodeGrader) -> None:
    """Where the interpreter lies in a folder of root alone, a capability would open them: it is not looked at."""
    asked = "import os\nassert os.fstat(0).st_mode & 4 and os.fstat(1).st_mode & 2\n"
    assert graded(grader, asked + SCRIPT, CASES, "strict").verdict == "correct"


@pytest.mark.parametrize("way", [way for way, (_, passes) in PROGRAMS.items() if passes is not None])
def test_seed_gives_the_published_verdict(way: str, grader: CodeGrader) -> None:
    program, passes = PROGRAMS[way]
    grade = graded(grader, program, CASES, "seed")
    assert (grade.verdict == "correct") is passes, grade


@pytest.mark.parametrize("preset", ["strict", "seed"])
@pytest.mark.parametrize(
    ("program", "verdict", "detail"),
    [
        ("print(3)\nprint(7)", "wrong", "1/3 cases; case 2: another output"),
        ("print(1/0)", "wrong", "0/3 cases; case 1: ZeroDivisionError: division by zero"),
        ("print('3.0')\nprint('7.00')\n", "wrong", "1/3 cases; case 2: another output"),
        ("x = (", "wrong", "0/3 cases; case 1: SyntaxError"),
    ],
)
def test_a_wrong_program_is_told_by_its_case(
    program: str, verdict: str, detail: str, preset: Preset, grader: CodeGrader
) -> None:
    grade = graded(grader, program, CASES, preset)
    assert grade.verdict == verdict
    if preset == "strict":
        assert grade.detail.startswith(detail)


def test_a_program_that_says_right_and_then_fails_is_wrong(grader: CodeGrader) -> None:
    program = PROGRAMS["input"][0] + "\nraise SystemExit(3)"
    assert graded(grader, program, CASES, "strict").detail == "0/3 cases; case 1: ended itself with code 3"


def test_much_input_and_output_go_through_the_pipes(grader: CodeGrader) -> None:
    text = "7" * 3_000_000 + "\n"
    tests = ProgramTests(((text, text),))
    assert graded(grader, "print(input())", tests, "strict").verdict == "correct"
    assert graded(grader, "print(5)", tests, "strict").verdict == "wrong"


def test_output_without_end_is_ended(grader: CodeGrader) -> None:
    grade = graded(grader, "while True: print('x' * 10000)", CASES, "strict")
    assert (grade.verdict, grade.detail) == ("wrong", "0/3 cases; case 1: more output than any right answer has")


METHOD = MethodTests("class Solution:\n    def pairs(self, xs: List[int]) -> List[List[int]]:", "pairs",
                     ((([1, 2, 3],), [[1, 2], [2, 3]]), (([5],), [])))  # fmt: skip


@pytest.mark.parametrize(
    ("program", "strict", "seed"),
    [
        ("class Solution:\n    def pairs(self, xs: List[int]): return [[a, b] for a, b in pairwise(xs)]", True, True),
        ("class Solution:\n    def pairs(self, xs): return [(a, b) for a, b in pairwise(xs)]", True, False),
        ("class Solution:\n    def pairs(self, xs): return tuple([a, b] for a, b in zip(xs, xs[1:]))", True, True),
        ("class Solution:\n    n = []\n    def pairs(self, xs): return []", False, False),
        ("class Solution:\n    def __init__(self): self.out = []\n    def pairs(self, xs):\n"
         "        self.out += [[a, b] for a, b in zip(xs, xs[1:])]\n        return self.out", True, False),
        ("def pairs(xs): return [[a, b] for a, b in zip(xs, xs[1:])]", True, True),
        ("class Solution:\n    def couples(self, xs): return []", False, False),
        ("print([[1, 2], [2, 3]])", False, False),
    ],
    ids=["lists", "pairs", "a tuple of lists", "wrong", "kept in the object", "a function", "other name", "a script"],
)  # fmt: skip
def test_methods_are_called_as_the_judge_calls_them(program: str, strict: bool, seed: bool, grader: CodeGrader) -> None:
    assert (graded(grader, program, METHOD, "strict").verdict == "correct") is strict
    assert (graded(grader, program, METHOD, "seed").verdict == "correct") is seed


def test_a_cut_answer_is_truncated_and_one_without_a_program_is_none(grader: CodeGrader) -> None:
    samples = [
        Sample("p", 0, 0, 1, [1], "I think ```python\nprint(", "length"),
        Sample("p", 1, 0, 1, [1], "No idea.", "stop"),
    ]
    grades = {g.sample: g.verdict for g in grader.grade([CodeWork(s, CASES) for s in samples], "strict")}
    assert grades == {0: "truncated", 1: "no_answer"}
