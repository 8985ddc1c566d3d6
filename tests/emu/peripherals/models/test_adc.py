"""Converters of both parts: sequences in time, constants in value."""

from __future__ import annotations

from emu.board import MappedPeripheral
from emu.peripherals.models import adc_f7, adc_h7
from tests.emu.peripherals.bench import Bench


def bench(model: str, **settings: str | int) -> Bench:
    place = MappedPeripheral(
        "adc1", model, 0x40012000, 0x100, (("global", 18),), "apb2", tuple(settings.items())
    )
    made = Bench("f746", [place])
    made.space.clocks.change({"core": 200_000_000, "apb2": 100_000_000, "adc": 100_000_000})
    return made


OLD_CLOCK = 4  # cycles, of a converter at half of a bus at half the core
NEW_CLOCK = 4


def test_a_conversion_takes_sampling_and_twelve_clocks() -> None:
    made = bench("adc_f7")
    made.write("adc1", adc_f7.CR2, 1)
    made.write("adc1", adc_f7.CR2, 1 | adc_f7.SWSTART)
    made.run(15 * OLD_CLOCK - 1)
    assert not made.read("adc1", adc_f7.SR) & adc_f7.EOC
    made.run(1)
    assert made.read("adc1", adc_f7.SR) == adc_f7.EOC | adc_f7.STRT
    assert made.read("adc1", adc_f7.DR) == 0x800
    assert not made.read("adc1", adc_f7.SR) & adc_f7.EOC
    assert made.read("adc1", adc_f7.CR2) == 1


def test_a_scan_asks_the_dma_for_each_channel() -> None:
    made = bench("adc_f7", channel3=0x123, channel5=0xFFF)
    taken: list[int] = []
    made.space.on_signal(
        "adc1", lambda level: taken.append(made.read("adc1", adc_f7.DR)) if level else None
    )
    made.write("adc1", adc_f7.SQR1, 2 << 20)
    made.write("adc1", adc_f7.SQR3, 3 | 5 << 5 | 4 << 10)
    made.write("adc1", adc_f7.CR1, adc_f7.SCAN | 1 << 24)  # ten bits
    made.write("adc1", adc_f7.CR2, 1 | adc_f7.DMA | adc_f7.SWSTART)
    made.run(1000)
    assert taken == [0x48, 0x3FF, 0x200]


def test_a_timer_triggers_where_the_board_says_so() -> None:
    made = bench("adc_f7", triggers="1=tim8.2 2=tim2")
    made.write("adc1", adc_f7.CR1, adc_f7.EOCIE)
    made.write("adc1", adc_f7.CR2, 1 | 1 << 28 | 2 << 24)
    assert made.notes == []
    made.space.set_signal("tim2_trgo", True)
    made.run(15 * OLD_CLOCK)
    assert made.raised == [18]


def test_a_trigger_that_nobody_drives_is_told() -> None:
    made = bench("adc_f7")
    made.write("adc1", adc_f7.CR2, 1 | 1 << 28 | 6 << 24)
    assert "trigger 6" in made.notes[0]


def test_injected_channels_are_there_at_once() -> None:
    made = bench("adc_f7", channel18=943)
    made.write("adc1", adc_f7.JSQR, 18 << 15)
    made.write("adc1", adc_f7.CR2, 1 | adc_f7.JSWSTART)
    assert made.read("adc1", adc_f7.SR) & adc_f7.JEOC
    assert made.read("adc1", adc_f7.JDR1) == 943


def test_the_start_of_the_new_converter_is_acknowledged() -> None:
    made = bench("adc_h7")
    assert made.read("adc1", adc_h7.CR) == adc_h7.DEEPPWD
    made.write("adc1", adc_h7.CR, adc_h7.ADVREGEN)
    assert made.read("adc1", adc_h7.ISR) & adc_h7.LDORDY
    made.write("adc1", adc_h7.CR, adc_h7.ADVREGEN | adc_h7.ADCAL)
    assert made.read("adc1", adc_h7.CR) & adc_h7.ADCAL
    made.run(adc_h7.CALIBRATION_CLOCKS * NEW_CLOCK)
    assert not made.read("adc1", adc_h7.CR) & adc_h7.ADCAL
    made.write("adc1", adc_h7.CR, adc_h7.ADVREGEN | adc_h7.ADEN)
    assert made.read("adc1", adc_h7.ISR) & adc_h7.ADRDY
    made.write("adc1", adc_h7.CR, adc_h7.ADVREGEN | adc_h7.ADEN | adc_h7.ADDIS)
    assert not made.read("adc1", adc_h7.CR) & (adc_h7.ADEN | adc_h7.ADDIS)


def started(**registers: int) -> Bench:
    made = bench("adc_h7", channel5=0xABCD)
    for name, value in registers.items():
        made.write("adc1", getattr(adc_h7, name), value)
    made.write("adc1", adc_h7.CR, adc_h7.ADVREGEN | adc_h7.ADEN)
    made.write("adc1", adc_h7.CR, adc_h7.ADVREGEN | adc_h7.ADEN | adc_h7.ADSTART)
    return made


def test_a_single_conversion_ends_the_start() -> None:
    made = started(SQR1=5 << 6)
    made.run(10 * NEW_CLOCK - 1)
    assert made.read("adc1", adc_h7.CR) & adc_h7.ADSTART
    made.run(1)
    assert not made.read("adc1", adc_h7.CR) & adc_h7.ADSTART
    assert made.read("adc1", adc_h7.ISR) & (adc_h7.EOC | adc_h7.EOS) == adc_h7.EOC | adc_h7.EOS
    assert made.read("adc1", adc_h7.DR) == 0xABCD


def test_twelve_bits_are_the_top_ones() -> None:
    made = started(SQR1=5 << 6, CFGR=2 << 2)
    made.run(8 * NEW_CLOCK)
    assert made.read("adc1", adc_h7.DR) == 0xABC


def test_continuous_conversions_stop_when_told() -> None:
    made = started(SQR1=5 << 6, CFGR=adc_h7.CONT, IER=adc_h7.EOC)
    for _ in range(3):
        made.run(10 * NEW_CLOCK)
        made.read("adc1", adc_h7.DR)
    assert made.raised == [18] * 3
    made.write("adc1", adc_h7.CR, adc_h7.ADVREGEN | adc_h7.ADEN | adc_h7.ADSTP)
    made.run(10_000)
    assert made.raised == [18] * 3
    assert made.read("adc1", adc_h7.CR) == adc_h7.ADVREGEN | adc_h7.ADEN
