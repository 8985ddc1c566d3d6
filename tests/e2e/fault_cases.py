"""Firmware that goes wrong, as a table: what is given, the command, its exit code.

What each gets to read is in `docs/faults.md`, which `test_faults.py` makes and checks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Content = str | bytes
Chapter = Literal[
    "Firmware that faults",
    "Firmware that does not end well",
    "Limits and baselines",
    "ELF files",
    "HEX files and raw images",
    "C sources",
    "Options",
    "Boards",
    "Reports and tolerances",
    "Tools and the machine around",
]


@dataclass(frozen=True)
class FaultCase:
    """One way to go wrong.

    Attributes:
        title: what is wrong, as a heading; unique.
        command: arguments after `emu`, run in a folder that holds `files`.
        exit_code: what it must end with.
        files: name to content; a function gets the folder and makes what a text cannot say.
        environment: variables to set for the run.
        shows_source: whether the page prints the first file.
    """

    chapter: Chapter
    title: str
    command: tuple[str, ...]
    exit_code: int
    files: dict[str, Content] = field(default_factory=dict)
    prepare: Callable[[Path], None] | None = None
    environment: tuple[tuple[str, str], ...] = ()
    shows_source: bool = False

    @property
    def name(self) -> str:
        """The title as an identifier."""
        return "".join(sign if sign.isalnum() else "_" for sign in self.title.lower())


FINE = "int main(void) { return 0; }\n"


def firmware(title: str, source: str, *options: str, exit_code: int = 4) -> FaultCase:
    """A program that stops the machine."""
    return FaultCase(
        "Firmware that faults",
        title,
        ("run", "model.c", *options),
        exit_code,
        {"model.c": source},
        shows_source=True,
    )


_FIRMWARE = (
    firmware(
        "A read where there is no memory",
        """\
#include <stdint.h>
__attribute__((noinline)) uint32_t load(volatile uint32_t *p) { return *p; }
int main(void) { return (int)load((uint32_t *)0x90000000); }
""",
    ),
    firmware(
        "A write where there is no memory",
        """\
#include <stdint.h>
__attribute__((noinline)) void store(volatile uint32_t *p) { *p = 1; }
int main(void) { store((uint32_t *)0x60000000); return 0; }
""",
    ),
    firmware(
        "A read just past the end of a memory",
        """\
int main(void) {
    volatile char *dtcm = (char *)0x20000000;
    int sum = 0;
    for (unsigned i = 0; i <= 128 * 1024; i++) sum += dtcm[i];
    return sum;
}
""",
    ),
    firmware(
        "A write to flash",
        """\
static const int table[4] = {1, 2, 3, 4};
__attribute__((noinline)) void set(volatile int *p) { *p = 7; }
int main(void) { set((volatile int *)&table[2]); return 0; }
""",
    ),
    firmware(
        "A jump into nowhere",
        """\
typedef int (*layer_t)(void);
volatile layer_t layer = (layer_t)0x70000001;
__attribute__((noinline)) int call(void) { return layer() + 1; }
int main(void) { return call(); }
""",
    ),
    firmware(
        "A call of a null pointer",
        """\
typedef int (*layer_t)(void);
volatile layer_t layer;
__attribute__((noinline)) int call(void) { return layer() + 1; }
int main(void) { return call(); }
""",
    ),
    firmware(
        "A jump to an even address",
        """\
static int f(void) { return 1; }
typedef int (*layer_t)(void);
volatile unsigned address;
int main(void) {
    address = (unsigned)f & ~1u;
    return ((layer_t)address)();
}
""",
    ),
    firmware(
        "An overwritten return address",
        """\
__attribute__((noinline)) void spoil(volatile int *words) {
    for (int i = 0; i < 16; i++) words[i] = 0x41414141;
}
__attribute__((noinline)) int layer(void) {
    volatile int local[2] = {0, 0};
    spoil(local);
    return local[0];
}
int main(void) { return layer(); }
""",
    ),
    firmware(
        "An undefined instruction",
        """\
