"""Stack, heap and measured calls, seen from outside."""

from __future__ import annotations

import pytest

from emu.backends.protocol import CallStats, Execution
from emu.firmware.image import Image
from tests.emu.backends.machine_bench import Bench, board_of

pytestmark = pytest.mark.needs_compiler


def names(image: Image, path: tuple[int, ...]) -> list[str]:
    found = []
    for address in path:
        symbol = image.function_at(address - 1 if address != path[-1] else address)
        found.append(symbol.name if symbol is not None else "?")
    return found


STACK = """
NAKED void leaf(void) { __asm__ volatile("sub.w sp, sp, #200\\n add.w sp, sp, #200\\n bx lr"); }
NAKED void middle(void) {
    __asm__ volatile("push {r4, r5, r6, lr}\\n bl leaf\\n pop {r4, r5, r6, pc}");
}
NAKED void other(void) { __asm__ volatile("push {r4, lr}\\n bl leaf\\n pop {r4, pc}"); }
NAKED void wide(void) {
    __asm__ volatile("push {r4, lr}\\n sub sp, %0\\n bl other\\n add sp, %0\\n pop {r4, pc}"
                     : : "i"(EXTRA));
}
int main(void) { other(); middle(); wide(); other(); return 0; }
"""


def test_the_stack_mark_is_the_lowest_point_with_its_path(bench: Bench) -> None:
    board = board_of()
    image = bench.image(STACK, board, {"EXTRA": 64})
    shallow = bench.run(STACK, board, defines={"EXTRA": 0})
    deep = bench.run(STACK, board, defines={"EXTRA": 64})
    assert deep.stack is not None
    assert shallow.stack is not None
    assert deep.stack.peak_bytes - shallow.stack.peak_bytes == 64 + 8 + 8 - 16
    assert names(image, deep.stack.call_path)[-3:] == ["wide", "other", "leaf"]
    assert "main" in names(image, deep.stack.call_path)


@pytest.mark.parametrize("timing", ["full", "issue", "none"])
@pytest.mark.parametrize("accesses", ["reconstruct", "hook"])
def test_the_stack_mark_does_not_depend_on_how_one_runs(
    bench: Bench, timing: str, accesses: str
) -> None:
    known = bench.run(STACK, defines={"EXTRA": 64})
    assert bench.run(STACK, defines={"EXTRA": 64}, timing=timing, accesses=accesses).stack == (
        known.stack
    )


RECURSION = """
NAKED int down(int n) {
    __asm__ volatile("push {r4, lr}\\n cbz r0, 1f\\n subs r0, #1\\n bl down\\n1: pop {r4, pc}");
}
NAKED void quick(void) { __asm__ volatile("nop\\n nop\\n bx lr\\n .space 32"); }
int main(void) { for (int i = 0; i < 3; i++) quick(); down(DEPTH); quick(); return 0; }
"""


def call(execution: Execution, name: str) -> CallStats:
    (found,) = [stats for stats in execution.calls if stats.name == name]
    return found


@pytest.mark.parametrize("depth", [0, 1, 50])
def test_calls_of_a_recursive_function_are_counted_each(bench: Bench, depth: int) -> None:
    done = bench.run(RECURSION, defines={"DEPTH": depth}, measure=("down", "quick"))
    down = call(done, "down")
    assert down.calls_count == depth + 1
    assert down.stack_peak_bytes == 8 * (depth + 1)
    assert call(done, "quick").calls_count == 4
    assert call(done, "quick").stack_peak_bytes == 0


def test_the_first_call_is_cold_and_the_rest_are_warm(bench: Bench) -> None:
    quick = call(bench.run(RECURSION, defines={"DEPTH": 0}, measure=("quick",)), "quick")
    assert quick.warm_count == 3
    assert quick.cold_instructions == quick.warm_mean_instructions == 3
    assert quick.cold_cycles is not None
    assert quick.warm_mean_cycles is not None
    assert quick.warm_min_cycles is not None
    assert quick.warm_max_cycles is not None
    assert quick.cold_cycles > quick.warm_min_cycles
    assert quick.warm_min_cycles <= quick.warm_mean_cycles <= quick.warm_max_cycles


def test_a_function_never_called_has_no_numbers(bench: Bench) -> None:
    source = "__attribute__((used)) void lonely(void) { sink = 1; } int main(void) { return 0; }"
    lonely = call(bench.run(source, cflags=("-fno-function-sections",), measure=("lonely",)),
                  "lonely")  # fmt: skip
    assert lonely.calls_count == lonely.warm_count == 0
    assert lonely.cold_cycles is lonely.warm_mean_cycles is lonely.stack_peak_bytes is None


