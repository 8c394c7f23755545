#!/usr/bin/env python3
"""Make the manifest of an image that the kernel cannot mount.

usage: source-manifest.py IMAGE TREE MANIFEST SCRATCH_DIRECTORY

TREE is what `mke2fs -d` was given: names, types, owners, modes, contents, targets,
devices and attributes are its. Inode numbers, link counts, times, block counts
and sizes of directories come from debugfs. Where both know a fact they must agree.
"""

import hashlib
import os
import re
import subprocess
import sys

import manifest

LISTING = re.compile(rb"/(\d+)/(\d{6})/(-?\d+)/(-?\d+)/([^/]*)/(\d*)/\n")
STAT = {
    "nlink": rb"^Links: (\d+)",
    "blocks": rb"Blockcount: (\d+)",
    "size": rb"Size: (\d+)",
    "project": rb"Project: +(\d+)",
}
TIMES = {"atime_ns": b"atime", "mtime_ns": b"mtime", "ctime_ns": b"ctime", "crtime_ns": b"crtime"}
INLINE_DATA_FLAG = 0x10000000
SOURCE_ONLY = ("ino", "nlink", "blocks", "data", "atime_ns", "mtime_ns", "ctime_ns", "crtime_ns")


def debugfs(image: str, commands: list[str], scratch: str) -> bytes:
    path = f"{scratch}/commands"
    with open(path, "w", encoding="ascii") as out:
        out.write("\n".join(commands) + "\n")
    return subprocess.run(["debugfs", "-f", path, image], check=True, capture_output=True).stdout


def walk(image: str, scratch: str) -> dict[bytes, tuple[int, int, int, int]]:
    """{path: (ino, mode, uid, gid)} of the whole image."""
    found, pending = {}, [(b"", 2)]
    while pending:
        parent, ino = pending.pop()
        listing = debugfs(image, [f"ls -p <{ino}>"], scratch)
        for child, mode, uid, gid, name, _ in LISTING.findall(listing):
            # debugfs prints owners above 2^31 as negative numbers.
            fact = (int(child), int(mode, 8), int(uid) & 0xFFFFFFFF, int(gid) & 0xFFFFFFFF)
            if name == b"." and ino == 2:
                found[b"/"] = fact
            if name in (b".", b"..") or fact[0] == 0:
                continue
            path = parent + b"/" + name
            found[path] = fact
            if int(mode, 8) & 0o170000 == 0o040000:
                pending.append((path, int(child)))
    return found


def time_ns(dump: bytes, name: bytes) -> str | None:
    match = re.search(rb"^ ?" + name + rb": 0x([0-9a-f]{8})(?::([0-9a-f]{8}))?", dump, re.M)
    if not match:
        return None
    low, extra = int(match[1], 16), int(match[2] or b"0", 16)
    seconds = low - (1 << 32 if low >> 31 else 0) + ((extra & 3) << 32)
    return str(seconds * 1_000_000_000 + (extra >> 2))


def stat_fields(dump: bytes) -> dict:
    fields = {key: int(match[1]) for key, pattern in STAT.items() if (match := re.search(pattern, dump, re.M))}
    if not fields["project"]:
        del fields["project"]
    if int(re.search(rb"Flags: 0x([0-9a-f]+)", dump)[1], 16) & INLINE_DATA_FLAG:
        # The kernel reports inline data as space taken, debugfs does not.
        del fields["blocks"]
    if match := re.search(rb"Device major/minor number: (\d+):(\d+)", dump, re.M):
        fields["rdev"] = f"{int(match[1])}:{int(match[2])}"
    for key, name in TIMES.items():
        if (value := time_ns(dump, name)) is not None:
            fields[key] = value
    return fields


def stat_all(image: str, inodes: list[int], scratch: str) -> dict[int, dict]:
    output = debugfs(image, [f"stat <{ino}>" for ino in inodes], scratch)
    dumps = re.split(rb"^(?=Inode: \d+ )", output, flags=re.M)[1:]
    return {int(re.match(rb"Inode: (\d+)", dump)[1]): stat_fields(dump) for dump in dumps}


def check_contents(image: str, files: dict[int, dict], scratch: str) -> None:
    """debugfs must read the same bytes as the tree holds."""
    debugfs(image, [f"dump <{ino}> {scratch}/dumped-{ino}" for ino in files], scratch)
    for ino, fields in files.items():
        expected = fields["sha256"]
        # debugfs 1.47.0 pads inline data to 60 bytes.
        os.truncate(f"{scratch}/dumped-{ino}", fields["size"])
        with open(f"{scratch}/dumped-{ino}", "rb") as dumped:
            found = hashlib.file_digest(dumped, "sha256").hexdigest()
        os.unlink(f"{scratch}/dumped-{ino}")
        assert found == expected, f"inode {ino} differs from its source"


def merge(source: dict, fact: tuple[int, int, int, int], stat: dict) -> dict:
    ino, mode, uid, gid = fact
    assert (int(source["mode"], 8), source["uid"], source["gid"]) == (mode & 0o7777, uid, gid), source["path"]
    assert source.get("rdev") == stat.get("rdev"), source["path"]
    size = stat["size"] if source["type"] == "directory" else source["size"]
    assert size == stat["size"], source["path"]
    kept = {key: value for key, value in source.items() if key not in SOURCE_ONLY}
    return {**kept, **stat, "size": size, "ino": ino}


def main(image: str, tree: str, out: str, scratch: str) -> None:
    lister = manifest.Lister(os.fsencode(tree), tolerant=False, projects=False)
    sources = {os.fsencode(fields["path"]): fields for _, fields in lister.walk()}
    facts = walk(image, scratch)
    facts_only = sorted(facts.keys() - sources.keys())
    assert facts_only == [b"/lost+found"], facts_only
    stats = stat_all(image, sorted({fact[0] for fact in facts.values()}), scratch)
    files = {facts[path][0]: fields for path, fields in sources.items() if "sha256" in fields}
    check_contents(image, files, scratch)
    entries = {path: merge(fields, facts[path], stats[facts[path][0]]) for path, fields in sources.items()}
    ino, mode, uid, gid = facts[b"/lost+found"]
    lost = {"path": "/lost+found", "type": "directory", "mode": f"{mode & 0o7777:04o}", "uid": uid, "gid": gid}
    entries[b"/lost+found"] = {**lost, **stats[ino], "ino": ino}
    manifest.write_manifest([entries[path] for path in sorted(entries)], out)


if __name__ == "__main__":
    main(*sys.argv[1:])
