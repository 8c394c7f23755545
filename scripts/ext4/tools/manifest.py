#!/usr/bin/env python3
"""List a mounted tree as JSON lines: what a correct reader of the image must see.

usage: manifest.py [--tolerant] ROOT MANIFEST [STATFS]

Writes MANIFEST (one object per path, sorted by the bytes of the path) and, if
named, STATFS (the filesystem's totals as one JSON object). With --tolerant an
entry that cannot be read is recorded with its error instead of ending the run.
"""

import hashlib
import json
import os
import stat
import sys

import fsops

# Above this size a file is described by its non-zero pieces, not by one hash.
WHOLE_HASH_LIMIT = 64 << 20
CHUNK = 65536
MAX_SEGMENTS = 4096

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
    """Bytes as JSON can carry them: invalid UTF-8 becomes \\udcXX."""
    return raw.decode("utf-8", "surrogateescape")


def xattrs(path: bytes) -> dict[str, str]:
    names = os.listxattr(path, follow_symlinks=False)
    return {name: os.getxattr(path, os.fsencode(name), follow_symlinks=False).hex() for name in sorted(names)}


def chunk_hashes(fd: int, segments: list[tuple[int, int]], size: int) -> list:
    """[offset, length, sha256] of each 64 KiB piece that is not all zero."""
    chunks = []
    done = 0
    for start, length in segments:
        offset = max(done, start - start % CHUNK)
        while offset < min(start + length, size):
            data = os.pread(fd, min(CHUNK, size - offset), offset)
            if data.count(0) != len(data):
                chunks.append([offset, len(data), hashlib.sha256(data).hexdigest()])
            offset += CHUNK
        done = offset
    return chunks


def whole_hash(fd: int) -> str:
    digest = hashlib.sha256()
    os.lseek(fd, 0, os.SEEK_SET)
    while data := os.read(fd, 1 << 20):
        digest.update(data)
    return digest.hexdigest()


class Lister:
    def __init__(self, root: bytes, tolerant: bool, projects: bool):
        self.root = root
        self.tolerant = tolerant
        self.projects = projects
        # Hard links to one inode are hashed once.
        self.contents: dict[int, dict] = {}

    def content(self, path: bytes, info: fsops.Stat) -> dict:
        if info.ino in self.contents:
            return self.contents[info.ino]
        fd = os.open(path, os.O_RDONLY)
        try:
            fields = {}
            segments = fsops.data_segments(fd, info.size)
            if info.size <= WHOLE_HASH_LIMIT:
                fields["sha256"] = whole_hash(fd)
            else:
                fields["chunks"] = chunk_hashes(fd, segments, info.size)
            if segments != [(0, info.size)] and info.size > 0 and len(segments) <= MAX_SEGMENTS:
                fields["data"] = segments
        finally:
            os.close(fd)
        if info.nlink > 1:
            self.contents[info.ino] = fields
        return fields

    def project(self, path: bytes) -> dict:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            project = fsops.get_project(fd)
        finally:
            os.close(fd)
        return {"project": project} if project else {}

    def details(self, path: bytes, info: fsops.Stat) -> dict:
        """The fields that depend on the file type or need the file opened."""
        fields = {}
        kind = stat.S_IFMT(info.mode)
        encrypted = bool(info.attributes & fsops.STATX_ATTR_ENCRYPTED)
        if encrypted:
            fields["encrypted"] = True
        if kind in (stat.S_IFCHR, stat.S_IFBLK):
            fields["rdev"] = f"{info.rdev[0]}:{info.rdev[1]}"
        if kind == stat.S_IFLNK and not encrypted:
            fields["target"] = text(os.readlink(path))
        if kind == stat.S_IFREG and not encrypted:
            fields.update(self.content(path, info))
        if self.projects and kind in (stat.S_IFREG, stat.S_IFDIR) and not encrypted:
            fields.update(self.project(path))
        if found := xattrs(path):
            fields["xattrs"] = found
        return fields

    def entry(self, path: bytes) -> dict:
        info = fsops.statx(path)
        fields = {
            "path": text(path[len(self.root) :] or b"/"),
            "type": TYPES[stat.S_IFMT(info.mode)],
            "mode": f"{info.mode & 0o7777:04o}",
            "uid": info.uid,
            "gid": info.gid,
            "nlink": info.nlink,
            "size": info.size,
            "ino": info.ino,
            "blocks": info.blocks,
            "atime_ns": str(info.atime_ns),
            "mtime_ns": str(info.mtime_ns),
            "ctime_ns": str(info.ctime_ns),
        }
        if info.crtime_ns is not None:
            fields["crtime_ns"] = str(info.crtime_ns)
        fields.update(self.details(path, info))
        return fields

    def walk(self):
        """Every (sort key, entry) below the root, without recursion."""
        pending = [self.root]
        while pending:
            path = pending.pop()
            try:
                fields = self.entry(path)
                yield path, fields
                if fields["type"] == "directory" and not fields.get("encrypted"):
                    pending.extend(path + b"/" + name for name in os.listdir(path))
            except OSError as error:
                if not self.tolerant:
                    raise
                yield path, {"path": text(path[len(self.root) :]), "error": error.strerror}


def totals(root: str) -> dict:
    info = os.statvfs(root)
    return {
        "block_size": info.f_bsize,
        "blocks": info.f_blocks,
        "free_blocks": info.f_bfree,
        "available_blocks": info.f_bavail,
        "inodes": info.f_files,
        "free_inodes": info.f_ffree,
        "name_length": info.f_namemax,
    }


def write_manifest(entries: list[dict], path: str) -> None:
    with open(path, "w", encoding="ascii") as out:
        for fields in entries:
            out.write(json.dumps(fields, separators=(",", ":")) + "\n")


def main(arguments: list[str]) -> None:
    tolerant = arguments[0] == "--tolerant"
    root, manifest, *rest = arguments[1:] if tolerant else arguments
    lister = Lister(os.fsencode(root), tolerant, projects=bool(os.environ.get("LIST_PROJECTS")))
    listed = sorted(lister.walk(), key=lambda pair: pair[0])
    write_manifest([fields for _, fields in listed], manifest)
    if rest:
        with open(rest[0], "w", encoding="ascii") as out:
            json.dump(totals(root), out)


if __name__ == "__main__":
    main(sys.argv[1:])
