"""The hook's words as Python reads them where it counts."""

from __future__ import annotations

import ctypes

import numpy as np
import numpy.typing as npt

Words = ctypes.Array[ctypes.c_int64]


def view_words(array: npt.NDArray[np.int64]) -> Words:
    """The same memory as the flat array, whose items are read as `int`, in a third of the time.

    To be indexed by the plain integers of `emu.backends.constants`: up to Python 3.11, looking an
    enum member up takes longer than the read.
    """
    return (ctypes.c_int64 * len(array)).from_buffer(array.data)
