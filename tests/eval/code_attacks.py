"""Attacks on the grading of a function `double`, by name: programs that want to be called right without being right, or
to harm whoever grades them. `{folder}` is a folder of the grader, `{grader}` its process, `{port}` a port of its own.
"""

EQUAL_TO_ALL = """
class Equal:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __abs__(self): return 0
    def __sub__(self, other): return 0
def double(x): return Equal()
"""
FRAME_READ = """
import sys
def double(x):
    frame = sys._getframe()
    while frame:
        for name, value in list(frame.f_locals.items()):
            if name in ("expected", "exp", "wanted", "values", "reference", "lines"):
                return value[0] if isinstance(value, (list, tuple)) else value
        frame = frame.f_back
"""
FRAME_WRITE = """
import os, sys
def double(x):
    frame = sys._getframe()
    while frame:
        for value in frame.f_locals.values():
            for name in ("stat", "state", "passed", "verdict", "details"):
                try: setattr(value, name, 20)
                except Exception: pass
        frame = frame.f_back
    os._exit(0)
"""
PATCHED = """
import builtins, sys
for module in list(sys.modules.values()):
    for name in ("encode", "read", "equal", "close", "write", "allclose"):
        if hasattr(module, name):
            try: setattr(module, name, lambda *a, **k: True)
            except Exception: pass
def double(x): return 0
"""
EVERY_OBJECT = """
import gc
def double(x):
    return [o for o in gc.get_objects() if isinstance(o, (list, tuple)) and 40 in o and 38 in o][:1]
"""
FORGED_LINES = """
import os
def double(x):
    for number in range(3, 64):
        try: os.write(number, b"2\\n" * 20)
        except OSError: pass
    os._exit(0)
"""
FORGED_TYPE = """
class Lie(int):
    @property
    def __class__(self): return bool
    def __eq__(self, other): return True
    __hash__ = int.__hash__
def double(x): return Lie(7)
"""
FORKS = """
import posix
def double(x):
    for _ in range(30):
        if posix.fork() == 0:
            posix.setsid()
            while True: pass
    return 2 * x
"""
DISARMED = """
import signal
def double(x):
    for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF): signal.setitimer(timer, 0)
    for number in range(1, 65):
        try: signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError): pass
    while True: pass
"""
LAUGHS = """
def double(x):
    value = [1]
    for _ in range(60): value = [value, value]
    return value
"""
DEEP = """
def double(x):
    value = []
    for _ in range(100000): value = [value]
    return value
"""
NOISE = """
import os
def double(x):
    for number in range(3, 64):
        try:
            while True: os.write(number, b"x" * 65536)
        except OSError: pass
    while True: print("x" * 65536, flush=True)
"""

FORGERIES = {
    "an object that is equal to everything": EQUAL_TO_ALL,
    "walking frames to read the expected value": FRAME_READ,
    "walking frames to write the verdict and leaving": FRAME_WRITE,
    "patching the comparison": PATCHED,
    "searching all objects for the expected values": EVERY_OBJECT,
    "writing results to every descriptor": FORGED_LINES,
    "an integer that lies about its type": FORGED_TYPE,
    "leaving with success": "import sys\ndef double(x): sys.exit(0)",
    "leaving with success while loading": "import os\nos._exit(0)\ndef double(x): return 0",
    "leaving at once": "import os\ndef double(x): os._exit(0)",
    "printing results": "import os\ndef double(x):\n    print(2 * x)\n    os.write(1, b'2\\n4\\n')\n",
    "raising what graders catch": "def double(x): raise KeyboardInterrupt",
    "a value too deep to be read": DEEP,
    "a small value that is large when written": LAUGHS,
    "a value that contains itself": "def double(x):\n    a = []\n    a.append(a)\n    return a",
    "an integer of a million digits": "def double(x): return 10 ** 1000000",
    "a text of lone surrogates": "def double(x): return chr(0xD800) * 10",
    "not a number where a number is expected": "def double(x): return float('nan')",
    "an endless generator": "def double(x):\n    while True: yield x",
}
"""What these want is a verdict."""

