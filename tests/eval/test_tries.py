"""pass@k and maj@k against all subsets counted one by one."""

import time
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gopd_eval.core.tries import maj_at_k, pass_at_k

answers = st.lists(st.one_of(st.none(), st.integers(0, 4)), min_size=1, max_size=9)


def counted(classes: list[int | None], right: list[bool], k: int) -> float:
    """The mean over every choice of k answers of the share that right classes have among the leaders."""
    shares = []
    for choice in combinations(range(len(classes)), k):
        votes = Counter(classes[place] for place in choice if classes[place] is not None)
        leaders = [name for name, number in votes.items() if number == max(votes.values())]
        goods = [[good for name, good in zip(classes, right, strict=True) if name == leader] for leader in leaders]
        shares.append(sum(sum(good) / len(good) for good in goods) / len(leaders) if leaders else 0.0)
    return sum(shares) / len(shares)


@given(st.integers(1, 9), st.data())
def test_pass_at_k_is_the_share_of_choices_with_a_right_answer(samples: int, data: st.DataObject) -> None:
    correct, k = data.draw(st.integers(0, samples)), data.draw(st.integers(1, samples))
    choices = list(combinations([True] * correct + [False] * (samples - correct), k))
    assert pass_at_k(samples, correct, k) == pytest.approx(sum(map(any, choices)) / len(choices), abs=1e-12)


def test_pass_at_more_than_was_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="pass@5 needs at least 5 samples"):
        pass_at_k(4, 1, 5)
    with pytest.raises(ValueError, match="maj@5 needs at least 5 samples"):
        maj_at_k([0] * 4, [True] * 4, 5)


@given(answers, st.integers(0, 4), st.data())
def test_maj_at_k_is_the_mean_over_all_choices(classes: list[int | None], good: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(classes)))
    right = [name == good for name in classes]
    assert maj_at_k(classes, right, k) == pytest.approx(counted(classes, right, k), abs=1e-12)


@given(answers, st.data())
def test_a_class_of_two_minds_counts_by_its_share(classes: list[int | None], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(classes)))
    right = [name is not None and data.draw(st.booleans()) for name in classes]
    assert maj_at_k(classes, right, k) == pytest.approx(counted(classes, right, k), abs=1e-12)


def test_ties_are_split_and_silence_loses() -> None:
    assert maj_at_k([0, 1], [True, False], 2) == pytest.approx(0.5)
    assert maj_at_k([0, None], [True, False], 2) == pytest.approx(1.0), "one vote is a majority of the votes"
    assert maj_at_k([None, None], [False, False], 2) == 0
    assert maj_at_k([0, 0, 1, 1, 2, 2], [True, True, False, False, False, False], 6) == pytest.approx(1 / 3)


@given(answers)
def test_the_vote_of_one_is_the_answer_itself(classes: list[int | None]) -> None:
    right = [name == 0 for name in classes]
    assert maj_at_k(classes, right, 1) == pytest.approx(sum(right) / len(right))


def test_the_largest_task_is_counted_in_a_second() -> None:
    classes = [place % 97 for place in range(256)]
    started = time.process_time()
    found = maj_at_k(classes, [name < 10 for name in classes], 128)
    assert time.process_time() - started < 5
    assert 0 < found < 1
