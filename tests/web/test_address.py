"""The QR code reads as the address that it was made of, and addresses are those of this machine."""

import ipaddress
import re

import cv2
import numpy as np
import pytest

from densevision.web.address import is_own_host, lan_addresses, qr_code

URL = "http://192.168.178.123:8000/"
HALVES = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0)}  # what is lit: above, below


def read_code(drawn):
    """Read half blocks as a phone's camera does, on a dark terminal: lit is white."""
    rows = [np.array([HALVES[one] for one in line]).T for line in drawn.splitlines()]
    modules = np.concatenate(rows).astype(np.uint8) * 255
    image = cv2.copyMakeBorder(cv2.resize(modules, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST), *[40] * 4, 0)
    return cv2.QRCodeDetector().detectAndDecode(image)[0]


def test_a_code_reads_as_its_address():
    pytest.importorskip("segno")
    drawn = qr_code(URL, colored=False)
    assert read_code(drawn) == URL
    assert max(map(len, drawn.splitlines())) < 40 and len(drawn.splitlines()) < 20  # fits a terminal


def test_a_colored_code_has_its_colors_in_every_line():
    pytest.importorskip("segno")
    lines = qr_code(URL, colored=True).splitlines()
    assert all(re.fullmatch("\033\\[97;40m[█▀▄ ]+\033\\[0m", line) for line in lines)
    assert read_code(re.sub("\033\\[[0-9;]*m", "", "\n".join(lines))) == URL


def test_addresses_are_numbers_and_not_of_loopback():
    for one in lan_addresses():
        assert ipaddress.ip_address(one).version == 4 and not one.startswith("127.")


@pytest.mark.parametrize(
    "host", ["localhost\n", "local host", "a" * 300, "[::1", "::1", "localhost:", "localhost:x", "é"]
)
def test_what_is_no_host(host):
    assert not is_own_host(host, lan=True)