_DEEDS = {
    "writing a file of the grader": "open('{folder}/canary', 'w').write('x')",
    "making a file beside the grader's": "open('{folder}/new', 'w').close()",
    "reading the user list": "open('/etc/passwd').read()",
    "deleting a file": "import posix; posix.unlink('{folder}/canary')",
    "renaming a file": "import os; os.rename('{folder}/canary', '{folder}/b')",
    "linking a file": "import os; os.symlink('{folder}/canary', '{folder}/l')",
    "changing a file's mode": "import os; os.chmod('{folder}/canary', 0)",
    "filling the disk": "open('/tmp/full', 'wb').write(b'x' * 5000000)",
    "filling memory by a file of no name": "import os; os.memfd_create('x')",
    "running a shell": "import posix; posix.posix_spawn('/bin/sh', ['sh', '-c', 'true'], {})",
    "running a shell by the C library": "import ctypes; assert ctypes.CDLL(None).system(b'true') == 0",
    "calling the network": "import socket; socket.create_connection(('127.0.0.1', {port}))",
    "listening on the network": "import socket; socket.create_server(('127.0.0.1', 0))",
    "a nameless socket that could send to names": "import socket as s; s.socketpair(s.AF_UNIX, s.SOCK_DGRAM)",
    "killing the grader": "import os; os.kill({grader}, 9)",
    "killing its launcher": "import os; os.kill(os.getppid(), 9)",
    "killing every process it may": "import os; os.kill(-1, 9)",
    "killing its process group": "import os; os.killpg(0, 9)",
    "stopping the grader": "import os, signal; os.kill({grader}, signal.SIGSTOP)",
    "signals through a descriptor": "import fcntl; fcntl.fcntl(0, fcntl.F_SETOWN, {grader})",
    "reading the grader's environment": "open('/proc/{grader}/environ').read()",
    "reading the grader's memory": "open('/proc/{grader}/mem', 'rb').close()",
    "tracing the grader": "import ctypes; assert ctypes.CDLL(None).ptrace(16, {grader}, 0, 0) == 0",
    "lifting its memory limit": "import resource as r; r.setrlimit(r.RLIMIT_AS, (-1, -1))",
    "becoming root": "import os; os.setresuid(0, 0, 0); assert os.getuid() == 0",
    "a new namespace": "import ctypes; assert ctypes.CDLL(None).unshare(0x10000000) == 0",
    "mounting": "import ctypes; assert ctypes.CDLL(None).mount(b'x', b'/tmp', b'tmpfs', 0, None) == 0",
    "changing another's priority": "import os; os.setpriority(os.PRIO_PROCESS, {grader}, 19)",
    "two thousand threads": "import threading as t, time; "
                            "[t.Thread(target=time.sleep, args=(1,), daemon=True).start() for _ in range(2000)]",
    "two thousand threads with little stack": "import threading as t, time; t.stack_size(32768); "
                            "[t.Thread(target=time.sleep, args=(1,), daemon=True).start() for _ in range(2000)]",
    "six gibibytes": "bytearray(6 << 30)",
}  # fmt: skip
HARMS = {name: f"def double(x):\n    {deed}\n    return 2 * x" for name, deed in _DEEDS.items()}
HARMS["forking thirty times into sessions of their own"] = FORKS
"""What these want is denied: a program that does it and then answers right is not called right."""

TIMES = {
    "hanging": ("def double(x):\n    while True: pass", "timeout"),
    "sleeping": ("import time\ndef double(x): time.sleep(1000)", "timeout"),
    "hanging while loading": ("while True: pass", "timeout"),
    "hanging in one operation": ("def double(x): return len(str(7 ** (10 ** 9)))", "timeout"),
    "disarming the timer and ignoring signals": (DISARMED, "timeout"),
    "stopping itself": ("import os, signal\ndef double(x): os.kill(os.getpid(), signal.SIGSTOP)", "timeout"),
    "waiting for a lock": ("import threading\ndef double(x):\n    lock = threading.Lock()\n    lock.acquire()\n"
                           "    lock.acquire()", "timeout"),
    "a thread that goes on": ("import threading\ndef double(x):\n    def spin():\n        while True: pass\n"
                              "    threading.Thread(target=spin).start()\n    return 2 * x", "correct"),
    "flooding the results": (NOISE, "wrong"),
    "a crash in C": ("import ctypes\ndef double(x): return ctypes.string_at(0)", "crash"),
    "abort": ("import os\ndef double(x): os.abort()", "crash"),
    "killing itself": ("import os\ndef double(x): os.kill(os.getpid(), 11)", "crash"),
    "eating memory": ("def double(x):\n    a = []\n    while True: a.append(bytes(1 << 30))", "memory"),
    "a comment of two megabytes": ("#" + "x" * (2 << 20) + "\ndef double(x): return 2 * x", "refused"),
}  # fmt: skip
"""What these want is time or room; each has its own verdict."""
