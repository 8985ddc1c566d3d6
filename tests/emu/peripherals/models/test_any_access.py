"""Whatever firmware writes to whichever register: a model answers in range and goes on."""

from __future__ import annotations

import random

import pytest

from tests.emu.peripherals.bench import Bench

MODELS = (
    "timer", "lptim", "rng", "crc", "rtc", "iwdg", "wwdg", "fmc", "hsem", "quadspi", "dma2d",
    "ltdc", "i2c", "spi_f7", "spi_h7", "adc_f7", "adc_h7", "sdmmc", "ethernet", "usb_otg",
)  # fmt: skip
ACCESSES_COUNT, EVENTS_COUNT = 300, 200


@pytest.mark.parametrize("board", ["f746", "h743"])
@pytest.mark.parametrize("model", MODELS)
def test_any_access_is_answered(board: str, model: str) -> None:
    made, choose = Bench(board), random.Random(f"{board} {model}")
    places = [place for place in made.board.chip.peripherals if place.model == model]
    for _ in range(ACCESSES_COUNT if places else 0):
        place = choose.choice(places)
        offsets = [item.offset for item in made[place.name].registers()]
        size_bytes = choose.choice((1, 2, 4, 4, 4))
        offset = choose.choice(offsets) + choose.randrange(0, 4, size_bytes)
        if choose.random() < 0.4:
            assert 0 <= made.read(place.name, offset, size_bytes) < 1 << 8 * size_bytes
        else:
            value = choose.choice((0, 1 << choose.randrange(32), choose.getrandbits(32)))
            made.space.write(place.start + offset, value & (1 << 8 * size_bytes) - 1, size_bytes)
        until = made.cycles + choose.choice((0, 1, 100, 10_000))
        for _ in range(EVENTS_COUNT):
            due = made.space.schedule.next_cycles()
            if due is None or due > until:
                break
            made.cycles = max(made.cycles, due)
            made.space.schedule.run_due(made.cycles)
        made.cycles = max(made.cycles, until)
