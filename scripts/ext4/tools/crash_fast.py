"""Scenarios of crash.py that end in fast commits.

A fast commit is made by fsync of one file after operations that it can express;
the log must have had a full commit before.
"""

import os

import fsops


def synced(path: str, data: bytes, offset: int = 0) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    os.pwrite(fd, data, offset)
    os.fsync(fd)
    os.close(fd)


def fsync_path(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def full_commit(root: str) -> None:
    """An attribute change cannot be a fast commit, so this fsync is a full one."""
    os.setxattr(f"{root}/base/large", "user.full-commit", b"yes")
    fsync_path(f"{root}/base/large")


def creations(root: str, image: str) -> list[int]:
    full_commit(root)
    for n in range(20):
        synced(f"{root}/base/dir-0/created-{n}", b"created %d\n" % n * (n * 40 + 1))
    os.mkdir(f"{root}/base/made")
    synced(f"{root}/base/made/inside", b"in a new directory\n")
    synced(f"{root}/base/dir-0/last", b"last\n")
    return []


def names(root: str, image: str) -> list[int]:
    full_commit(root)
    base = f"{root}/base"
    for n in range(6):
        here = f"{base}/dir-{n}"
        os.unlink(f"{here}/file-1")
        os.link(f"{here}/file-2", f"{here}/linked")
        os.rename(f"{here}/file-3", f"{here}/renamed")
        os.rename(f"{here}/file-4", f"{here}/file-5")
        os.rename(f"{here}/file-6", f"{base}/dir-{n + 1}/moved-from-{n}")
        synced(f"{here}/file-7", b"rewritten after the names changed\n")
    os.rmdir(f"{base}/dir-9/inner")
    for n in range(0, 600, 2):
        os.unlink(f"{base}/crowd/member-{n:04d}")
    synced(f"{base}/dir-9/file-7", b"after the removals\n")
    return []


def ranges(root: str, image: str) -> list[int]:
    full_commit(root)
    base = f"{root}/base"
    for n in range(10):
        synced(f"{base}/dir-{n}/file-2", b"appended" * 3000, 20_000)
        synced(f"{base}/dir-{n}/file-3", b"over", 2)
    for n in range(30):
        synced(f"{base}/scattered", b"piece %d" % n, n * 24_576)
    fd = os.open(f"{base}/large", os.O_RDWR)
    fsops.punch_hole(fd, 131_072, 262_144)
    os.fsync(fd)
    os.ftruncate(fd, 600_000)
    os.fsync(fd)
    fsops.fallocate(fd, 0, 600_000, 200_000)
    os.pwrite(fd, b"into unwritten space", 700_000)
    os.fsync(fd)
    os.close(fd)
    os.truncate(f"{base}/dir-3/file-10", 9)
    fsync_path(f"{base}/dir-3/file-10")
    os.chmod(f"{base}/dir-4/file-10", 0o400)
    os.chown(f"{base}/dir-4/file-10", 1234, 70_000)
    os.utime(f"{base}/dir-4/file-10", ns=(1, 1_500_000_000_000_000_009))
    fsync_path(f"{base}/dir-4/file-10")
    return []


def everything(root: str, image: str) -> list[int]:
    """Full commits before and between, and operations after that nothing covers."""
    creations(root, image)
    full_commit(root)
    names(root, image)
    ranges(root, image)
    synced(f"{root}/base/dir-8/same-name", b"first\n")
    os.unlink(f"{root}/base/dir-8/same-name")
    synced(f"{root}/base/dir-8/same-name", b"second\n")
    os.unlink(f"{root}/base/dir-8/file-9")
    os.mkdir(f"{root}/base/too-late")
    return []


def orphans(root: str, image: str) -> list[int]:
    full_commit(root)
    kept = []
    for n in range(5):
        path = f"{root}/base/dir-{n}/file-11"
        kept.append(os.open(path, os.O_RDWR))
        os.unlink(path)
        synced(f"{root}/base/dir-{n}/file-10", b"synced after an unlink\n")
    return kept


def inline(root: str, image: str) -> list[int]:
    """Files that stay small enough for their inodes."""
    full_commit(root)
    for n in range(10):
        synced(f"{root}/base/dir-{n}/file-0", b"inline %d" % n, 3)
        synced(f"{root}/base/dir-{n}/tiny", b"t" * (n * 5 + 1))
    os.chmod(f"{root}/base/dir-1/tiny", 0o600)
    fsync_path(f"{root}/base/dir-1/tiny")
    return []


SCENARIOS = {
    "fast-creations": creations,
    "fast-names": names,
    "fast-ranges": ranges,
    "fast-everything": everything,
    "fast-orphans": orphans,
    "fast-inline": inline,
}
