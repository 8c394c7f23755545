#!/usr/bin/env python3
"""Write OUT_DIR/index.json: the NAME.json of every named image that is there.

usage: write-index.py OUT_DIR NAME...
"""

import json
import pathlib
import sys


def main(directory: pathlib.Path, names: list[str]) -> None:
    paths = [directory / f"{name}.json" for name in names]
    images = [json.loads(path.read_text("ascii")) for path in paths if path.exists()]
    index = json.dumps({"images": images}, indent=1)
    (directory / "index.json").write_text(index + "\n", "ascii")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2:])
