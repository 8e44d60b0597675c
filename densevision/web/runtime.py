"""Find the runtime that the page uses, LiteRT.js, and check its files.

Its files are not in git. ``make web-runtime`` puts them next to this module, where a wheel built afterwards takes
them from.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from densevision.errors import UserError

NAME, VERSION = "LiteRT.js", "2.5.3"
CORE, UTILS = "@litertjs/core", "@litertjs/wasm-utils"
PACKAGES = (f"{CORE}@{VERSION}", f"{UTILS}@{VERSION}")
OWN_FOLDER = Path(__file__).with_name("runtime")
NOTICES = Path(__file__).with_name("notices")


@dataclass(frozen=True)
class RuntimeFile:
    """A file of the runtime.

    Attributes:
        package: of npm, where it comes from.
        path: within the package.
        sha256: of its content at ``VERSION``.
    """

    package: str
    path: str
    sha256: str


# The name of each file in a site. Three builds: with relaxed SIMD, without (compat), and with threads.
FILES = {
    "core.js": RuntimeFile(CORE, "dist/index.js", "e7daccc3a31eef890848a737ccb863ded5f046a6b40c3fdc0556495adeb5d9b3"),
    "wasm-utils.js": RuntimeFile(
        UTILS, "dist/index.js", "e0e20bc28ab001ac732cf40d15b6eebd24fb0deaeb95eeba5100f51eebf015f2"
    ),
    **{
        name: RuntimeFile(CORE, f"wasm/{name}", sha256)
        for name, sha256 in (
            ("litert_wasm_internal.js", "68efb69f770e3f76aff36a377de629ca496c131b86ac0f0f4b592a1543a898eb"),
            ("litert_wasm_internal.wasm", "7280cf4471774867e385e6c3cd53e2b45e2975b80fea338fff4ef359b0865614"),
            ("litert_wasm_compat_internal.js", "4d8f894b7883654fd6e8439730aa41e79ceaab7d19184fc4f1f0b0f1a2a2c8a5"),
            ("litert_wasm_compat_internal.wasm", "5255c8ad06eabdbd2522cdebf6b22fc10faf74625c23a49b9e072570cd1fa41c"),
            ("litert_wasm_threaded_internal.js", "92fe7a720c6deedaa1194c011c79a005ea4f6fc98f533b661cf7900760ab4849"),
            ("litert_wasm_threaded_internal.wasm", "b5e54eca10f043497edf9a02186332707cae260c550d7ea22b2cae55669596cf"),
        )
    },
}
_HOW = f"npm install {CORE}@{VERSION}, then add --runtime node_modules (in a checkout, make web-runtime does it)"


def read_runtime(folder: Path | None) -> dict[str, bytes]:
    """Read the runtime's files and check them.

    Args:
        folder: of ``npm install @litertjs/core``, its node_modules, or one with the files of ``make web-runtime``;
            None uses the files that came with the package.
    Returns:
        Content by the name in a site, unchanged.
    Raises:
        UserError: a file is missing or of another version.
    """
    if folder is None and not (OWN_FOLDER / "core.js").is_file():
        raise UserError(f"this installation has no browser runtime; type: {_HOW}")
    if folder is not None and not folder.is_dir():
        raise UserError(f"--runtime {folder}: no such folder; type: {_HOW}")
    return {name: _read(folder or OWN_FOLDER, name) for name in FILES}


def _read(folder: Path, name: str) -> bytes:
    file = FILES[name]
    places = [folder / name, *(folder / above / file.package / file.path for above in (".", "node_modules"))]
    for place in places:
        if place.is_file():
            content = place.read_bytes()
            check_content(name, content, str(place))
            return content
    raise UserError(f"{folder} has no {file.package}/{file.path} of the browser runtime; type: {_HOW}")


def check_content(name: str, content: bytes, place: str) -> None:
    """Raise a UserError if a file is not the one of ``VERSION``."""
    if hashlib.sha256(content).hexdigest() != FILES[name].sha256:
        raise UserError(f"{place} is not of {NAME} {VERSION}, or is damaged; type: {_HOW}")


def as_served(name: str, content: bytes) -> bytes:
    """Return what a site serves of a file: the one bare import names its file, and no source map is asked for."""
    if name not in ("core.js", "wasm-utils.js"):
        return content
    text = content.decode().replace(f'from "{UTILS}"', 'from "./wasm-utils.js"')
    lines = [line for line in text.split("\n") if not line.startswith("//# sourceMappingURL=")]
    note = f"// {FILES[name].package} {VERSION}, Apache-2.0; changed by densevision: import by file name, no map"
    return "\n".join([note, *lines]).encode()
