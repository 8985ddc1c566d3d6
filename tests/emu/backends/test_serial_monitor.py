"""Laws of the other side of a serial line: what it sends, awaits, measures, and when it ends."""

from __future__ import annotations

import pytest

from emu.backends.protocol import RunOptions, SerialCapture, SerialRange
from tests.emu.backends.serial_bench import SerialBench

MILLISECOND = 1_000  # cycles of the bench


class TestExpectAndSend:
    def test_what_is_sent_first_goes_out_at_reset(self) -> None:
        bench = SerialBench('send "a"\nsend-hex 01 ff\nexpect "z"')
        assert bench.sent == [(0, "usart1", b"a"), (0, "usart1", b"\x01\xff")]

    def test_an_answer_waits_for_its_question_and_the_turnaround(self) -> None:
        bench = SerialBench('expect "ready"\nsend "name%"\nsend "more%"\nexpect "z"')
        bench.run(500)
        bench.prints("m-rea")
        assert bench.sent == []
        bench.prints("dy\r\n")
        assert bench.sent == []
        bench.run(10 * MILLISECOND)
        assert bench.sent == [(1500, "usart1", b"name%"), (1500, "usart1", b"more%")]

    def test_turnaround_is_the_scripts_choice(self) -> None:
        bench = SerialBench('turnaround 0s\nexpect "a"\nsend "b"\nexpect "z"')
        bench.prints("a")
        assert bench.texts_sent == ["b"]

    def test_output_that_came_before_its_expectation_counts(self) -> None:
        bench = SerialBench('wait 10ms\nexpect "one"\nexpect "two"\nrun-on')
        bench.prints("one two")
        bench.run(20 * MILLISECOND)
        assert bench.monitor.unfinished() is None

    def test_output_counts_once(self) -> None:
        bench = SerialBench('expect "ok"\nexpect "ok"\nrun-on')
        bench.prints("ok")
        assert bench.monitor.unfinished() is not None
        bench.prints("ok")
        assert bench.monitor.unfinished() is None

    def test_a_text_may_come_in_any_pieces(self) -> None:
        bench = SerialBench('expect "m-ready\\r\\n"')
        bench.prints("m-m-m-ready\r\n", byte_cycles=3)
        assert bench.ending == ("script_ended", None)

    def test_an_expression_sees_whole_lines_alone(self) -> None:
        bench = SerialBench("expect /^ok [0-9]+$/")
        bench.prints("not ok 1\r\nok 12")
        assert bench.ending is None
        bench.prints("3\r\n")
        assert bench.ending == ("script_ended", None)

    def test_ports_have_lines_of_their_own(self) -> None:
        bench = SerialBench('port usart3\nexpect "a"\nsend "b"\nport console\nexpect "c"')
        bench.prints("a")
        bench.run(5 * MILLISECOND)
        assert bench.sent == []
        bench.prints("a", port="usart3")
        bench.run(5 * MILLISECOND)
        assert [(port, data) for _, port, data in bench.sent] == [("usart3", b"b")]

    @pytest.mark.parametrize("port", ["usart1", "semihosting", "itm"])
    def test_the_console_is_what_the_firmware_prints_on(self, port: str) -> None:
        bench = SerialBench('expect "hello"')
        bench.prints("hello", port=port)
        assert bench.ending == ("script_ended", None)

    def test_repeats_are_played_in_order_and_inside_each_other(self) -> None:
        bench = SerialBench(
            'repeat 2\nsend "a"\nrepeat 3\nsend "b"\ndone\ndone\nsend "c"\nexpect "z"'
        )
        assert "".join(bench.texts_sent) == "abbbabbbc"

    def test_captures_keep_the_group_of_every_time(self) -> None:
        bench = SerialBench("repeat 2\ncapture lap_us /lap-(\\d+)/\ndone")
        bench.prints("m-lap-120\nm-lap-7\n")
        assert bench.monitor.captures() == (SerialCapture("lap_us", ("120", "7")),)


