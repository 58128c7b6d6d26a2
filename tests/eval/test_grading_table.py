"""What counts as the right answer: a table of spellings, each with the verdict that a person would give.

The cases are the kinds of disagreement that are known between published graders. They go through the whole strict path:
extraction, normalisation, exact numbers, limits, and the real comparing process.
"""

from collections.abc import Iterator

import pytest

from gopd_eval.core.grading import grade_sample
from gopd_eval.core.samples import Sample
from gopd_eval.shell.equality import EqualityProcess

ROOTS = r"\frac{-1+\sqrt{17}}{2}, \frac{-1-\sqrt{17}}{2}"
RIGHT = [
    ("25", "025"), ("033", "33"), ("25", "25.0"), ("1305", "1,305"), ("3069", "3{,}069"), ("81920", r"81\,920"),
    ("81920", "81 920"), ("81920", r"8.192 \times 10^4"), ("-984", "−984"), ("16", "2^4"),
    (r"2^{25} \cdot 26!", "13532215908553332190020108288000000"), (r"2^{25} \cdot 26!", r"26! \cdot 2^{25}"),
    (r"\frac{1}{576}", r"\dfrac{1}{576}"), (r"\frac{1}{576}", "1/576"), (r"\frac{1}{576}", r"\frac1{576}"),
    (r"\frac{4}{9}", r"\frac{8}{18}"), ("1/91", r"\frac{1}{91}"), ("8.5", r"8\frac{1}{2}"), ("8.5", "8 1/2"),
    ("8.5", r"\frac{17}{2}"), ("8.5", "17/2"), ("199/8", "24.875"), (r"-\frac{3}{4}", r"\frac{-3}{4}"),
    (r"\frac{sqrt{7} + 1}{2}", r"\frac{\sqrt{7}+1}{2}"), (r"\frac{sqrt{7} + 1}{2}", r"\frac{1+\sqrt7}{2}"),
    (r"\frac{9 \sqrt{23}}{23}", r"\frac{9}{\sqrt{23}}"), (r"\sqrt{\frac{95}{24}}", r"\frac{\sqrt{570}}{12}"),
    (r"8\sqrt{10}", r"\sqrt{640}"), (r"\sqrt{23}-2 \sqrt{3}", r"-2\sqrt3+\sqrt{23}"),
    (r"1-\frac{2}{\pi}", r"\frac{\pi-2}{\pi}"), (r"5\pi + 6\sqrt{3}", "5π + 6√3"),
    (r"96-10\sqrt{21}", r"96-10\sqrt{21} \approx 50.17"), (ROOTS, r"\frac{-1\pm\sqrt{17}}{2}"),
    (ROOTS, r"\frac{-1-\sqrt{17}}{2}, \frac{-1+\sqrt{17}}{2}"),
    (ROOTS, r"\left\{\frac{-1-\sqrt{17}}{2}, \frac{-1+\sqrt{17}}{2}\right\}"),
    (ROOTS, r"x=\frac{-1+\sqrt{17}}{2}, x=\frac{-1-\sqrt{17}}{2}"),
    (ROOTS, r"\frac{-1+\sqrt{17}}{2} \text{ or } \frac{-1-\sqrt{17}}{2}"),
    (ROOTS, r"\frac{-1+\sqrt{17}}{2} \text{ and } \frac{-1-\sqrt{17}}{2}"),
    ("[1,2)", r"1 \le x < 2"), ("(1,2)", r"x \in (1,2)"), ("(1,2)", "]1,2["),
    (r"(-\infty,3]\cup[5,\infty)", r"(-\infty, 3] \cup [5, +\infty)"), ("(1,2)", "(1, 2)"),
    (r"\{1,2,3\}", r"\{3,1,2\}"), (r"\{1,2,3\}", "1,2,3"), ("5", r"5\text{ cm}"), ("5", r"5\text{ cm}^2"),
    ("5", r"5\,\mathrm{m/s}"), ("5", "5 cm"), ("120", r"120^\circ"), ("120", r"120^{\circ}"), ("120", "120°"),
    (r"120^\circ", "120"), ("0.5", r"50\%"), (r"50\%", "0.5"), ("50", r"\$50"), ("5", "5."), ("5", r"5 \text{ apples}"),
    ("5", r"\text{The answer is }5"), (r"\text{Friday}", "Friday"), (r"\text{Yes}", "Yes"), ("C", r"\text{(C)}"),
    ("5", r"\boxed{5}"), ("113", "m+n = 113"), ("113", "100+13=113"), ("113", "113 = 100+13"), ("x^2", "f(x)=x^2"),
    ("x^2+2x+1", "(x+1)^2"), ("3+4i", "4i+3"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{bmatrix}1&2\\3&4\end{bmatrix}"), (r"\left(1,2\right)", "(1,2)"),
    ("26!", "26!"), (r"\binom{5}{2}", "10"), (r"\log_2 8", "3"), (r"x \geq 3", r"3 \leq x"), ("5", "\n5\n"),
    ("5", "**5**"), (r"\frac13", r"0.\overline{3}"), ("160", "+".join(["1"] * 160)),
]  # fmt: skip
WRONG = [
    ("12345678901234567890", "12345678901234567891"), (r"\frac{1}{576}", "0.001736"), (r"\frac{4}{9}", "0.444444"),
    (r"8\sqrt{10}", "25.298221281347"), (r"1-\frac{2}{\pi}", "0.363380"), (r"\pi", "3.14159"), (r"\pi", "3.141593"),
    ("204", r"204 \text{ or } 205"), ("(1,2]", "(1,2)"), ("(1,2)", r"\{1,2\}"), ("(1,234)", "1234"),
    ("3", r"x \geq 3"), (r"\frac{1}{2004!}", r"\frac{1}{2006!}"), (r"\frac{1}{2^{99}}", r"\frac{1}{2^{98}}"),
    (ROOTS, r"\frac{-1+\sqrt{17}}{2}"), ("25", "-25"), ("25", "250"), ("x^2", "x^3"),
]  # fmt: skip
RESPONSES = [
    ("5", "The answer is 5.", True), ("5", "So the final answer is **5**.", True),
    ("5", r"The answer is \boxed 5.", True), ("5", r"The answer is \fbox{5}.", True),
    ("5", r"The answer is \boxed{5}. I put it in \boxed{} as asked.", True),
    ("5", r"First \boxed{4}. Wait, no. Final: \boxed{5}", True),
    ("5", r"First \boxed{5}. Wait, no. Final: \boxed{4}", False),
    ("5", "<think>maybe \\boxed{5}</think>\nThe answer is 7.", False),
    ("5", "<think>maybe \\boxed{7}</think>\nThe answer is \\boxed{5}.", True),
    ("5", "$\\boxed{5}$\n\nVerification: we check that 2+2=4 and so on.", True),
    ("204", r"It is $\boxed{204}$ or $\boxed{205}$.", False), ("204", r"It is $\boxed{205}$ or $\boxed{204}$.", False),
    (ROOTS, r"So $x=\boxed{\frac{-1+\sqrt{17}}{2}}$ or $x=\boxed{\frac{-1-\sqrt{17}}{2}}$.", True),
    ("1/2", r"The answer is $\frac{1}{2}$.", True), ("-3", "x = -3", True),
    ("12", "A total of 1,2 and 12 apples", True),
    ("72", "#### 72", True), ("1234", "She has 1,234.", True), ("5", r"\boxed{\text{5}}", True),
]  # fmt: skip


@pytest.fixture(scope="module")
def equality() -> Iterator[EqualityProcess]:
    with EqualityProcess(lambda: None, {"strict": 20.0, "seed": 60.0}) as process:
        yield process


def response(text: str) -> Sample:
    return Sample("p", 0, 0, 1, [1], text, "stop")


@pytest.mark.parametrize(("right", "answer"), RIGHT)
def test_another_spelling_of_the_right_answer_is_correct(equality: EqualityProcess, right: str, answer: str) -> None:
    graded = grade_sample(response(f"So the answer is $\\boxed{{{answer}}}$."), right, "strict", equality.compare)
    assert graded.verdict == "correct", graded


@pytest.mark.parametrize(("right", "answer"), WRONG)
def test_an_answer_that_only_looks_alike_is_wrong(equality: EqualityProcess, right: str, answer: str) -> None:
    graded = grade_sample(response(f"So the answer is $\\boxed{{{answer}}}$."), right, "strict", equality.compare)
    assert graded.verdict == "wrong", graded


@pytest.mark.parametrize(("right", "text", "correct"), RESPONSES)
def test_the_answer_is_found_where_the_response_gives_it(
    equality: EqualityProcess, right: str, text: str, correct: bool
) -> None:
    assert grade_sample(response(text), right, "strict", equality.compare).verdict == (
        "correct" if correct else "wrong"
    )


@pytest.mark.parametrize(
    ("right", "text", "verdict"),
    [
        ("5", r"\boxed{5}", "correct"),
        (r"\frac{1}{576}", r"\boxed{0.001736}", "correct"), ("5", r"\boxed{5.}", "wrong"),
        ("5", r"\fbox{5}", "no_answer"), ("5", "The answer is 5.", "no_answer"), ("5", r"\boxed{5} \boxed{}", "wrong"),
        ("5", "<think>\\boxed{5}</think> The answer is 7.", "correct"), ("81920", r"\boxed{81\,920}", "wrong"),
        ("204", r"It is $\boxed{205}$ or $\boxed{204}$.", "correct"), ("5", r"\boxed{5", "no_answer"),
        (r"\frac{sqrt{7} + 1}{2}", r"\boxed{\frac{\sqrt{7}+1}{2}}", "wrong"),
    ],
)  # fmt: skip
def test_the_seed_preset_keeps_the_published_harness_with_its_faults(
    equality: EqualityProcess, right: str, text: str, verdict: str
) -> None:
    assert grade_sample(response(text), right, "seed", equality.compare).verdict == verdict
