"""Which teacher and reference score a sample, and what is kept from one attempt to the next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.trainer.requests_for_tests import teacher, train_request

from gopd_trainer.core.checkpoints import Found, Seal, fault, to_remove, whole
from gopd_trainer.core.identity import identity
from gopd_trainer.core.metrics import step_metrics
from gopd_trainer.core.routes import UnknownDomainError, route_of, routes


def test_each_domain_goes_to_its_own_teacher_reference_and_reward_scale() -> None:
    known = routes(
        [
            teacher("algebra", domains=["math"], reward_scale=1.25, reference="/m/student"),
            teacher("coder", domains=["code", "sql"], reward_scale=1.5, reference="/m/base"),
            teacher("plain", domains=["chat"], reward_scale=1.0, reference=None),
        ]
    )
    assert (route_of(known, "math").teacher, route_of(known, "math").reference) == ("algebra", "algebra:reference")
    assert (route_of(known, "sql").teacher, route_of(known, "sql").reward_scale) == ("coder", 1.5)
    assert route_of(known, "sql").reference == "coder:reference"
    assert route_of(known, "chat").reference is None


def test_teachers_with_one_reference_share_its_server() -> None:
    known = routes([teacher("a", ["x"], reference="/m/base"), teacher("b", ["y"], reference="/m/base")])
    assert known[0].reference == known[1].reference == "a:reference"


def test_an_unknown_domain_is_an_error_that_lists_the_known_ones() -> None:
    known = routes([teacher("a", ["math"]), teacher("b", ["code"])])
    with pytest.raises(UnknownDomainError, match=r"'physics' has no teacher.*known: 'math', 'code'"):
        route_of(known, "physics")


def test_a_single_teacher_without_domains_takes_every_sample() -> None:
    assert route_of(routes([teacher("a", [])]), "anything").teacher == "a"


WHOLE = Seal(step=20, sizes={"actor/model.pt": 100}, world_size=1, request_identity="sha256:a")


def found(step: int, seal: Seal | None, sizes: dict[str, int] | None = None) -> Found:
    return Found(step, f"/c/global_step_{step}", seal, sizes if sizes is not None else {"actor/model.pt": 100})


def test_whole_checkpoints_are_listed_by_step_and_torn_ones_are_passed_over() -> None:
    ten = Seal(10, {"actor/model.pt": 100}, 1, "sha256:a")
    torn = [found(30, None), found(40, Seal(40, {"actor/model.pt": 100}, 1, "sha256:a"), {"actor/model.pt": 7})]
    usable = whole([found(20, WHOLE), found(10, ten), *torn], 1, "sha256:a")
    assert [one.step for one in usable] == [10, 20]


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (found(20, None), "not finished"),
        (found(21, WHOLE), "seal is of step 20"),
        (found(20, WHOLE, {}), "actor/model.pt is missing"),
        (found(20, Seal(20, {}, 2, "sha256:a")), "written by 2 ranks"),
        (found(20, Seal(20, {}, 1, "sha256:b")), "another request"),
    ],
)
def test_a_checkpoint_that_cannot_be_used_says_why(one: Found, reason: str) -> None:
    assert reason in str(fault(one, 1, "sha256:a"))


@given(st.sets(st.integers(1, 200), min_size=1), st.integers(1, 5))
def test_removal_keeps_the_newest_and_what_may_be_written_at_this_moment(steps: set[int], keep: int) -> None:
    newest = sorted(steps)[len(steps) // 2]
    left = sorted(steps - set(to_remove(steps, keep, newest)))
    assert [step for step in left if step <= newest] == sorted(step for step in steps if step <= newest)[-keep:]
    assert [step for step in left if step > newest] == sorted(step for step in steps if step > newest)


def test_what_is_learned_decides_the_identity_and_the_rest_does_not() -> None:
    base = train_request()
    longer = base.model_copy(update={"optimization": base.optimization.model_copy(update={"steps": 99})})
    again = base.model_copy(update={"attempt": 7})
    faster = base.model_copy(update={"optimization": base.optimization.model_copy(update={"learning_rate": 0.5})})
    assert identity(base) == identity(longer) == identity(again)
    assert identity(base) != identity(faster)


def test_means_are_over_tokens_and_not_over_micro_batches() -> None:
    sums = {"tokens": 10, "advantage": -5, "advantage_square": 12.5, "weight": 10, "weight_square": 10}
    sums |= {"weight_clipped": 1, "log_ratio_rollout": 0.1, "entropy": 20}
    sums |= {"teacher0/tokens": 4, "teacher0/advantage": -4, "teacher0/student_teacher": 2}
    sums |= {"teacher0/reference_tokens": 0, "teacher0/student_reference": 0}
    sums |= {"teacher1/tokens": 6, "teacher1/advantage": -1, "teacher1/student_teacher": 3}
    sums |= {"teacher1/reference_tokens": 6, "teacher1/student_reference": 1.5}
    raw = {f"actor/gopd_sum/{key}": float(value) for key, value in sums.items()}
    tops = {"weight": 5.0, "advantage_abs": 3.0, "log_ratio_abs": 1.0, "memory_gib": 0.5}
    raw |= {f"actor/gopd_max/{key}": value for key, value in tops.items()} | {"actor/distillation/loss": 0.5}
    metrics = step_metrics(raw, ["a", "b"])
    assert metrics["train/advantage_mean"] == -0.5
    assert metrics["train/advantage_std"] == pytest.approx(1.0)
    assert metrics["train/entropy"] == 2.0
    assert metrics["kl/teacher"] == 0.5
    assert (metrics["kl/teacher/a"], metrics["kl/teacher/b"]) == (0.5, 0.5)
    assert metrics["kl/reference"] == metrics["kl/reference/b"] == 0.25
    assert "kl/reference/a" not in metrics
    assert metrics["importance/clipped_share"] == 0.1
