"""The sandbox as an ordinary user, as in a pod, and on a kernel without Landlock: what holds, and what is said."""

import os

import pytest
from tests.eval.attacked_elsewhere import NOBODY, elsewhere

ONLY_LANDLOCK = {"reading the user list"}
"""What every user may read, a program may read where paths are nobody's business."""


def test_attacks_fail_when_an_ordinary_user_grades() -> None:
    found = elsewhere(ordinary=True, landlock=True)
    assert found["user"] == (NOBODY if os.getuid() == 0 else os.getuid())
    assert found["through"] == {}
    assert found["honest"] == ["correct"]
    assert f"user {found['user']}" in found["isolation"]


@pytest.mark.parametrize("ordinary", [True, False], ids=["an ordinary user", "this user"])
def test_without_landlock_attacks_fail_but_for_reading_and_the_result_says_so(ordinary: bool) -> None:
    found = elsewhere(ordinary=ordinary, landlock=False)
    assert set(found["through"]) == ONLY_LANDLOCK
    assert found["honest"] == ["correct"]
    assert "landlock 0" in found["isolation"]
    assert "not held off: reads a file of the machine, reads a file that every user may read" in found["isolation"]
