"""The data store and how data sets come into it: from a small server on loopback that misbehaves, and from files."""

import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from gopd_api.benchmarks import BENCHMARKS, Release, data_sets
from gopd_eval.core.benchmarks.sources import DATA_SETS, DataSet
from gopd_eval.core.errors import EvaluationError
from gopd_eval.shell import fetching
from gopd_eval.shell.datastore import DataStore
from gopd_eval.shell.fetching import fetch

CONTENT = b"".join(
    json.dumps({"id": n, "problem": f"What is {n} plus {n}?", "answer": str(2 * n)}).encode() + b"\n" for n in range(30)
)


class Publisher:
    """Serves CONTENT, and what it was told to do wrong: one entry of `breaks` a request, bytes after which it ends."""

    def __init__(self) -> None:
        self.content, self.status, self.takes_ranges = CONTENT, 200, True
        self.breaks: list[int] = []
        self.ranges: list[str | None] = []
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()
        self.uri = f"http://127.0.0.1:{self.server.server_port}/aime24.jsonl"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range")
        self.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.takes_ranges else 0
        if start >= len(self.content) and start:
            request.send_error(416)
            return
        if self.status != 200:
            request.send_error(self.status)
            return
        body = self.content[start:]
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: self.breaks.pop(0)] if self.breaks else body)


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setattr(fetching, "PAUSE_SECONDS", 0)
    found = Publisher()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def store(tmp_path: Path) -> DataStore:
    return DataStore(tmp_path / "datasets")


def pinned(uri: str, content: bytes = CONTENT, **other: object) -> DataSet:
    found = DataSet("aime24", "aime24", uri, "0" * 40, hashlib.sha256(content).hexdigest(), 30, "MIT", len(content))
    return replace(found, **other)  # type: ignore[arg-type]


def left(store: DataStore) -> list[str]:
    return sorted(path.name for path in (store.root / "partial").iterdir())


def test_a_data_set_is_fetched_once_kept_by_content_and_read_without_a_network(
    publisher: Publisher, store: DataStore
) -> None:
    first = fetch(pinned(publisher.uri), store)
    assert store.checked("aime24", "f").read_bytes() == CONTENT
    assert (first.records, first.bytes, first.origin) == (30, len(CONTENT), publisher.uri)
    assert store.file(first.sha256).parent.name == hashlib.sha256(CONTENT).hexdigest()
    publisher.server.shutdown()
    assert fetch(pinned(publisher.uri), store) == first
    assert len(publisher.ranges) == 1
    assert left(store) == []


@pytest.mark.parametrize("takes_ranges", [True, False])
def test_a_truncated_download_goes_on_where_it_broke_off(
    publisher: Publisher, store: DataStore, takes_ranges: bool
) -> None:
    publisher.breaks, publisher.takes_ranges = [700, 300], takes_ranges
    fetch(pinned(publisher.uri), store)
    assert store.checked("aime24", "f").read_bytes() == CONTENT
    assert publisher.ranges == [None, "bytes=700-", "bytes=1000-" if takes_ranges else "bytes=300-"]


def test_a_download_that_never_ends_is_told_and_goes_on_at_the_next_command(
    publisher: Publisher, store: DataStore
) -> None:
    publisher.breaks = [100] * fetching.ATTEMPTS
    with pytest.raises(EvaluationError, match=r"ended after 400 of .* give the same command again") as refused:
        fetch(pinned(publisher.uri), store)
    assert refused.value.reason == "DataUnavailable"
    assert store.entry("aime24") is None
    fetch(pinned(publisher.uri), store)
    assert publisher.ranges[-1] == "bytes=400-"


def test_a_beginning_of_another_file_is_thrown_away_and_fetched_anew(publisher: Publisher, store: DataStore) -> None:
    with store.alone():
        store.partial(pinned("").sha256).write_bytes(b"x" * (len(CONTENT) + 5))
    fetch(pinned(publisher.uri), store)
    assert store.checked("aime24", "f").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("status", "requests"), [(404, 1), (403, 1), (503, fetching.ATTEMPTS)], ids=["missing", "forbidden", "overloaded"]
)
def test_what_the_server_refuses_is_told_with_its_number(
    publisher: Publisher, store: DataStore, status: int, requests: int
) -> None:
    publisher.status = status
    with pytest.raises(EvaluationError, match=f"answers {status} .*give --from FILE"):
        fetch(pinned(publisher.uri), store)
    assert len(publisher.ranges) == requests


