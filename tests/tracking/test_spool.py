"""The spool: torn lines, a full disk, several attempts."""

import resource
from pathlib import Path

import pytest

from gopd_api.requests import TrackingRequest
from gopd_tracking.entries import Metrics
from gopd_tracking.marks import Marks
from gopd_tracking.spool import Sent, Spool, SpooledJob


def point(step: int, width: int = 1) -> Metrics:
    return Metrics(time_ms=step, step=step, values={f"train/{key}": 1.0 for key in range(width)})


def steps(spool: Spool, sent: Sent) -> list[int | None]:
    found = []
    while group := spool.next_group(sent):
        found += [line.entry.step if isinstance(line.entry, Metrics) else None for line in group]
        sent = sent.model_copy(update={"offsets": sent.offsets | {group[-1].segment: group[-1].end}})
    return found


def test_a_torn_last_line_is_passed_over_and_the_next_attempt_goes_on(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    first = spool.new_segment()
    for step in (1, 2, 3):
        first.append(point(step))
    whole = first.path.read_bytes()
    first.path.write_bytes(whole[:-7])
    spool.new_segment().append(point(4))
    assert steps(spool, Sent()) == [1, 2, 4]
    assert spool.left() == 3


def test_a_group_holds_at_most_1000_points(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    segment = spool.new_segment()
    for step in range(30):
        segment.append(point(step, width=107))
    assert len(spool.next_group(Sent())) == 9
    assert steps(spool, Sent()) == list(range(30))


def test_what_a_full_disk_does_not_take_is_written_when_there_is_room_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    segment = spool.new_segment()
    segment.append(point(1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        # Room for half a line more: the write is cut in the middle, as on a disk that fills up.
        resource.setrlimit(resource.RLIMIT_FSIZE, (segment.path.stat().st_size + 20, hard))
        segment.append(point(2))
        segment.append(point(3))
        assert "2 entries wait in memory" in segment.fault
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    segment.append(point(4))
    assert segment.fault == ""
    assert [step for step in steps(spool, Sent()) if step is not None] == [1, 2, 3, 4]


def test_a_spool_of_another_job_is_refused_by_name(tmp_path: Path) -> None:
    request = TrackingRequest(uri="sqlite:///x.db", experiment="e", run_name="r")
    Spool(tmp_path).set_job(SpooledJob(uid="one", tracking=request))
    with pytest.raises(ValueError, match="belongs to job one, not to two"):
        Spool(tmp_path).set_job(SpooledJob(uid="two", tracking=request))


def test_a_torn_sent_file_means_that_everything_is_sent_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.set_sent(Sent(run_id="abc"))
    (tmp_path / "sent.json").write_text('{"run_id": "ab')
    assert spool.sent() == Sent()


def test_only_one_process_sends_at_a_time(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with spool.sending() as first, spool.sending() as second:
        assert (first, second) == (True, False)
    with spool.sending() as third:
        assert third


def test_marks_keep_curves_by_their_highest_step_and_evaluations_by_each_step() -> None:
    marks = Marks()
    marks.lacking(25, {"train/loss": 1.0})
    marks.lacking(30, {"eval/acc": 1.0})
    assert marks.lacking(21, {"train/loss": 2.0, "perf/new": 3.0}) == {"perf/new": 3.0}
    assert marks.lacking(26, {"train/loss": 2.0}) == {"train/loss": 2.0}
    assert marks.lacking(10, {"eval/acc": 2.0}) == {"eval/acc": 2.0}
    assert marks.lacking(10, {"eval/acc": 3.0}) == {}