class TestTimeouts:
    def test_one_sentence_says_file_line_what_and_what_came(self) -> None:
        bench = SerialBench('\nexpect "m-ready" within 20ms')
        bench.prints("Booting\r\ne-[no model]\r\n")
        bench.run(19 * MILLISECOND)
        assert bench.ending is None
        bench.run(MILLISECOND)
        assert bench.ending == (
            "script_failed",
            'line.uart:2: "m-ready" did not come on console within 20 ms of modelled time; '
            'the last line was "e-[no model]".',
        )

    def test_silence_is_said_and_where_it_was_not(self) -> None:
        bench = SerialBench('port usart3\nexpect "a" within 1ms')
        bench.prints("a", port="usart6")
        bench.run(MILLISECOND)
        assert bench.ending is not None
        assert bench.ending[1] == (
            'line.uart:2: "a" did not come on usart3 within 1 ms of modelled time; '
            "nothing was printed on usart3, but on usart6."
        )

    def test_an_expectation_that_was_met_times_out_no_more(self) -> None:
        bench = SerialBench('expect "a" within 1ms\nwait 1s\nrun-on')
        bench.prints("a")
        bench.run(900 * MILLISECOND)
        assert bench.ending is None

    @pytest.mark.parametrize("factor", [10, 0.1])
    def test_time_is_time_whatever_the_clock_becomes(self, factor: float) -> None:
        bench = SerialBench('expect "a" within 100ms')
        bench.run(50 * MILLISECOND)
        bench.set_clock(round(bench.clock_hz * factor))
        bench.run(round(49 * MILLISECOND * factor))
        assert bench.ending is None
        bench.run(round(2 * MILLISECOND * factor))
        assert bench.ending is not None

    def test_a_reset_of_the_chip_does_not_stop_the_clock_of_the_script(self) -> None:
        bench = SerialBench('expect "a" within 10ms')
        bench.run(5 * MILLISECOND)
        bench.schedule.clear()
        bench.monitor.rearm()
        bench.run(5 * MILLISECOND)
        assert bench.ending is not None


class TestEndings:
    def test_the_run_ends_with_the_script(self) -> None:
        bench = SerialBench('expect "a"')
        bench.prints("a")
        assert bench.ending == ("script_ended", None)

    def test_the_run_goes_on_where_the_script_says_so(self) -> None:
        bench = SerialBench('expect "a"\nrun-on')
        bench.prints("a")
        bench.run(10_000 * MILLISECOND)
        assert bench.ending is None

    def test_what_must_not_come_fails_the_script_even_when_it_is_through(self) -> None:
        bench = SerialBench('fail-on "e-["\nexpect "a"\nrun-on')
        bench.prints("a e-")
        assert bench.ending is None
        bench.prints("[bad]")
        assert bench.ending == ("script_failed", 'line.uart:1: "e-[" was printed on console.')

    def test_a_firmware_that_ends_early_leaves_the_script_unfinished(self) -> None:
        bench = SerialBench('expect "a"\nexpect "b"')
        bench.prints("a then nothing")
        assert bench.monitor.unfinished() == (
            'line.uart:2: the firmware ended while "b" was awaited on console; '
            'the last line was "a then nothing".'
        )

    def test_a_firmware_that_ends_during_a_wait_as_well(self) -> None:
        bench = SerialBench('wait 1s\nsend "a"')
        sentence = "line.uart:2: the firmware ended before the script came to this line."
        assert bench.monitor.unfinished() == sentence

    def test_until_stops_at_the_text_on_any_port(self) -> None:
        bench = SerialBench(options=RunOptions(until="all done"))
        bench.prints("all do")
        bench.prints("all do", port="uart4")
        assert bench.ending is None
        bench.prints("ne", port="uart4")
        assert bench.ending == ("until", None)


