"""Landlock: which files a sandboxed program may read, and that it may write none, connect nowhere and signal nobody.

It decides what a version of the kernel's interface can hold off; `lockdown` decides which folders are needed.
"""

import ctypes
import os
import struct
from collections.abc import Iterable
from contextlib import suppress

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FILES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""Every right on files that a version knows: all are taken away."""
_NETWORK = 0b11
"""Binding and connecting TCP, from version 4."""
_SCOPED = 0b11
"""Abstract sockets and signals stay inside, from version 6."""


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    found = int(libc.syscall(number, *arguments))
    if found < 0:
        raise OSError(ctypes.get_errno(), "landlock")
    return found


def version() -> int:
    """The kernel's version of the interface, 0 without one."""
    try:
        return _call(_CREATE, None, 0, 1)
    except OSError:
        return 0


def ruleset(readable: Iterable[str]) -> int | None:
    """A descriptor of rules that leave reading below these paths, and nothing else; None where Landlock is missing."""
    known = version()
    if not known:
        return None
    attributes = [_FILES[min(known, 5)], *([_NETWORK] if known >= 4 else []), *([_SCOPED] if known >= 6 else [])]
    packed = struct.pack(f"={len(attributes)}Q", *attributes)
    rules = _call(_CREATE, packed, len(packed), 0)
    for path in readable:
        with suppress(FileNotFoundError):
            _allow(rules, path)
    return rules


def _allow(rules: int, path: str) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rights = _READ_FILE | (_READ_DIR if os.path.isdir(path) else 0)
        _call(_ADD_RULE, rules, 1, struct.pack("=Qi", rights, descriptor), 0)
    finally:
        os.close(descriptor)


def restrict(rules: int) -> None:
    """This process, for good. Needs no_new_privs."""
    _call(_RESTRICT, rules, 0)
