"""Raw memory and calls for compiled hooks: what Numba lacks to read another library's state."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic


def _load(bits: int) -> Any:
    def typed(_context: Any, address: Any) -> Any:
        def generate(_ctx: Any, builder: Any, _sig: Any, args: Any) -> Any:
            pointer = builder.inttoptr(args[0], ir.IntType(bits).as_pointer())
            value = builder.load(pointer)
            value.align = 1
            return builder.zext(value, ir.IntType(64)) if bits < 64 else value

        return types.int64(types.int64), generate

    return intrinsic(typed)


load_u8 = _load(8)
load_u16 = _load(16)
load_u32 = _load(32)


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
def store_u8(_context: Any, address: Any, value: Any) -> Any:
    """Write the low byte of `value` to an address."""

    def generate(_ctx: Any, builder: Any, _sig: Any, args: Any) -> Any:
        pointer_value = builder.inttoptr(args[0], ir.IntType(8).as_pointer())
        builder.store(builder.trunc(args[1], ir.IntType(8)), pointer_value)
        return ir.Constant(ir.IntType(64), 0)

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