__attribute__((noinline)) void odd(void) { __asm__ volatile("udf #0"); }
int main(void) { odd(); return 0; }
""",
    ),
    firmware(
        "A division by zero where the program traps it",
        """\
#define CCR (*(volatile unsigned *)0xE000ED14)
__attribute__((noinline)) int mean(int sum, volatile int *count) { return sum / *count; }
int main(void) {
    int none = 0;
    CCR |= 1u << 4; /* DIV_0_TRP; without it the quotient is 0, as on silicon */
    return mean(10, &none);
}
""",
    ),
    firmware(
        "An unaligned multiple load",
        """\
__attribute__((noinline)) int pair(const char *p) {
    int a, b;
    __asm__ volatile("ldmia %2, {%0, %1}" : "=&r"(a), "=&r"(b) : "r"(p));
    return a + b;
}
static char bytes[16];
int main(void) { return pair(bytes + 1); }
""",
    ),
    firmware(
        "A stack that runs over",
        """\
__attribute__((noinline)) int deep(volatile int *p, int n) {
    volatile int frame[64];
    frame[0] = *p + n;
    return n == 0 ? frame[0] : deep(frame, n - 1) + frame[0];
}
int main(void) { int start = 1; return deep(&start, 1000); }
""",
    ),
    firmware(
        "A jump to a peripheral",
        """\
typedef int (*layer_t)(void);
volatile layer_t layer = (layer_t)0x40000001;
int main(void) { return layer() + 1; }
""",
    ),
    firmware(
        "A jump into memory that holds no code",
        """\
typedef int (*layer_t)(void);
volatile layer_t layer = (layer_t)0x24010001;
int main(void) { return layer() + 1; }
""",
    ),
    firmware(
        "Functions that call each other without end",
        """\
__attribute__((noinline)) int odd(volatile int *p, int n);
__attribute__((noinline)) int even(volatile int *p, int n) {
    volatile int frame = *p + n;
    return odd(&frame, n + 1) + frame;
}
__attribute__((noinline)) int odd(volatile int *p, int n) {
    volatile int frame = *p + n;
    return even(&frame, n + 1) + frame;
}
int main(void) { int start = 1; return even(&start, 0); }
""",
    ),
    firmware(
        "A function to enter that faults",
        """\
__attribute__((noinline)) int load(volatile int *p) { return *p; }
int layer(void) { return load((int *)0x90000000) + 1; }
""",
        "--entry",
        "layer",
    ),
    firmware(
        "A breakpoint that nobody waits for",
        """\
int main(void) { __asm__ volatile("bkpt #0"); return 0; }
""",
    ),
)

_LOOP = "int main(void) { for (volatile int i = 0;; i++) { } }\n"

_ENDINGS = (
    FaultCase(
        "Firmware that does not end well",
        "A loop without end under --max-cycles",
        ("run", "model.c", "--max-cycles", "100K"),
        4,
        {"model.c": _LOOP},
        shows_source=True,
    ),
    FaultCase(
        "Firmware that does not end well",
        "A loop without end under --timeout",
        ("run", "model.c", "--timeout", "0.2"),
        4,
        {"model.c": _LOOP},
    ),
    FaultCase(
        "Firmware that does not end well",
        "A program that returns other than zero",
        ("run", "model.c"),
        4,
        {"model.c": "int main(void) { return 3; }\n"},
        shows_source=True,
    ),
    FaultCase(
        "Firmware that does not end well",
        "A failed assertion",
        ("run", "model.c"),
        4,
        {
            "model.c": "#include <assert.h>\n"
            "int main(void) { volatile int size = 3; assert(size == 4); return 0; }\n"
        },
        shows_source=True,
    ),
    FaultCase(
        "Firmware that does not end well",
        "A call of abort",
        ("run", "model.c"),
        4,
        {"model.c": "#include <stdlib.h>\nint main(void) { abort(); }\n"},
        shows_source=True,
    ),
)

FIRMWARE = (*_FIRMWARE, *_ENDINGS)
