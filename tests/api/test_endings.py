"""Short forms of reports: whatever they are made of, they fit, can be read again, and count what was left out."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gopd_api.endings import (
    PUBLISHED_BYTES,
    TERMINATION_BYTES,
    Ending,
    ShortScore,
    compact,
    published_progress,
    published_report,
)
from gopd_api.reports import Progress, SavedCheckpoint, TrainReport

DIGEST = "sha256:" + "0" * 64
ANY_TEXT = st.text(st.characters() | st.characters(categories=["Cs", "Cc", "So"]), max_size=1500)
"""Half surrogate pairs, control characters that JSON writes as six, and characters of four bytes among them."""
NUMBER = st.floats() | st.sampled_from([float("nan"), float("inf")])


@st.composite
def scores(draw: Any) -> list[ShortScore]:
    name = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256)
    one = st.builds(
        ShortScore, subject=name, task=name, metric=name, better=st.just("higher"), step=st.none(), value=NUMBER,
        ci_low=st.none(), ci_high=st.none(),
    )  # fmt: skip
    few = draw(st.lists(one, max_size=6))
    return few * draw(st.integers(1, 12))


@given(reason=ANY_TEXT, message=ANY_TEXT, told=scores())
def test_an_ending_fits_a_termination_message_whatever_it_tells(
    reason: str, message: str, told: list[ShortScore]
) -> None:
    text = compact(Ending.fitting(DIGEST, "failed", reason, message, told))
    assert len(text.encode()) <= TERMINATION_BYTES
    read = Ending.model_validate_json(text)
    assert len(read.scores) + read.left_out == len(told)
    assert "\n" not in text


@given(message=ANY_TEXT)
def test_a_message_is_cut_at_its_end_only(message: str) -> None:
    told = Ending.fitting(DIGEST, "failed", "Error", message).message
    whole = message.encode(errors="replace").decode()
    assert whole.startswith(told)
    assert told == whole or len(json.dumps(told + whole[len(told)], ensure_ascii=False).encode()) > 1024


def test_a_short_message_leaves_room_for_twenty_scores() -> None:
    one = ShortScore(
        subject="step-120", task="aime24", metric="avg@32", better="higher", step=120, value=0.4921875,
        ci_low=0.3921875123, ci_high=0.5921875123,
    )  # fmt: skip
    ending = Ending.fitting(DIGEST, "succeeded", "Completed", scores=[one] * 40)
    assert len(ending.scores) > 20
    assert ending.left_out == 40 - len(ending.scores)


def checkpoints(count: int) -> list[SavedCheckpoint]:
    return [SavedCheckpoint(step=step, path="/é" * 300, export="/x" * 100, digest=DIGEST) for step in range(count)]


@given(count=st.integers(0, 200), value=NUMBER)
def test_what_is_published_fits_and_keeps_the_newest_checkpoints(count: int, value: float) -> None:
    shared: dict[str, Any] = {
        "request_digest": DIGEST, "checkpoints": checkpoints(count),
        "metrics": {"train/loss": value, "kl/teacher": 1.0},
    }  # fmt: skip
    progress = Progress(attempt=1, phase="training", heartbeat="now", **shared)
    report = TrainReport(outcome="succeeded", reason="Completed", message="é" * 4096, **shared)
    for text, kind in ((published_progress(progress), Progress), (published_report(report), TrainReport)):
        assert len(text.encode()) <= PUBLISHED_BYTES
        read = kind.model_validate_json(text)
        steps = [saved.step for saved in read.checkpoints]
        assert steps == list(range(count - len(steps), count))
        assert len(steps) == count or len(text.encode()) > PUBLISHED_BYTES - 1100
        assert read.metrics["kl/teacher"] == 1.0
