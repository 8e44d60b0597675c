"""The code blocks of a page of documentation, for tests that run them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class CodeBlock:
    """A fenced block of a Markdown page.

    Attributes:
        language: first word after the fence: "python", "bash", ...; may be empty.
        title: value of ``title="..."`` after the language, a file name; else None.
        text: what lies between the fences.
        line: of the opening fence, from 1.
    """

    language: str
    title: str | None
    text: str
    line: int


def code_blocks(path: Path, language: str | None = None) -> list[CodeBlock]:
    """Return the fenced blocks of a page in order; those of one language only where it is given."""
    page, blocks = path.read_text(), []
    for match in _BLOCK.finditer(page):
        info = match["info"].strip()
        title = re.search(r'title="([^"]*)"', info)
        line = page.count("\n", 0, match.start()) + 1
        blocks.append(CodeBlock(info.partition(" ")[0], title and title[1], match["text"], line))
    return [block for block in blocks if language in (None, block.language)]
