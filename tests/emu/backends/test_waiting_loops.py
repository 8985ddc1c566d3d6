"""Waiting loops: passing their turns over changes no number, only the time that it takes here."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from emu.backends.protocol import Execution, RunOptions
from emu.backends.unicorn_machine import UnicornMachine
from emu.backends.waiting_loops import WaitingLoops
from tests.emu.backends.machine_bench import Bench, board_of

pytestmark = pytest.mark.needs_compiler

# USART1, TIM2 and SysTick are at the same place on both parts.
REGISTERS = """
#define CR1 REG(0x40011000)
#define BRR REG(0x4001100C)
#define ISR REG(0x4001101C)
#define TDR REG(0x40011028)
#define TIM2(offset) REG(0x40000000 + (offset))
#define SYST_CSR REG(0xE000E010)
#define SYST_RVR REG(0xE000E014)
#define SYST_CVR REG(0xE000E018)
#define CYCCNT REG(0xE0001004)
static volatile uint32_t ticks;
void SysTick_Handler(void) { ticks++; }
NOINLINE uint32_t get_tick(void) { return ticks; }
static void tick_every(uint32_t cycles)
{
    SYST_RVR = cycles - 1;
    SYST_CVR = 0;
    SYST_CSR = 7;
}
static void serial_open(void)
{
    BRR = 900;
    CR1 = 0xD; /* UE, TE, RE */
}
"""

LOOPS = {
    "polling transmitter": """
        int main(void)
        {
            serial_open();
            for (int n = 0; n < 30; n++) {
                while (!(ISR & 1u << 7));
                TDR = 'a' + n % 26;
            }
            while (!(ISR & 1u << 6));
            return 0;
        }""",
    "transmitter with a time-out, as HAL has it": """
        NOINLINE int wait_flag(uint32_t flag, uint32_t start, uint32_t patience)
        {
            while (!(ISR & flag)) {
                if (get_tick() - start > patience) return 3;
                if (CR1 & 1u << 2 && ISR & 1u << 11) return 4;
            }
            return 0;
        }
        int main(void)
        {
            tick_every(30000);
            serial_open();
            for (int n = 0; n < 30; n++) {
                if (wait_flag(1u << 7, get_tick(), 50)) return 1;
                TDR = 'a' + n % 26;
            }
            return wait_flag(1u << 6, get_tick(), 50);
        }""",
    "delay by a tick": """
        NOINLINE void delay(uint32_t time)
        {
            uint32_t start = get_tick();
            while (get_tick() - start < time);
        }
        int main(void)
        {
            tick_every(200000);
            delay(40);
            return ticks != 40;
        }""",
    "flag of an interrupt in a long wait": """
        int main(void)
        {
            tick_every(15000000);
            while (!ticks);
            return 0;
        }""",
    "count of a slow timer": """
        int main(void)
        {
            TIM2(0x28) = 9999; /* PSC */
            TIM2(0x14) = 1; /* UG */
            TIM2(0x10) = 0;
            TIM2(0x00) = 1; /* CEN */
            while (TIM2(0x24) < 30);
            TIM2(0x2C) = 99; /* ARR */
            while (!(TIM2(0x10) & 1));
            return 0;
        }""",
    "wraps of SysTick": """
        int main(void)
        {
            SYST_RVR = 99999;
            SYST_CVR = 0;
            SYST_CSR = 5;
            for (int n = 0; n < 20; n++)
                while (!(SYST_CSR & 1u << 16));
            return 0;
        }""",
    "registers that nobody knows": """
        int main(void)
        {
            tick_every(300000);
            while (ticks < 5)
                sink = REG(0x4000FC00) + REG(0x40011080) + REG(0xE0001FF0);
            return 0;
        }""",
    "counts that are no waits": """
        int main(void)
        {
            float sum = 0;
            register float high __asm__("s20") = 0;
            tick_every(100000);
            for (uint32_t n = 0; ticks < 12; n++) {
                sink++; /* in memory */
                sum += 1.0f;
                __asm__ volatile("vadd.f32 %0, %0, %1" : "+t"(high) : "t"(sum));
            }
            REG(0xE0001000) |= 1;
            REG(0xE000EDFC) |= 1u << 24;
            while (CYCCNT < 300000);
            return sum + high == 1.0f;
        }""",
    "count in floating-point registers only": """
        int main(void)
        {
            tick_every(1500000);
            __asm__ volatile(
                "vmov.f32 s20, #1.0\\n vmov.f32 s21, #1.0\\n vmov s22, %0\\n"
                "1: vadd.f32 s20, s20, s21\\n vcmp.f32 s20, s22\\n vmrs APSR_nzcv, FPSCR\\n blt 1b"
                : : "r"(0x48F42400) : "s20", "s21", "s22", "cc"); /* 500,000 */
            return 0;
        }""",
    "what an interrupt ends in a handler": """
        static volatile uint32_t seen;
        void TIM2_IRQHandler(void)
        {
            TIM2(0x10) = 0;
            uint32_t before = ticks;
            while (ticks == before); /* the more urgent SysTick */
            seen++;
        }
        int main(void)
        {
            REG(0xE000E41C) = 0x80; /* TIM2 below SysTick */
            REG(0xE000E100) = 1u << 28;
            tick_every(100000);
            TIM2(0x2C) = 150000;
            TIM2(0x0C) = 1; /* UIE */
            TIM2(0x00) = 1;
            while (seen < 6);
            return 0;
        }""",
}


def differences(one: Execution, other: Execution) -> list[str]:
    """Fields that are not the same, but for what a person waits."""
    found = []
    for field in fields(Execution):
        if field.name in ("host_s", "busy_loop", "profile"):
            continue
        if getattr(one, field.name) != getattr(other, field.name):
            found.append(field.name)
    if not np.array_equal(one.profile, other.profile):
        found.append("profile")
    return found


def both(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    board: str,
    cflags: tuple[str, ...] = (),
    **options: Any,
) -> tuple[Execution, Execution]:
    """The same run with turns passed over, and with every turn run."""
    target = board_of(board)
    image = bench.image(REGISTERS + source, target, cflags=cflags)
    chosen = RunOptions(**{"max_cycles": 60_000_000, **options})
    passed = UnicornMachine().run(image, target, chosen)
    monkeypatch.setattr(WaitingLoops, "enabled", False)
    return passed, UnicornMachine().run(image, target, chosen)


@pytest.mark.parametrize("board", ["f746", "h743"])
@pytest.mark.parametrize("name", LOOPS)
def test_every_number_is_that_of_all_turns_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str, board: str
) -> None:
    passed, run = both(bench, monkeypatch, LOOPS[name], board)
    assert run.outcome == "exited"
    assert run.exit_code == 0
    assert differences(passed, run) == []


@pytest.mark.parametrize(
    "options",
    [{"timing": "none"}, {"timing": "issue"}, {"accesses": "hook"}, {"cflags": ("-O0",)}],
    ids=str,
)
@pytest.mark.parametrize("name", list(LOOPS)[:3])
def test_every_number_is_that_of_all_turns_run_in_every_mode(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str, options: dict[str, Any]
) -> None:
    passed, run = both(bench, monkeypatch, LOOPS[name], "f746", **options)
    assert run.exit_code == 0
    assert differences(passed, run) == []


def test_reads_that_were_passed_over_are_counted_where_reads_are(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "registers that nobody knows"
    passed, _ = both(bench, monkeypatch, LOOPS[name], "f746")
    counts = {item.reads_count for item in passed.unknown_registers}
    assert len(passed.unknown_registers) == 3
    assert len(counts) == 1  # all three, each turn
    assert counts.pop() > 10_000


@pytest.mark.parametrize("name", [n for n in LOOPS if not n.startswith("count")])
def test_waits_are_passed_over(bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Nearly all reads of registers and instructions are counted, not run."""
    reads = []
    saw = WaitingLoops.saw

    def counted(self: WaitingLoops, address: int, value: int, size_bytes: int) -> None:
        reads.append(address)
        saw(self, address, value, size_bytes)

    monkeypatch.setattr(WaitingLoops, "saw", counted)
    passed = bench.run(REGISTERS + LOOPS[name], "f746")
    assert passed.exit_code == 0
    assert len(reads) < 1500


