"""Code in RAM that other code is copied over: no fault of the old code, no memory for each copy."""

from __future__ import annotations

import pytest

from emu.backends import unicorn_machine
from emu.backends.code_store import CodeStore, StoredBlock
from tests.emu.backends.machine_bench import Bench

pytestmark = pytest.mark.needs_compiler

OVERLAYS = """
NAKED int add_one(int n, char *p, uintptr_t f) {
    __asm__ volatile("add.w r0, r0, #1\\n bx lr\\n nop\\n nop\\n nop\\n nop\\n nop");
}
NAKED int add_six(int n, char *p, uintptr_t f) {
    __asm__ volatile("add.w r0, r0, #2\\n add.w r0, r0, #2\\n add.w r0, r0, #2\\n bx lr\\n nop");
}
NAKED int add_two(int n, char *p, uintptr_t f) {
    __asm__ volatile("add.w r0, r0, #2\\n b.n 1f\\n 1: nop\\n bx lr\\n nop\\n nop\\n nop");
}
NAKED int indirect(int n, char *p, uintptr_t f) {
    __asm__ volatile("add.w r0, r0, #2\\n bx r2\\n nop\\n nop\\n nop\\n nop\\n nop");
}
NAKED int load_two(int n, char *p, uintptr_t f) {
    __asm__ volatile("ldm.w r1, {r2, r3}\\n bx lr\\n nop\\n nop\\n nop\\n nop\\n nop");
}
NAKED void back(void) { __asm__ volatile("bx lr"); }
static uint32_t ram[8] __attribute__((aligned(32)));
static int call(int (*source)(int, char *, uintptr_t), int n, char *p, uintptr_t f) {
    memcpy(ram, (const void *)((uintptr_t)source & ~1u), 16);
    __asm__ volatile("dsb\\n isb" : : : "memory");
    return ((int (*)(int, char *, uintptr_t))((uintptr_t)ram | 1))(n, p, f);
}
int main(void) {
    int n = 0;
    BODY
    return n;
}
"""


@pytest.mark.parametrize(
    ("body", "result"),
    [
        pytest.param("n = call(indirect, n, 0, (uintptr_t)back); n = call(add_two, n, 0, 4);",
                     4, id="an_indirect_branch_becomes_a_direct_one"),
        pytest.param("n = call(load_two, n, (char *)ram, 0);"
                     "n = call(add_one, n, (char *)ram + 1, 0);",
                     1, id="a_multiple_load_becomes_a_sum"),
    ],
)  # fmt: skip
def test_new_code_of_the_old_size_has_no_faults_of_the_old(
    bench: Bench, body: str, result: int
) -> None:
    done = bench.run(OVERLAYS.replace("BODY", body))
    assert (done.fault, done.outcome, done.exit_code) == (None, "exited", result)


def test_overlays_that_take_turns_are_decoded_once_each(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []

    class Counting(CodeStore):
        def add(self, code: bytes, address: int) -> StoredBlock:
            found = super().add(code, address)
            counts.append(len(self.stored))
            return found

    monkeypatch.setattr(unicorn_machine, "CodeStore", Counting)
    body = "for (int i = 0; i < {}; i++) n = call(i & 1 ? add_six : add_one, n, 0, 0);"
    few = bench.run(OVERLAYS.replace("BODY", body.format(4)))
    known = counts[-1]
    many = bench.run(OVERLAYS.replace("BODY", body.format(40)))
    assert (few.exit_code, many.exit_code) == (14, 140)
    assert counts[-1] <= known + 2
