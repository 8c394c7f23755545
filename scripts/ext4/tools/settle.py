#!/usr/bin/env python3
"""Remove from a manifest what no reader can be held to; print what was removed.

usage: settle.py MANIFEST SECOND_MANIFEST E2FSCK_LOG [directory-times]

Fast commits do not carry everything. A field goes when two replays at different
moments disagree on it (the replay took the time of day), or when e2fsck, run
after the replay, reports it as wrong (link counts, block counts). With
directory-times, mtime and ctime of all directories go.
"""

import json
import re
import sys

# What e2fsck prints, and the field it is about.
COMPLAINTS = [
    (re.compile(r"^Inode (\d+) ref count is", re.M), "nlink"),
    (re.compile(r"^Inode (\d+), i_blocks is", re.M), "blocks"),
]


def load(path: str) -> list[dict]:
    with open(path, encoding="ascii") as source:
        return [json.loads(line) for line in source]


def unsettled(entry: dict, second: dict, wrong: set[tuple[int, str]], directory_times: bool) -> list[str]:
    fields = {key for key in entry if key != "path" and entry[key] != second.get(key)}
    fields |= {field for field in ("nlink", "blocks") if (entry["ino"], field) in wrong}
    if directory_times and entry["type"] == "directory":
        fields |= {"mtime_ns", "ctime_ns"}
    return sorted(fields)


def main(path: str, second_path: str, log_path: str, option: str = "") -> None:
    entries = load(path)
    second = {entry["path"]: entry for entry in load(second_path)}
    with open(log_path, encoding="utf-8", errors="replace") as source:
        log = source.read()
    wrong = {(int(ino), field) for pattern, field in COMPLAINTS for ino in pattern.findall(log)}
    removed = {}
    for entry in entries:
        fields = unsettled(entry, second[entry["path"]], wrong, option == "directory-times")
        for field in fields:
            entry.pop(field, None)
        if fields:
            removed[entry["path"]] = fields
    assert second.keys() == {entry["path"] for entry in entries}
    with open(path, "w", encoding="ascii") as out:
        for entry in entries:
            out.write(json.dumps(entry, separators=(",", ":")) + "\n")
    print(json.dumps(removed))


if __name__ == "__main__":
    main(*sys.argv[1:])
