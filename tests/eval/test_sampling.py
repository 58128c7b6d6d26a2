"""Drawing tokens and answers with a real tiny model: right distribution, own streams, no influence of the batch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from gopd_api.requests import Drawing
from gopd_eval.core.digests import stream_seed
from gopd_eval.shell.engine import Draw, Drawn
from gopd_eval.shell.sampling import Streams, next_tokens
from gopd_eval.shell.transformers_engine import TransformersEngine

PROMPTS = [[5 + n, 40, 7, 9, 200 - n][: 1 + n % 5] for n in range(10)]
HOW = Drawing(temperature=1.0, top_p=1.0, max_response_tokens=24, batch_size=64, seed=0)
DRAWS = [Draw(prompt, stream_seed(0, f"p{n}", 0), HOW) for n, prompt in enumerate(PROMPTS)]


def draw(engine: TransformersEngine, draws: list[Draw], **sampling: object) -> list[Drawn]:
    how = HOW.model_copy(update=sampling)
    found = dict(engine.generate([replace(draw, how=how) for draw in draws], lambda: None))
    return [found[place] for place in range(len(draws))]


@pytest.fixture(scope="module")
def engine(tiny: dict[str, Path]) -> TransformersEngine:
    # A few more tokens end an answer, so that rows leave the batch at different times.
    stop = frozenset({2, *range(100, 120)})
    return TransformersEngine(AutoModelForCausalLM.from_pretrained(tiny["student"], dtype=torch.float32), stop)


@pytest.mark.parametrize("size", [1, 3, 64])
def test_an_answer_does_not_depend_on_the_batch(engine: TransformersEngine, size: int) -> None:
    answers = draw(engine, DRAWS, batch_size=size)
    assert answers == draw(engine, DRAWS, batch_size=4)
    assert {answer.finish for answer in answers} == {"stop", "length"}, "both ways of ending are needed here"
    assert answers[3:5] == draw(engine, DRAWS[3:5])


def test_tasks_that_are_drawn_in_different_ways_go_through_one_call_and_do_not_mix(engine: TransformersEngine) -> None:
    greedy = HOW.model_copy(update={"temperature": 0.0, "max_response_tokens": 5})
    mixed = [replace(draw, how=greedy) if n % 3 == 0 else draw for n, draw in enumerate(DRAWS)]
    found = dict(engine.generate(mixed, lambda: None))
    for place, one in enumerate(mixed):
        assert found[place] == draw(engine, [one], **one.how.model_dump())[0]


def test_every_sample_has_a_stream_of_its_own(engine: TransformersEngine) -> None:
    twice = [Draw([5, 6, 7], stream_seed(0, "p", sample), HOW) for sample in range(2)]
    first, second = draw(engine, twice)
    assert first != second
    assert stream_seed(1, "p", 0) != stream_seed(0, "p", 0)


def test_an_answer_ends_with_the_token_that_ended_it_or_at_the_limit(engine: TransformersEngine) -> None:
    for answer in draw(engine, DRAWS):
        stops = [token == 2 or 100 <= token < 120 for token in answer.tokens]
        assert stops == [False] * (len(stops) - 1) + [answer.finish == "stop"]
        assert answer.finish == "stop" or len(answer.tokens) == 24


def test_temperature_zero_is_what_transformers_itself_finds_greedily(engine: TransformersEngine) -> None:
    prompt = torch.tensor([[5, 6, 7, 8]])
    known = engine.model.generate(
        prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=10, eos_token_id=2
    )[0, 4:].tolist()
    plain = TransformersEngine(engine.model, frozenset({2}))
    assert draw(plain, [Draw([5, 6, 7, 8], 1, HOW)], temperature=0, max_response_tokens=10)[0].tokens == known


def test_an_answer_is_cut_where_the_context_ends(engine: TransformersEngine) -> None:
    plain = TransformersEngine(engine.model, frozenset())
    answer = draw(plain, [Draw([5] * 250, 1, HOW)], max_response_tokens=100)[0]
    assert (len(answer.tokens), answer.finish) == (6, "length")


def test_drawn_tokens_follow_the_distribution() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0, -1.0]]).repeat(20_000, 1)
    uniforms = torch.tensor(np.random.default_rng(0).random(20_000))
    counts = torch.bincount(next_tokens(logits, uniforms, 0.7, 1.0), minlength=4) / 20_000
    torch.testing.assert_close(counts, torch.softmax(logits[0] / 0.7, -1), atol=0.01, rtol=0)


def test_top_p_keeps_the_most_likely_tokens_that_reach_it() -> None:
    logits = torch.log(torch.tensor([[0.1, 0.5, 0.3, 0.1]])).repeat(5000, 1)
    drawn = next_tokens(logits, torch.linspace(0, 1 - 1e-9, 5000, dtype=torch.float64), 1.0, 0.7)
    counts = torch.bincount(drawn, minlength=4) / 5000
    torch.testing.assert_close(counts, torch.tensor([0.0, 0.625, 0.375, 0.0]), atol=0.001, rtol=0)


def test_a_stream_does_not_depend_on_who_draws_beside_it() -> None:
    together, alone = Streams([11, 12]), Streams([12])
    together.next([0])
    assert together.next([0, 1])[1] == alone.next([0])[0]
