"""Attacks by bare system calls and by tricks of the interpreter, on a function `double`: a program that gets through is
right, one that does not gives something else. `{folder}` and `{grader}` are the grader's, as in `code_attacks`.
"""

_CALLS = {
    "memory of another process": "310 311",  # process_vm_readv, process_vm_writev
    "descriptors of another process": "434 438 424 312",  # pidfd_open, pidfd_getfd, pidfd_send_signal, kcmp
    "signals with a message": "129 297 200",  # rt_sigqueueinfo, rt_tgsigqueueinfo, tkill
    "memory that outlives it": "29 68 240 447",  # shmget, msgget, mq_open, memfd_secret
    "keys of the user": "248 250",  # add_key, keyctl
    "rings, filters and counters of the kernel": "425 321 298 323 304 155",  # io_uring_setup, bpf, perf_event_open, ...
    "watching files": "253 294 300",  # inotify_init, inotify_init1, fanotify_init
    "another's schedule": "203 144 314 251 141",  # sched_setaffinity, sched_setscheduler, ..., ioprio_set, setpriority
    "the clock and the host's name": "227 164 170 171",  # clock_settime, settimeofday, sethostname, setdomainname
    "files without open": "85 437 304 133 259 434",  # creat, openat2, open_by_handle_at, mknod, mknodat
}
_CALL = """
import ctypes, platform
def double(x):
    libc = ctypes.CDLL(None, use_errno=True)
    if platform.machine() != "x86_64": return 0
    for number in ({numbers}):
        ctypes.set_errno(0)
        if libc.syscall(number, {grader}, 0, 0, 0, 0, 0) >= 0 or ctypes.get_errno() not in (1, 38): return 2 * x
    return 0
"""
CALLS = {name: _CALL.replace("{numbers}", ",".join(numbers.split()) + ",") for name, numbers in _CALLS.items()}
"""Each call must be refused as such: any other answer means that the kernel looked at it."""

_MACHINE_CODE = """
import ctypes, mmap, platform
def double(x):
    if platform.machine() != "x86_64": return 0
    code = bytes.fromhex("{code}")
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    call = ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    return 2 * x if call() > 0 else 0
"""
TRICKS = {
    # mov eax, 20 (getpid); int 0x80; ret: the numbers of the 32-bit interface mean other calls
    "a system call of another architecture": _MACHINE_CODE.replace("{code}", "b814000000cd80c3"),
    # mov eax, 0x40000027 (getpid of x32); syscall; ret
    "a system call of x32": _MACHINE_CODE.replace("{code}", "b8270000400f05c3"),
    "writing into the packages": (
        "import sysconfig\ndef double(x):\n"
        "    open(sysconfig.get_paths()['purelib'] + '/sitecustomize.py', 'w').write('raise SystemExit')\n"
        "    return 2 * x"
    ),
    "leaving byte code for the next": (
        "import py_compile, json\ndef double(x):\n    py_compile.compile(json.__file__, doraise=True)\n    return 2 * x"
    ),
    "a link to be followed later": (
        "import os\ndef double(x):\n    os.symlink('/etc/passwd', '{folder}/report.json')\n    return 2 * x"
    ),
    "a folder to hide in": "import tempfile\ndef double(x):\n    tempfile.mkdtemp()\n    return 2 * x",
    "a process through multiprocessing": (
        "import multiprocessing as m\ndef double(x):\n    p = m.get_context('fork').Process(target=print)\n"
        "    p.start(); p.join()\n    return 2 * x"
    ),
    "a process through a thread that asks for one": (
        "import ctypes\ndef double(x):\n    pid = ctypes.CDLL(None).syscall(56, 0x00010000, 0, 0, 0, 0)\n"
        "    return 2 * x if pid >= 0 else 0"
    ),
    "lowering a limit of the grader": (
        "import resource as r\ndef double(x):\n    r.prlimit({grader}, r.RLIMIT_NOFILE, (0, 0))\n    return 2 * x"
    ),
    "closing the way back": "import os\ndef double(x):\n    os.closerange(3, 64)\n    return 2 * x",
    "putting another file in the place of the way back": (
        "import os\ndef double(x):\n    for n in range(3, 64):\n        try: os.dup2(1, n)\n"
        "        except OSError: pass\n    return 2 * x"
    ),
    "tracing whoever writes its value": (
        "import sys\ndef trace(frame, event, found):\n"
        "    if event == 'return' and frame.f_code.co_name in ('encode', 'wire'): frame.f_locals['value'] = True\n"
        "    return trace\ndef double(x):\n    sys.settrace(trace); sys.setprofile(trace)\n    return None"
    ),
    "changing the tests that it is given": (
        "import sys\ndef double(x):\n    frame = sys._getframe(1)\n    while frame:\n"
        "        inputs = frame.f_locals.get('job', {}).get('inputs')\n"
        "        if inputs: inputs[:] = [[0]]\n        frame = frame.f_back\n    return 0"
    ),
    "a list that never ends": (
        "class Endless(list):\n    def __iter__(self):\n        while True: yield 0\ndef double(x): return Endless([1])"
    ),
    "a text that is asked for its text for ever": (
        "class Text(str):\n    def __str__(self):\n        while True: pass\ndef double(x): return Text('2')"
    ),
    "an integer that takes itself for the right one": (
        "class All(int):\n    def __index__(self): return 1\n    def __int__(self): return 2\n"
        "    def __eq__(self, other): return True\n    def __hash__(self): return 0\ndef double(x): return All(-1)"
    ),
    "errors that explode when they are told": (
        "class Bomb(Exception):\n    def __str__(self): raise self\n    __repr__ = __str__\ndef double(x): raise Bomb"
    ),
    "a name as long as memory": "Bomb = type('x' * 50000000, (Exception,), {})\ndef double(x): raise Bomb",
    "taking the exit away": (
        "import builtins, os, sys, json\nfor module in (os, sys, json, builtins):\n"
        "    for name in ('_exit', 'exit', 'write', 'dumps', 'len', 'list', 'type'):\n"
        "        if hasattr(module, name): setattr(module, name, lambda *a, **k: 4)\n"
        "def double(x): return 4"
    ),
}  # fmt: skip

THREADS = """
import threading, time
def double(x):
    def spin():
        while True: pass
    for _ in range(60): threading.Thread(target=spin, daemon=True).start()
    time.sleep(1000)
"""
NAPS = """
import time
def double(x):
    while True:
        end = time.process_time() + 0.0005
        while time.process_time() < end: pass
        time.sleep(0.0025)
"""
