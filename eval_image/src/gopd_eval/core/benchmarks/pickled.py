"""LiveCodeBench's private tests as text, without unpickling anything.

They are published as JSON text, or as base64 of a zlib stream of a pickle of that text. Reading a pickle runs whatever
it says, so none is read here: its instructions are listed, and the only ones that are taken are those that one text is
written with. Anything else is refused by name.
"""

import base64
import binascii
import pickletools
import zlib
from typing import Final

from gopd_eval.core.benchmarks.records import RecordError

LARGEST: Final = 1 << 30
"""Bytes of the tests of one problem; a stream that grows beyond is refused before it fills the memory."""
_TEXTS = frozenset({"UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"})
_AROUND = frozenset({"PROTO", "FRAME", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "STOP"})
_AGAIN = "give the file as it was published"


def private_cases(published: str) -> str:
    """The JSON text of the private cases. Raises RecordError."""
    if published.lstrip().startswith("["):
        return published
    try:
        stream = zlib.decompressobj()
        pickled = stream.decompress(base64.b64decode(published, validate=True), LARGEST)
    except (binascii.Error, zlib.error) as error:
        raise RecordError(f"has `private_test_cases` that cannot be unpacked ({error})", _AGAIN) from None
    if stream.unconsumed_tail:
        raise RecordError(f"has `private_test_cases` of more than {LARGEST >> 20} MiB", _AGAIN)
    return _only_text(pickled)


def _only_text(pickled: bytes) -> str:
    texts: list[str] = []
    try:
        for instruction, argument, _ in pickletools.genops(pickled):
            if instruction.name in _TEXTS:
                texts.append(str(argument))
            elif instruction.name not in _AROUND:
                fault = f"has pickled tests that are more than a text (they say {instruction.name})"
                raise RecordError(fault, "do not use this copy: get the file where it is published")
    except (ValueError, IndexError) as error:
        raise RecordError(f"has pickled tests that cannot be read ({error})", _AGAIN) from None
    if len(texts) != 1:
        raise RecordError(f"has pickled tests with {len(texts)} texts where one belongs", _AGAIN)
    return texts[0]
