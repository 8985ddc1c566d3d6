"""The digits example: what is committed is consistent, and the firmware equals the reference."""

from __future__ import annotations

import json
import re
import shutil
import zlib
from pathlib import Path

import pytest

from emu import load_trace
from emu.measure.pytest_plugin import Emu
from examples.digits import reference, train

DIGITS = reference.HERE
LabelledImages = tuple[reference.Int8, reference.Int8]


@pytest.fixture(scope="module")
def network() -> reference.Network:
    return reference.read_network()


@pytest.fixture(scope="module")
def labelled_images() -> LabelledImages:
    return reference.read_test_images()


def expected_console(
    network: reference.Network, images: reference.Int8, labels: reference.Int8
) -> str:
    """What main.c prints, computed by the reference."""
    logits, predicted = reference.invoke(images, network)
    digits = "".join(str(digit) for digit in predicted)
    right_count = int((predicted == labels).sum())
    permille = (right_count * 1000 + len(labels) // 2) // len(labels)
    lines = re.findall(".{1,60}", digits)
    lines.append(f"logits crc32 {zlib.crc32(logits.tobytes()):08x}")
    lines.append(f"accuracy {right_count} of {len(labels)}, {permille // 10}.{permille % 10} %")
    return "\n".join(lines) + "\n"


def test_committed_c_is_what_the_reference_reads(
    network: reference.Network, labelled_images: LabelledImages
) -> None:
    images, labels = labelled_images
    for name, text in {
        "weights.c": train.render_weights_c(network),
        "weights.h": train.render_weights_h(network),
        "test_images.c": train.render_test_images_c(images, labels),
        "test_images.h": train.render_test_images_h(images),
    }.items():
        assert (reference.HERE / name).read_text() == text, f"{name} was not written by train.py"


def test_int8_accuracy_on_images_not_seen_in_training(
    network: reference.Network, labelled_images: LabelledImages
) -> None:
    images, labels = labelled_images
    _, predicted = reference.invoke(images, network)
    assert (len(labels), int((predicted == labels).sum())) == (360, 352)


def test_test_images_are_those_of_scikit_learn(labelled_images: LabelledImages) -> None:
    pytest.importorskip("sklearn", reason="the split needs scikit-learn: pip install '.[examples]'")
    images, labels = labelled_images
    _, _, test_x, test_y = train.load_split()
    assert (images == train.quantize_images(test_x)).all()
    assert (labels == test_y).all()


@pytest.mark.needs_compiler
@pytest.mark.board("h743", "f746")
def test_firmware_equals_the_reference_and_costs_what_it_did(
    emu: Emu, board: str, network: reference.Network, labelled_images: LabelledImages
) -> None:
    report = emu.run(DIGITS, measure="model_invoke")

    assert report.console == expected_console(network, *labelled_images)
    assert report.exit_code == 0
    assert report.call("model_invoke").calls_count == 360
    emu.check(report, f"digits.{board}")


@pytest.mark.needs_gcc
@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no arm-none-eabi-gcc here")
def test_firmware_built_by_gcc_equals_the_reference(
    emu: Emu, network: reference.Network, labelled_images: LabelledImages
) -> None:
    report = emu.run(DIGITS, toolchain="gcc")
    assert report.console == expected_console(network, *labelled_images)


@pytest.mark.needs_compiler
@pytest.mark.parametrize(
    "place", [{"weights": "dtcm"}, {"code": "itcm"}, {"data": "dtcm"}, {"stack": "axi"}]
)
def test_placement_moves_cycles_and_no_result(
    emu: Emu, place: dict[str, str], network: reference.Network, labelled_images: LabelledImages
) -> None:
    report = emu.run(DIGITS, place=place)
    assert report.console == expected_console(network, *labelled_images)
    assert report.latency_cycles != emu.run(DIGITS).latency_cycles


@pytest.mark.needs_compiler
def test_hooked_accesses_cost_what_reconstructed_ones_do(emu: Emu) -> None:
    fast, exact = emu.run(DIGITS), emu.run(DIGITS, accesses="hook")
    assert fast.latency_cycles is not None
    assert exact.latency_cycles is not None
    assert exact.instructions_count == fast.instructions_count
    assert abs(fast.latency_cycles - exact.latency_cycles) < 0.005 * exact.latency_cycles


@pytest.mark.needs_compiler
def test_firmware_reads_nothing_unwritten_and_writes_nothing_unnamed(
    emu: Emu, tmp_path: Path
) -> None:
    emu.run(DIGITS, trace=tmp_path / "trace.npz")
    trace = load_trace(tmp_path / "trace.npz")
    assert trace.unwritten_reads == ()
    assert trace.stray_writes == ()


def test_readme_shows_the_cycles_of_today() -> None:
    golden = json.loads((Path(__file__).parent / "golden" / "digits.h743.json").read_text())
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    assert f"{golden['numbers']['latency_cycles']:,} cycles" in readme
    assert f"{golden['numbers']['instructions_count']:,} instructions" in readme
