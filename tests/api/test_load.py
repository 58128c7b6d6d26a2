"""Reading YAML: as Kubernetes reads it, every fault at once, each with field, fault and remedy in one sentence."""

import textwrap
from pathlib import Path

import pytest

from gopd_api.load import MAX_BYTES, InvalidSpec, load_file, load_text, parse
from gopd_api.objects import DistillationJob, DistillationJobSpec

HEAD = """\
apiVersion: gopd.io/v1alpha1
kind: DistillationJob
metadata: {name: job}
"""
SPEC = """\
spec:
  student: {model: models/student}
  teachers: [{name: math, model: models/teacher}]
  data: {train: data/train.jsonl}
  compute: {accelerator: cpu}
"""


def spec_of(text: str) -> DistillationJobSpec:
    (job,) = load_text(HEAD + SPEC + textwrap.indent(textwrap.dedent(text), "  "))
    assert isinstance(job, DistillationJob)
    return job.spec


def faults_in(text: str) -> list[str]:
    with pytest.raises(InvalidSpec) as refusal:
        load_text(text)
    assert str(refusal.value).splitlines() == [str(fault) for fault in refusal.value.faults]
    return [str(fault) for fault in refusal.value.faults]


def test_every_fault_is_named_not_the_first_only() -> None:
    text = HEAD.replace("job}", "Job_1}") + (
        "spec:\n"
        "  student: {model: 'hf://a/b'}\n"
        "  teachers:\n"
        "  - {name: math, model: m, rewardScale: 3}\n"
        "  - {model: m, domain: [math]}\n"
        "  data: {train: x, maxPromptTokens: 0}\n"
        "  optimization: {steps: 2.5, learningRate: fast}\n"
        "  sampling: {temperature: 0.5, topP: 0.5}\n"
    )
    assert [fault.split(": ")[0] for fault in faults_in(text)] == [
        "metadata.name",
        "spec.student.model",
        "spec.teachers[0].rewardScale",
        "spec.teachers[1].name",
        "spec.teachers[1].domain",
        "spec.data.maxPromptTokens",
        "spec.sampling.temperature",
        "spec.sampling.topP",
        "spec.optimization.learningRate",
        "spec.optimization.steps",
    ]


def test_faults_of_several_documents_say_which() -> None:
    good = HEAD + SPEC + "  optimization: {steps: 1}\n"
    assert len(load_text(good + "---\n" + good)) == 2
    bad = good.replace("steps: 1", "steps: 0")
    assert faults_in(good + "---\n" + bad) == [
        "document 2: spec.optimization.steps: 0 is below 1; set a value from 1 to 1000000"
    ]


@pytest.mark.parametrize(
    ("written", "value"), [("1e-5", 1e-5), ("1.0e-05", 1e-5), ("1", 1.0), (".5", 0.5), ("2.5E-4", 2.5e-4)]
)
def test_numbers_are_read_as_kubectl_reads_them(written: str, value: float) -> None:
    assert spec_of(f"optimization: {{steps: 1, learningRate: {written}}}").optimization.learning_rate == value


