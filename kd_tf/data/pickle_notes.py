"""Reads a pickle of images and flags without running it.

Unpickling runs what the file asks for. Here it may ask for the few NumPy names that arrays are made of, and gets stand-ins that only note
what they were called with; the notes are read afterwards. Nothing is allocated, hashed or copied because the file says so: reading costs
what the file's length does.
"""

import io
import math
import operator
import pickle
import pickletools
import re
from typing import Any, NamedTuple

import numpy as np

_NAMES = {(f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")}
_NAMES |= {("numpy.core.numeric", "_frombuffer"), ("numpy._core.numeric", "_frombuffer"), ("numpy", "ndarray"), ("numpy", "dtype")}
_OPERATIONS = (
    "PROTO FRAME STOP MARK GLOBAL STACK_GLOBAL INST REDUCE BUILD NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 "
    "STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 "
    "EMPTY_LIST APPEND APPENDS LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT MEMOIZE"
).split()
_DTYPE = re.compile(r"[<>|=][biufcmMSUVO]\d{0,5}")
_MAX_AXES = 32


def load_notes(data: bytes) -> Any:
    """What a pickle holds, with a `Note` in place of every array and NumPy scalar.

    Raises:
      Refused: it asks for what arrays of images do not need.
      Exception: any, for bytes that are no whole pickle.
    """
    return _Unpickler(data).load()


class Refused(Exception):
    """What a file asks for in vain."""


class Note:
    """What a name was called with, and the state set after."""

    __slots__ = ("name", "arguments", "state")

    def __init__(self, name: str, arguments: tuple):
        self.name = name
        self.arguments = arguments

    def __setstate__(self, state: Any):
        self.state = state


class _Name:
    """Stands for a NumPy name."""

    __slots__ = ("name",)

    def __init__(self, name: str):
        self.name = name

    def __call__(self, *arguments) -> Note:
        return Note(self.name, arguments)


class _Operations(dict):
    def __missing__(self, code: int):
        if chr(code) not in pickletools.code2op:
            raise ValueError(f"no pickle operation has the code {code}")
        raise Refused(f"the pickle operation {pickletools.code2op[chr(code)].name}")


# The one in C keeps its memo in an array, as long as the file says.
class _Unpickler(pickle._Unpickler):
    dispatch = _Operations({code: pickle._Unpickler.dispatch[code] for code in (getattr(pickle, name)[0] for name in _OPERATIONS)})
    # The other allocates first and reads then.
    dispatch[pickle.BYTEARRAY8[0]] = pickle._Unpickler.load_binbytes8

    def __init__(self, data: bytes):
        super().__init__(io.BytesIO(data), encoding="bytes")
        self._encoded = {}

    def find_class(self, module: str, name: str):
        if (module, name) == ("_codecs", "encode"):
            return self._encode
        if (module, name) not in _NAMES:
            raise Refused(ascii(f"{module}.{name}"[:80])[1:-1])
        return _Name(name)

    def _encode(self, text: str, encoding: str | bytes) -> bytes:
        """How protocols 0 to 2 spell bytes; a text that is asked for again costs nothing."""
        if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
            raise Refused("an encoding other than latin1 of a text")
        if text not in self._encoded:
            self._encoded[text] = text.encode("latin1")
        return self._encoded[text]


class NotedArray(NamedTuple):
    """An array as it was noted: the content is bytes, or a list of objects."""

    dtype: np.dtype
    shape: list[int]
    content: bytes | list


def noted_array(value: Any) -> NotedArray | None:
    """The array that was noted; None: something else was."""
    if not isinstance(value, Note) or value.name not in ("_reconstruct", "_frombuffer"):
        return None
    if value.name == "_frombuffer":
        content, dtype, shape, _ = value.arguments
    else:
        _, shape, dtype, _, content = value.state
    if len(shape) > _MAX_AXES:
        raise ValueError(f"{len(shape)} axes")
    dtype, lengths = _dtype(dtype), [operator.index(length) for length in shape]
    kind, size = (list, 1) if dtype.hasobject else (bytes, dtype.itemsize)
    # Lengths without bound would multiply to numbers without bound.
    bounded = all(0 <= length <= len(content) for length in lengths)
    if not isinstance(content, kind) or not bounded or len(content) != math.prod(lengths) * size:
        raise ValueError(f"an array of {dtype} with other content")
    return NotedArray(dtype, lengths, content)


def _dtype(note: Note) -> np.dtype:
    code, order = note.arguments[0], note.state[1]
    if len(code) > 6 or len(order) > 1:
        raise ValueError("not a dtype")
    code, order = (part.decode() if isinstance(part, bytes) else part for part in (code, order))
    if not _DTYPE.fullmatch(order + code):
        raise ValueError(f"not a dtype of numbers: {order + code}")
    return np.dtype(order + code)


def noted_scalar(note: Note) -> Any:
    """The value of a NumPy scalar."""
    dtype, content = note.arguments
    return np.frombuffer(content, _dtype(dtype))[0].item()


def kind_of(value: Any) -> str:
    """What a value is, for messages."""
    array = noted_array(value)
    if array is not None:
        return f"an array of {array.dtype} {array.shape}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {value.name}" if isinstance(value, Note | _Name) else type(value).__name__
