"""Attacks that a sandbox must hold off, as programs: each returns true when it got through.

It decides what is tried before grading. An attack gets the process id of the grader, a folder of the grader with a file
in it that every user may read and write, and a port of the grader on the loopback interface.
"""

REQUIRED = {
    "connects to the network": """
import socket
s = socket.socket(); s.settimeout(1); s.connect(("127.0.0.1", port)); return True
""",
    "sends a datagram": """
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", port)); return True
""",
    "opens a socket of the machine": """
import socket
socket.socket(socket.AF_UNIX); return True
""",
    "forks": """
import os
pid = os.fork()
if pid == 0: os._exit(0)
return True
""",
    "starts a command": """
import os
os.posix_spawn("/bin/sh", ["sh", "-c", "true"], {}); return True
""",
    "replaces itself by a shell": """
import ctypes
ctypes.CDLL(None).execv(b"/bin/true", None)
return ctypes.CDLL(None).system(b"exit 0") == 0
""",
    "makes a process with a raw system call": """
import ctypes, platform
number = 56 if platform.machine() == "x86_64" else 220
pid = ctypes.CDLL(None).syscall(number, 17, 0, 0, 0, 0)
if pid == 0: ctypes.CDLL(None)._exit(0)
return pid > 0
""",
    "kills the grader": """
import os, signal
os.kill(grader, 0); return True
""",
    "kills its launcher": """
import os, signal
os.kill(os.getppid(), 0); return True
""",
    "aims a signal at the grader by a descriptor": """
import fcntl, os
r, w = os.pipe(); fcntl.fcntl(r, fcntl.F_SETOWN, grader); return True
""",
    "writes a file": """
open(folder + "/canary", "w").write("changed"); return True
""",
    "makes a file": """
open(folder + "/new", "x").write("new"); return True
""",
    "makes a file in a folder for all": """
import os
for place in ("/tmp", "/dev/shm", "/var/tmp"):
    try:
        os.close(os.open(f"{place}/gopd-{os.getpid()}", os.O_CREAT | os.O_WRONLY)); return True
    except OSError: pass
""",
    "deletes a file": """
import os
os.unlink(folder + "/canary"); return True
""",
    "reads the grader's environment": """
return len(open(f"/proc/{grader}/environ", "rb").read()) > 0
""",
    "reads the grader's memory": """
return open(f"/proc/{grader}/mem", "rb") is not None
""",
    "traces the grader": """
import ctypes
return ctypes.CDLL(None).ptrace(16, grader, 0, 0) == 0
""",
    "reads another process's memory with a system call": """
import ctypes, os
buffer = ctypes.create_string_buffer(8)
class Part(ctypes.Structure): _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]
here, there = Part(ctypes.addressof(buffer), 8), Part(ctypes.addressof(buffer), 8)
return ctypes.CDLL(None).process_vm_readv(os.getppid(), ctypes.byref(here), 1, ctypes.byref(there), 1, 0) >= 0
""",
    "finds a variable of the environment": """
import os
own = {"PYTHONHASHSEED", "LC_CTYPE"}
if os.environ: return True
parts = open("/proc/self/environ", "rb").read().split(b"\\0")
return bool({part.split(b"=")[0].decode() for part in parts if part} - own)
""",
    "finds a descriptor of its launcher": """
import os
found = []
for number in range(3, 64):
    try: os.fstat(number); found.append(number)
    except OSError: pass
return len(found) > 1
""",
    "raises its own limits": """
import resource
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)); return True
""",
    "becomes root": """
import os
os.setuid(0); return os.getuid() == 0
""",
    "starts a thousand threads": """
import threading, time
started = 0
try:
    for _ in range(1000):
        threading.Thread(target=time.sleep, args=(0.2,), daemon=True).start(); started += 1
except RuntimeError: pass
return started >= 1000
""",
    "keeps memory outside its limit": """
import os
return os.memfd_create("x") > 0
""",
}  # fmt: skip
WISHED = {
    "reads a file of the machine": """
return len(open("/etc/passwd").read()) > 0
""",
    "reads a file that only root may read": """
return len(open("/etc/shadow").read()) > 0
""",
    "reads a file that every user may read": """
return open(folder + "/canary").read() == "untouched"
""",
}
"""Held off where the kernel has Landlock; without it, reading what every user may read cannot be stopped."""


def program(body: str) -> str:
    """The attack as the program of a function task."""
    lines = "\n".join(f"        {line}" for line in body.strip("\n").split("\n"))
    return f"def attack(grader, folder, port):\n    try:\n{lines}\n    except Exception:\n        return False\n"
