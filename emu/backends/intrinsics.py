"""Raw memory and calls for compiled hooks: what Numba lacks to read another library's state."""

from __future__ import annotations

import ctypes
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, overload


def _reader(bits: int, scale: int, signed: bool) -> Any:
    """An intrinsic `(base, index) -> value at base + scale * index`, widened to 64 bits."""

    def typed(_context: Any, base: Any, index: Any) -> Any:
        def generate(_ctx: Any, builder: Any, _sig: Any, args: Any) -> Any:
            value = builder.load(_place(builder, args, bits, scale))
            if scale != bits // 8:
                value.align = 1
            if bits == 64:
                return value
            widen = builder.sext if signed else builder.zext
            return widen(value, ir.IntType(64))

        return types.int64(types.int64, types.int64), generate

    return intrinsic(typed)


def _writer(bits: int) -> Any:
    def typed(_context: Any, base: Any, index: Any, value: Any) -> Any:
        def generate(_ctx: Any, builder: Any, _sig: Any, args: Any) -> Any:
            narrow = args[2] if bits == 64 else builder.trunc(args[2], ir.IntType(bits))
            builder.store(narrow, _place(builder, args, bits, bits // 8))
            return ir.Constant(ir.IntType(64), 0)

        return types.int64(types.int64, types.int64, types.int64), generate

    return intrinsic(typed)


def _place(builder: Any, args: Any, bits: int, scale: int) -> Any:
    offset = builder.mul(args[1], ir.Constant(ir.IntType(64), scale))
    return builder.inttoptr(builder.add(args[0], offset), ir.IntType(bits).as_pointer())


_get64, _get32, _get8 = _reader(64, 8, True), _reader(32, 4, True), _reader(8, 1, False)
_put64, _put32, _put8 = _writer(64), _writer(32), _writer(8)
_byte, _half, _word = _reader(8, 1, False), _reader(16, 1, False), _reader(32, 1, False)


# Arrays of the hooks are addresses; these six read and write their elements. Uncompiled they work
# through ctypes, so that every hook can also be run and stepped through as plain Python.


def get(base: int, index: int) -> int:
    """Element of an int64 array."""
    return ctypes.c_int64.from_address(base + 8 * index).value


def put(base: int, index: int, value: int) -> None:
    """Set an element of an int64 array."""
    ctypes.c_int64.from_address(base + 8 * index).value = value


def get32(base: int, index: int) -> int:
    """Element of an int32 array."""
    return ctypes.c_int32.from_address(base + 4 * index).value


def put32(base: int, index: int, value: int) -> None:
    """Set an element of an int32 array."""
    ctypes.c_int32.from_address(base + 4 * index).value = value


def get8(base: int, index: int) -> int:
    """Element of a uint8 array."""
    return ctypes.c_uint8.from_address(base + index).value


def put8(base: int, index: int, value: int) -> None:
    """Set an element of a uint8 array."""
    ctypes.c_uint8.from_address(base + index).value = value


def load_u8(address: int) -> int:
    """A byte of guest or emulator memory."""
    return ctypes.c_uint8.from_address(address).value


def load_u16(address: int) -> int:
    """A half-word, at any alignment."""
    return ctypes.c_uint16.from_address(address).value


def load_u32(address: int) -> int:
    """A word, at any alignment."""
    return ctypes.c_uint32.from_address(address).value


# Compiled code gets the intrinsics instead. Lambdas, because Numba compares the two signatures
# with their annotations.
overload(get)(lambda base, index: lambda base, index: _get64(base, index))
overload(put)(lambda base, index, value: lambda base, index, value: _put64(base, index, value))
overload(get32)(lambda base, index: lambda base, index: _get32(base, index))
overload(put32)(lambda base, index, value: lambda base, index, value: _put32(base, index, value))
overload(get8)(lambda base, index: lambda base, index: _get8(base, index))
overload(put8)(lambda base, index, value: lambda base, index, value: _put8(base, index, value))
overload(load_u8)(lambda address: lambda address: _byte(address, 0))
overload(load_u16)(lambda address: lambda address: _half(address, 0))
overload(load_u32)(lambda address: lambda address: _word(address, 0))


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def pointer(_context: Any, address: Any) -> Any:
    """An integer address as the void pointer that `carray` takes."""

    def generate(_ctx: Any, builder: Any, _sig: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def call_with_handle(_context: Any, function: Any, handle: Any) -> Any:
    """Call `int function(void *handle)` at an integer address."""

    def generate(_ctx: Any, builder: Any, _sig: Any, args: Any) -> Any:
        signature = ir.FunctionType(ir.IntType(32), [ir.IntType(64)])
        target = builder.inttoptr(args[0], signature.as_pointer())
        return builder.sext(builder.call(target, [args[1]]), ir.IntType(64))

    return types.int64(types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def read_registers(_context: Any, function: Any, handle: Any, ids: Any, values: Any) -> Any:
    """Call `uc_reg_read_batch(handle, ids, values, 16)` at an integer address."""

    def generate(_ctx: Any, builder: Any, _sig: Any, args: Any) -> Any:
        word = ir.IntType(64)
        signature = ir.FunctionType(ir.IntType(32), [word, word, word, ir.IntType(32)])
        target = builder.inttoptr(args[0], signature.as_pointer())
        sixteen = ir.Constant(ir.IntType(32), 16)
        return builder.sext(builder.call(target, [args[1], args[2], args[3], sixteen]), word)

    return types.int64(types.int64, types.int64, types.int64, types.int64), generate
