#!/usr/bin/env python3
"""Write OUT_DIR/index.json: every NAME.json of the directory in one list."""

import json
import pathlib
import sys


def main(directory: pathlib.Path) -> None:
    images = []
    for path in sorted(directory.glob("*.json")):
        if path.name != "index.json":
            images.append(json.loads(path.read_text("ascii")))
    index = json.dumps({"images": images}, indent=1)
    (directory / "index.json").write_text(index + "\n", "ascii")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
