"""Which request meets which fault: rules that count matching requests.

Decides what counts as a write and which rule a request meets: the oldest that matches and is due. What then happens to
the connection `fault_proxy` decides.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar
from urllib.parse import parse_qs

MUTATING = {"POST", "PUT", "PATCH", "DELETE"}
QUESTIONS = ("/apis/authorization.k8s.io/", "/apis/authentication.k8s.io/")
"""POSTs that change nothing."""
REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


@dataclass(frozen=True)
class Request:
    """A request as rules see it."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""

    @cached_property
    def is_watch(self) -> bool:
        return parse_qs(self.query).get("watch", ["false"])[0] in ("true", "1")

    @cached_property
    def is_question(self) -> bool:
        return self.path.startswith(QUESTIONS) or "dryRun" in parse_qs(self.query)

    @cached_property
    def name(self) -> str:
        """The object's name: a POST has it in its body, the others in their path."""
        if self.method != "POST":
            return self.path.rsplit("/", 1)[1]
        try:
            metadata = json.loads(self.body).get("metadata", {})
        except (ValueError, AttributeError):
            return ""
        return str(metadata.get("name") or metadata.get("generateName") or "")


Match = Callable[[Request], bool]


def any_request(request: Request) -> bool:
    return True


def to(method: str = "", part: str = "", name: str = "") -> Match:
    """Requests with a method, a part of their path (`/rayjobs`, `/status`) and an object's name, each if given."""

    def match(request: Request) -> bool:
        return method in ("", request.method) and part in request.path and name in ("", request.name)

    return match


@dataclass
class Rule:
    """Applies `times` times, from the nth matching request on. Writes only, unless `reads`."""

    match: Match
    nth: int = 1
    times: int = 1
    reads: bool = False
    seen: int = 0
    happened: threading.Event = field(default_factory=threading.Event)

    def meets(self, request: Request) -> bool:
        """Count the request if it matches, and say whether the rule applies to it."""
        writes = request.method in MUTATING and not request.is_question
        if not (writes or self.reads) or not self.match(request):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


@dataclass
class Kill(Rule):
    """End a process at the request; `happened` is set once the signal was sent."""

    pid: int = 0
    after: bool = False


@dataclass
class Answer(Rule):
    """Answer in the API server's place."""

    status: int = 500
    retry_after: int = 1


@dataclass
class Hang(Rule):
    """Give no answer."""

    forwarded: bool = False


AnyRule = TypeVar("AnyRule", bound=Rule)


class Rules:
    """The rules in force, oldest first."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._lock = threading.Lock()

    def add(self, rule: AnyRule) -> AnyRule:
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def met_by(self, request: Request) -> Rule | None:
        """The rule that applies. Every matching rule counts the request."""
        with self._lock:
            met = [rule for rule in self._rules if rule.meets(request)]
        if not met:
            return None
        if not isinstance(met[0], Kill):
            met[0].happened.set()
        return met[0]


def status_body(code: int, message: str = "injected by the test") -> bytes:
    """The API server's form of a refusal."""
    words = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return json.dumps({**words, "reason": REASONS.get(code, ""), "message": message, "code": code}).encode()
