"""``adb reverse`` through the real adb client: a port of the emulated phone that leads to a server here."""

import contextlib
import http.client

import pytest

from densevision.benchmark.phone.adb import LostPhoneError, Phone
from densevision.errors import UserError
from tests.benchmark.phone.adb_server import adb_server, needs_adb
from tests.benchmark.phone.emulated_phone import EmulatedPhone
from tests.benchmark.phone.reverse import LOCALHOST
from tests.web.site_server import make_site, running

pytestmark = needs_adb


@pytest.fixture(scope="module")
def adb(tmp_path_factory):
    with adb_server(tmp_path_factory.mktemp("home")) as run:
        yield run


@pytest.fixture
def phone(adb, tmp_path):
    one = EmulatedPhone(tmp_path / "phone")
    adb("connect", one.serial)
    yield one
    one.vanish()
    adb("disconnect")


def ask_on_phone(port, path):
    connection = http.client.HTTPConnection(LOCALHOST, port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Host": f"localhost:{port}"})
        return connection.getresponse().read()


def test_a_phone_reaches_the_server_as_its_localhost(phone, tmp_path):
    make_site(tmp_path)
    with running(tmp_path) as server:
        Phone(phone.serial).reverse(server.port)
        assert ask_on_phone(server.port, "/app.js") == b"'use strict';\n"
        assert ask_on_phone(server.port, "/runtime.wasm") == (tmp_path / "site/runtime.wasm").read_bytes()
        Phone(phone.serial).end_reverse(server.port)
        with pytest.raises(ConnectionRefusedError):
            ask_on_phone(server.port, "/")


def test_a_port_that_the_phone_uses_is_not_taken(phone):
    Phone(phone.serial).reverse(8765)
    remedy = rf"give another --port, or free it with adb -s {phone.serial} reverse --remove tcp:8765$"
    with pytest.raises(UserError, match=rf"^port 8765 of phone {phone.serial} can't be used \(.*rebind.*\); {remedy}"):
        Phone(phone.serial).reverse(8765)


def test_a_phone_that_has_left(phone):
    Phone(phone.serial).reverse(8766)
    phone.vanish()
    Phone(phone.serial).end_reverse(8766)
    with pytest.raises(LostPhoneError, match="is no longer attached"):
        Phone(phone.serial).reverse(8766)