class TestSerialRanges:
    @staticmethod
    def bench(start: str = "begin", stop: str = "end") -> SerialBench:
        wanted = SerialRange("work", start, stop)
        return SerialBench(options=RunOptions(serial_ranges=(wanted,)))

    def test_printing_the_two_lines_is_outside(self) -> None:
        bench = self.bench()
        bench.prints("begin now\r\n", byte_cycles=10)
        bench.run(1000)
        bench.prints("end of it\r\n", byte_cycles=10)
        (stats,) = bench.monitor.calls()
        assert stats.cold_cycles == 1000
        assert stats.cold_instructions == 500

    def test_the_first_character_may_be_in_a_line_of_slow_ones(self) -> None:
        bench = self.bench()
        bench.prints("begin\r\n", byte_cycles=10)
        bench.run(1000)
        bench.prints("e", byte_cycles=10)
        bench.prints("n", byte_cycles=500)  # computed in between
        bench.prints("d", byte_cycles=10)
        (stats,) = bench.monitor.calls()
        assert stats.cold_cycles == 1000

    def test_in_one_line_it_is_from_text_to_text(self) -> None:
        bench = self.bench("Running...", "done")
        bench.prints("Running...")
        bench.run(300)
        bench.prints("done\n")
        (stats,) = bench.monitor.calls()
        assert stats.cold_cycles == 300

    def test_the_first_pass_is_cold_and_the_others_are_warm(self) -> None:
        bench = self.bench()
        for cycles in (500, 100, 300):
            bench.prints("begin\n")
            bench.run(cycles)
            bench.prints("end\n")
        (stats,) = bench.monitor.calls()
        assert (stats.calls_count, stats.cold_cycles, stats.warm_count) == (3, 500, 2)
        assert (stats.warm_min_cycles, stats.warm_mean_cycles, stats.warm_max_cycles) == (
            100,
            200,
            300,
        )

    def test_one_text_may_be_both_and_then_takes_turns(self) -> None:
        bench = self.bench("m-lap", "m-lap")
        for cycles in (100, 5000, 200):
            bench.prints("m-lap-us-1\r\n")
            bench.run(cycles)
        bench.prints("m-lap-us-2\r\n")
        (stats,) = bench.monitor.calls()
        assert (stats.calls_count, stats.cold_cycles, stats.warm_mean_cycles) == (2, 100, 200)

    def test_a_pass_that_never_ended_counts_as_a_call_without_cycles(self) -> None:
        bench = self.bench()
        bench.prints("begin\nand then\n")
        (stats,) = bench.monitor.calls()
        assert (stats.calls_count, stats.cold_cycles) == (1, None)
        bench.prints("end\nbegin\n")
        (stats,) = bench.monitor.calls()
        assert (stats.calls_count, stats.cold_cycles) == (1, 0)

    def test_a_start_that_comes_again_changes_nothing(self) -> None:
        bench = self.bench()
        bench.prints("begin\n")
        bench.run(10)
        bench.prints("begin\n")
        bench.run(10)
        bench.prints("end\n")
        (stats,) = bench.monitor.calls()
        assert (stats.calls_count, stats.cold_cycles) == (1, 20)

    def test_the_texts_may_come_on_two_ports(self) -> None:
        bench = self.bench()
        bench.prints("begin\n", port="itm")
        bench.run(40)
        bench.prints("end\n", port="usart6")
        assert bench.monitor.calls()[0].cold_cycles == 40

    def test_instructions_stand_for_cycles_without_timing(self) -> None:
        wanted = SerialRange("work", "a", "b")
        bench = SerialBench(options=RunOptions(timing="none", serial_ranges=(wanted,)))
        bench.prints("a\n")
        bench.run(100)
        bench.prints("b\n")
        (stats,) = bench.monitor.calls()
        assert (stats.cold_cycles, stats.cold_instructions) == (None, 50)
