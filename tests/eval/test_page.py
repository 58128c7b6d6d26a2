"""The page of a comparison: whole by itself, equal to its report, and deaf to what models write into it."""

import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from tests.eval.made_up import comparison, page

from gopd_api.reports import Comparison
from gopd_eval.core.page.axes import axis, doubling_axis, round_step
from gopd_eval.core.page.document import comparison_page
from gopd_eval.core.page.markup import element, text
from gopd_eval.core.page.plots import spread
from gopd_eval.core.remarks import cautions, findings
from gopd_eval.core.samples import Grade
from gopd_eval.core.showing import PROBLEMS, SUBJECTS, chosen_answers, chosen_problems, cut_middle, shown_subjects
from gopd_eval.core.tables import number

VOID = {"meta", "br", "line", "rect", "circle", "polyline"}
Row = tuple[dict[str, str], dict[str, dict[str, str]], str]
"""Attributes of a row; field to the attributes of its cell, with its text as `text`; text of the row."""


class Reader(HTMLParser):
    """Reads a page: elements, text, every attribute, and the rows of its tables. Fails on what is not closed."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.rows: list[Row] = []
        self.words: list[str] = []
        self.cell: dict[str, str] | None = None
        self.feed(document)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        given = {key: value or "" for key, value in attrs}
        self.attributes += [(tag, key, value) for key, value in given.items()]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append((given, {}, ""))
        if tag == "td" and "data-field" in given:
            self.cell = given | {"text": ""}
            self.rows[-1][1][given["data-field"]] = self.cell

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.cell = None if tag == "td" else self.cell

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self.cell is not None:
            self.cell["text"] += data


@pytest.fixture(scope="module")
def made() -> Comparison:
    return comparison()


@pytest.fixture(scope="module")
def read() -> Reader:
    return Reader(page())


def test_the_page_needs_nothing_from_elsewhere(read: Reader) -> None:
    assert read.elements.keys().isdisjoint(
        {"script", "link", "img", "iframe", "object", "embed", "image", "use", "form"}
    )
    loading = [
        (tag, key, value) for tag, key, value in read.attributes if key in ("src", "href", "srcset", "xlink:href")
    ]
    assert loading and all(value.startswith("#") for _, _, value in loading)
    assert not any(key.startswith("on") for _, key, _ in read.attributes)
    style = page().split("<style>")[1].split("</style>")[0]
    assert not re.search(r"url\(|@import|https?:|//", style)
    policy = next(
        value for tag, key, value in read.attributes if (tag, key) == ("meta", "content") and "default" in value
    )
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")


def test_every_anchor_leads_to_a_section_and_every_plot_has_a_name(read: Reader) -> None:
    anchors = {value.removeprefix("#") for _, key, value in read.attributes if key == "href"}
    named = {value for _, key, value in read.attributes if key == "id"}
    assert anchors == named == {"scores", "differences", "outcomes", "lengths", "curves", "samples", "setting"}
    assert (
        sum(1 for tag, key, value in read.attributes if (tag, key) == ("svg", "aria-label") and value)
        == read.elements["svg"]
    )
    assert read.elements["caption"] == read.elements["table"] > 8


def test_the_numbers_of_the_page_are_those_of_the_report(made: Comparison, read: Reader) -> None:
    rows = {
        tuple(row[0].get(f"data-{key}", "") for key in ("of", "subject", "task", "metric")): row[1] for row in read.rows
    }
    fields = {
        "value": "value",
        "ci_low": "ciLow",
        "ci_high": "ciHigh",
        "standard_error": "standardError",
        "rerun_error": "rerunError",
    }
    compared = 0
    for score in made.scores:
        compared += equal(score, fields, rows["scores", score.subject, score.task, score.metric])
    for mean in made.means:
        compared += equal(mean, fields, rows["means", mean.subject, "", mean.metric])
    fields = {
        "difference": "difference", "ci_low": "ciLow", "ci_high": "ciHigh", "p_value": "pValue",
        "adjusted_p": "adjustedP", "detectable": "detectable",
    }  # fmt: skip
    for one in made.differences:
        if one.better != "neither" or one.metric in ("truncated", "no_answer", "response_tokens"):
            compared += equal(one, fields, rows["differences", one.subject, one.task, one.metric])
    for over in made.mean_differences:
        compared += equal(over, fields, rows["meanDifferences", over.subject, "mean of 2 tasks", over.metric])
    assert compared > 300


def equal(model: object, fields: dict[str, str], cells: dict[str, dict[str, str]]) -> int:
    """Whether the row shows every number that the model has, whole in the data and rounded in the text."""
    for name, field in fields.items():
        value = getattr(model, name)
        if value is None:
            assert "data-value" not in cells.get(field, {})
        else:
            assert float(cells[field]["data-value"]) == value, (model, name)
            assert field in ("pValue", "adjustedP") or cells[field]["text"] == number(value)
    return len(fields)


def test_the_verdicts_of_the_page_add_up(made: Comparison, read: Reader) -> None:
    counted = [row for row in read.rows if row[0].get("data-of") == "counts"]
    assert len(counted) == 6
    for attributes, cells, _ in counted:
        score = next(
            one for one in made.scores
            if one.counts and (one.subject, one.task) == (attributes["data-subject"], attributes["data-task"])
        )  # fmt: skip
        assert score.counts is not None
        assert sum(int(cell["data-value"]) for cell in cells.values()) == score.counts.samples


HOSTILE = [
    "<script>document.title = 'owned'</script>",
    "</pre></details></article></main><script>alert(1)</script><pre>",
    "<svg onload=alert(1)><animate onbegin=alert(1) attributeName=x></svg>",
    "\"><img src=x onerror=alert(1)>' onmouseover='alert(1)",
    "</title></style></textarea><!--><base href=//evil>",
    "<![CDATA[ ]]> &lt;b&gt; &#60;i&#62; &amp;",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
]


@pytest.mark.parametrize("payload", HOSTILE)
def test_markup_in_an_answer_is_text(payload: str, read: Reader) -> None:
    hostile = Reader(page(payload))
    assert hostile.elements == read.elements, "not one element more"
    assert {key for _, key, _ in hostile.attributes} == {key for _, key, _ in read.attributes}
    assert payload in "".join(hostile.words), "and it can be read as it was written"


def test_text_that_is_no_text_is_shown_and_does_not_turn_others_round() -> None:
    shown = text("a\ud800b\x00c\u202edrow\u200b")
    assert shown == "a?b⌈0⌉c⌈202E⌉drow⌈200B⌉"
    shown.encode()
    assert element("p", "<b>", title='"<') == '<p title="&quot;&lt;">&lt;b&gt;</p>'
    assert Reader(page("x\ud800\u202e")).words


def test_what_is_shown_is_bounded() -> None:
    assert len(page("y" * 1_000_000)) < 1_500_000
    assert cut_middle("a" * 10, 3, 2) == "aaa\n\n[… 5 letters left out …]\n\naa"
    assert cut_middle("a" * 10, 3, 0).endswith("…]\n\n")
    assert len(shown_subjects([f"s{n}" for n in range(20)], "s7")) == SUBJECTS
    assert shown_subjects(["a", "b"], "b") == ["b", "a"]
    assert shown_subjects([], "b") == [], "a task without grades"


def test_problems_are_chosen_where_subjects_differ_and_where_all_fail() -> None:
    values = {
        "a": {f"p{n}": n / 10 for n in range(10)},
        "b": {f"p{n}": (9 - n) / 10 if n > 2 else 0.0 for n in range(10)},
    }
    chosen = chosen_problems(values)
    assert len(chosen) == PROBLEMS
    assert list(chosen)[:2] == ["p9", "p8"]
    assert chosen["p0"] == "nobody solved it"
    assert chosen_problems({}) == {}


def test_one_answer_of_each_verdict_is_shown_before_two_of_one() -> None:
    verdicts = ["wrong", "wrong", "truncated", "correct"]
    grades = [Grade("p", n, verdict, "", None, 1, "stop") for n, verdict in enumerate(verdicts)]  # type: ignore[arg-type]
    assert [grade.sample for grade in chosen_answers(grades)] == [0, 3]
    assert [grade.sample for grade in chosen_answers(grades[:2])] == [0, 1]


def test_axes_have_round_ends_and_hold_what_they_must() -> None:
    assert round_step(0.031) == pytest.approx(0.05)
    found = axis([0.03, 0.17], 100, 300, zero=True)
    assert (found.low, found.ticks[-1], found.place(0)) == (0.0, 0.2, 100)
    assert found.place(0.1) == pytest.approx(200)
    assert axis([3.0, 3.0], 0, 1).ticks[0] < 3 < axis([3.0, 3.0], 0, 1).ticks[-1]
    assert doubling_axis([1, 2, 4], 0, 100).place(2) == pytest.approx(50)


def test_names_at_the_ends_of_curves_do_not_overlap() -> None:
    moved = spread([10.0, 12.0, 11.0, 100.0], 15)
    assert moved == [10.0, 40.0, 25.0, 100.0]


def test_the_page_says_first_what_was_found_and_what_to_mind(made: Comparison) -> None:
    words = [remark.words for remark in findings(made)]
    assert words[0].startswith("student-step-120 is better than qwen3-4b over 2 tasks together: +0.0")
    assert "(Holm " in words[0]
    assert sum("could not be graded" in caution for caution in cautions(made)) == 3, "once a subject, not once a metric"
    assert not any("cut at the length limit" in caution for caution in cautions(made))
    score = next(one for one in made.scores if one.metric == "truncated").model_copy(update={"value": 0.2})
    assert "20% of the answers were cut" in cautions(made.model_copy(update={"scores": [score]}))[0]


def test_the_page_of_one_subject_speaks_of_no_differences(made: Comparison) -> None:
    alone = made.model_copy(
        update={
            "scores": [score for score in made.scores if score.subject == "teacher"],
            "differences": [], "means": [], "mean_differences": [],
        }
    )  # fmt: skip
    words = " ".join(Reader(comparison_page(alone, "one", [], "")).words)
    assert "teacher on aime25, mbpp-plus." in words
    assert "baseline" not in words
