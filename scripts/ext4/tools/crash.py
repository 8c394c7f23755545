#!/usr/bin/env python3
"""Change a mounted filesystem and copy its image as a power cut would leave it.

usage: crash.py SCENARIO MOUNT_POINT IMAGE COPY [MORE_IMAGE MORE_COPY]

A commit is forced by fsync, which writes the journal but leaves the blocks
themselves to later write-back; the shutdown ioctl then stops every write, so
that COPY holds a log that has not been checkpointed. Files that a scenario
keeps open stay open until the copy is made.
"""

import os
import random
import subprocess
import sys

import crash_fast
import fsops
import jbd2

MAGIC = bytes.fromhex("c03b3998")


def write(path: str, data: bytes, sync: bool = False) -> None:
    with open(path, "wb") as out:
        out.write(data)
        if sync:
            out.flush()
            os.fsync(out.fileno())


def commit(directory: str) -> None:
    fd = os.open(directory, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def prepare(root: str) -> None:
    """The tree that is on disk, checkpointed, before the scenario starts."""
    for n in range(12):
        os.makedirs(f"{root}/base/dir-{n}/inner")
        for m in range(12):
            write(f"{root}/base/dir-{n}/file-{m}", b"old contents of %d in %d\n" % (m, n) * (m * m + 1))
        os.symlink(f"file-{n}", f"{root}/base/dir-{n}/link")
        os.setxattr(f"{root}/base/dir-{n}/file-0", "user.state", b"old")
    write(f"{root}/base/large", b"L" * 900_000)
    os.mkdir(f"{root}/base/crowd")
    for n in range(600):
        write(f"{root}/base/crowd/member-{n:04d}", b"")


def replaced_contents(base: str) -> None:
    for n in range(12):
        write(f"{base}/dir-{n}/file-2", b"rewritten %d\n" % n * 500, sync=True)
    with open(f"{base}/large", "r+b") as large:
        large.truncate(300_000)
        fsops.punch_hole(large.fileno(), 40_960, 81_920)
        large.seek(500_000)
        large.write(b"beyond the end")
        os.fsync(large.fileno())


def changed_names(base: str) -> None:
    for n in range(12):
        here = f"{base}/dir-{n}"
        os.unlink(f"{here}/file-3")
        os.rename(f"{here}/file-4", f"{base}/dir-{(n + 1) % 12}/moved-{n}")
        os.rename(f"{here}/file-5", f"{here}/file-6")
        os.link(f"{here}/file-7", f"{here}/inner/hard")
        os.symlink("../file-7", f"{here}/inner/soft")
        os.symlink("s" * 200, f"{here}/inner/slow")
    for n in range(0, 600, 3):
        os.unlink(f"{base}/crowd/member-{n:04d}")
    os.rename(f"{base}/dir-11", f"{base}/dir-0/inner/dir-11")
    os.mkdir(f"{base}/fresh")
    for n in range(40):
        write(f"{base}/fresh/{n}", b"fresh %d\n" % n)
    os.mkfifo(f"{base}/fresh/fifo")
    os.mknod(f"{base}/fresh/device", 0o20600, os.makedev(259, 300))


def changed_attributes(base: str) -> None:
    for n in range(11):
        path = f"{base}/dir-{n}/file-0"
        os.chmod(path, 0o4711)
        os.chown(path, 70_000 + n, 12)
        os.utime(path, ns=(5, 1_600_000_000_123_456_789))
        os.setxattr(path, "user.state", b"new")
        os.setxattr(f"{base}/dir-{n}/file-1", "user.block", b"b" * 500)
    os.truncate(f"{base}/dir-1/file-8", 5)
    os.truncate(f"{base}/dir-1/file-9", 100_000)


def uncommitted(base: str) -> None:
    """What no commit covers: a correct reader sees nothing of it."""
    write(f"{base}/never", b"never committed")
    os.unlink(f"{base}/dir-1/file-0")
    os.rename(f"{base}/dir-2", f"{base}/renamed-too-late")


def general(root: str, image: str) -> list[int]:
    base = f"{root}/base"
    replaced_contents(base)
    commit(base)
    changed_names(base)
    commit(base)
    changed_attributes(base)
    commit(base)
    uncommitted(base)
    return []


def revokes(root: str, image: str) -> list[int]:
    """Directory blocks are logged, freed, and their space becomes file data."""
    os.mkdir(f"{root}/doomed")
    for n in range(25):
        os.mkdir(f"{root}/doomed/{n}")
        for m in range(30):
            write(f"{root}/doomed/{n}/{'long' * 20}-{m}", b"")
    commit(root)
    subprocess.run(["rm", "-r", f"{root}/doomed"], check=True)
    commit(root)
    # Filling the filesystem makes reuse of every freed block certain.
    n = 0
    try:
        while True:
            write(f"{root}/filler-{n}", b"data where a directory was. " * 40_000, sync=True)
            n += 1
    except OSError:
        pass
    commit(root)
    return []


def log_wraps(root: str, image: str) -> list[int]:
    """More transactions than the log has room for, until what waits in it wraps."""
    rng = random.Random(3)
    os.makedirs(f"{root}/busy", exist_ok=True)
    for round_number in range(1000):
        for _ in range(30):
            write(f"{root}/busy/{'n' * rng.randrange(1, 100)}-{rng.randrange(400)}", b"%d" % round_number)
        victims = os.listdir(f"{root}/busy")
        for victim in rng.sample(victims, min(10, len(victims))):
            os.unlink(f"{root}/busy/{victim}")
        commit(root)
        if round_number > 20 and jbd2.read_inode(image, f"{image}.journal").is_wrapped():
            break
    return []


def journalled_data(root: str, image: str) -> list[int]:
    """Contents that begin with the journal's magic number must be escaped."""
    block = os.statvfs(root).f_bsize
    for n in range(6):
        write(f"{root}/magic-{n}", (MAGIC + b"escaped".ljust(block - 4, b"%d" % n)) * (n + 1), sync=True)
    write(f"{root}/looks-like-commit", (MAGIC + bytes([0, 0, 0, 2, 0, 0, 0, 9])).ljust(block, b"\0") * 3, sync=True)
    return general(root, image)


def orphans(root: str, image: str) -> list[int]:
    """Files that are open but have no name any more, and one being truncated."""
    kept = []
    for n in range(8):
        path = f"{root}/base/dir-{n}/file-11"
        kept.append(os.open(path, os.O_RDWR))
        os.unlink(path)
    unnamed = os.open(f"{root}/base", os.O_TMPFILE | os.O_RDWR)
    os.write(unnamed, b"never had a name" * 1000)
    os.fsync(unnamed)
    kept.append(unnamed)
    linked = os.open(f"{root}/base", os.O_TMPFILE | os.O_RDWR)
    os.write(linked, b"got a name later\n")
    base = os.open(f"{root}/base", os.O_RDONLY)
    # Naming a directory descriptor makes Python follow the link in /proc.
    os.link(f"/proc/self/fd/{linked}", "named-later", dst_dir_fd=base)
    os.close(base)
    os.fsync(linked)
    kept.append(linked)
    commit(f"{root}/base")
    return kept


def synced(root: str, image: str) -> list[int]:
    """Everything is in place already, but the log has not been told."""
    kept = general(root, image)
    os.sync()
    return kept


SCENARIOS = {
    "general": general,
    "synced": synced,
    "revokes": revokes,
    "log-wraps": log_wraps,
    "journalled-data": journalled_data,
    "orphans": orphans,
    "nothing": lambda root, image: [],
    **crash_fast.SCENARIOS,
}


def main(scenario: str, mount_point: str, *copies: str) -> None:
    kept_open = SCENARIOS[scenario](mount_point, copies[0])
    fsops.shut_down(mount_point)
    for source, copy in zip(copies[::2], copies[1::2], strict=True):
        subprocess.run(["cp", "--sparse=always", source, copy], check=True)
    for fd in kept_open:
        os.close(fd)


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(sys.argv[2])
    else:
        main(*sys.argv[1:])
