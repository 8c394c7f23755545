#!/usr/bin/env python3
"""Fill a mounted filesystem with a little of everything, or leave it with a dirty journal.

usage: fill-ext4-seed.py tree|dirty|fast MOUNT_POINT
"""

import contextlib
import fcntl
import os
import sys

EXT4_IOC_SHUTDOWN = 0x8004587D
SHUTDOWN_WITHOUT_LOG_FLUSH = (2).to_bytes(4, "little")


def write(path: str, data: bytes, sync: bool = False) -> None:
    with open(path, "wb") as out:
        out.write(data)
        if sync:
            out.flush()
            os.fsync(out.fileno())


def tree(root: str) -> None:
    os.makedirs(f"{root}/etc/deep/er")
    write(f"{root}/etc/os-release", b"ID=seed\nNAME=Seed\n")
    write(f"{root}/etc/deep/er/empty", b"")
    write(f"{root}/large", bytes(range(256)) * 400)
    with open(f"{root}/sparse", "wb") as sparse:
        for place in (0, 20_000, 70_000, 300_000, 5_000_000):
            sparse.seek(place)
            sparse.write(b"island")
    os.symlink("etc/os-release", f"{root}/fast-link")
    os.symlink("/" + "x" * 200, f"{root}/slow-link")
    os.link(f"{root}/large", f"{root}/hard-link")
    os.mkfifo(f"{root}/fifo")
    os.mknod(f"{root}/null", 0o20666, os.makedev(1, 3))
    os.mkdir(f"{root}/many")
    for number in range(60):
        write(f"{root}/many/a-rather-long-name-to-fill-blocks-{number:03d}", b"")
    for name, value in (("user.small", b"v"), ("user.large", b"w" * 300)):
        # Not every seed has room or support for attributes.
        with contextlib.suppress(OSError):
            os.setxattr(f"{root}/large", name, value)


def dirty(root: str) -> None:
    write(f"{root}/etc/os-release", b"ID=after\n" * 300, sync=True)
    os.mkdir(f"{root}/new")
    write(f"{root}/new/file", b"new" * 2000, sync=True)
    # Blocks that are freed after they were logged: what revoke records are for.
    os.unlink(f"{root}/new/file")
    os.rmdir(f"{root}/new")
    for number in range(0, 60, 3):
        os.unlink(f"{root}/many/a-rather-long-name-to-fill-blocks-{number:03d}")
    write(f"{root}/again", b"again" * 3000, sync=True)


def fast(root: str) -> None:
    write(f"{root}/first", b"first" * 100, sync=True)
    write(f"{root}/second", b"second" * 1000, sync=True)
    os.link(f"{root}/first", f"{root}/first-too")
    os.unlink(f"{root}/hard-link")
    write(f"{root}/third", b"third", sync=True)
    with open(f"{root}/large", "r+b") as large:
        large.truncate(50_000)
        os.fsync(large.fileno())


def shut_down(root: str) -> None:
    fd = os.open(root, os.O_RDONLY)
    fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, SHUTDOWN_WITHOUT_LOG_FLUSH)
    os.close(fd)


def main() -> None:
    scenario, root = sys.argv[1:]
    {"tree": tree, "dirty": dirty, "fast": fast}[scenario](root)
    if scenario != "tree":
        shut_down(root)


main()
