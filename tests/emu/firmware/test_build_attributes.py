"""Build attributes: what compilers write is read; what is damaged is no reason to fail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.firmware.build_attributes import BuildAttributes, parse_build_attributes
from tests.emu.firmware.program_files import attributes

CORTEX_M7: dict[int, int | str] = {5: "Cortex-M7", 6: 13, 7: ord("M"), 9: 3, 10: 8, 27: 1}


def test_a_cortex_m7_with_single_precision() -> None:
    assert parse_build_attributes(attributes(CORTEX_M7)) == BuildAttributes(
        cpu_name="Cortex-M7", cpu_arch=13, profile="M", uses_fpu=True
    )


@pytest.mark.parametrize(
    ("values", "doubles"),
    [({10: 8}, True), ({10: 8, 27: 1}, False), ({10: 0}, False), ({10: 6, 27: 3}, True)],
    ids=["fpv5_d16", "fpv5_sp_d16", "soft", "vfpv4_d16_said_twice"],
)
def test_double_precision_is_told_from_single(values: dict[int, int | str], doubles: bool) -> None:
    built = parse_build_attributes(attributes(values))
    assert built is not None
    assert built.uses_double_registers == doubles


@pytest.mark.parametrize(
    ("values", "cortex_m"),
    [
        ({6: 13, 7: ord("M")}, True),
        ({6: 11}, True),
        ({6: 17, 7: ord("M")}, True),
        ({6: 10, 7: ord("A"), 8: 1}, False),
        ({6: 10, 7: ord("R"), 8: 1}, False),
        ({6: 10, 7: ord("S"), 8: 1}, False),
        ({6: 14}, False),
        ({6: 4, 8: 1}, False),
        ({6: 2, 9: 1}, None),
        ({}, None),
    ],
    ids=[
        *("v7e_m", "v6_m", "v8_m", "cortex_a", "cortex_r", "classic_profile", "v8_a"),
        *("arm9", "thumb_of_an_unsaid_core", "nothing"),
    ],
)
def test_cores_are_told_apart(values: dict[int, int | str], cortex_m: bool | None) -> None:
    built = parse_build_attributes(attributes(values))
    assert built is not None
    assert built.is_cortex_m == cortex_m


def test_texts_and_numbers_of_unknown_tags_are_passed_over() -> None:
    built = parse_build_attributes(attributes({4: "x", 67: "2.09", 70: 300, 71: "y", 7: ord("M")}))
    assert built is not None
    assert built.profile == "M"


def test_other_vendors_say_nothing() -> None:
    other = attributes(CORTEX_M7, vendor=b"gnu\0")
    assert parse_build_attributes(other) == BuildAttributes()
    assert parse_build_attributes(other + attributes(CORTEX_M7)[1:]) == parse_build_attributes(
        attributes(CORTEX_M7)
    )


@given(st.integers(0, len(attributes(CORTEX_M7)) - 1), st.integers(0, 255))
def test_damage_ends_in_an_answer(at: int, value: int) -> None:
    data = bytearray(attributes(CORTEX_M7))
    data[at] = value
    parse_build_attributes(bytes(data))
    parse_build_attributes(bytes(data[:at]))
