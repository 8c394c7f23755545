#!/usr/bin/env python3
"""Add to a root filesystem, under srv/testdata, what packages do not bring.

usage: decorate.py ROOT EPOCH

Difficult names, links, special files, modes, times, extended attributes, ACLs,
sparse files and directories. The same bytes in every run; times that nothing
here sets on purpose become EPOCH.
"""

import os
import random
import socket
import stat
import struct
import sys

ACL_USER_OBJ, ACL_USER, ACL_GROUP_OBJ, ACL_GROUP, ACL_MASK, ACL_OTHER = 1, 2, 4, 8, 16, 32
NOBODY_ID = 0xFFFFFFFF

# acl(5) entries: tag, permissions, id.
ACCESS_ACL = [
    (ACL_USER_OBJ, 6, NOBODY_ID),
    (ACL_USER, 4, 1000),
    (ACL_USER, 6, 100000),
    (ACL_GROUP_OBJ, 4, NOBODY_ID),
    (ACL_GROUP, 5, 33),
    (ACL_MASK, 6, NOBODY_ID),
    (ACL_OTHER, 0, NOBODY_ID),
]
DEFAULT_ACL = [
    (ACL_USER_OBJ, 7, NOBODY_ID),
    (ACL_USER, 7, 1000),
    (ACL_GROUP_OBJ, 5, NOBODY_ID),
    (ACL_MASK, 7, NOBODY_ID),
    (ACL_OTHER, 5, NOBODY_ID),
]

# cap_net_raw (13) permitted and effective, in the second revision's layout.
NET_RAW_CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)

NAMES = [
    b"plain",
    b" leading and trailing blanks ",
    b"-rf",
    b"back\\slash",
    b"new\nline",
    b"tab\tand\x01control",
    b"quotes'\"`$(x)",
    b"percent%20 #hash?query",
    b"*?[glob]{a,b}",
    b"...",
    b".hidden",
    "composed \u00e9".encode(),
    "decomposed e\u0301".encode(),
    "\u65e5\u672c\u8a9e".encode(),
    "\u0420\u0443\u0441\u0441\u043a\u0438\u0439".encode(),
    "\u05e2\u05d1\u05e8\u05d9\u05ea".encode(),
    "emoji \U0001f4be".encode(),
    b"latin-1 \xe9 is not UTF-8",
    b"\xff\xfe",
    b"n" * 255,
    ("\u20ac" * 85).encode(),
]

# Seconds and nanoseconds.
TIMES = {
    "before-1970": (-86400 * 365, 0),
    "before-1970-ns": (-1, 999999999),
    "epoch": (0, 0),
    "nanoseconds": (1700000000, 123456789),
    "one-nanosecond": (1700000000, 1),
    "last-32-bit": (2**31 - 1, 999999999),
    "after-2038": (2**31, 5),
    "year-2106": (2**32, 0),
    "year-2400": (13569465600, 987654321),
}


def write(path: bytes, data: bytes = b"") -> None:
    with open(path, "wb") as out:
        out.write(data)


