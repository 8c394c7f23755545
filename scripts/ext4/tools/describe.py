#!/usr/bin/env python3
"""Write NAME.json: what an image is and what is expected of a reader.

usage: describe.py IMAGE OUT key=value...

Geometry, features, UUID and label come from `dumpe2fs -h`. A value that starts
with @ is the name of a JSON file to include; +key=value is a JSON literal.
"""

import json
import re
import subprocess
import sys

COUNTS = {
    "block_size": "Block size",
    "block_count": "Block count",
    "inode_count": "Inode count",
    "inode_size": "Inode size",
    "cluster_size": "Cluster size",
    "superblock_free_blocks": "Free blocks",
    "superblock_free_inodes": "Free inodes",
    "revision": "Filesystem revision #",
}


def superblock(image: str) -> dict:
    dump = subprocess.run(["dumpe2fs", "-h", image], check=True, capture_output=True).stdout
    fields = dict(re.findall(r"^([^:\n]+):[ \t]*(.*)$", dump.decode("utf-8", "replace"), re.M))
    label = fields.get("Filesystem volume name", "<none>")
    facts = {
        "features": [name for name in fields["Filesystem features"].split() if name != "(none)"],
        "uuid": fields["Filesystem UUID"],
        "label": "" if label == "<none>" else label,
    }
    for key, name in COUNTS.items():
        if name in fields:
            facts[key] = int(fields[name].split()[0])
    return facts


def argument(text: str) -> tuple[str, object]:
    key, value = text.split("=", 1)
    if key.startswith("+"):
        return key[1:], json.loads(value)
    if value.startswith("@"):
        with open(value[1:], encoding="ascii") as source:
            return key, json.load(source)
    return key, value


def main(arguments: list[str]) -> None:
    image, out, *extra = arguments
    given = dict(argument(text) for text in extra)
    with open(out, "w", encoding="ascii") as output:
        json.dump({"name": given.pop("name"), **superblock(image), **given}, output, indent=1)
        output.write("\n")


if __name__ == "__main__":
    main(sys.argv[1:])
