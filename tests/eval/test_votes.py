"""Which answers mean the same, as it is kept in the store."""

from pathlib import Path

from gopd_eval.core.grading import Comparison, Preset
from gopd_eval.core.samples import Grade, Verdict
from gopd_eval.shell.progress import Watch
from gopd_eval.shell.votes import answer_classes


def grade(sample: int, verdict: Verdict, answer: str | None) -> Grade:
    return Grade("p", sample, verdict, "", answer, 5, "stop")


class Asked:
    """Compares texts without spaces, and remembers what it was asked."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, str]] = []

    def __call__(self, left: str, right: str, preset: Preset) -> Comparison:
        self.pairs.append((left, right))
        assert "bomb" not in left + right, "what had to be ended is not compared again"
        return Comparison("equal" if left.replace("+", "") == right.replace("+", "") else "different")


def test_answers_of_every_verdict_have_their_class_and_are_asked_about_once(tmp_path: Path) -> None:
    grades = [
        grade(0, "correct", "x"), grade(1, "correct", "1x"), grade(2, "wrong", "+y"), grade(3, "wrong", "y"),
        grade(4, "no_answer", None), grade(5, "timeout", "bomb"), grade(6, "crash", "bomb"), grade(7, "wrong", "z"),
    ]  # fmt: skip
    asked, watch = Asked(), Watch(tmp_path / "progress.json", "sha256:" + "0" * 64)
    found = answer_classes(tmp_path / "classes", grades, {"p": "x"}, "strict", asked, watch)["p"]
    assert found[0] == found[1], "right answers are one class without being compared with each other"
    assert found[2] == found[3] and found[5] == found[6]
    assert found[4] is None
    assert len({found[place] for place in (0, 2, 5, 7)}) == 4
    before = len(asked.pairs)
    assert answer_classes(tmp_path / "classes", grades, {"p": "x"}, "strict", asked, watch) == {"p": found}
    assert len(asked.pairs) == before
