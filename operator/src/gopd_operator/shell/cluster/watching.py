"""kopf as a watcher only: it follows the kinds that count, and each event goes through one doorway.

kopf keeps no state of its own here: no annotations, no finalizers, no timers, and no essence of any object, which it
would otherwise copy twice for each event although nothing compares it.
"""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import kopf

from gopd_operator.shell.cluster.api import PAGE
from gopd_operator.shell.cluster.login import Login
from gopd_operator.shell.cluster.operating import Operator
from gopd_operator.shell.cluster.resources import WATCHED, Resource

IDLE_SECONDS = 0.2
"""kopf keeps a task with the last body of each object for so long after its last event: thousands at the start."""


def handlers(operator: Operator, login: Login) -> kopf.OperatorRegistry:
    """kopf's registry: the login, and one doorway for the events of each watched kind."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def _(**_: Any) -> kopf.ConnectionInfo:
        # Asked at the start, when what it was given has expired, and when the API server has refused it.
        return login.renewed(login.now())

    for resource in WATCHED:
        group, _, version = resource.api.rpartition("/")
        kopf.on.event(group, version, resource.plural, registry=registry)(_doorway(operator, resource))
    return registry


def _doorway(operator: Operator, resource: Resource) -> Callable[..., Coroutine[Any, Any, None]]:
    async def event(event: dict[str, Any], **_: Any) -> None:
        operator.news(resource, event["type"], dict(event["object"]))

    return event


class NoEssence(kopf.DiffBaseStorage):
    """What kopf would compare objects by: nothing."""

    def build(self, *, body: kopf.Body, extra_fields: Iterable[Any] | None = None) -> kopf.BodyEssence:
        """The part of an object whose changes count."""
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        """The essence that was stored last."""
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Keep an essence."""


class NoProgress(kopf.ProgressStorage):
    """What kopf would remember of its handlers: nothing."""

    def fetch(self, **_: Any) -> None:
        """How a handler stood."""

    def store(self, **_: Any) -> None:
        """Keep how a handler stands."""

    def purge(self, **_: Any) -> None:
        """Forget a handler."""

    def touch(self, **_: Any) -> None:
        """Change an object so that it comes back."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """An essence without what was stored."""
        return essence


def kopf_settings() -> kopf.OperatorSettings:
    """kopf's settings: nothing is posted, stored or looked for beyond what is watched."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.persistence.diffbase_storage = NoEssence()
    settings.persistence.progress_storage = NoProgress()
    settings.watching.chunk_size = PAGE
    settings.queueing.idle_timeout = IDLE_SECONDS
    for resource, selector in WATCHED.items():
        if selector:
            group, _, version = resource.api.rpartition("/")
            settings.watching.label_selectors[group, version, resource.plural] = selector
    return settings
