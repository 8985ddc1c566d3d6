"""The digits example: what is committed is consistent, and the firmware equals the reference."""

from __future__ import annotations

import re
import zlib

import pytest

from examples.digits import reference, train

ACCURACY_RIGHT_COUNT = 352  # of 360


@pytest.fixture(scope="module")
def network() -> reference.Network:
    return reference.read_network()


@pytest.fixture(scope="module")
def labelled_images() -> tuple[reference.Int8, reference.Int8]:
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
    network: reference.Network, labelled_images: tuple[reference.Int8, reference.Int8]
) -> None:
    images, labels = labelled_images
    for name, text in {
        "weights.c": train.render_weights_c(network),
        "weights.h": train.render_weights_h(network),
        "test_images.c": train.render_test_images_c(images, labels),
        "test_images.h": train.render_test_images_h(images),
    }.items():
        assert (reference.HERE / name).read_text() == text, f"{name} was not written by train.py"
