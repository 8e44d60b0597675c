"""Download the browser runtime of ``densevision web`` with npm into densevision/web/runtime (make web-runtime)."""

import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from densevision.web.runtime import FILES, OWN_FOLDER, PACKAGES, check_content  # noqa: E402


def main() -> None:
    """Fetch the two packages, check every file, and store the files that a site needs."""
    if not shutil.which("npm"):
        sys.exit("make web-runtime needs npm; install Node, or copy densevision/web/runtime from another checkout")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", *PACKAGES], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        contents = {}
        for name, file in FILES.items():
            start = file.package.removeprefix("@").replace("/", "-")
            (archive,) = Path(folder).glob(f"{start}-*.tgz")
            with tarfile.open(archive) as packed:
                contents[name] = packed.extractfile(f"package/{file.path}").read()
            check_content(name, contents[name], f"{archive.name}: {file.path}")
    OWN_FOLDER.mkdir(exist_ok=True)
    for name, content in contents.items():
        (OWN_FOLDER / name).write_bytes(content)
    print(f"{OWN_FOLDER}: {len(contents)} files, {sum(map(len, contents.values())) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
