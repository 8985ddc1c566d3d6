"""What a bus master reaches: memory across regions, and what lies beside it."""

from __future__ import annotations

import pytest

from emu.board import MappedPeripheral
from emu.peripherals.peripheral import BusError
from tests.emu.peripherals.bench import Bench

EDGE = 0x20010000


class TwoRegions(Bench):
    """A memory that ends and another that begins at `EDGE`, as DTCM and SRAM1 of STM32F7."""

    def memory_read(self, address: int, size_bytes: int) -> bytes:
        if address < EDGE:
            size_bytes = min(size_bytes, EDGE - address)
        return super().memory_read(address, size_bytes)

    def memory_write(self, address: int, data: bytes) -> bool:
        if address < EDGE < address + len(data):
            return False
        return super().memory_write(address, data)


@pytest.fixture
def made() -> Bench:
    return TwoRegions("f746", [])


def test_a_line_of_bytes_crosses_from_one_memory_to_the_next(made: Bench) -> None:
    data = bytes(range(100))
    made.space.bus_write(EDGE - 30, int.from_bytes(data, "little"), len(data))
    assert made.space.bus_read(EDGE - 30, len(data)) == int.from_bytes(data, "little")
    made.space.bus_copy(EDGE - 30, EDGE - 20, 40)
    assert made.ram[0xFFEC:0x10014] == data[:40]


def test_behind_the_last_memory_nothing_answers(made: Bench) -> None:
    end = made.RAM + made.RAM_BYTES
    with pytest.raises(BusError) as missed:
        made.space.bus_read(end - 2, 4)
    assert missed.value.address == end
    with pytest.raises(BusError) as missed:
        made.space.bus_write(end - 2, 0, 4)
    assert missed.value.address == end
    with pytest.raises(BusError):
        made.space.bus_copy(made.RAM, 0x10, 4)


@pytest.mark.parametrize("address", [0x40020000, 0xA0001000], ids=["ahb", "fmc_and_quadspi"])
def test_a_bus_master_reaches_registers_wherever_they_are(address: int) -> None:
    made = Bench("f746", [MappedPeripheral("it", "register_file", address, 0x400)])
    made.space.bus_write(address + 0x20, 0xAB, 1)
    assert made.space.bus_read(address + 0x20, 4) == 0xAB
