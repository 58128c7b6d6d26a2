"""Which samples are shown to be read: few, the same problems for every subject, and chosen for what they tell.

They are no fair selection and do not say how good a subject is; the page says so beside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gopd_eval.core.samples import Grade, Verdict

PROBLEMS, SUBJECTS, ANSWERS = 6, 6, 2
PROMPT, HEAD, TAIL = 2_000, 2_000, 2_000
"""Letters of a prompt, and of the beginning and the end of a response, that are shown."""


@dataclass(frozen=True)
class ShownAnswer:
    """One response, cut to its beginning and end."""

    sample: int
    verdict: Verdict
    detail: str
    answer: str | None
    tokens: int
    text: str


@dataclass(frozen=True)
class ShownProblem:
    """A problem with the answers of several subjects side by side."""

    task: str
    problem: str
    why: str
    prompt: str
    right: str | None
    shares: Mapping[str, tuple[int, int]]
    """Subject to right answers and all answers."""
    answers: Mapping[str, Sequence[ShownAnswer]]


def shown_subjects(subjects: Sequence[str], baseline: str) -> list[str]:
    """The baseline and the first of the others, as many as can be read side by side."""
    return sorted(subjects, key=lambda name: name != baseline)[:SUBJECTS]


def chosen_problems(values: Mapping[str, Mapping[str, float]], most: int = PROBLEMS) -> dict[str, str]:
    """Problem id to the reason why it is shown. `values`: subject to its share right of each problem.

    Two thirds are those on which the subjects differ most, then those that are hardest for all; ties go by id.
    """
    problems = sorted(set.intersection(*(set(own) for own in values.values()))) if values else []
    found = {problem: [own[problem] for own in values.values()] for problem in problems}
    apart = [one for one in sorted(problems, key=lambda p: (min(found[p]) - max(found[p]), p)) if _gap(found[one]) > 0]
    chosen = dict.fromkeys(apart[: most - most // 3], "the subjects differ most here")
    hardest = sorted((p for p in problems if p not in chosen), key=lambda p: (sum(found[p]), p))
    for problem in hardest[: most - len(chosen)]:
        solved = sum(found[problem])
        chosen[problem] = "nobody solved it" if solved == 0 else "among the hardest of the rest"
    return chosen


def _gap(shares: Sequence[float]) -> float:
    return max(shares) - min(shares)


def chosen_answers(grades: Sequence[Grade], most: int = ANSWERS) -> list[Grade]:
    """The first right answer and the first of every other verdict, and then the next, in the order of the samples."""
    first: dict[str, Grade] = {}
    for grade in grades:
        first.setdefault(grade.verdict, grade)
    ordered = sorted(first.values(), key=lambda grade: (grade.verdict != "correct", grade.sample))
    rest = [grade for grade in grades if grade not in ordered]
    return sorted([*ordered, *rest][:most], key=lambda grade: grade.sample)


def shown_answer(grade: Grade, text: str) -> ShownAnswer:
    """A response as it is shown."""
    return ShownAnswer(grade.sample, grade.verdict, grade.detail, grade.answer, grade.response_tokens, cut_middle(text))


def shown_problem(
    task: str,
    problem: str,
    why: str,
    prompt: str,
    right: str | None,
    verdicts: Mapping[str, Sequence[Verdict]],
    answers: Mapping[str, Sequence[ShownAnswer]],
) -> ShownProblem:
    """A problem as it is shown; `verdicts` are those of all answers, subject by subject."""
    shares = {name: (found.count("correct"), len(found)) for name, found in verdicts.items()}
    return ShownProblem(task, problem, why, cut_middle(prompt, PROMPT, 0), right, shares, answers)


def sample_columns(problems: Sequence[ShownProblem]) -> dict[str, list[str | float | None]]:
    """The shown samples as columns of values, an answer a row."""
    rows = [
        (one.task, one.problem, one.right, subject, a.sample, a.verdict, a.detail, a.answer, a.tokens, a.text)
        for one in problems
        for subject, answers in one.answers.items()
        for a in answers
    ]
    names = ("task", "problem", "right", "subject", "sample", "verdict", "detail", "answer", "tokens", "response")
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def cut_middle(text: str, head: int = HEAD, tail: int = TAIL) -> str:
    """The text, or its beginning and its end with the number of letters between them."""
    if len(text) <= head + tail:
        return text
    return f"{text[:head]}\n\n[… {len(text) - head - tail} letters left out …]\n\n{text[len(text) - tail :]}"
