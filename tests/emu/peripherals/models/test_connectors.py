"""Connectors with nothing in them: SD card, USB, Ethernet. Drivers find that out and go on."""

from __future__ import annotations

import pytest

from emu.board import MappedPeripheral
from emu.peripherals.models import ethernet, sdmmc, usb_otg
from tests.emu.peripherals.bench import Bench

CORE_HZ = 192_000_000


def bench(model: str, **settings: int) -> Bench:
    place = MappedPeripheral(
        "it", model, 0x40040000, 0x40000, (("global", 49),), "ahb", tuple(settings.items())
    )
    made = Bench("f746", [place])
    made.space.clocks.change({"core": CORE_HZ, "it": 48_000_000})
    return made


@pytest.mark.parametrize(
    ("version", "no_response", "short_response"),
    [(1, 1 << 10, 1 << 10 | 1 << 6), (2, 1 << 12, 1 << 12 | 1 << 8)],
)
def test_an_empty_slot_times_out(version: int, no_response: int, short_response: int) -> None:
    made = bench("sdmmc", version=version)
    made.write("it", sdmmc.CMD, no_response)
    made.run(10_000)
    assert made.read("it", sdmmc.STA) & 0xFFF == sdmmc.CMDSENT
    made.write("it", sdmmc.ICR, 0xFFF)
    made.write("it", sdmmc.MASK, sdmmc.CTIMEOUT)
    made.write("it", sdmmc.CMD, short_response | 8)
    assert made.read("it", sdmmc.STA) & 0xFFF == 0
    made.run(10_000)
    assert made.read("it", sdmmc.STA) & 0xFFF == sdmmc.CTIMEOUT
    assert made.raised == [49]


def test_a_usb_core_is_idle_and_out_of_reset() -> None:
    made = bench("usb_otg")
    assert made.read("it", usb_otg.GRSTCTL) == usb_otg.AHB_IDLE
    for command in (1, 1 << 4, 1 << 5 | 0x10 << 6):
        made.write("it", usb_otg.GRSTCTL, command)
        assert made.read("it", usb_otg.GRSTCTL) & 0x37 == 0


def test_the_usb_mode_follows_what_is_forced() -> None:
    made = bench("usb_otg")
    made.write("it", usb_otg.GUSBCFG, usb_otg.FORCE_HOST)
    assert made.read("it", usb_otg.GINTSTS) & 1
    made.write("it", usb_otg.GUSBCFG, usb_otg.FORCE_DEVICE)
    assert not made.read("it", usb_otg.GINTSTS) & 1


@pytest.mark.parametrize("offset", [0x920, 0xB20, 0x540], ids=["in", "out", "channel"])
def test_a_usb_endpoint_stops_when_told(offset: int) -> None:
    made = bench("usb_otg")
    made.write("it", offset, 1 << 31)
    assert made.read("it", offset) >> 31
    made.write("it", offset, 3 << 30)
    assert not made.read("it", offset) >> 31


@pytest.mark.parametrize("version", [1, 2])
def test_an_ethernet_reset_ends(version: int) -> None:
    made = bench("ethernet", version=version)
    made.write("it", ethernet.DMABMR, 1)
    assert not made.read("it", ethernet.DMABMR) & 1


def phy(made: Bench, version: int, address: int, register: int, data: int | None = None) -> int:
    """One access over the management interface, as the driver makes it."""
    if version == 1:
        command, value = ethernet.MACMIIAR, ethernet.MACMIIDR
        word = address << 11 | register << 6 | (0 if data is None else 2) | 1
    else:
        command, value = ethernet.MACMDIOAR, ethernet.MACMDIODR
        word = address << 21 | register << 16 | (12 if data is None else 4) | 1
    if data is not None:
        made.write("it", value, data)
    made.write("it", command, word)
    assert not made.read("it", command) & 1
    return made.read("it", value)


@pytest.mark.parametrize("version", [1, 2])
def test_the_phy_answers_at_its_address(version: int) -> None:
    made = bench("ethernet", version=version)
    assert phy(made, version, 0, 2) == 0x0007
    assert phy(made, version, 0, 18) & 31 == 0
    assert phy(made, version, 5, 2) == 0xFFFF
    phy(made, version, 0, 0, 1 << 15)
    assert phy(made, version, 0, 0) == 0x3000


@pytest.mark.parametrize("link", [0, 1])
def test_the_link_is_as_the_board_says(link: int) -> None:
    made = bench("ethernet", version=1, link=link)
    assert phy(made, 1, 0, 1) >> 2 & 1 == link
