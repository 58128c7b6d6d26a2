"""The system call filter: a BPF program, assembled here, that the kernel runs before every call of the program.

It decides by call and by the arguments that are numbers. What a pointer points at it cannot see: paths are Landlock's.
"""

import ctypes
import errno
import struct

from gopd_eval.shell.code.inside import syscalls

_LOAD, _EQUAL, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_X32 = 0x40000000
_THREAD = 0x10000 | 0x800 | 0x100
"""CLONE_THREAD, CLONE_SIGHAND, CLONE_VM: what a new thread asks for and a new process does not."""
_WRITING = 0o3 | 0o100 | 0o1000 | 0o2000 | 0o20000000
"""O_ACCMODE, O_CREAT, O_TRUNC, O_APPEND, O_TMPFILE (without O_DIRECTORY)."""
_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""Asking a terminal, its size, bytes that wait, not to block, and close-on-exec."""
_FCNTLS = (0, 1, 2, 3, 4, 1030, 1032)
"""Duplicates, flags, a pipe's size. No owner of signals: a signal could be aimed at another process."""
_PRCTLS = (15, 16)
"""A thread's name."""
_SET_MODE_FILTER = 1
Instruction = tuple[int, int, int, int]


def _load(offset: int) -> Instruction:
    return (_LOAD, 0, 0, offset)


def _give(verdict: int) -> Instruction:
    return (_RETURN, 0, 0, verdict)


_REFUSE, _PASS = _give(_ERRNO | errno.EPERM), _give(_ALLOW)


def _low(argument: int) -> Instruction:
    return _load(_ARGUMENTS + 8 * argument)


def _high(argument: int) -> Instruction:
    return _load(_ARGUMENTS + 8 * argument + 4)


def _one_of(argument: int, values: tuple[int, ...]) -> list[Instruction]:
    tests = [step for value in values for step in ((_EQUAL, 0, 1, value), _PASS)]
    return [_low(argument), *tests, _REFUSE]


def _masked(argument: int, mask: int, wanted: int) -> list[Instruction]:
    return [_low(argument), (_AND, 0, 0, mask), (_EQUAL, 0, 1, wanted), _PASS, _REFUSE]


def checks(pid: int, files_are_confined: bool) -> dict[str, list[Instruction]]:
    """What decides on each call whose arguments matter. `files_are_confined`: Landlock decides on paths."""
    own = _one_of(0, (pid,))
    reading = [_PASS] if files_are_confined else None
    return {
        "clone": _masked(0, _THREAD, _THREAD),
        "kill": own,
        "tgkill": own,
        "prlimit64": _one_of(0, (0, pid)),
        "socketpair": [_low(0), (_EQUAL, 1, 0, 1), _REFUSE, *_masked(1, 0xF, 1)],
        "sendto": [_low(4), (_EQUAL, 1, 0, 0), _REFUSE, _high(4), (_EQUAL, 1, 0, 0), _REFUSE, _PASS],
        "ioctl": _one_of(1, _IOCTLS),
        "prctl": _one_of(0, _PRCTLS),
        "fcntl": _one_of(1, _FCNTLS),
        "open": reading or _masked(1, _WRITING, 0),
        "openat": reading or _masked(2, _WRITING, 0),
    }


def assemble(pid: int, files_are_confined: bool) -> bytes:
    """The filter for the process `pid` on this machine."""
    architecture, numbers = syscalls.of_this_machine()
    program: list[Instruction] = [
        _load(_ARCHITECTURE), (_EQUAL, 1, 0, architecture), _give(_KILL),
        _load(_NUMBER), (_AT_LEAST, 0, 1, _X32), _REFUSE,
    ]  # fmt: skip
    for number in syscalls.free(numbers):
        program += [(_EQUAL, 0, 1, number), _PASS]
    for name, steps in checks(pid, files_are_confined).items():
        if name in numbers:
            program += [(_EQUAL, 0, len(steps), numbers[name]), *steps]
    for name in sorted(syscalls.MISSING):
        program += [(_EQUAL, 0, 1, numbers[name]), _give(_ERRNO | errno.ENOSYS)]
    program.append(_REFUSE)
    return b"".join(struct.pack("=HBBI", *step) for step in program)


def install(program: bytes) -> None:
    """For this process, all threads to come, and for good. Raises OSError where the kernel refuses."""
    code = ctypes.create_string_buffer(program, len(program))
    description = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    number = syscalls.of_this_machine()[1]["seccomp"]
    if libc.syscall(number, _SET_MODE_FILTER, 0, description) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")
