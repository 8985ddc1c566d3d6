"""Ends of measured stretches as people write them, and ports that a script may talk to."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from emu.backends.protocol import AddressRange, RunOptions, SerialRange
from emu.backends.serial_script import Expect, Send, SerialScript, TextPattern
from emu.board import Board, MappedPeripheral
from emu.errors import UsageError
from emu.firmware.image import Image
from emu.measure.marks import address_ranges, check_names, check_ports, pair_ends, serial_ranges
from emu.measure.run import Firmware

OPTIONS = ("--from", "--to")


@pytest.fixture(scope="module")
def image(firmware: Firmware) -> Image:
    return firmware.image


class TestPairs:
    def test_the_first_start_goes_with_the_first_stop(self) -> None:
        assert pair_ends(["a", "0x10"], ["b", "0x20"], OPTIONS) == {
            "a..b": ("a", "b"),
            "0x10..0x20": ("0x10", "0x20"),
        }

    def test_a_start_may_carry_a_name(self) -> None:
        assert pair_ends(["infer=0x10"], ["0x20"], OPTIONS) == {"infer": ("0x10", "0x20")}

    def test_a_text_that_looks_like_a_name_is_kept_by_a_sign_before_it(self) -> None:
        assert pair_ends(["=t=5"], ["t=6"], OPTIONS) == {"t=5..t=6": ("t=5", "t=6")}

    def test_both_are_needed(self) -> None:
        with pytest.raises(UsageError, match="--from is given 2 times and --to 1 times: a stretch"):
            pair_ends(["a", "b"], ["c"], OPTIONS)

    def test_names_are_given_once(self) -> None:
        with pytest.raises(UsageError, match="--from: two stretches are called 'x'"):
            pair_ends(["x=a", "x=b"], ["c", "d"], OPTIONS)

    def test_a_name_is_not_shared_with_a_measured_function(self) -> None:
        options = RunOptions(measure=("main",), serial_ranges=(SerialRange("main", "a", "b"),))
        with pytest.raises(UsageError, match="Two stretches to measure are called 'main'"):
            check_names(options)


class TestAddresses:
    @pytest.mark.needs_compiler
    @pytest.mark.parametrize("offset", ["", "+4", " + 0x4"])
    def test_symbols_offsets_and_addresses(self, image: Image, offset: str) -> None:
        conv = image.symbol("conv")
        assert conv is not None
        wanted = {"x": (f"conv{offset}", "0x08000401")}
        beyond = 4 if offset else 0
        assert address_ranges(wanted, image) == (
            AddressRange("x", conv.address + beyond, 0x08000400),
        )

    @pytest.mark.needs_compiler
    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("covn", "--from covn is no address, and the program has no symbol 'covn'. Did you"),
            ("zzzzzz+4", "--from zzzzzz+4 is no address, and the program has no symbol 'zzzzzz'."),
            ("0x1ffffffff", "--from 0x1ffffffff lies beyond the address space"),
        ],
    )
    def test_what_is_neither_gets_a_sentence(self, image: Image, text: str, sentence: str) -> None:
        with pytest.raises(UsageError, match=re.escape(sentence)):
            address_ranges({"x": (text, "0x10")}, image)


class TestTexts:
    def test_they_stand_in_one_line_each(self) -> None:
        assert serial_ranges({"x": ("a b", "c")}) == (SerialRange("x", "a b", "c"),)
        for ends in (("", "a"), ("a", "b\n")):
            with pytest.raises(UsageError, match="is no text within one line of output"):
                serial_ranges({"x": ends})


class TestPorts:
    @pytest.fixture
    def wired(self, board: Board) -> Board:
        usart = MappedPeripheral("usart3", "usart", 0x40004800, 0x400)
        chip = replace(board.chip, peripherals=(usart,))
        return replace(board, chip=chip, console="usart3")

    @staticmethod
    def script(*ports: str, sends: bool = True) -> SerialScript:
        wait = TextPattern(b"a", '"a"')
        return SerialScript(
            "a.uart",
            tuple(Send(1, port, b"a") if sends else Expect(1, port, wait, 1.0) for port in ports),
        )

    def test_ports_of_the_board_and_the_console_are_known(self, wired: Board) -> None:
        check_ports(self.script("usart3", "console"), wired)
        check_ports(self.script("itm", "semihosting", sends=False), wired)

    @pytest.mark.parametrize(
        ("port", "sentence"),
        [
            ("usart9", "a.uart: board 'h743' has no serial port 'usart9'. Ports: usart3."),
            ("itm", "a.uart: nothing can be sent to itm. Ports: usart3."),
        ],
    )
    def test_others_get_a_sentence(self, wired: Board, port: str, sentence: str) -> None:
        with pytest.raises(UsageError, match=re.escape(sentence)):
            check_ports(self.script(port), wired)

    def test_a_board_without_a_console_wants_the_port_named(self, wired: Board) -> None:
        board = replace(wired, console=None)
        with pytest.raises(UsageError, match="Write for instance 'port usart3' before the first"):
            check_ports(self.script("console"), board)
        check_ports(self.script("console", sends=False), board)
