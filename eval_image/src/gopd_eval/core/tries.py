"""What several tries give: pass@k and maj@k of one problem, from more answers than k.

Both are exact means over all subsets of k of the drawn answers, so no luck of a resampling is in them. Which answers
mean the same is decided in `classes`, what a share over problems is worth in `statistics`.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import comb, gammaln

Vector = NDArray[np.float64]


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Unbiased chance that k of the drawn answers hold a right one: 1 - C(n - c, k) / C(n, k) (Chen et al. 2021).

    Raises ValueError when k exceeds the samples.
    """
    _check("pass", samples, k)
    wrong = samples - correct
    if wrong < k:
        return 1.0
    chosen = gammaln(wrong + 1) - gammaln(wrong - k + 1) - gammaln(samples + 1) + gammaln(samples - k + 1)
    return float(-np.expm1(chosen))


def maj_at_k(classes: Sequence[int | None], right: Sequence[bool], k: int) -> float:
    """Chance that the most frequent answer among k of the drawn ones is right, over all C(n, k) choices.

    `classes` says which answers mean the same (Wang et al. 2023, arXiv 2203.11171, vote on final answers); an answer
    of class None does not vote. Leading classes of equal size share the win: a right one of t leaders counts 1 / t.
    When no chosen answer votes, the vote is lost. A class counts as right by the share of its answers that are (they
    are of one mind unless a grading ended without a comparison). Raises ValueError when k exceeds the samples.
    """
    _check("maj", len(classes), k)
    sizes = Counter(name for name in classes if name is not None)
    wins = Counter(name for name, good in zip(classes, right, strict=True) if good and name is not None)
    silent = len(classes) - sizes.total()
    total = comb(len(classes), k)
    chance = 0.0
    for name, good in wins.items():
        others = Counter(size for other, size in sizes.items() if other != name)
        chance += good / sizes[name] * _ways_to_win(sizes[name], others, silent, k) / total
    return min(1.0, chance)


def _check(metric: str, samples: int, k: int) -> None:
    if not 1 <= k <= samples:
        raise ValueError(f"{metric}@{k} needs at least {k} samples, there are {samples}")


def _ways_to_win(own: int, others: Counter[int], silent: int, k: int) -> float:
    """Choices of k in which a class of `own` answers leads, each divided by its number of leaders.

    `others` counts the other classes by size. With x own answers chosen, every other class gives fewer than x, or x and
    is a leader too. Their choices are the coefficients of a product of polynomials in z, one a class; a leader carries
    a factor u, and 1 / (1 + leaders beside it) is the integral of u^leaders over [0, 1], exact by Gauss and Legendre.
    """
    ways = 0.0
    for chosen in range(1, min(own, k) + 1):
        rest = k - chosen
        most_leaders = rest // chosen
        nodes, weights = np.polynomial.legendre.leggauss(most_leaders // 2 + 1)
        for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
            ways += float(comb(own, chosen)) * float(weight) * _choices(others, silent, chosen, rest, float(node))
    return ways


def _choices(others: Counter[int], silent: int, most: int, rest: int, leader: float) -> float:
    """Coefficient of z^rest: choices of `rest` answers of others, each class that gives `most` carrying `leader`."""
    free = silent + sum(size * number for size, number in others.items() if size < most)
    product: Vector = comb(free, np.arange(min(free, rest) + 1))
    for size, number in others.items():
        if size >= most:
            own: Vector = comb(size, np.arange(min(most, rest) + 1))
            if most <= rest:
                own[most] *= leader
            product = _product(product, _power(own, number, rest), rest)
    return float(product[rest]) if rest < len(product) else 0.0


def _product(left: Vector, right: Vector, degree: int) -> Vector:
    """The product of two polynomials, cut after `degree`."""
    whole: Vector = np.convolve(left, right)[: degree + 1]
    return whole


def _power(base: Vector, exponent: int, degree: int) -> Vector:
    """A power of a polynomial, cut after `degree`."""
    power: Vector = np.ones(1)
    while exponent:
        if exponent & 1:
            power = _product(power, base, degree)
        base = _product(base, base, degree)
        exponent >>= 1
    return power
