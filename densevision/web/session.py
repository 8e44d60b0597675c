"""One call of ``densevision serve``: build the site, serve it, and remove all temporary files."""

from __future__ import annotations

import contextlib
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from densevision.benchmark.phone.adb import NoPhoneError, Phone, attached_phones, choose_phone
from densevision.benchmark.timing import file_hash
from densevision.errors import UserError
from densevision.inference.metadata import read_model_info
from densevision.stages import stage
from densevision.web.address import lan_addresses
from densevision.web.assets import Asset, read_site
from densevision.web.results import ResultStore
from densevision.web.server import Service, SiteServer
from densevision.web.site import build_site


@dataclass(frozen=True)
class Session:
    """What to serve, and to whom.

    Attributes:
        models: files of ``densevision export``.
        port: 0 takes any free one.
        lan: whether the network may connect.
        adb: whether attached phones get the port as one of their own.
        results: file for the timings that pages send; None accepts none.
        image, runtime: see ``build_site``.
    """

    models: Sequence[Path]
    port: int
    lan: bool = False
    adb: bool = False
    results: Path | None = None
    image: Path | None = None
    runtime: Path | None = None


@dataclass(frozen=True)
class Ready:
    """A server that waits for ``serve_forever``, and where it can be reached.

    Attributes:
        server: that answers once ``serve_forever`` runs.
        addresses: of this machine in the network; empty without ``lan``.
        phones: serials of those that reach it as localhost.
    """

    server: SiteServer
    addresses: list[str]
    phones: list[str]


@contextlib.contextmanager
def open_session(session: Session, tell: Callable[[str], None]) -> Iterator[Ready]:
    """Check everything, build the site in a temporary folder, and listen; all of it is undone at the end.

    Args:
        tell: receives a line about each timing that a page sends.
    Raises:
        UserError: a file, the port, the network or a phone can't be used.
    """
    for model in session.models:
        read_model_info(model)
    store = _store(session, tell) if session.results else None
    addresses = lan_addresses() if session.lan else []
    if session.lan and not addresses:
        raise UserError("--lan: this machine is in no network; connect it, or omit --lan")
    serials = [choose_phone(serial) for serial in _phones()] if session.adb else []
    with _ended_by_signals(), contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="densevision-serve-")))
        server = stack.enter_context(SiteServer(session.port, Service({}, lan=session.lan)))
        stage("building the site")
        accept = store.accept if store else None
        server.service = Service(_build(session, folder), accept, session.lan)
        for phone in map(Phone, serials):
            phone.reverse(server.port)
            stack.callback(phone.end_reverse, server.port)
        yield Ready(server, addresses, serials)


def _build(session: Session, folder: Path) -> dict[str, Asset]:
    site, compressed, results = folder / "site", folder / "compressed", session.results is not None
    build_site(session.models, site, runtime=session.runtime, image=session.image, results=results)
    try:
        compressed.mkdir()
        return read_site(site, compressed)
    except OSError as error:
        remedy = "free some space, or name another folder in TMPDIR"
        raise UserError(f"{folder}: the site can't be compressed ({error.strerror}); {remedy}") from error


def _store(session: Session, tell: Callable[[str], None]) -> ResultStore:
    assert session.results
    return ResultStore(session.results, {file_hash(model): model.name for model in session.models}, tell)


def _phones() -> list[str]:
    serials = list(attached_phones())
    if not serials:
        raise NoPhoneError("--adb: no phone is attached; plug one in with USB debugging enabled")
    return serials


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end the body as Ctrl-C does, so that what it made is removed."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    saved = {number: signal.signal(number, _end) for number in numbers if signal.getsignal(number) != signal.SIG_IGN}
    try:
        yield
    finally:
        for number, handler in saved.items():
            signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