def test_a_date_and_a_clock_time_are_texts() -> None:
    spec = spec_of("optimization: {steps: 1}\nscheduling: {queue: 2026-11-24}\ntracking: {experiment: 12:30}")
    assert (spec.scheduling.queue, spec.tracking.experiment) == ("2026-11-24", "12:30")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("optimization: {steps: '3'}", 'spec.optimization.steps: "3" is a text; give a whole number'),
        ("optimization: {steps: true}", "spec.optimization.steps: true is a truth value; give a whole number"),
        ("optimization: [1]", "spec.optimization: a list is not what is expected here; give a map with "),
        ("optimization: {steps: 1, learningRate: .nan}", "spec.optimization.learningRate: "),
        ("optimization:", "spec.optimization: has no value; give one, or remove the line"),
        ("optimization: {steps: 1}\ndata: {}", "data: is written twice, the second time at line 10; keep one"),
        ("optimization: {steps: 1}\n1: x", "spec: has 1 for a name; put it in quotes"),
        ("optimization: {steps: 1}\ntracking: {uri: ''}", "spec.tracking.uri: is an empty text; give a value"),
        ("optimization: {steps: 1}\noverrides: {a.b: false}", 'spec.overrides["a.b"]: false is a truth value; give a'),
        ("optimization: {steps: 1}\noverrides: {a.b: 0.5}", 'spec.overrides["a.b"]: 0.5 is a number; give a whole'),
        ("optimization: {steps: 1}\nevaluation: {at: []}", "spec.evaluation.at: is empty; give at least 1"),
        ("optimization: {steps: 1}\nStudent: {}", "spec.Student: is not a field of spec; use student (known: "),
        ("optimization: {steps: 1, lr: 1}", "spec.optimization.lr: is not a field of spec.optimization; use learni"),
    ],
)
def test_a_fault_in_a_line_is_worded_for_its_reader(line: str, fault: str) -> None:
    (found,) = faults_in(HEAD + SPEC + textwrap.indent(line, "  "))
    assert found.startswith(fault)
    assert "pydantic" not in found
    assert "Input should" not in found


def test_values_of_overrides_are_whole_numbers_or_texts() -> None:
    assert spec_of("optimization: {steps: 1}\noverrides: {a.b: 3, c.d: '0.5'}").overrides == {"a.b": 3, "c.d": "0.5"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "the file holds no object; write a DistillationJob or EvalJob"),
        ("---\n---\n", "the file holds no object; "),
        ("- 1", "the document is a list; write a DistillationJob or EvalJob"),
        ("kind: DistillationJob", "apiVersion: is missing; write gopd.io/v1alpha1"),
        ("apiVersion: gopd.io/v1alpha1", "kind: is missing; use one of: DistillationJob, EvalJob"),
        ("a: [", "the file is not YAML at line 1, column 5 "),
        ("a: \x00", "the file is not YAML ("),
        ("[" * 3000, "the file is nested too deeply; "),
        ("a: !!python/name:os.system x", "the file is not YAML at line 1, column 4 (could not determine a construct"),
        (HEAD + "spec: &a [*a]", "spec[0][0][0]"[:7]),
        (HEAD + "spec: 3", "spec: 3 is a number; give a map with student, "),
        (HEAD, "spec: is missing; add "),
    ],
)
def test_what_is_no_object_is_refused_with_a_sentence(text: str, fault: str) -> None:
    (found,) = faults_in(text)
    assert found.startswith(fault)
    assert "; " in found


def test_repeated_anchors_cannot_fill_the_memory() -> None:
    layers = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    layers += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    (found,) = faults_in(HEAD + "spec:\n" + textwrap.indent("\n".join(layers), "  "))
    assert "holds more than any spec does" in found


def test_a_file_that_cannot_be_read_is_refused_like_a_wrong_one(tmp_path: Path) -> None:
    (tmp_path / "large.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for name, words in {"none.yaml": "cannot be read", "large.yaml": "larger than", "binary.yaml": "UTF-8"}.items():
        with pytest.raises(InvalidSpec, match=words) as refusal:
            load_file(tmp_path / name)
        assert refusal.value.source == str(tmp_path / name)


def test_an_object_from_the_api_server_is_read_with_its_status_and_metadata() -> None:
    (job,) = load_text(
        HEAD.replace("{name: job}", "{name: job, uid: u-1, resourceVersion: '7', managedFields: [{manager: kubectl}]}")
        + SPEC
        + "  optimization: {steps: 1}\nstatus: {phase: Training, progress: {step: 3, totalSteps: 9}}\n"
    )
    assert job.status is not None
    assert (job.status.phase, job.metadata.uid) == ("Training", "u-1")


def test_names_in_snake_case_are_for_python_only() -> None:
    document = {"apiVersion": "gopd.io/v1alpha1", "kind": "DistillationJob", "metadata": {"name": "job"}}
    with pytest.raises(InvalidSpec, match="use rewardScale"):
        parse({**document, "spec": {"objective": {"reward_scale": 1}}})
