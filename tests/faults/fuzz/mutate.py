"""Damage files: bytes of any kind, the tree of a json, the members of a zip, the chunks of a PNG."""

from __future__ import annotations

import copy
import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from random import Random

_NUMBERS = (0, 1, -1, 2, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64, 10**30, 10**400)
ODD = (
    *_NUMBERS,
    *(0.5, -0.0, 1e-300, 1e308, float("nan"), float("inf"), float("-inf"), True, False, None),
    *(
        "",
        " ",
        "x",
        "0",
        "-1",
        "nan",
        "1e999",
        "\0",
        "\ud800",
        "é",
        "a" * 5000,
        "../x",
        "/etc/passwd",
        "a\nb",
        "%s",
        "{}",
    ),
    *([], {}, [[]], [None], [1], [1, 2, 3, 4], ["a"], {"a": 1}, {"type": "os.system"}, [float("nan")] * 4),
)
_TOKEN = re.compile(rb"-?\d+(?:\.\d+)?|\w+|[^\w\s]|\s+")
_WORDS = (
    b"0",
    b"-1",
    b"1.2.3",
    b"99999999999999999999",
    b"1e999",
    b"nan",
    b"",
    b" ",
    b"\n",
    b"\0",
    b"\xff",
    b"@",
    b"{",
    b"[",
    b'"',
)


def mutate_bytes(data: bytes, draw: Random) -> bytes:
    """Apply one to four changes."""
    data = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(data) + 1)
        kind = draw.randrange(8)
        if kind == 0 and place < len(data):
            data[place] ^= 1 << draw.randrange(8)
        elif kind == 1 and place < len(data):
            data[place] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))
        elif kind == 2:
            data[place : place + draw.randint(1, 64)] = b""
        elif kind == 3:
            data[place:place] = draw.randbytes(draw.randint(1, 16))
        elif kind == 4:
            start = draw.randrange(len(data) + 1)
            data[place:place] = data[start : start + draw.randint(1, 256)]
        elif kind == 5:
            del data[place:]
        elif kind == 6:
            value = draw.choice(_NUMBERS[:13]) & 0xFFFFFFFF
            data[place : place + 4] = struct.pack(draw.choice("<>") + "I", value)
        else:
            data[place : place + 32] = bytes(draw.randint(0, 64))
    return bytes(data)


def mutate_text(data: bytes, draw: Random) -> bytes:
    """Replace, drop, double or swap words and lines; now and then bytes."""
    if draw.random() < 0.25:
        return mutate_bytes(data, draw)
    parts = _TOKEN.findall(data) if draw.random() < 0.7 else data.splitlines(keepends=True)
    for _ in range(draw.randint(1, 3)):
        if not parts:
            break
        place, kind = draw.randrange(len(parts)), draw.randrange(4)
        if kind == 0:
            parts[place] = draw.choice(_WORDS)
        elif kind == 1:
            del parts[place]
        elif kind == 2:
            parts.insert(place, draw.choice(parts))
        else:
            other = draw.randrange(len(parts))
            parts[place], parts[other] = parts[other], parts[place]
    return b"".join(parts)


def mutate_tree(tree: object, draw: Random, odd: tuple = ODD) -> object:
    """Replace, drop, double or nest one to three nodes in place, and return the tree."""
    for _ in range(draw.randint(1, 3)):
        nodes = list(_nodes(tree))
        if not nodes:
            return draw.choice(odd)
        parent, key = draw.choice(nodes)
        _change(parent, key, draw, odd)
    return tree


def _nodes(tree: object):
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(items):
        yield tree, key
        yield from _nodes(value)


def _change(parent, key: object, draw: Random, odd: tuple) -> None:
    kind = draw.randrange(6)
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, list):
        parent.append(copy.deepcopy(parent[key]))
    elif kind == 2:
        parent[key] = [parent[key]]
    elif kind == 3 and isinstance(parent, dict):
        parent[draw.choice(("", "x", "id", "type", "_scope_", str(key) + "s"))] = parent.pop(key)
    else:
        parent[key] = copy.deepcopy(draw.choice(odd))


def mutate_json(data: bytes, draw: Random) -> bytes:
    """Change the tree, or the text."""
    if draw.random() < 0.25:
        return mutate_text(data, draw)
    return dumps(mutate_tree(json.loads(data), draw))


def dumps(tree: object) -> bytes:
    """Write any tree as JSON, also lone surrogates."""
    return json.dumps(tree).encode()


def mutate_zip(data: bytes, draw: Random, member: Callable[[str, bytes, Random], bytes]) -> bytes:
    """Change a member and write its checksum anew, or change the bytes of the whole; what precedes the zip stays."""
    if draw.random() < 0.3:
        return mutate_bytes(data, draw)
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        target.write(data[: min(entry.header_offset for entry in entries)])
        chosen = draw.choice(entries).filename
        with zipfile.ZipFile(target, "a", draw.choice((zipfile.ZIP_STORED,) * 5 + (zipfile.ZIP_DEFLATED,))) as other:
            for entry in entries:
                content = archive.read(entry)
                content = member(entry.filename, content, draw) if entry.filename == chosen else content
                other.writestr(entry.filename, content)
    return target.getvalue()


def mutate_png(data: bytes, draw: Random) -> bytes:
    """Change bytes of a PNG, and in three of four cases write its checksums anew; other formats as bytes."""
    if not data.startswith(b"\x89PNG") or draw.random() < 0.25:
        return mutate_bytes(data, draw)
    chunks, place = [], 8
    while place + 12 <= len(data):
        size = struct.unpack(">I", data[place : place + 4])[0]
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + size]))
        place += 12 + size
    index = draw.randrange(len(chunks))
    name, body = chunks[index]
    if name == b"IDAT" and draw.random() < 0.5:
        body = zlib.compress(mutate_bytes(zlib.decompress(body), draw))
    else:
        body = mutate_bytes(body, draw)
    chunks[index] = name, body
    if draw.random() < 0.1:
        chunks.insert(draw.randrange(len(chunks)), draw.choice(chunks))
    written = [struct.pack(">I", len(body)) + name + body + _crc(name + body) for name, body in chunks]
    return data[:8] + b"".join(written)


def _crc(data: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(data))
