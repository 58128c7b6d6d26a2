"""Attacks on the grader itself: programs that want it to fall, to hang, to fill its memory, or to be busy with them.

Whoever writes to its descriptors needs no value to be encoded: lines come as the program likes.
"""

_EVERYWHERE = """
import os
def everywhere(line):
    for number in range(3, 64):
        try:
            left = memoryview(line)
            while left: left = left[os.write(number, left):]
        except OSError: pass
def double(x):
    {deed}
    os._exit(0)
"""
_LINES = {
    "an error of two hundred thousand brackets": 'everywhere(b"!" + b"[" * 200000 + b"\\n")',
    "a value of two hundred thousand brackets": 'everywhere(b"[" * 200000 + b"\\n")',
    "an error that is no pair": "everywhere(b'!{\"a\": 1}\\n')",
    "an unknown kind of value": "everywhere(b'{\"x\": 1}\\n')",
    "an integer of sixteen million bits": 'everywhere(b\'{"i": "0x\' + b"f" * 4000000 + b\'"}\\n\')',
    "a number with four million digits": 'everywhere(b"7" * 4000000 + b"\\n")',
    "twenty million lists in a line": 'everywhere(b"[" + b"[]," * 20000000 + b"[]]\\n")',
    "a set of values that collide": (
        'everywhere(b\'{"s": [\' + b",".join(b\'{"i": "%s"}\' % hex(((1 << 61) - 1) * k).encode()'
        " for k in range(1, 130000)) + b\"]}\\n\")"
    ),
    "a dictionary of keys that collide": (
        'everywhere(b\'{"d": [\' + b",".join(b\'[{"i": "%s"}, 1]\' % hex(((1 << 61) - 1) * k).encode()'
        " for k in range(1, 110000)) + b\"]}\\n\")"
    ),
    "a line without end, byte by byte": 'everywhere(b"x" * (4 << 20))\n    while True: everywhere(b"x")',
    "sixty million empty lines": 'everywhere(b"\\n" * 60000000)',
}  # fmt: skip
LINES = {name: _EVERYWHERE.replace("{deed}", deed) for name, deed in _LINES.items()}
"""What these give is not right, and must be seen at little cost."""

SCRIPTS = {
    "a script that writes millions of lines": "print('12\\n' * 20000000)",
    "a script that writes millions of errors": (
        "import os\nfor _ in range(60):\n    for number in range(3, 64):\n"
        "        try: os.write(number, b'\\n' * (1 << 20))\n        except OSError: pass\n"
    ),
    "a script that writes byte by byte": "import os\nwhile True: os.write(1, b'1')",
    "numbers that no number equals": "print('sNaN')",
    "numbers of a billion digits": "print('1e999999999')",
}

LATER = {
    "not ending": "import os, time\nos._exit = lambda code: time.sleep(1000)\ndef double(x): return 2 * x",
    "exploding at the end": (
        "import os\ndef end(code):\n    while True: kept.append(bytearray(1 << 20))\nkept, os._exit = [], end\n"
        "def double(x): return 2 * x"
    ),
}
"""Right values, and a program that wants to be waited for after them."""

SEARCH = '''
import ctypes, os
def pages():
    """Every readable page near an object, and on the heap, without stepping on one that is not there."""
    libc, size, seen = ctypes.CDLL(None), 4096, set()
    libc.sbrk.restype, libc.sbrk.argtypes = ctypes.c_void_p, [ctypes.c_ssize_t]
    there = lambda at: libc.mincore(ctypes.c_void_p(at), ctypes.c_size_t(size), (ctypes.c_ubyte * 1)()) == 0
    for start in (libc.sbrk(0) - size, id([]), id(b"x" * 3000), id("x" * 100000), id(pages)):
        for step in (size, -size):
            at = start & -size
            while there(at) and at not in seen:
                seen.add(at)
                yield ctypes.string_at(at, size)
                at += step
def double(x):
    mark, found = b"ref" + b"erence of " + b"double", 0
    for page in pages():
        at = page.find(mark)
        if at >= 0 and page[at + len(mark):][:6] == b", that": return 2 * x
    return 0
'''
"""Looks through its own memory for what the launcher had in its own when it forked."""
