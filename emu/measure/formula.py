"""A number from others: `(lap[1] - lap[0]) / 6000`. Names are lists of what a run printed."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_LONGEST_COUNT = 500  # characters; keeps the parser's recursion away
_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True)
class Formula:
    """Numbers, `NAME[INDEX]` (negative ones count from the end), `+ - * /` and parentheses."""

    text: str

    def __post_init__(self) -> None:
        """Check it.

        Raises:
            ValueError: a sentence that says what is no part of a formula.
        """
        _check(_parse(self.text), self.text)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(
            node.id for node in ast.walk(_parse(self.text)) if isinstance(node, ast.Name)
        )

    def evaluate(self, values: Mapping[str, Sequence[float]]) -> float:
        """Its value.

        Raises:
            ValueError: a sentence: a name has too few values, or a division by zero.
        """
        try:
            found = _evaluate(_parse(self.text), values)
        except ZeroDivisionError as problem:
            raise ValueError(f"{self.text} divides by zero") from problem
        if not math.isfinite(found):
            raise ValueError(f"{self.text} is too large a number")
        return found


def _parse(text: str) -> ast.expr:
    try:
        if len(text) > _LONGEST_COUNT:
            raise SyntaxError
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        raise ValueError(
            f"'{text[:60]}' is no formula. Write for instance (lap[1] - lap[0]) / 10."
        ) from problem


def _check(node: ast.expr, text: str) -> None:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        _check(node.left, text)
        _check(node.right, text)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        _check(node.operand, text)
    elif not (_is_number(node) or _is_item(node)):
        raise ValueError(
            f"'{ast.unparse(node)[:60]}' in '{text[:60]}' is neither a number nor NAME[INDEX]. "
            "Write for instance (lap[1] - lap[0]) / 10."
        )


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def _is_item(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and _index(node.slice) is not None
    )


def _index(node: ast.expr) -> int | None:
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        sign, node = -1, node.operand
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return sign * node.value
    return None


def _evaluate(node: ast.expr, values: Mapping[str, Sequence[float]]) -> float:
    if isinstance(node, ast.BinOp):
        apply = _OPERATORS[type(node.op)]
        return apply(_evaluate(node.left, values), _evaluate(node.right, values))
    if isinstance(node, ast.UnaryOp):
        return -_evaluate(node.operand, values)
    if isinstance(node, ast.Subscript):
        assert isinstance(node.value, ast.Name)
        name, index = node.value.id, _index(node.slice)
        assert index is not None
        found = values.get(name, ())
        if not -len(found) <= index < len(found):
            raise ValueError(
                f"the run gave {len(found)} values of '{name}', so there is no {name}[{index}]"
            )
        return float(found[index])
    assert isinstance(node, ast.Constant)
    assert isinstance(node.value, int | float)
    return float(node.value)
