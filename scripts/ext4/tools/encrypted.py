#!/usr/bin/env python3
"""Make directories under fscrypt policies, with a key that nothing keeps.

usage: encrypted.py MOUNT_POINT

Afterwards the key is removed again; the mount shows what a system without the
key sees. Layouts are those of the kernel's fscrypt documentation.
"""

import fcntl
import os
import struct
import sys

FS_IOC_ADD_ENCRYPTION_KEY = 0xC0506617
FS_IOC_REMOVE_ENCRYPTION_KEY = 0xC0406618
FS_IOC_SET_ENCRYPTION_POLICY = 0x800C6613
KEY_SPECIFIER_IDENTIFIER = 2
POLICY_V2 = 2
MODE_AES_256_XTS = 1
MODE_AES_256_CTS = 4
PAD_NAMES_TO_32 = 3


def specifier(identifier: bytes) -> bytes:
    return struct.pack("<II", KEY_SPECIFIER_IDENTIFIER, 0) + identifier.ljust(32, b"\0")


def add_key(fd: int, key: bytes) -> bytes:
    """Add the key to the filesystem; returns its 16-byte identifier."""
    head = specifier(b"") + struct.pack("<II", len(key), 0) + bytes(32)
    argument = bytearray(head + key)
    fcntl.ioctl(fd, FS_IOC_ADD_ENCRYPTION_KEY, argument)
    return bytes(argument[8:24])


def set_policy(path: str, identifier: bytes) -> None:
    policy = struct.pack("<BBBB4x", POLICY_V2, MODE_AES_256_XTS, MODE_AES_256_CTS, PAD_NAMES_TO_32)
    fd = os.open(path, os.O_RDONLY)
    fcntl.ioctl(fd, FS_IOC_SET_ENCRYPTION_POLICY, policy + identifier)
    os.close(fd)


def fill(base: str) -> None:
    for n in range(5):
        with open(f"{base}/secret-{n}", "wb") as out:
            out.write(b"nobody reads this\n" * (1 + 300 * n))
    os.mkdir(f"{base}/subdirectory")
    with open(f"{base}/subdirectory/file", "wb") as out:
        out.write(b"below\n")
    os.symlink("secret-1", f"{base}/link")
    with open(f"{base}/" + "n" * 255, "wb"):
        pass


def main(mount_point: str) -> None:
    fd = os.open(mount_point, os.O_RDONLY)
    identifier = add_key(fd, bytes(range(64)))
    for name in ("vault", "empty-vault"):
        path = f"{mount_point}/{name}"
        os.mkdir(path)
        set_policy(path, identifier)
    fill(f"{mount_point}/vault")
    os.fsync(fd)
    fcntl.ioctl(fd, FS_IOC_REMOVE_ENCRYPTION_KEY, bytearray(specifier(identifier) + bytes(24)))
    os.close(fd)


if __name__ == "__main__":
    main(sys.argv[1])
