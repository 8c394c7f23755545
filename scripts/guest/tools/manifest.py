#!/usr/bin/env python3
"""List a tree as JSON lines: what a correct reader of the guest must see.

usage: manifest.py ROOT MANIFEST

One object per path, sorted by the bytes of the path, "/" first. Mounts below
ROOT are followed, so the paths are those of the running guest. Bytes of a path
or link target that are not UTF-8 stand as \\udcXX (XX the byte in hex).
"""

import hashlib
import json
import os
import stat
import sys

TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "character",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


def text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def file_hash(path: bytes) -> str:
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as source:
        while data := source.read(1 << 20):
            digest.update(data)
    return digest.hexdigest()


def xattrs(path: bytes) -> dict[str, str]:
    names = os.listxattr(path, follow_symlinks=False)
    return {
        name: os.getxattr(path, os.fsencode(name), follow_symlinks=False).hex()
        for name in sorted(names)
    }


def entry(path: bytes, guest_path: str, first_links: dict) -> dict:
    info = os.lstat(path)
    kind = stat.S_IFMT(info.st_mode)
    fields = {
        "path": guest_path,
        "type": TYPES[kind],
        "mode": f"{stat.S_IMODE(info.st_mode):04o}",
        "uid": info.st_uid,
        "gid": info.st_gid,
    }
    if kind != stat.S_IFDIR:
        # The size and the link count of a directory are the filesystem's affair.
        fields["nlink"] = info.st_nlink
        fields["size"] = info.st_size
    fields["mtime_ns"] = str(info.st_mtime_ns)
    if kind == stat.S_IFREG:
        fields["sha256"] = file_hash(path)
    elif kind == stat.S_IFLNK:
        fields["target"] = text(os.readlink(path))
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        fields["rdev"] = f"{os.major(info.st_rdev)}:{os.minor(info.st_rdev)}"
    if found := xattrs(path):
        fields["xattrs"] = found
    if kind != stat.S_IFDIR and info.st_nlink > 1:
        first = first_links.setdefault((info.st_dev, info.st_ino), guest_path)
        if first != guest_path:
            fields["hardLinkTo"] = first
    return fields


def all_paths(root: bytes) -> list[bytes]:
    """Every path below root, relative to it, without recursion."""
    found = []
    pending = [b""]
    while pending:
        relative = pending.pop()
        found.append(relative)
        full = root + relative
        if stat.S_ISDIR(os.lstat(full).st_mode):
            pending.extend(relative + b"/" + name for name in os.listdir(full))
    return sorted(found)


def main(root_argument: str, manifest: str) -> None:
    root = os.fsencode(root_argument.rstrip("/"))
    first_links: dict = {}
    with open(manifest, "w", encoding="ascii") as out:
        for relative in all_paths(root):
            fields = entry(root + relative, text(relative) or "/", first_links)
            out.write(json.dumps(fields, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
