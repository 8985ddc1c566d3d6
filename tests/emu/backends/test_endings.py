"""How a run ends: exits, faults of each kind, bounds, and what the firmware hears of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from emu.backends.protocol import CAUSES, Execution, RunOptions
from emu.backends.unicorn_machine import UnicornMachine
from emu.errors import ImageError, UsageError
from tests.emu.backends.machine_bench import Bench, board_of

pytestmark = pytest.mark.needs_compiler

FAULTS = {
    "unmapped_read": "int main(void) { return REG(0x90000000); }",
    "unmapped_write": "int main(void) { REG(0x90000000) = 1; return 0; }",
    "write_to_flash": "int main(void) { REG(0x08000000) = 1; return 0; }",
    "unmapped_fetch": "int main(void) { return ((int (*)(void))0x60000001)(); }",
    "no_execute": "int main(void) { return ((int (*)(void))0x40024001)(); }",
    "undefined_instruction": 'int main(void) { __asm__ volatile("udf #1"); return 0; }',
    "divide_by_zero": "volatile int zero; int main(void) { return 7 / zero; }",
    "unaligned": 'static int w[4]; int main(void) { __asm__ volatile("ldm %0, {r1, r2}" : : '
    '"r"((char *)w + 2) : "r1", "r2", "memory"); return 0; }',
    "stack_overflow": "NOINLINE int deep(volatile int *p) { volatile int a[32]; a[0] = *p + 1;"
    " return deep(a) + a[0]; } int main(void) { int n = 0; return deep(&n); }",
    "breakpoint": 'int main(void) { __asm__ volatile("bkpt #1"); return 0; }',
}
F746_ONLY = {"no_execute"}


@pytest.mark.parametrize(
    "kind",
    tuple(FAULTS),
)
@pytest.mark.parametrize("accesses", ["reconstruct", "hook"])
def test_each_fault_stops_with_its_kind_and_place(bench: Bench, kind: str, accesses: str) -> None:
    board = board_of("f746" if kind in F746_ONLY else "h743")
    image = bench.image(FAULTS[kind], board)
    done = UnicornMachine().run(
        image,
        board,
        RunOptions(accesses=accesses, max_cycles=1_000_000),  # type: ignore[arg-type]  # one of the two
    )
    assert done.outcome == "fault"
    fault = done.fault
    assert fault is not None
    assert fault.kind == kind
    assert fault.sentence.endswith((".", "below."))
    registers = dict(fault.registers)
    assert registers["pc"] == fault.pc
    assert set(registers) >= {f"r{n}" for n in range(13)} | {"sp", "lr", "pc", "xpsr"}
    assert fault.call_path
    assert sum(done.cycles_by_cause.values()) == pytest.approx(done.cycles)
    parts = sum(float(done.profile[f"{cause.value}_cycles"].sum()) for cause in CAUSES)
    assert parts == pytest.approx(done.cycles)
    where = image.function_at(fault.pc)
    if "fetch" not in kind and kind != "no_execute":
        assert where is not None
        assert where.name == ("deep" if kind == "stack_overflow" else "main")


@pytest.mark.parametrize("timing", ["full", "issue", "none"])
@pytest.mark.parametrize("kind", ["unmapped_read", "divide_by_zero", "undefined_instruction"])
def test_faults_do_not_depend_on_timing(bench: Bench, kind: str, timing: str) -> None:
    done = bench.run(FAULTS[kind], timing=timing)
    assert done.fault is not None
    assert done.fault.kind == kind


def test_registers_are_those_of_the_fault(bench: Bench) -> None:
    source = """int main(void) {
        __asm__ volatile("mov.w r4, #77\\n mov.w r5, #0x90000000\\n mov.w r6, #1\\n ldr r7, [r5]\\n"
                         "mov.w r4, #99" : : : "r4", "r5", "r6", "r7");
        return 0; }"""
    fault = bench.run(source).fault
    assert fault is not None
    registers = dict(fault.registers)
    assert (registers["r4"], registers["r5"]) == (77, 0x90000000)
    assert fault.address == 0x90000000


def test_an_unaligned_fault_in_code_that_ran_before_stops_there(bench: Bench) -> None:
    source = """static uint32_t words[8];
    NAKED void load(char *p, int n) {
        __asm__ volatile("push {r4, lr}\\n mov r4, r1\\n ldm.w r0, {r2, r3}\\n mov.w r4, #0\\n"
                         " pop {r4, pc}");
    }
    int main(void) {
        for (int i = 0; i < 9; i++) load((char *)words, i);
        load((char *)words + 2, 77);
        puts("went on");
        for (;;) sink++;
    }"""
    done = bench.run(source)
    assert done.fault is not None
    assert done.fault.kind == "unaligned"
    assert dict(done.fault.registers)["r4"] == 77
    assert done.console == b""


@pytest.mark.parametrize("load", ["vldrne s0, [r0]", "ldrdne r2, r3, [r0]", "ldmne r0, {r2, r3}"])
@pytest.mark.parametrize("compare", ["cmp r1, #0", "adds r1, #0"], ids=["known", "unknown"])
def test_a_load_that_is_skipped_may_have_any_address(bench: Bench, load: str, compare: str) -> None:
    source = (
        f'NAKED void f(char *p, int n) {{ __asm__ volatile("{compare}\\n it ne\\n {load}\\n'
        ' bx lr"); } int main(void) { f((char *)0x24000001, 0); return 0; }'
    )
    done = bench.run(source)
    assert (done.fault, done.exit_code) == (None, 0)


@pytest.mark.parametrize(
    "jump",
    ["bx r0", "push {r0}\\n pop {pc}", "push {r0}\\n ldr.w pc, [sp], #4", "bx pc\\n nop"],
    ids=["bx", "pop", "ldr", "bx_pc"],
)
def test_a_jump_to_an_even_address_is_refused(bench: Bench, jump: str) -> None:
    source = (
        'NAKED void even(void) { __asm__ volatile("movs r0, #0\\n movt r0, #0x0800\\n '
        + jump + '"); } int main(void) { even(); return 0; }'
    )  # fmt: skip
    done = bench.run(source)
    assert done.fault is not None
    assert done.fault.kind == "undefined_instruction"
    assert "even address" in done.fault.sentence


def test_divisions_trap_also_in_code_that_ran_before_the_trap(bench: Bench) -> None:
    source = """
    volatile int divisor = 1;
    NOINLINE int sum(int rounds) {
        int total = 0;
        do { total += 100 / divisor; } while (--rounds);
        return total;
    }
    int main(void) {
        REG(0xE000ED14) &= ~16u;
        sink = sum(5);
        divisor = 0;
        REG(0xE000ED14) |= 16;
        return sum(5);
    }"""
    done = bench.run(source)
    assert done.fault is not None
    assert done.fault.kind == "divide_by_zero"


def test_a_division_by_zero_that_nobody_traps_gives_zero(bench: Bench) -> None:
    source = "volatile int zero; int main(void) { REG(0xE000ED14) &= ~16u; return 7 / zero; }"
    done = bench.run(source)
    assert (done.outcome, done.exit_code) == ("exited", 0)


@pytest.mark.parametrize("code", [0, 1, 42, -1])
def test_the_exit_code_is_what_main_returned(bench: Bench, code: int) -> None:
    done = bench.run("int main(void) { return CODE; }", defines={"CODE": code})
    assert (done.outcome, done.exit_code) == ("exited", code)


def test_console_arrives_whole_and_as_it_is_written(bench: Bench) -> None:
    pieces: list[bytes] = []
    source = 'int main(void) { for (int i = 0; i < 3; i++) printf("line %d\\n", i); return 0; }'
    done = bench.run(source, on_console=pieces.append)
    assert done.console == b"".join(pieces) == b"line 0\nline 1\nline 2\n"


@pytest.mark.parametrize("timing", ["full", "issue", "none"])
def test_a_bound_on_cycles_stops_a_runaway(bench: Bench, timing: str) -> None:
    source = "int main(void) { for (;;) sink++; }"
    done = bench.run(source, timing=timing, max_cycles=300_000)
    assert done.outcome == "max_cycles"
    reached = done.cycles if done.cycles is not None else done.instructions
    assert 300_000 <= reached < 301_000


def test_a_bound_on_time_stops_a_runaway(bench: Bench) -> None:
    done = bench.run("int main(void) { for (;;) sink++; }", max_cycles=None, timeout_s=0.2)
    assert done.outcome == "timeout"
    assert done.host_s < 5


@pytest.mark.parametrize(
    "body", ["for (;;) ;", '__asm__ volatile("wfi");', '__asm__ volatile("1: b 1b");'],
    ids=["empty_loop", "wfi", "branch_to_itself"],
)  # fmt: skip
def test_waiting_for_what_never_comes_is_a_halt(bench: Bench, body: str) -> None:
    done = bench.run("int main(void) { " + body + " return 0; }", max_cycles=100_000_000)
    assert done.outcome == "halted"


def test_an_entry_returns_its_result(bench: Bench) -> None:
    source = "NOINLINE int seven(void) { return 7 + (int)sink; } int main(void) { return seven(); }"
    done = bench.run(source, entry="seven")
    assert (done.outcome, done.exit_code) == ("exited", 7)


def test_a_function_that_is_not_there_is_refused(bench: Bench) -> None:
    for options in ({"measure": ("none",)}, {"entry": "none"}):
        with pytest.raises(UsageError, match="has no function of that name"):
            bench.run("int main(void) { return 0; }", **options)


def test_an_image_of_another_chip_is_refused(bench: Bench) -> None:
    board = board_of()
    image = bench.image("int main(void) { return 0; }", board)
    regions = tuple(
        replace(region, start=0x0A00_0000) if region.name == "flash" else region
        for region in board.chip.regions
    )
    other = replace(board, chip=replace(board.chip, regions=regions))
    with pytest.raises(ImageError, match=r"Was it linked for another part\?"):
        UnicornMachine().run(image, other, RunOptions())


CYCCNT = """
NAKED uint32_t timed(volatile uint32_t *counter, int n) {
    __asm__ volatile("ldr.w r2, [r0]\\n dsb\\n"
                     "1: subs.w r1, r1, #1\\n bne.w 1b\\n"
                     " dsb\\n ldr.w r3, [r0]\\n sub.w r0, r3, r2\\n bx lr");
}
int main(void) {
    REG(0xE000EDFC) |= 1 << 24;
    REG(0xE0001000) |= 1;
    timed((volatile uint32_t *)0xE0001004, 10);
    uint32_t took = timed((volatile uint32_t *)0xE0001004, N);
    printf("%u", (unsigned)took);
    return 0;
}
"""


def counted(done: Execution) -> int:
    assert done.exit_code == 0
    return int(done.console)


def test_the_cycle_counter_answers_with_the_modelled_count(bench: Bench) -> None:
    """A loop of one cycle a round: what the firmware measures is what the model counts."""
    few, many = (bench.run(CYCCNT, defines={"N": n}) for n in (100, 5100))
    assert counted(many) - counted(few) == 5000
    assert many.cycles is not None
    assert few.cycles is not None
    printed = many.cycles - few.cycles - 5000
    assert abs(printed) < 500  # one digit more to print


def test_a_counter_that_is_not_switched_on_stands_still(bench: Bench) -> None:
    source = CYCCNT.replace("REG(0xE0001000) |= 1;", "")
    assert counted(bench.run(source, defines={"N": 100})) == 0


def test_two_reads_in_one_block_differ_by_the_cycles_between(bench: Bench) -> None:
    source = """
    NAKED uint32_t timed(volatile uint32_t *counter) {
        __asm__ volatile("ldr.w r2, [r0]\\n .rept 20\\n add.w r1, r1, #1\\n .endr\\n"
                         " ldr.w r3, [r0]\\n sub.w r0, r3, r2\\n bx lr");
    }
    int main(void) {
        REG(0xE000EDFC) |= 1 << 24; REG(0xE0001000) |= 1;
        timed((volatile uint32_t *)0xE0001004);
        printf("%u", (unsigned)timed((volatile uint32_t *)0xE0001004));
        return 0;
    }
    """
    assert 19 <= counted(bench.run(source)) <= 22