# Waits that never end


def test_a_wait_for_what_nothing_will_change_ends_the_run(bench: Bench) -> None:
    done = bench.run(REGISTERS + "int main(void) { while (!(ISR & 1u << 5)); return 0; }", "f746")
    assert done.outcome == "halted"
    assert done.cycles is not None
    assert done.cycles < 10_000
    assert done.busy_loop is not None
    assert done.busy_loop.register == "usart1.isr"
    assert "main polls usart1.isr (0x4001101c)" in done.busy_loop.sentence


def test_a_wait_for_a_variable_that_no_interrupt_changes_ends_the_run(bench: Bench) -> None:
    source = "volatile int done; int main(void) { while (!done); return 0; }"
    done = bench.run(REGISTERS + source, "h743")
    assert done.outcome == "halted"
    assert done.busy_loop is not None
    assert done.busy_loop.register == "done"
    assert "main waits for done (0x" in done.busy_loop.sentence


@pytest.mark.parametrize(
    ("options", "outcome"),
    [
        ({"max_cycles": 3_000_000}, "max_cycles"),
        ({"max_time_s": 0.02}, "max_time"),
        ({"timeout_s": 0.5, "max_cycles": None}, "timeout"),
    ],
)
@pytest.mark.parametrize(
    ("loop", "register"),
    [("while (!(ISR & 1u << 5));", "usart1.isr"), ("while (get_tick() < 4000000000u);", "ticks")],
)
def test_a_wait_that_was_stopped_is_named(
    bench: Bench, options: dict[str, Any], outcome: str, loop: str, register: str
) -> None:
    source = f"int main(void) {{ tick_every(216000); {loop} return 0; }}"
    done = bench.run(REGISTERS + source, "f746", **options)
    assert done.outcome == outcome
    assert done.busy_loop is not None
    assert done.busy_loop.register == register


def test_a_loop_that_polls_a_running_count_is_named_when_stopped_too(bench: Bench) -> None:
    source = """int main(void)
        {
            for (unsigned left = 100000000; !(ISR & 1u << 5); left--)
                if (!left) return 1;
            return 0;
        }"""
    done = bench.run(REGISTERS + source, "f746", max_cycles=200_000)
    assert done.outcome == "max_cycles"
    assert done.busy_loop is not None
    assert done.busy_loop.register == "usart1.isr"


def test_a_program_that_was_stopped_at_work_waits_for_nothing(bench: Bench) -> None:
    source = """int main(void)
        {
            tick_every(100000);
            serial_open();
            while (!(ISR & 1u << 6));
            for (;;) sink++;
        }"""
    done = bench.run(REGISTERS + source, "f746", max_cycles=3_000_000)
    assert done.outcome == "max_cycles"
    assert done.busy_loop is None
