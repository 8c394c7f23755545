#!/usr/bin/env python3
"""Make a tree for case-insensitive lookup; print the lookups that must succeed.

usage: casefold-tree.py DIRECTORY

The output is JSON: [[path to look up, path that exists], ...].
"""

import json
import os
import sys
import unicodedata

# Name on disk, and other spellings of it.
SPELLINGS = {
    "MixedCase.TXT": ["mixedcase.txt", "MIXEDCASE.TXT", "MixedCase.TXT"],
    "Stra\u00dfe": ["STRASSE", "strasse", "STRA\u1e9eE"],
    "\u00c4RGER": ["\u00e4rger", unicodedata.normalize("NFD", "\u00c4rger")],
    "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2": ["\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c3".upper()],
    "\u041f\u0440\u0438\u0432\u0435\u0442": ["\u043f\u0420\u0418\u0412\u0415\u0422"],
    "\ufb03nity": ["FFINITY", "ffinity"],
    "\u65e5\u672c\u8a9e": ["\u65e5\u672c\u8a9e"],
}


def write(path: str) -> None:
    with open(path, "w", encoding="utf-8") as out:
        out.write(f"folded {os.path.basename(path)}\n")


def main(root: str) -> None:
    lookups = []
    os.makedirs(f"{root}/folded/many")
    for name, others in SPELLINGS.items():
        write(f"{root}/folded/{name}")
        lookups += [[f"/folded/{other}", f"/folded/{name}"] for other in others]
    for n in range(1500):
        write(f"{root}/folded/many/Entry-Number-{n:04d}-\u00c4")
        if n % 100 == 7:
            existing = f"/folded/many/Entry-Number-{n:04d}-\u00c4"
            lookups += [[f"/folded/many/ENTRY-number-{n:04d}-\u00e4", existing]]
    # Without the flag these are three different names.
    os.mkdir(f"{root}/plain")
    for name in ("same", "SAME", "Same"):
        write(f"{root}/plain/{name}")
    print(json.dumps(lookups))


if __name__ == "__main__":
    main(sys.argv[1])
