"""printf and its kin against Python's formatting, which rounds doubles exactly."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from emu.board import Board
from emu.firmware.build import build
from tests.emu.firmware.machine import run_firmware

pytestmark = pytest.mark.needs_compiler

DOUBLES = (
    0.0, -0.0, 1.0, -1.5, 0.1, 0.5, 1.5, 2.5, 0.125, 9.995, 9.9999995, 123456789.0, 1e15, 1e16,
    1e17, 1e22, 1e23, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 3.14159265358979,
    0.000123456789, 0.00001, 999999.5, 99999.95, 1e-5, 1e100, 4503599627370496.5,
)  # fmt: skip
DOUBLE_FORMATS = (
    "%f", "%.0f", "%.1f", "%.3f", "%.10f", "%12.4f", "%-12.2f|", "%+.2f", "% f", "%012.3f", "%#.0f",
    "%e", "%.0e", "%.12e", "%E", "%g", "%.3g", "%.17g", "%#g", "%G", "%10.4g",
)  # fmt: skip
INTEGERS = (0, 1, -1, 9, 10, 255, -128, 32767, 65535, 2147483647, -2147483648)
INTEGER_FORMATS = (
    "%d", "%i", "%5d", "%-5d|", "%05d", "%+d", "% d", "%.3d", "%8.3d", "%-8.3d|", "%.0d",
)  # fmt: skip
UNSIGNED_FORMATS = ("%u", "%x", "%X", "%o", "%#x", "%#X", "%08x", "%#010x", "%12u", "%-12x|")


def _literal(value: float) -> str:
    return "-0.0" if str(value) == "-0.0" else value.hex()


def _run(body: str, board: Board, folder: Path) -> str:
    source = folder / "printing.c"
    headers = "\n".join(
        f"#include <{name}.h>"
        for name in ("stdio", "stdint", "stddef", "inttypes", "string", "wchar")
    )
    source.write_text(f"#define _GNU_SOURCE\n{headers}\nint main(void) {{\n{body}\nreturn 0; }}\n")
    done = run_firmware(build([source], board).elf, board)
    assert (done.status, done.error) == (0, ""), done
    return done.output


def _printf(format_text: str, argument: str) -> str:
    return f'printf("{format_text}\\n", {argument});'


def test_floating_point_is_rounded_as_exactly_as_in_python(board: Board, tmp_path: Path) -> None:
    generator = random.Random(7)
    values = [*DOUBLES]
    while len(values) < len(DOUBLES) + 40:
        (value,) = struct.unpack("<d", generator.randbytes(8))
        if value == value and abs(value) != float("inf"):
            values.append(value)
    cases = [
        (text, value)
        for value in values
        for text in DOUBLE_FORMATS
        if abs(value) < 1e60 or "f" not in text  # hundreds of digits are one case below
    ]
    table = ",\n".join(f'{{"{text}\\n", {_literal(value)}}}' for text, value in cases)
    output = _run(
        f"static const struct {{ const char *text; double value; }} cases[] = {{{table}}};\n"
        "for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; ++i)\n"
        "    printf(cases[i].text, cases[i].value);",
        board,
        tmp_path,
    )
    expected = [text % value for text, value in cases]
    assert output.splitlines() == expected


def test_the_largest_and_smallest_doubles_print_every_digit(board: Board, tmp_path: Path) -> None:
    output = _run(
        _printf("%f", "0x1.fffffffffffffp1023") + _printf("%.1074f", "0x1p-1074"), board, tmp_path
    )
    assert output.splitlines() == [f"{1.7976931348623157e308:f}", f"{5e-324:.1074f}"]


def test_integers_match_python(board: Board, tmp_path: Path) -> None:
    cases = [(text, value) for value in INTEGERS for text in INTEGER_FORMATS]
    unsigned = [(text, value & 0xFFFFFFFF) for value in INTEGERS for text in UNSIGNED_FORMATS]
    body = "".join(_printf(text, f"(int)({value}LL)") for text, value in cases)
    body += "".join(_printf(text, f"{value}u") for text, value in unsigned)
    expected = []
    for text, value in cases:
        # C prints no digit for 0 with precision 0; Python prints one.
        expected.append("" if text == "%.0d" and value == 0 else text % value)
    for text, value in unsigned:
        if "#" in text and value == 0:
            text = text.replace("#", "")
        expected.append(text % value)
    actual = _run(body, board, tmp_path).splitlines()
    assert actual == expected


def test_length_modifiers_pointers_strings_and_stars(board: Board, tmp_path: Path) -> None:
    cases = {
        '"%hhd", 300': "44",
        '"%hd", 70000': "4464",
        '"%hhu", -1': "255",
        '"%ld", -5L': "-5",
        '"%lld", -9223372036854775807LL - 1': "-9223372036854775808",
        '"%llu", 18446744073709551615ULL': "18446744073709551615",
        '"%llx", 0x123456789abcdefULL': "123456789abcdef",
        '"%zu", (size_t)7': "7",
        '"%td", (ptrdiff_t)-7': "-7",
        '"%jd", (intmax_t)-9': "-9",
        '"%" PRId64 " %" PRIu32, (int64_t)-1, (uint32_t)4000000000u': "-1 4000000000",
        '"%p", (void *)0x20000010': "0x20000010",
        '"%c%c", 65, 66': "AB",
        '"%5c|%-5c|", 65, 66': "    A|B    |",
        '"%s", "text"': "text",
        '"%10s|%-10s|%.2s", "ab", "cd", "efg"': "        ab|cd        |ef",
        '"%.*s %*d", 3, "abcdef", 6, 42': "abc     42",
        '"%-*d|", 6, 42': "42    |",
        '"%%"': "%",
        '"%o %#o", 8, 8': "10 010",
        '"%a", 1.0': "0x1p+0",
        '"%f %F %e", 1.0 / z, -1.0 / z, z / z': "inf -INF -nan",
        '"%2$s %1$s", "b", "a"': "a b",
        '"%lc", (wint_t)65': "A",
    }
    body = "volatile double z = 0;" + "".join(f'printf({case}); puts("");' for case in cases)
    lines = _run(body, board, tmp_path).splitlines()
    # The sign of 0 / 0 is the processor's choice.
    lines = [line.replace("-nan", "nan") for line in lines]
    assert lines == [text.replace("-nan", "nan") for text in cases.values()]


def test_the_result_counts_characters_and_snprintf_cuts(board: Board, tmp_path: Path) -> None:
    output = _run(
        """
        char text[8];
        int wanted = snprintf(text, sizeof text, "%d-%s", 12345, "abcdef");
        printf("%d %s\\n", wanted, text);
        printf("%d\\n", snprintf(NULL, 0, "%5.1f", 3.14159));
        printf("%d\\n", sprintf(text, "%s", "xyz"));
        int counted = printf("abc\\n");
        printf("%d\\n", counted);
        fprintf(stdout, "%s|", "out"); fputs("puts|", stdout); putchar('c'); putc('d', stdout);
        fwrite("\\nraw\\n", 1, 5, stdout);
        """,
        board,
        tmp_path,
    )
    assert output == "12 12345-a\n5\n3\nabc\n4\nout|puts|cd\nraw\n"


def test_sscanf_reads_back_what_printf_wrote(board: Board, tmp_path: Path) -> None:
    output = _run(
        """
        int a; unsigned b; double c; float d; char word[8]; long long e;
        int count = sscanf("-12 0x1f 2.5e3 0.1 word 9000000000", "%d %x %lf %f %7s %lld",
                           &a, &b, &c, &d, word, &e);
        printf("%d %d %u %g %g %s %lld\\n", count, a, b, c, d, word, e);
        """,
        board,
        tmp_path,
    )
    assert output == "6 -12 31 2500 0.1 word 9000000000\n"


def test_output_appears_at_newline_flush_and_exit_and_errors_at_once(
    h743: Board, tmp_path: Path
) -> None:
    source = tmp_path / "streams.c"
    source.write_text(
        "#include <stdio.h>\n#include <stdlib.h>\n"
        'int main(void) { printf("no newline"); fprintf(stderr, "bad %d\\n", 3); abort(); }\n'
    )
    done = run_firmware(build([source], h743).elf, h743)
    assert (done.output, done.error, done.status) == ("no newline", "bad 3\n", 134)
