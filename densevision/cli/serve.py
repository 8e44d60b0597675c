"""``densevision serve``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from densevision.outputs import JSON, check_output

if TYPE_CHECKING:
    from densevision.web.session import Ready

_LAN_NOTE = """\
Without https a browser gives a page no camera and one thread. Photos, the sample and timing work; for the live camera
attach an Android phone and add --adb, or publish the folder of densevision web on a host with https.
Anyone in this network can open the page."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL.tflite", help="files of densevision export")
    parser.add_argument("--port", type=_port, default=8000, help="0 takes any free one (default: 8000)")
    parser.add_argument("--lan", action="store_true", help="let phones in this network connect, and print a QR code")
    parser.add_argument("--adb", action="store_true", help="let attached Android phones connect through their cable")
    parser.add_argument(
        "--json", type=Path, metavar="OUT", help="accept the timings that phones send, and add them here"
    )
    parser.add_argument("--image", type=Path, metavar="IMAGE", help="sample image (default: a rendered street)")
    parser.add_argument(
        "--runtime", type=Path, metavar="DIR", help="folder of npm install @litertjs/core (default: the package's own)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C, which ends with status 130 as for every command."""
    from densevision.web.session import Session, open_session

    if arguments.json:
        check_output("--json", arguments.json, JSON, [*arguments.models, arguments.image])
    session = Session(
        models=arguments.models,
        port=arguments.port,
        lan=arguments.lan,
        adb=arguments.adb,
        results=arguments.json,
        image=arguments.image,
        runtime=arguments.runtime,
    )
    with open_session(session, _tell) as ready:
        _announce(ready)
        ready.server.serve_forever()
    return 0


def _announce(ready: Ready) -> None:
    port = ready.server.port
    _tell(f"on this machine  http://127.0.0.1:{port}/")
    for serial in ready.phones:
        _tell(f"on the phone     http://localhost:{port}/  ({serial}; with camera)")
    for address in ready.addresses:
        _tell(f"in the network   http://{address}:{port}/")
    if ready.addresses:
        _tell_code(f"http://{ready.addresses[0]}:{port}/")
        _tell(_LAN_NOTE)
    _tell("Ctrl-C ends it.")


def _tell_code(url: str) -> None:
    from densevision.web.address import qr_code

    code = qr_code(url, colored=sys.stdout.isatty())
    if code is None:
        code = "To get this address as a QR code, too: pip install segno"
    elif not _prints(code):
        code = "This terminal can't print a QR code; type the address."
    _tell(code)


def _prints(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _tell(line: str) -> None:
    print(line, flush=True)


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{number} is not between 0 and 65535")
    return number
