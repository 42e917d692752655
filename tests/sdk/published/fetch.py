"""Fetches the tests that the libraries' makers publish: `fetch.py FOLDER`.

Each source distribution of sources.tsv is taken by its address, must have its hash, and leaves
its tests and their settings in FOLDER/library.
"""

import hashlib
import io
import pathlib
import sys
import tarfile
import urllib.request

SOURCES = pathlib.Path(__file__).with_name("sources.tsv")
KEPT = ("tests", "pyproject.toml")
SECONDS_MAX = 120


def main():
    folder = pathlib.Path(sys.argv[1])
    for line in SOURCES.read_text().splitlines():
        if not line.startswith("#"):
            library, _, address, sha256 = line.split("\t")
            unpack(fetched(address, sha256), folder / library)


def fetched(address, sha256):
    with urllib.request.urlopen(address, timeout=SECONDS_MAX) as answer:
        archive = answer.read()
    found = hashlib.sha256(archive).hexdigest()
    if found != sha256:
        raise SystemExit(f"{address} has the hash {found}, not {sha256}")
    return archive


def unpack(archive, folder):
    """Without the archive's own first folder."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            path = pathlib.PurePosixPath(member.name)
            if member.isfile() and len(path.parts) > 1 and path.parts[1] in KEPT:
                member.name = str(path.relative_to(path.parts[0]))
                tar.extract(member, folder, filter="data")


if __name__ == "__main__":
    main()
