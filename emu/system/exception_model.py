"""Exceptions of Armv7-M: numbers, names, and which one goes first.

[ARMv7-M B1.5] has the rules, B3.2 and B3.4 the registers that `emu.system.nvic` and
`emu.system.system_control` put in front of them.
"""

from __future__ import annotations

from enum import IntEnum

LOWEST_PRIORITY = 256  # thread mode with nothing masked
NO_EXCEPTION = 0


class Exc(IntEnum):
    """Exception numbers [ARMv7-M B1.5.2]."""

    RESET = 1
    NMI = 2
    HARD_FAULT = 3
    MEM_MANAGE = 4
    BUS_FAULT = 5
    USAGE_FAULT = 6
    SVCALL = 11
    DEBUG_MONITOR = 12
    PENDSV = 14
    SYSTICK = 15
    IRQ0 = 16


IRQ0 = int(Exc.IRQ0)  # for where every interrupt passes: members of enums are slow to look up

_NAMES = {
    Exc.NMI: "NMI", Exc.HARD_FAULT: "HardFault", Exc.MEM_MANAGE: "MemManage",
    Exc.BUS_FAULT: "BusFault", Exc.USAGE_FAULT: "UsageFault", Exc.SVCALL: "SVCall",
    Exc.DEBUG_MONITOR: "DebugMonitor", Exc.PENDSV: "PendSV", Exc.SYSTICK: "SysTick",
}  # fmt: skip
FAULTS = frozenset({Exc.HARD_FAULT, Exc.MEM_MANAGE, Exc.BUS_FAULT, Exc.USAGE_FAULT})
_ALWAYS_ENABLED = (Exc.NMI, Exc.HARD_FAULT, Exc.SVCALL, Exc.PENDSV, Exc.SYSTICK)


def exception_name(number: int) -> str:
    """The name for reports: SysTick, or IRQ 28 for an external interrupt."""
    if number >= Exc.IRQ0:
        return f"IRQ {number - Exc.IRQ0}"
    return _NAMES.get(Exc(number), f"exception {number}") if number in set(Exc) else str(number)


class ExceptionModel:
    """Pending, active and enabled exceptions with their priorities.

    Priorities are eight bits of which the chip implements the top `priority_bits`; a smaller number
    goes first. The masks of the core (PRIMASK, ...) are given with each question, since the
    emulator holds them.
    """

    def __init__(self, lines_count: int, priority_bits: int) -> None:
        self.lines_count = lines_count
        self.implemented_priority = (0xFF << (8 - priority_bits)) & 0xFF
        self.reset()

    def reset(self) -> None:
        count = Exc.IRQ0 + self.lines_count
        self.priority = [0] * count
        self.priority[Exc.RESET], self.priority[Exc.NMI], self.priority[Exc.HARD_FAULT] = -3, -2, -1
        self.enabled = sum(1 << number for number in _ALWAYS_ENABLED)
        self.pending = 0
        self.active: list[int] = []  # in the order of entry, the running one last
        self.levels = 0  # external interrupt lines that are high, as exception numbers
        self.pended_at: dict[int, int] = {}  # when a pending exception became so, in cycles
        self.priority_group = 0  # AIRCR.PRIGROUP

    # What happens to exceptions

    def pend(self, number: int, now_cycles: int) -> None:
        if not self.pending >> number & 1:
            self.pending |= 1 << number
            self.pended_at[number] = now_cycles

    def unpend(self, number: int) -> None:
        self.pending &= ~(1 << number)

    def raise_level(self, number: int, now_cycles: int) -> None:
        """An interrupt line is high; pends when it was not [B3.4.1]."""
        bit = 1 << number
        if not self.levels & bit:
            self.levels |= bit
            self.pend(number, now_cycles)

    def lower_level(self, number: int) -> None:
        """An interrupt line is low, which takes nothing back."""
        self.levels &= ~(1 << number)

    def enter(self, number: int) -> int:
        """The exception becomes active; returns the cycle at which it was pended."""
        self.pending &= ~(1 << number)
        self.active.append(number)
        return self.pended_at.get(number, 0)

    def leave(self, number: int, now_cycles: int) -> None:
        """The exception's handler returns; a line that is still high pends again."""
        self.active.remove(number)
        if self.levels >> number & 1:
            self.pend(number, now_cycles)

    # Who goes first

    def group_priority(self, priority: int) -> int:
        """The part of a priority that decides about preemption [B1.5.4]."""
        if priority < 0:
            return priority
        return priority & ~((2 << self.priority_group) - 1) & 0xFF

    def execution_priority(self, primask: int, basepri: int, faultmask: int) -> int:
        """Of what runs now: only what has a smaller group priority preempts it."""
        priority = LOWEST_PRIORITY
        for number in self.active:
            priority = min(priority, self.group_priority(self.priority[number]))
        if basepri:
            priority = min(priority, self.group_priority(basepri))
        if primask:
            priority = min(priority, 0)
        if faultmask:
            priority = min(priority, -1)
        return priority

    def first_pending(self) -> int:
        """The pending and enabled exception that goes first, `NO_EXCEPTION` for none."""
        ready = self.pending & self.enabled
        first, first_priority = NO_EXCEPTION, LOWEST_PRIORITY + 1
        while ready:
            number = (ready & -ready).bit_length() - 1
            ready &= ready - 1
            if self.priority[number] < first_priority:
                first, first_priority = number, self.priority[number]
        return first

    def to_take(self, primask: int, basepri: int, faultmask: int) -> int:
        """The exception that preempts what runs now, `NO_EXCEPTION` for none."""
        first = self.first_pending()
        if first == NO_EXCEPTION:
            return NO_EXCEPTION
        running = self.execution_priority(primask, basepri, faultmask)
        return first if self.group_priority(self.priority[first]) < running else NO_EXCEPTION

    def would_take_unmasked(self) -> bool:
        """Whether one waits only for PRIMASK, BASEPRI or FAULTMASK."""
        return self.to_take(0, 0, 0) != NO_EXCEPTION

    def wakes(self, basepri: int) -> bool:
        """Whether WFI ends: PRIMASK does not count there [B1.5.19]."""
        return self.to_take(0, basepri, 0) != NO_EXCEPTION

    def escalates(self, number: int, primask: int, basepri: int, faultmask: int) -> bool:
        """Whether a synchronous exception becomes a HardFault: disabled or too low [B1.5.14]."""
        if not self.enabled >> number & 1:
            return True
        running = self.execution_priority(primask, basepri, faultmask)
        return self.group_priority(self.priority[number]) >= running
