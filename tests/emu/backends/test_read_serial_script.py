"""The language of serial scripts: what each line means, and what every wrong one is told."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.backends.read_serial_script import (
    DEFAULT_TIMEOUT_S,
    DEFAULT_TURNAROUND_S,
    parse_serial_script,
    read_serial_script,
)
from emu.backends.serial_script import Expect, FailOn, Repeat, Send, Step, TextPattern, Wait
from emu.errors import UsageError
from tests.emu.backends.serial_bench import script_of


def only(text: str) -> Step:
    (step,) = script_of(text).steps
    return step


class TestSteps:
    def test_blank_lines_and_comments_are_nothing(self) -> None:
        script = script_of('# all of it\n\n   \n  send "a"  # at its end\r\n')
        assert script.steps == (Send(4, "console", b"a", DEFAULT_TURNAROUND_S),)

    def test_a_text_may_hold_the_comment_sign(self) -> None:
        step = only(r'send "# \"no comment\" # "')
        assert isinstance(step, Send)
        assert step.data == b'# "no comment" # '

    def test_escapes(self) -> None:
        step = only(r'send "\r\n\t\0\\\x41\xff"')
        assert isinstance(step, Send)
        assert step.data == b"\r\n\t\0\\A\xff"

    def test_an_expression_may_hold_slashes_and_comment_signs(self) -> None:
        step = only(r"expect /a\/b # c/ within 3ms # why")
        assert isinstance(step, Expect)
        assert not isinstance(step.pattern, TextPattern)
        assert (step.pattern.regex.pattern, step.timeout_s) == (b"a/b # c", 3e-3)

    @pytest.mark.parametrize(
        ("text", "timeout_s"),
        [('expect "a"', DEFAULT_TIMEOUT_S), ('expect "a" within 1.5 s', 1.5)],
    )
    def test_timeouts(self, text: str, timeout_s: float) -> None:
        step = only(text)
        assert isinstance(step, Expect)
        assert step.timeout_s == timeout_s

    def test_what_is_set_holds_for_the_lines_below(self) -> None:
        script = script_of(
            'send "a"\nport USART6\ndefault-timeout 20ms\nturnaround 0s\nsend "b"\nexpect "c"'
        )
        first, second, third = script.steps
        assert isinstance(first, Send)
        assert first.port == "console"
        assert second == Send(5, "usart6", b"b", 0.0)
        assert isinstance(third, Expect)
        assert (third.port, third.timeout_s) == ("usart6", 0.02)
        assert (script.ports, script.sending_ports) == (("console", "usart6"),) * 2

    def test_hex_wait_and_fail_on(self) -> None:
        assert only("send-hex 01 02 Ff") == Send(1, "console", b"\1\2\xff", DEFAULT_TURNAROUND_S)
        assert only("wait 10 ms") == Wait(1, 0.01)
        step = only('fail-on "e-"')
        assert isinstance(step, FailOn)
        assert str(step.pattern) == '"e-"'

    def test_a_file_lies_beside_the_script(self, tmp_path: Path) -> None:
        (tmp_path / "in put.bin").write_bytes(bytes(range(256)))
        (tmp_path / "a.uart").write_text('send-file in put.bin\nsend-file "in put.bin"\n')
        script = read_serial_script(tmp_path / "a.uart")
        assert [step.data for step in script.steps if isinstance(step, Send)] == [
            bytes(range(256))
        ] * 2

    def test_repeats_hold_steps(self) -> None:
        step = only('repeat 2\n  wait 1ms\n  repeat 3\n    send "a"\n  done\ndone')
        assert isinstance(step, Repeat)
        assert step.count == 2
        assert isinstance(step.steps[1], Repeat)
        assert step.steps[1].count == 3

    def test_how_it_ends(self) -> None:
        assert not script_of('send "a"').runs_on
        assert not script_of('send "a"\nend').runs_on
        assert script_of('send "a"\nrun-on\n# no more\n').runs_on

    def test_the_example_of_the_module_is_a_script(self) -> None:
        import emu.backends.read_serial_script as module

        example = re.findall(r"^    (.+)$", module.__doc__ or "", re.MULTILINE)
        assert len(script_of("\n".join(example)).steps) == 4


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ('exepct "a"', "line.uart:1: 'exepct' is no step; perhaps 'expect' is meant."),
            ("7", "line.uart:1: '7' is no step; steps are expect, capture, send,"),
            ("expect ready", "line.uart:1: 'expect' is not written so; write expect \"text\""),
            ('expect "a', "'expect' is not written so"),
            ('expect ""', '"" is no text to wait for'),
            ('expect "a" in 2s', "'expect' is not written so"),
            ('expect "a" within 2', "line.uart:1: '2' is no duration. Write a number and s, ms"),
            ('expect "a" within 0s', "'0s' is no duration"),
            ("expect /(/", "/(/ is no regular expression (missing ), unterminated subpattern"),
            ('capture 1 "a"', "write capture NAME /regex/ [within 2s]"),
            ('capture a "a"', "write capture NAME /regex/ [within 2s]"),
            (r'send "\q"', r"\q in"),
            ('send "a" "b"', "'send' is not written so; write send \"text\""),
            ('send ""', "there is nothing to send"),
            ("send-hex 0", "write send-hex 01 02 ff"),
            ("send-hex", "there is nothing to send"),
            ("send-file nowhere.bin", "line.uart:1: Cannot read nowhere.bin: No such file"),
            ("wait", "'' is no duration"),
            ('fail-on "a" within 2s', "'fail-on' is not written so"),
            ("port", "write port usart1"),
            ('\nrepeat 0\nsend "a"\ndone', "line.uart:2: 'repeat' is not written so"),
            ('repeat 2\nsend "a"', "line.uart:1: this repeat has no 'done'"),
            ("repeat 2\ndone", "line.uart:2: the repeat of line 1 holds no step"),
            ("done", "there is no 'repeat' for this 'done'"),
            ('end\nsend "a"', "line.uart:2: nothing may follow 'end'"),
            ("repeat 2\nend\ndone", "line.uart:2: 'end' stands inside a repeat"),
            (
                'repeat 10000\nrepeat 10000\nsend "a"\ndone\ndone',
                "line.uart:5: this makes more than 1,000,000 steps",
            ),
        ],
    )
    def test_each_names_file_line_and_what_is_allowed(self, text: str, sentence: str) -> None:
        with pytest.raises(UsageError, match=re.escape(sentence)):
            script_of(text)

    def test_an_absent_script(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"Cannot read .*x\.uart: No such file or directory"):
            read_serial_script(tmp_path / "x.uart")

    def test_a_script_that_is_no_text(self) -> None:
        with pytest.raises(UsageError, match="b:2: the script is not UTF-8 text"):
            parse_serial_script(b'send "a"\n\xff\xfe', "b", Path())

    @given(st.text(max_size=80) | st.from_regex(r'(send|expect|capture|repeat) [a"/\\ 0-9x]*'))
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        with suppress(UsageError):
            script_of(text)
