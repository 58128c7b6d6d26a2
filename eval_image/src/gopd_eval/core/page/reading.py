"""Samples to read side by side, and the setting of the measurement. What models wrote is shown as text only."""

from collections.abc import Iterable, Sequence

from gopd_api.reports import Setting, TaskSetting
from gopd_eval.core.page.markup import Markup, element
from gopd_eval.core.page.numbers import behind, table, words
from gopd_eval.core.showing import ShownAnswer, ShownProblem

ANSWER = 400


def reading_sections(problems: Sequence[ShownProblem]) -> Iterable[Markup]:
    """The shown problems, task by task."""
    for task in dict.fromkeys(one.task for one in problems):
        yield element("h3", task)
        yield from (_article(one) for one in problems if one.task == task)


def _article(problem: ShownProblem) -> Markup:
    right = [element("p", "Right answer: ", element("code", problem.right[:ANSWER]))] if problem.right else []
    columns = [_column(name, problem.shares.get(name), answers) for name, answers in problem.answers.items()]
    return element(
        "article",
        element("h4", f"Problem {problem.problem}", element("span", f" · {problem.why}", class_="soft")),
        behind("What was asked", element("div", problem.prompt, class_="asked")),
        *right,
        element("div", *columns, class_="side"),
    )


def _column(subject: str, share: tuple[int, int] | None, answers: Sequence[ShownAnswer]) -> Markup:
    told = f" {share[0]} of {share[1]} right" if share else ""
    return element(
        "div", element("h5", subject, element("span", told, class_="soft")), *(_answer(one) for one in answers)
    )


def _answer(one: ShownAnswer) -> Markup:
    kind = one.verdict if one.verdict in ("correct", "wrong") else "other"
    badge = element("span", one.verdict.replace("_", " "), class_=f"verdict {kind}")
    detail = element("span", f" {one.detail}", class_="soft") if one.detail else ""
    given = element("p", "Answer: ", element("code", one.answer[:ANSWER])) if one.answer is not None else ""
    length = f"Response {one.sample + 1}, {one.tokens} tokens"
    return element("div", badge, detail, given, behind(length, element("pre", one.text)))


def setting_tables(setting: Setting, request_digest: str) -> Iterable[Markup]:
    """Everything that the numbers depend on."""
    rows = [_task_row(task) for task in setting.tasks]
    columns = ["task", "benchmark", "preset", "problems", "answers each", "how answers were drawn", "grader"]
    yield table("Tasks", columns, rows)
    isolated = [
        element("tr", words(task.name, head=True), words(task.isolation)) for task in setting.tasks if task.isolation
    ]
    if isolated:
        yield table("What generated code was kept in", ["task", "isolation"], isolated)
    subjects = [
        element("tr", words(one.name, head=True), words(one.model), _digest(one.model_digest or ""))
        for one in setting.subjects
    ]
    yield table("Subjects", ["subject", "model", "digest"], subjects)
    digests = [
        element("tr", words(task.name, head=True), _digest(task.data_digest), _digest(task.ids_digest))
        for task in setting.tasks
    ]
    yield table("Digests of the data and of the problems' ids", ["task", "data", "ids"], digests)
    versions = ", ".join(f"{name} {version}" for name, version in setting.versions.items())
    yield element("p", "Versions: ", versions, class_="soft")
    yield element("p", "Request: ", element("code", request_digest), class_="soft")


def _task_row(task: TaskSetting) -> Markup:
    drawing = ", ".join(f"{name} {value}" for name, value in task.drawing.items() if value is not None)
    return element(
        "tr", words(task.name, head=True), words(task.benchmark), words(task.preset), element("td", str(task.problems)),
        element("td", str(task.samples)), words(drawing), words(task.grader),
    )  # fmt: skip


def _digest(value: str) -> Markup:
    return element("td", value, class_="digest")
