"""The prompts of the quickstart: all of them made here, by patterns and by hand, none copied from a data set.

It decides which words each split may use. `TRAIN`, `HELDOUT` and `ARITHMETIC` draw names, things, topics, activities,
words, sentences and pairs from lists that share no entry, so a held-out prompt differs from every training prompt by
what it is about and not only by its numbers; the patterns are shared on purpose. `make_rows` is a pure function of the
split, the counts and the seed. It decides neither how many rows are made nor where: `quickstart_inputs.py` does.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

Row = dict[str, str]
Problem = tuple[str, int]


@dataclass(frozen=True)
class Split:
    """The words that one split, and no other, may use. `written` holds instructions that fit no pattern."""

    name: str
    names: tuple[str, ...]
    things: tuple[str, ...]
    problems: tuple[Callable[[random.Random, "Split"], Problem], ...]
    topics: tuple[str, ...] = ()
    activities: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    written: tuple[str, ...] = ()


def _entries(text: str) -> tuple[str, ...]:
    return tuple(entry.strip() for entry in " ".join(text.split()).split(","))


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _gain(rng: random.Random, split: Split) -> Problem:
    name, thing, a, b = rng.choice(split.names), rng.choice(split.things), rng.randint(2, 12), rng.randint(2, 9)
    return f"{name} has {a} {thing} and buys {b} more. How many {thing} does {name} have now?", a + b


def _give(rng: random.Random, split: Split) -> Problem:
    name, friend = rng.sample(split.names, 2)
    thing, left, given = rng.choice(split.things), rng.randint(2, 9), rng.randint(2, 8)
    return f"{name} has {left + given} {thing} and gives {given} of them to {friend}. How many {thing} are left?", left


def _groups(rng: random.Random, split: Split) -> Problem:
    thing, boxes, each = rng.choice(split.things), rng.randint(2, 6), rng.randint(2, 10)
    return f"There are {boxes} boxes with {each} {thing} in each. How many {thing} are there in total?", boxes * each


def _share(rng: random.Random, split: Split) -> Problem:
    name, thing, each, friends = rng.choice(split.names), rng.choice(split.things), rng.randint(2, 6), rng.randint(2, 5)
    return f"{name} shares {each * friends} {thing} equally among {friends} friends. How many does each get?", each


def _price(rng: random.Random, split: Split) -> Problem:
    name, thing, price, count = rng.choice(split.names), rng.choice(split.things), rng.randint(2, 9), rng.randint(2, 6)
    return f"{name} buys {count} {thing}. Each costs {price} dollars. How many dollars does {name} pay?", price * count


def _together(rng: random.Random, split: Split) -> Problem:
    name, friend = rng.sample(split.names, 2)
    thing, a, b = rng.choice(split.things), rng.randint(2, 10), rng.randint(2, 10)
    return f"{name} has {a} {thing} and {friend} has {b} {thing}. How many {thing} do they have together?", a + b


def _then(rng: random.Random, split: Split) -> Problem:
    name, thing = rng.choice(split.names), rng.choice(split.things)
    a, b, c = rng.randint(4, 9), rng.randint(2, 6), rng.randint(1, 3)
    return f"{name} has {a} {thing}, finds {b} more and loses {c}. How many {thing} does {name} have now?", a + b - c


PROBLEMS = (_gain, _give, _groups, _share, _price, _together, _then)
EASY_PROBLEMS = (_gain, _groups, _together)  # those that the teacher answers rightly about every second time

TRAIN = Split(
    name="train",
    problems=PROBLEMS,
    names=_entries("""
        Anna, Ben, Carla, David, Emma, Felix, Grace, Hugo, Irene, Jonas, Kate, Liam, Maria, Noah, Olga,
        Paul, Rosa, Simon, Tina, Victor, Wendy, Yusuf, Zoe, Amir
    """),
    things=_entries("""
        apples, pencils, marbles, stickers, cookies, books, coins, oranges, balloons, stamps, buttons, eggs,
        candles, flowers, postcards, shells, toy cars, muffins, tickets, bottles
    """),
    topics=_entries("""
        the moon, rain, bees, bread, bicycles, rivers, volcanoes, the heart, gravity, music, libraries,
        trees, dolphins, money, sleep, winter, computers, the internet, cheese, trains, the desert,
        friendship, maps, honey, wind, electricity, penguins, photosynthesis, recycling, tea, mountains,
        clocks, whales, glass, spiders, democracy, paper, earthquakes, rainbows, robots, soap, castles,
        football, the brain, vaccines, ants, bridges, salt, dreams, farming
    """),
    activities=_entries("""
        learning a new language, saving money, baking bread, growing tomatoes, studying for an exam, packing
        a suitcase, cleaning a kitchen, making new friends, sleeping better, running a first race, taking
        good photos, writing a letter, keeping a diary, planning a picnic, riding a bicycle in a city,
        drinking more water, caring for a dog, reading more books, speaking in public, cooking pasta
    """),
    words=_entries("""
        brave, quiet, journey, honest, fragile, ancient, generous, curious, rapid, gentle, victory, harvest,
        shadow, patience, bright, simple, enormous, polite, wisdom, clumsy
    """),
    sentences=_lines("""
        The train was late, so we missed the start of the film.
        I want to know when the shop opens.
        My brother cooks dinner every Sunday.
        She lost her keys in the park yesterday.
        We can't come to the party because we are ill.
        The soup is too hot to eat.
        Can you send me the report today?
        The children played in the garden until it got dark.
        It rained all week and the river rose.
        He didn't like the new chair in his office.
        The museum is closed on Mondays.
        Our team won the match after a long evening.
    """),
    pairs=_entries("""
        a frog and a toad, rain and snow, a lake and a river, tea and coffee, a city and a village, a novel and a poem,
        jam and honey, a planet and a star, a doctor and a nurse, wood and metal, a violin and a guitar
    """),
    written=_lines("""
        Name the three primary colors.
        What is the capital of France?
        How many legs does a spider have?
        Write a greeting for a birthday card.
        What do plants need to grow?
        Say hello in a friendly way.
        Name two animals that can fly.
        Why is the sky blue?
        Which month comes after June?
        What is the opposite of cold?
        Write a title for a story about a lost dog.
        Give me a riddle about a shoe.
        What is a good breakfast before a long walk?
        Write a short apology for being late.
        Describe the taste of a lemon.
        Name the four seasons of the year.
        What can I do on a rainy afternoon?
        Write a thank-you note to a teacher.
        How do birds stay warm in winter?
        What is the largest ocean on Earth?
        Give one reason to visit a museum.
        What tools does a carpenter use?
        Write the first sentence of a mystery story.
        What is the freezing point of water in Celsius?
        Suggest a name for a small bakery.
        Which planet is closest to the Sun?
        How do you make a paper airplane?
        What does a firefighter do?
        Name three vegetables that are green.
        Write a short weather report for a sunny day.
        What sound does a cow make?
        Describe a beach in one sentence.
        Give an example of a kind act.
        What are the days of the weekend?
        Why do we brush our teeth?
        Write a slogan for a bicycle shop.
        Name a fruit that is yellow.
        What is the past tense of the verb "go"?
        Give a short answer: is ice heavier than water?
        Write a question that I could ask a scientist.
        Put these words in alphabetical order: pear, apple, fig.
        Which is bigger, an elephant or a mouse?
        Write a polite message asking for help.
        What should I bring to a picnic?
        Explain to a child why leaves fall in autumn.
        Tell me a fun fact about cats.
        What is the plural of "child"?
        How many hours are there in a day?
        Write a sentence that contains the word "lantern".
        Give two uses of a spoon.
    """),
)

HELDOUT = Split(
    name="heldout",
    problems=PROBLEMS,
    names=_entries("Clara, Oscar, Nadia, Peter, Ruth, Samir, Julia, Martin"),
    things=_entries("plums, crayons, beads, sandwiches, magazines, roses, forks, kites"),
    topics=_entries(
        "lightning, fog, butterflies, chocolate, helicopters, islands, the lungs, dancing, schools, sharks, pepper"
    ),
    activities=_entries(
        "learning to swim, painting a room, folding a shirt, knitting a scarf, staying calm, choosing a gift"
    ),
    words=_entries("lonely, swift, treasure, sincere, delicate, clever"),
    sentences=_lines("""
        The bus broke down, so they walked home.
        I need the address of the hotel.
        Her sister plays the piano every evening.
        We found a red umbrella behind the house.
    """),
    pairs=_entries("a hill and a valley, butter and oil, a circle and a square, a boat and a ship"),
    written=_lines("""
        Name three animals that have fur.
        What is the capital of Italy?
        Write an invitation to a dinner with neighbors.
        Which day comes after Tuesday?
        What does a gardener do?
        Write a slogan for a toy shop.
        Name a vegetable that is orange.
        Give one reason to wear a hat.
    """),
)

ARITHMETIC = Split(
    name="arithmetic",
    problems=EASY_PROBLEMS,
    names=_entries("Tom, Lucy, Sam, Mia, Jack, Ella, Max, Lily"),
    things=_entries("cards, peaches, pens, dolls, cakes, stones, hats, nuts"),
)

TOPIC_PATTERNS = (
    "Write one sentence about {}.",
    "List three facts about {}.",
    "Explain {} to a ten-year-old child.",
    "Write a short poem about {}.",
    "Why is it useful to know about {}?",
    "Ask me two questions about {}.",
    "Tell a very short story about {}.",
)
ACTIVITY_PATTERNS = (
    "Give three tips for {}.",
    "What is the first step in {}?",
    "Write a short message that praises a friend for {}.",
    "Name one common mistake in {}.",
)
WORD_PATTERNS = (
    'What does the word "{}" mean?',
    'Write a sentence with the word "{}".',
    'Give a word that means almost the same as "{}".',
)
SENTENCE_PATTERNS = (
    "Rewrite this sentence in a formal tone: {}",
    "Make this sentence shorter: {}",
    "Turn this sentence into a question: {}",
    "Write a sentence that could follow this one: {}",
)
PAIR_PATTERNS = ("What is the difference between {}?", "What do {} have in common?")


def math_rows(split: Split, count: int, rng: random.Random) -> list[Row]:
    """`count` distinct word problems with their answers, the patterns taken in turn."""
    rows: dict[str, Row] = {}
    turn = 0
    while len(rows) < count:
        prompt, answer = split.problems[turn % len(split.problems)](rng, split)
        rows.setdefault(prompt, {"prompt": prompt, "domain": "math", "answer": str(answer)})
        turn += 1
    return list(rows.values())


def instruction_rows(split: Split, count: int, rng: random.Random) -> list[Row]:
    """`count` distinct instructions: all that are written out, then a sample of the filled patterns."""
    words_by_patterns = (
        (TOPIC_PATTERNS, split.topics),
        (ACTIVITY_PATTERNS, split.activities),
        (WORD_PATTERNS, split.words),
        (SENTENCE_PATTERNS, split.sentences),
        (PAIR_PATTERNS, split.pairs),
    )
    filled = [pattern.format(word) for patterns, words in words_by_patterns for pattern in patterns for word in words]
    if count > len(split.written) + len(filled):
        raise ValueError(f"{split.name} has words for {len(split.written) + len(filled)} instructions, not for {count}")
    prompts = [*split.written[:count], *rng.sample(filled, max(0, count - len(split.written)))]
    return [{"prompt": prompt, "domain": "instruction"} for prompt in prompts]


def make_rows(split: Split, *, math: int, instruction: int, seed: int) -> list[Row]:
    """The rows of one split in shuffled order; the same arguments always give the same rows."""
    rng = random.Random(f"{seed}:{split.name}")
    rows = math_rows(split, math, rng) + instruction_rows(split, instruction, rng)
    rng.shuffle(rows)
    return rows