def test_measured_calls_are_inclusive_and_nest(bench: Bench) -> None:
    source = """
    NAKED void inner(int n) { __asm__ volatile("1: subs.w r0, r0, #1\\n bne.w 1b\\n bx lr"); }
    NAKED void outer(int n) { __asm__ volatile("push {r4, lr}\\n bl inner\\n pop {r4, pc}"); }
    int main(void) { outer(1000); inner(1000); outer(1000); return 0; }
    """
    done = bench.run(source, measure=("outer", "inner"))
    outer, inner = call(done, "outer"), call(done, "inner")
    assert (outer.calls_count, inner.calls_count) == (2, 3)
    assert inner.warm_max_cycles is not None
    assert outer.warm_min_cycles is not None
    assert outer.warm_mean_instructions == 2001 + 3
    assert 1000 <= inner.warm_max_cycles < outer.warm_min_cycles < 1100
    assert (outer.stack_peak_bytes, inner.stack_peak_bytes) == (8, 0)


def test_a_tail_call_is_a_call(bench: Bench) -> None:
    source = """
    NAKED void inner(void) {
        __asm__ volatile("push {r4, r5, r6, lr}\\n nop\\n pop {r4, r5, r6, pc}");
    }
    NAKED void outer(void) { __asm__ volatile("b.w inner"); }
    int main(void) { outer(); outer(); return 0; }
    """
    done = bench.run(source, measure=("outer", "inner"))
    assert call(done, "inner").calls_count == 2
    assert call(done, "outer").calls_count == 2
    assert call(done, "outer").stack_peak_bytes == 16


def test_a_measured_entry_ends_with_the_run(bench: Bench) -> None:
    source = "NOINLINE int seven(void) { return 7 + (int)sink; } int main(void) { return seven(); }"
    done = bench.run(source, entry="seven", measure=("seven",))
    seven = call(done, "seven")
    assert (done.exit_code, seven.calls_count) == (7, 1)
    assert seven.cold_instructions == done.instructions
    assert seven.cold_cycles == done.cycles


@pytest.mark.parametrize("depth", [3, 150])
def test_longjmp_ends_the_calls_it_leaves(bench: Bench, depth: int) -> None:
    source = """#include <setjmp.h>
    static jmp_buf place;
    NOINLINE void deep(int n) {
        volatile int local[2];
        local[0] = n;
        if (n == 0) longjmp(place, 1);
        deep(n - 1);
        local[1] = 1;
    }
    NOINLINE int outer(int n) { if (setjmp(place) == 0) deep(n); return 1; }
    int main(void) { int n = 0; for (int i = 0; i < 5; i++) n += outer(DEPTH); return n; }
    """
    done = bench.run(source, defines={"DEPTH": depth}, measure=("outer", "deep"))
    assert done.exit_code == 5
    assert call(done, "outer").calls_count == 5
    assert call(done, "deep").calls_count == 5 * (depth + 1)


def test_measuring_changes_nothing(bench: Bench) -> None:
    plain = bench.run(RECURSION, defines={"DEPTH": 20})
    measured = bench.run(RECURSION, defines={"DEPTH": 20}, measure=("down", "quick"))
    assert measured.cycles == plain.cycles
    assert measured.stack == plain.stack


def heap(bench: Bench, body: str) -> tuple[int, int, int]:
    done = bench.run("int main(void) { " + body + " }")
    assert (done.outcome, done.exit_code) == ("exited", 0)
    assert done.heap is not None
    return done.heap.peak_bytes, done.heap.allocations_count, done.heap.live_at_exit_bytes


# Each block is led by 8 bytes.
@pytest.mark.parametrize(
    ("body", "mark"),
    [
        pytest.param("char *a = malloc(100); sink = (uint32_t)a; free(a); return 0;",
                     (108, 1, 0), id="one"),
        pytest.param("sink = (uint32_t)malloc(100); return 0;", (108, 1, 100), id="leak"),
        pytest.param("char *a = malloc(64), *b = malloc(64); sink = (uint32_t)a + (uint32_t)b;"
                     " free(a); free(b); return 0;", (144, 2, 0), id="two_at_once"),
        pytest.param("for (int i = 0; i < 9; i++) { char *a = malloc(64); sink = (uint32_t)a;"
                     " free(a); } return 0;", (72, 9, 0), id="one_after_another"),
        pytest.param("char *a = calloc(10, 8); sink = (uint32_t)a; return a[5];",
                     (88, 1, 80), id="calloc"),
        pytest.param("char *a = malloc(16); sink = (uint32_t)a; a = realloc(a, 400);"
                     " sink = (uint32_t)a; return 0;", (408, 2, 400), id="realloc_in_place"),
        pytest.param("char *a = malloc(16), *b = malloc(16); sink = (uint32_t)a + (uint32_t)b;"
                     " a = realloc(a, 400); sink = (uint32_t)a; return 0;",
                     (456, 3, 416), id="realloc_moves"),
        pytest.param("sink = (uint32_t)malloc(1 << 24); return 0;", (0, 0, 0), id="refused"),
        pytest.param("free(NULL); sink = (uint32_t)malloc(8); return 0;", (16, 1, 8),
                     id="free_of_nothing"),
    ],
)  # fmt: skip
def test_the_heap_mark(bench: Bench, body: str, mark: tuple[int, int, int]) -> None:
    assert heap(bench, body) == mark


def test_firmware_without_an_allocator_has_no_heap(bench: Bench) -> None:
    assert bench.run("int main(void) { return 0; }").heap is None
