"""Who the operator is to the API server: found at the start, and anew when that gets old or is no longer believed.

A service account in a pod, whose token the kubelet renews on disk; a kubeconfig elsewhere, whose program (`exec`, the
clouds' way) gives tokens for minutes. Limit: a client certificate is read once.
"""

import logging
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import kopf

log = logging.getLogger("gopd.operator")
READ_AGAIN = timedelta(minutes=10)
"""The kubelet renews a token when a fifth of its life is left: of the shortest, 10 minutes, not much."""


class NoLogin(Exception):
    """Neither a service account nor a kubeconfig."""

    def __init__(self) -> None:
        super().__init__("no service account and no kubeconfig was found; run in a pod, or set KUBECONFIG")


def find(settings: kopf.OperatorSettings) -> kopf.ConnectionInfo:
    """Where the API server is and who we are, as it is written down now. Raises NoLogin."""
    pod = kopf.login_with_service_account(settings=settings)
    if pod is not None:
        return replace(pod, expiration=datetime.now(UTC) + READ_AGAIN)
    found = kopf.login_with_kubeconfig(settings=settings)
    if found is None:
        raise NoLogin
    if found.token or found.username or found.certificate_path or found.certificate_data:
        return found
    # The user of this kubeconfig has a program to ask: the official client runs it.
    return kopf.login_via_client(logger=log, settings=settings) or found


class Login:
    """What the watches and the requests say who they are by. Raises NoLogin where there is nothing to say."""

    def __init__(self, settings: kopf.OperatorSettings) -> None:
        self._settings, self._lock = settings, threading.Lock()
        self._held = find(settings)

    def now(self) -> kopf.ConnectionInfo:
        """What holds now."""
        held = self._held
        return self.renewed(held) if is_old(held) else held

    def renewed(self, refused: kopf.ConnectionInfo) -> kopf.ConnectionInfo:
        """What holds instead of what was refused: read anew, unless somebody has done that in the meantime.

        The very same where nothing else is written down: kopf gives up on what was refused, and would try what looks
        new again without a pause.
        """
        with self._lock:
            if self._held is refused:
                found = find(self._settings)
                if is_old(refused) or replace(found, expiration=refused.expiration) != refused:
                    self._held = found
            return self._held


def is_old(held: kopf.ConnectionInfo) -> bool:
    """Whether it is time to read it again."""
    return held.expiration is not None and held.expiration <= datetime.now(UTC)
