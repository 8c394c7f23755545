#!/usr/bin/env python3
"""Fill a mounted filesystem with a little of everything, or leave it with a dirty journal.

usage: fill-ext4-seed.py tree|crowd|dirty|fast MOUNT_POINT
"""

import contextlib
import fcntl
import os
import struct
import sys

EXT4_IOC_SHUTDOWN = 0x8004587D
SHUTDOWN_WITHOUT_LOG_FLUSH = (2).to_bytes(4, "little")
JOURNAL_MAGIC = bytes.fromhex("c03b3998")
NO_ID = 0xFFFFFFFF


def write(path: str, data: bytes, sync: bool = False) -> None:
    with open(path, "wb") as out:
        out.write(data)
        if sync:
            out.flush()
            os.fsync(out.fileno())


FSTAB = rb"""UUID=6f6f6f6f-1111-2222-3333-444444444444 / ext4 errors=remount-ro 0 1
LABEL=dirty /etc/deep ext4 ro 0 2
/dev/sda1 /mnt\040with\040space auto defaults,subvol=@ 0 0
PARTUUID=00001234-02 /many/.. none bind 0 0
tmpfs /tmp tmpfs nosuid 0 0
"""


def tree(root: str) -> None:
    os.makedirs(f"{root}/etc/deep/er")
    write(f"{root}/etc/fstab", FSTAB)
    write(f"{root}/etc/os-release", b"ID=seed\nNAME=Seed\n")
    write(f"{root}/etc/deep/er/empty", b"")
    # With inline_data this goes on behind the inode's fields.
    write(f"{root}/etc/inline", b"inline" * 20)
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
    os.mknod(f"{root}/far", 0o60660, os.makedev(400, 70_000))
    os.mkdir(f"{root}/many")
    for number in range(60):
        write(f"{root}/many/a-rather-long-name-to-fill-blocks-{number:03d}", b"")
    # Version 2 of the form of the system call: owner, one user, group, mask, others.
    acl = struct.pack("<I" + "HHI" * 5, 2, 1, 6, NO_ID, 2, 4, 1000, 4, 4, NO_ID, 16, 4, NO_ID, 32, 4, NO_ID)
    attributes = {
        "user.small": b"v",
        "user.large": b"w" * 300,
        "user.huge": b"x" * 5000,
        "system.posix_acl_access": acl,
    }
    for name, value in attributes.items():
        # Not every seed has room or support for all of them.
        with contextlib.suppress(OSError):
            os.setxattr(f"{root}/large", name, value)


def crowd(root: str) -> None:
    """A hash tree of two levels; links, so that few inodes will do."""
    tree(root)
    os.mkdir(f"{root}/crowd")
    for number in range(2600):
        os.link(f"{root}/etc/os-release", f"{root}/crowd/{number:05d}-{'n' * (20 + number % 30)}")


def dirty(root: str) -> None:
    write(f"{root}/etc/os-release", b"ID=after\n" * 300, sync=True)
    os.mkdir(f"{root}/new")
    write(f"{root}/new/file", b"new" * 2000, sync=True)
    # Blocks that are freed after they were logged: what revoke records are for.
    os.unlink(f"{root}/new/file")
    os.rmdir(f"{root}/new")
    for number in range(0, 60, 3):
        os.unlink(f"{root}/many/a-rather-long-name-to-fill-blocks-{number:03d}")
    # Where contents are logged, this block has to be escaped.
    write(f"{root}/escaped", JOURNAL_MAGIC + b"not a header", sync=True)
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
    {"tree": tree, "crowd": crowd, "dirty": dirty, "fast": fast}[scenario](root)
    if scenario in ("dirty", "fast"):
        shut_down(root)


main()
