"""The whole page: what a newcomer should see first comes first, then plots, samples to read, and the setting.

It needs nothing from elsewhere: no script, no font, no picture; the policy in its head forbids them, so that even
markup that slipped through from an answer could load and run nothing.
"""

from collections.abc import Iterable, Sequence

from gopd_api.reports import Comparison
from gopd_eval.core.page.markup import Markup, element, joined
from gopd_eval.core.page.numbers import paragraph, section
from gopd_eval.core.page.reading import reading_sections, setting_tables
from gopd_eval.core.page.sections import (
    curve_sections,
    difference_sections,
    group_sections,
    length_sections,
    outcome_sections,
    score_sections,
)
from gopd_eval.core.remarks import Remark, cautions, findings
from gopd_eval.core.showing import ShownProblem

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
MARKS = {"good": "▲", "bad": "▼", "quiet": "○"}


HOW_TO_READ = {
    "scores": (
        "The thin line is the 95 % interval: how far the score could be off for other problems of this kind. The thick "
        "part is what asking these same problems again would move it by (one rerun error to each side)."
    ),
    "differences": (
        "Taken problem by problem, so what makes a problem hard for both cancels out. A line that does not cross 0 "
        "is a difference that was shown, if its p is at most 0.05, too. True differences inside the grey band would "
        "often have been missed. Do not judge "
        "by whether the intervals of two scores overlap."
    ),
    "groups": "Intervals are over repeats: what training again with another seed would give, on these problems.",
    "outcomes": "Only correct answers score; what could not be graded is told apart from what is wrong.",
    "lengths": (
        "Box: the middle half of the responses, with the median. Point: the mean. Line: from 5 to 95 %. Cut: ended by "
        "the length limit and not by the model."
    ),
    "curves": (
        "Solid, pass: chance that at least one of k answers is right. Dashed, maj: chance that the most frequent of k "
        "answers is right. Both are exact means over all choices of k among the drawn answers."
    ),
    "samples": (
        "Chosen because subjects differ on them, or nobody solves them: they show how answers look, and not how good a "
        "subject is."
    ),
}


def comparison_page(comparison: Comparison, title: str, problems: Sequence[ShownProblem], style: str) -> str:
    """The document. `title` is the job's name, `problems` are the samples to read, `style` is its style sheet."""
    shown = [part for part in _sections(comparison, problems) if part[2]]
    nav = element("nav", element("ul", *(_link(anchor, name) for anchor, name, _ in shown)), aria_label="Sections")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"{title}: evaluation"),
        element("style", Markup(style)),
    )
    body = element(
        "body",
        element("header", element("h1", title), paragraph(_subtitle(comparison)), nav),
        element("main", _short(comparison), *(section(anchor, name, *parts) for anchor, name, parts in shown)),
        element("footer", paragraph(_footer(comparison))),
    )
    return "<!DOCTYPE html>\n" + element("html", head, body, lang="en") + "\n"


def _link(anchor: str, name: str) -> Markup:
    return element("li", element("a", name, href=f"#{anchor}"))


def _subtitle(comparison: Comparison) -> str:
    subjects = list(dict.fromkeys(score.subject for score in comparison.scores))
    tasks = ", ".join(dict.fromkeys(score.task for score in comparison.scores))
    if len(subjects) == 1:
        return f"{subjects[0]} on {tasks}."
    return f"{len(subjects)} subjects on {tasks}. Differences are from {comparison.baseline}, the baseline."


def _short(comparison: Comparison) -> Markup:
    """What it comes to, and what to mind."""
    found = [_remark(one) for one in findings(comparison)]
    how = element("p", "Subject minus baseline on the same problems, 95 % interval in brackets.", class_="soft")
    boxes = [element("section", element("h2", "In short"), how, element("ul", *found), class_="short")] if found else []
    if minded := cautions(comparison):
        items = [element("li", element("span", "!", class_="mark", aria_hidden="true"), words) for words in minded]
        boxes.append(element("section", element("h2", "To mind"), element("ul", *items), class_="short mind"))
    return joined(*boxes)


def _remark(remark: Remark) -> Markup:
    mark = element("span", MARKS[remark.tone], class_=f"mark {remark.tone}", aria_hidden="true")
    return element("li", mark, remark.words)


def _sections(comparison: Comparison, problems: Sequence[ShownProblem]) -> Iterable[tuple[str, str, list[Markup]]]:
    """Anchor, heading and parts of each section; one without parts is left out."""
    against = f"Differences from {comparison.baseline}"
    yield "scores", "Scores", _explained("scores", score_sections(comparison))
    yield "differences", against, _explained("differences", difference_sections(comparison))
    if comparison.groups:
        yield "groups", "Groups of repeats", _explained("groups", group_sections(comparison))
    yield "outcomes", "What became of the answers", _explained("outcomes", outcome_sections(comparison))
    yield "lengths", "Length of responses", _explained("lengths", length_sections(comparison))
    yield "curves", "What more tries give", _explained("curves", curve_sections(comparison))
    yield "samples", "Samples to read", _explained("samples", reading_sections(problems))
    setting = comparison.setting
    yield "setting", "Setting", list(setting_tables(setting, comparison.request_digest)) if setting else []


def _explained(anchor: str, parts: Iterable[Markup]) -> list[Markup]:
    """The parts with how they are read before them, or nothing."""
    found = list(parts)
    return [paragraph(element("span", HOW_TO_READ[anchor], class_="soft")), *found] if found else []


def _footer(comparison: Comparison) -> str:
    version = comparison.setting.versions.get("gopd", "") if comparison.setting else ""
    return f"Written by gopd {version} from comparison.json beside this page; all numbers are in both."
