"""Which answers to one problem mean the same: equivalence classes, without knowing the right answer.

Spelling and plain numbers decide where they can; `same`, which compares symbolically, is asked about the rest. Two
plain numbers are never handed to it, nor is an answer that exceeds a limit: that one is like its own text only. It does
not decide which class wins a vote.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction

from gopd_eval.core.limits import exceeded_length, exceeded_limit
from gopd_eval.core.normalise import exact_number, normalise

Same = Callable[[str, str], bool]
"""Whether two normalised answers mean the same; what could not be compared is not the same."""


def equivalence_classes(answers: Sequence[str | None], same: Same) -> list[int | None]:
    """The class of every answer, numbered from 0 in order of first appearance; None where there is no answer.

    `same` need not be transitive (50 % is 50, and 0.5): an answer joins the first class whose most frequent spelling it
    equals, frequent spellings first, so the order of the samples does not change what belongs together.
    """
    keys = [None if answer is None or not answer.strip() else _key(answer) for answer in answers]
    frequent = sorted(Counter(key for key in keys if key is not None).items(), key=lambda item: (-item[1], str(item)))
    class_of: dict[Fraction | str, Fraction | str] = {}
    heads: list[Fraction | str] = []
    for key, _ in frequent:
        class_of[key] = head = next((head for head in heads if _same_key(head, key, same)), key)
        if head == key:
            heads.append(key)
    numbers: dict[Fraction | str, int] = {}
    return [None if key is None else numbers.setdefault(class_of[key], len(numbers)) for key in keys]


def _key(answer: str) -> Fraction | str:
    if exceeded_length(answer):
        return answer.strip()
    text = normalise(answer)
    number = exact_number(text)
    return text if number is None else number


def _same_key(left: Fraction | str, right: Fraction | str, same: Same) -> bool:
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return False  # equal numbers are one key
    texts = [str(key) for key in (left, right)]
    return not any(exceeded_limit(text) for text in texts) and same(*texts)