def acl(entries: list[tuple[int, int, int]]) -> bytes:
    """The form in which the kernel takes and gives an ACL."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries)


def directory(parent: bytes, name: bytes) -> bytes:
    path = os.path.join(parent, name)
    os.mkdir(path, 0o755)
    return path


def add_names(base: bytes) -> None:
    top = directory(base, b"names")
    for name in NAMES:
        write(os.path.join(top, name), b"the file named " + name + b"\n")


def add_files(base: bytes, rng: random.Random) -> None:
    top = directory(base, b"files")
    for size in (0, 1, 59, 60, 61, 1023, 1024, 4095, 4096, 4097, 65537):
        write(os.path.join(top, b"size-%d" % size), rng.randbytes(size))
    write(os.path.join(top, b"zeros"), bytes(100000))
    write(os.path.join(top, b"text"), b"The quick brown fox jumps over the lazy dog.\n" * 20000)


def add_sparse_files(base: bytes, rng: random.Random) -> None:
    top = directory(base, b"sparse")
    with open(os.path.join(top, b"only-a-hole"), "wb") as out:
        out.truncate(1 << 20)
    with open(os.path.join(top, b"islands"), "wb") as out:
        for offset in (4096 * 3, 1 << 20, (5 << 20) + 100, (32 << 20) - 4096):
            out.seek(offset)
            out.write(rng.randbytes(3000))
        out.truncate(48 << 20)
    with open(os.path.join(top, b"data-at-the-end"), "wb") as out:
        out.seek((20 << 20) + 1)
        out.write(b"end")


def add_links(base: bytes) -> None:
    top = directory(base, b"links")
    write(os.path.join(top, b"target"), b"the target of links\n")
    for name in (b"hard-1", b"hard-2"):
        os.link(os.path.join(top, b"target"), os.path.join(top, name))
    targets = {
        b"relative": b"target",
        b"absolute": b"/srv/testdata/links/target",
        b"to-directory": b"../names",
        b"chain-1": b"chain-2",
        b"chain-2": b"chain-3",
        b"chain-3": b"target",
        b"dangling": b"/no/such/path",
        b"loop": b"loop",
        b"loop-a": b"loop-b",
        b"loop-b": b"loop-a",
        b"above-the-root": b"../" * 40 + b"etc/os-release",
        b"dots": b"./../links/./target",
        b"length-59": b"./" * 26 + b"/target",
        b"length-60": b"./" * 27 + b"target",
        b"length-1006": b"./" * 500 + b"target",
        b"length-3006": b"./" * 1500 + b"target",
        b"not UTF-8": b"../names/\xff\xfe",
    }
    for name, target in targets.items():
        os.symlink(target, os.path.join(top, name))
    for index in range(60):
        following = b"long-chain-%02d" % (index + 1) if index < 59 else b"target"
        os.symlink(following, os.path.join(top, b"long-chain-%02d" % index))


def add_special_files(base: bytes) -> None:
    top = directory(base, b"special")
    devices = {
        b"null": (stat.S_IFCHR | 0o666, 1, 3),
        b"disk": (stat.S_IFBLK | 0o660, 8, 0),
        b"large-numbers": (stat.S_IFBLK | 0o600, 4095, 1048575),
        b"minor-256": (stat.S_IFCHR | 0o600, 10, 256),
    }
    for name, (mode, major, minor) in devices.items():
        path = os.path.join(top, name)
        os.mknod(path, mode, os.makedev(major, minor))
        os.chmod(path, stat.S_IMODE(mode))
    os.mkfifo(os.path.join(top, b"fifo"), 0o640)
    # A socket's name may have at most about 100 bytes: bind it by a short one.
    here = os.getcwd()
    os.chdir(top)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    os.chdir(here)


def add_modes(base: bytes) -> None:
    top = directory(base, b"modes")
    for mode in (0o000, 0o400, 0o600, 0o644, 0o755, 0o777, 0o1777, 0o2755, 0o4755, 0o7777):
        path = os.path.join(top, b"file-%04o" % mode)
        write(path, b"mode\n")
        os.chmod(path, mode)
        path = directory(top, b"directory-%04o" % mode)
        os.chmod(path, mode)
    for uid, gid in ((1000, 1000), (65534, 65534), (65536, 70000), (4294967294, 4294967294)):
        path = os.path.join(top, b"owner-%d" % uid)
        write(path, b"owner\n")
        os.chown(path, uid, gid)


def add_attributes(base: bytes, rng: random.Random) -> None:
    top = directory(base, b"attributes")
    on_files = {
        b"user": {"user.comment": b"a comment", "user.empty": b"", "user.binary": bytes(range(256))},
        b"many": {f"user.number-{n:02d}": b"value %d" % n for n in range(40)},
        b"large": {"user.large": rng.randbytes(3000)},
        b"trusted": {"trusted.overlay.opaque": b"y"},
        b"selinux": {"security.selinux": b"system_u:object_r:etc_t:s0\0"},
        b"capability": {"security.capability": NET_RAW_CAPABILITY},
        b"access-acl": {"system.posix_acl_access": acl(ACCESS_ACL)},
    }
    for name, attributes in on_files.items():
        path = os.path.join(top, name)
        write(path, name + b"\n")
        for key, value in attributes.items():
            os.setxattr(path, key, value)
    path = directory(top, b"default-acl")
    os.setxattr(path, "system.posix_acl_access", acl(ACCESS_ACL))
    os.setxattr(path, "system.posix_acl_default", acl(DEFAULT_ACL))
    os.setxattr(path, "user.on-a-directory", b"yes")


def add_directories(base: bytes) -> None:
    top = directory(base, b"directories")
    directory(top, b"empty")
    many = directory(top, b"many")
    for index in range(600):
        path = os.path.join(many, b"entry-%04d-%s" % (index, b"x" * (index % 37)))
        if index % 6 == 0:
            write(path, b"%d\n" % index)
        else:
            os.symlink(b"entry-0000-", path)
    path = directory(top, b"deep")
    for level in range(100):
        path = directory(path, b"%d" % level)
    write(os.path.join(path, b"bottom"), b"one hundred levels down\n")


def set_times(base: bytes, epoch: int) -> None:
    """EPOCH everywhere, then the files whose times are the point."""
    for parent, _, _ in os.walk(base):
        for name in os.listdir(parent):
            os.utime(os.path.join(parent, name), (epoch, epoch), follow_symlinks=False)
    top = directory(base, b"times")
    for name, (seconds, nanoseconds) in TIMES.items():
        path = os.path.join(top, name.encode())
        write(path, name.encode() + b"\n")
        when = seconds * 10**9 + nanoseconds
        os.utime(path, ns=(when, when))
    for path in (top, base, os.path.dirname(base)):
        os.utime(path, (epoch, epoch))


def main(root: str, epoch: int) -> None:
    os.umask(0o022)
    rng = random.Random(20260101)
    base = directory(os.path.join(os.fsencode(root), b"srv"), b"testdata")
    add_names(base)
    add_files(base, rng)
    add_sparse_files(base, rng)
    add_links(base)
    add_special_files(base)
    add_modes(base)
    add_attributes(base, rng)
    add_directories(base)
    set_times(base, epoch)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