def test_without_a_network_the_remedy_is_a_file(store: DataStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PAUSE_SECONDS", 0)
    with pytest.raises(EvaluationError, match=r"cannot be reached \(.*give --from FILE"):
        fetch(pinned("http://127.0.0.1:9/aime24.jsonl"), store)


def test_another_content_is_refused_and_nothing_of_it_stays(publisher: Publisher, store: DataStore) -> None:
    publisher.content = CONTENT.replace(b"plus", b"minus")
    with pytest.raises(EvaluationError, match=r"gave \d+ bytes of sha256 .* which is not") as refused:
        fetch(pinned(publisher.uri), store)
    assert refused.value.reason == "DataChanged"
    assert left(store) == []
    with pytest.raises(EvaluationError, match="does not hold aime24; get it with `gopd data fetch aime24 --store"):
        store.checked("aime24", "tasks[0].benchmark")


def test_another_number_of_records_is_refused(publisher: Publisher, store: DataStore) -> None:
    with pytest.raises(EvaluationError, match="aime24: has 30 records, not 31"):
        fetch(pinned(publisher.uri, records=31), store)
    assert store.entry("aime24") is None


def test_a_record_that_lacks_its_answer_is_named_by_line(publisher: Publisher, store: DataStore) -> None:
    publisher.content = CONTENT + b'{"id": 30, "problem": "?"}\n'
    with pytest.raises(EvaluationError, match=r"line 31 of .* has no `answer`; give the file as it was published"):
        fetch(pinned(publisher.uri, publisher.content, records=31), store)


def test_a_right_answer_that_no_response_can_meet_keeps_a_set_out(publisher: Publisher, store: DataStore) -> None:
    publisher.content = CONTENT.replace(b'"58"', json.dumps(r"\frac{sqrt{7} + 1}{2}").encode())
    with pytest.raises(EvaluationError, match="right answers of aime24 that no response can meet: 29"):
        fetch(pinned(publisher.uri, publisher.content), store)
    assert store.entry("aime24") is None


def test_a_corrupted_store_is_an_error_whose_remedy_works(publisher: Publisher, store: DataStore) -> None:
    entry = fetch(pinned(publisher.uri), store)
    store.file(entry.sha256).write_bytes(CONTENT.replace(b'"2"', b'"3"'))
    with pytest.raises(EvaluationError, match=r"has changed since it was imported .*; get it with `gopd data fetch"):
        store.checked("aime24", "tasks[0].benchmark")
    fetch(pinned(publisher.uri), store)
    assert store.checked("aime24", "f").read_bytes() == CONTENT
    shutil.rmtree(store.root / "sha256")
    with pytest.raises(EvaluationError, match="is not there any more; get it with"):
        store.checked("aime24", "f")
    (store.root / "sets" / "aime24.json").write_text("{")
    with pytest.raises(EvaluationError, match=r"is damaged .*; get it with"):
        store.checked("aime24", "f")
    fetch(pinned(publisher.uri), store)
    assert store.checked("aime24", "f").read_bytes() == CONTENT


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_at_hand_is_imported_packed_or_not(store: DataStore, tmp_path: Path, packed: bool) -> None:
    source = tmp_path / "own"
    source.write_bytes(gzip.compress(CONTENT) if packed else CONTENT)
    entry = fetch(pinned("http://127.0.0.1:9/"), store, source)
    assert entry.origin == str(source)
    assert store.checked("aime24", "f").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CONTENT[:-1], "is not aime24 .sha256"),
        (gzip.compress(CONTENT)[:-9], "cannot be read"),
        (None, "cannot be read .No such file"),
    ],
    ids=["another", "torn", "missing"],
)
def test_a_file_that_is_not_the_set_is_refused(
    store: DataStore, tmp_path: Path, content: bytes | None, message: str
) -> None:
    source = tmp_path / "own"
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(EvaluationError, match=f"--from: .*{message}"):
        fetch(pinned("http://127.0.0.1:9/"), store, source)
    assert store.entry("aime24") is None


def test_every_known_set_is_pinned_and_every_benchmark_has_its_sets() -> None:
    for data_set in DATA_SETS.values():
        assert re.fullmatch("[0-9a-f]{40}", data_set.revision)
        assert re.fullmatch("[0-9a-f]{64}", data_set.sha256)
        assert data_set.revision in data_set.uri
        assert data_set.licence
    assert {name for one in BENCHMARKS.values() for name in one.data_sets} == set(DATA_SETS)
    assert all(name in BENCHMARKS[one.benchmark].data_sets for name, one in DATA_SETS.items())


def test_releases_of_livecodebench_are_shards_or_all_up_to_one() -> None:
    assert data_sets("livecodebench") == ("livecodebench-v6",)
    assert data_sets("livecodebench", "v2") == ("livecodebench-v2",)
    assert data_sets("livecodebench", "release_v3") == tuple(f"livecodebench-v{n}" for n in (1, 2, 3))
    whole: dict[Release, int] = {"release_v5": 880, "release_v6": 1055}
    for release, records in whole.items():
        assert sum(DATA_SETS[name].records for name in data_sets("livecodebench", release)) == records


def command(*arguments: str, module: str = "gopd_eval") -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", module, "data", *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def test_the_commands_say_what_is_there_and_what_is_not_known(tmp_path: Path) -> None:
    store, source = ["--store", str(tmp_path / "datasets")], tmp_path / "aime24.jsonl"
    source.write_bytes(CONTENT)
    refused = command("fetch", "aime24", *store, "--from", str(source))
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "is not aime24 (sha256" in refused.stderr
    unknown = command("fetch", "aime23", *store)
    assert "TASK: aime23 is not known; name one of: aime24, aime25" in unknown.stderr
    asked_of_gopd = command("fetch", "aime23", *store, module="gopd_operator.shell.main")
    assert (asked_of_gopd.returncode, asked_of_gopd.stderr) == (1, unknown.stderr)
    assert "its problems are a file of yours" in command("fetch", "math", *store).stderr
    several = command("fetch", "livecodebench", "--release", "release_v2", *store, "--from", str(source))
    assert "--from: is one file, and 2 data sets are asked for" in several.stderr
    listed = json.loads(command("list", *store, "-o", "json").stdout)
    assert [row["name"] for row in listed] == list(DATA_SETS)
    assert {row["held"] for row in listed} == {None}
