"""Names by content: the digests under which generations, divergences and grades are stored and found again.

It decides which inputs make two results the same. It reads no files: digests of models come from the shell.
"""

import hashlib
import json

KEY_LENGTH = 32


def digest(value: object) -> str:
    """`sha256:` and the digest of the value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def key(value: object) -> str:
    """A folder name: the first 128 bits of the digest, in hex."""
    return digest(value).removeprefix("sha256:")[:KEY_LENGTH]


def stream_seed(seed: int, problem: str, sample: int) -> int:
    """Seed of one answer's own random stream: below 2**63, a function of run seed, problem and sample number alone.

    Subjects of one evaluation therefore draw with the same random numbers, which narrows paired differences.
    """
    return int(digest([seed, problem, sample]).removeprefix("sha256:")[:16], 16) >> 1
