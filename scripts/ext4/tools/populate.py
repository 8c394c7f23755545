#!/usr/bin/env python3
"""Fill a directory with files that exercise a filesystem reader.

usage: populate.py DIRECTORY GROUP...

Each GROUP is a function below. What a filesystem cannot hold (a name or symlink
too long for its block size, an xattr too large) is left out; every other error
ends the run. Contents are pseudo-random and the same in every run.
"""

import errno
import os
import random
import socket
import stat
import struct
import sys

import fsops

NOT_SUPPORTED = {errno.ENAMETOOLONG, errno.ENOSPC, errno.E2BIG, errno.EFBIG, errno.EOPNOTSUPP}
RANDOM = random.Random()

ACL_VERSION = 2
ACL_USER_OBJ, ACL_USER, ACL_GROUP_OBJ, ACL_GROUP, ACL_MASK, ACL_OTHER = 1, 2, 4, 8, 16, 32
NO_ID = 0xFFFFFFFF


def attempt(action, *arguments) -> None:
    try:
        action(*arguments)
    except OSError as error:
        if error.errno not in NOT_SUPPORTED:
            raise


def directory(*parts: str) -> str:
    path = os.path.join(*parts)
    os.makedirs(path, exist_ok=True)
    return path


def write(path, data: bytes) -> None:
    with open(path, "wb") as out:
        out.write(data)


def write_at(path: str, pieces: list[tuple[int, bytes]], size: int) -> None:
    """A sparse file: the pieces, and holes up to size."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        os.ftruncate(fd, size)
        for offset, data in pieces:
            os.pwrite(fd, data, offset)
        os.fsync(fd)
    finally:
        os.close(fd)


def files(root: str) -> None:
    base = directory(root, "files")
    for size in (0, 1, 59, 60, 61, 156, 1023, 1024, 1025, 4095, 4096, 4097, 70_000):
        write(f"{base}/{size}-bytes", RANDOM.randbytes(size))
    write(f"{base}/text", b"".join(b"line %d of a text file\n" % n for n in range(2000)))
    write(f"{base}/half-a-mebibyte", RANDOM.randbytes(512 << 10))
    write(f"{base}/all-zero", bytes(50_000))


def names(root: str) -> None:
    base = os.fsencode(directory(root, "names"))
    for name in (
        b"a" * 255,
        ("\u00e4" * 127 + "x").encode(),
        ("\u65e5\u672c\u8a9e" * 28).encode(),
        "\U0001f4be disk \u00fc\u00df".encode(),
        b"invalid-\xff\xfe-utf8",
        b"latin1-\xe4\xf6\xfc",
        b"lone-continuation-\x80",
        b"overlong-\xc0\xaf",
        b"surrogate-\xed\xa0\x80",
        b"new\nline",
        b"tab\there",
        b"back\\slash",
        b"quote\"and'quote",
        b" leading and trailing ",
        b"...",
        b"-rf",
        b"%s%n",
        b"\x01\x7f",
    ):
        write(base + b"/" + name, b"named " + name)
    directory(root, "names", "d" * 255, "e" * 255)


def links(root: str) -> None:
    base = directory(root, "links")
    write(f"{base}/target", b"the target\n")
    for name in ("hard-1", "hard-2"):
        os.link(f"{base}/target", f"{base}/{name}")
    os.link(f"{base}/target", directory(base, "sub") + "/hard-3")
    for name, target in {
        "relative": "target",
        "absolute": "/links/target",
        "parent": "../links/./sub/../target",
        "escape": "../../../../links/target",
        "dangling": "nowhere",
        "loop-a": "loop-b",
        "loop-b": "loop-a",
        "self": "self",
        "to-directory": "sub",
        "through": "to-directory/hard-3",
        "trailing-slash": "sub/",
    }.items():
        os.symlink(target, f"{base}/{name}")
    os.symlink(b"invalid-\xff-target", f"{base}/invalid-utf8")
    for length in (1, 2, 58, 59, 60, 61, 100, 160, 255, 1000, 1023, 4000, 4095):
        attempt(os.symlink, slash_padded(length), f"{base}/length-{length}")
    os.symlink("chain-1", f"{base}/chain-0")
    for n in range(1, 45):
        os.symlink(f"chain-{n + 1}" if n < 44 else "target", f"{base}/chain-{n}")


def slash_padded(length: int) -> str:
    """A target of this length that still resolves to `target`, where it fits."""
    return "t" * length if length < 7 else "./" * ((length - 6) // 2) + "/" * (length % 2) + "target"


def specials(root: str) -> None:
    base = directory(root, "specials")
    os.mkfifo(f"{base}/fifo", 0o640)
    for kind, letter in ((stat.S_IFCHR, "c"), (stat.S_IFBLK, "b")):
        for major, minor in ((0, 0), (1, 3), (8, 1), (255, 255), (256, 0), (1, 256), (259, 300), (4095, 1048575)):
            os.mknod(f"{base}/{letter}-{major}-{minor}", kind | 0o660, os.makedev(major, minor))


def sockets(root: str) -> None:
    base = directory(root, "sockets")
    with socket.socket(socket.AF_UNIX) as server:
        # A long image path must not exceed the 108 bytes of sun_path.
        here = os.getcwd()
        os.chdir(base)
        server.bind("socket")
        os.chdir(here)


def modes(root: str) -> None:
    base = directory(root, "modes")
    for mode in (0o0, 0o400, 0o644, 0o777, 0o1777, 0o2755, 0o4755, 0o7777):
        write(f"{base}/{mode:04o}", b"mode\n")
        os.chmod(f"{base}/{mode:04o}", mode)
    os.chmod(directory(base, "sticky"), 0o1777)
    os.chmod(directory(base, "setgid"), 0o2775)
    for uid, gid in ((0, 1), (1000, 1000), (65534, 65534), (65535, 65535), (65536, 70000), (4294967294, 4294967294)):
        path = f"{base}/{uid}-{gid}"
        write(path, b"owner\n")
        os.chown(path, uid, gid)


def times(root: str) -> None:
    base = directory(root, "times")
    second = 1_000_000_000
    for name, when in {
        "epoch": 0,
        "one-nanosecond": 1,
        "before-1970": -1,
        "1969": -86400 * second + 123_456_789,
        "1901": -(2**31) * second,
        "nanoseconds": 1_700_000_000 * second + 987_654_321,
        "end-of-epoch-0": (2**31 - 1) * second + 999_999_999,
        "2038": 2**31 * second + 5,
        "2106": 2**32 * second + 7,
        "2174": (2**32 + 2**31) * second + 11,
        "2310": 10_737_418_239 * second,
        "2446": 15_032_385_535 * second + 999_999_999,
    }.items():
        write(f"{base}/{name}", b"time\n")
        os.utime(f"{base}/{name}", ns=(when, when))
    os.symlink("epoch", f"{base}/symlink")
    os.utime(f"{base}/symlink", ns=(3, 4), follow_symlinks=False)


def xattrs(root: str) -> None:
    base = directory(root, "xattrs")
    capability = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)
    for name, attributes in {
        "one": {"user.name": b"value"},
        "several": {f"user.key{n}": b"v%d" % n for n in range(6)},
        "empty-value": {"user.empty": b""},
        "binary": {"user.binary": bytes(range(256))},
        "long-name": {"user." + "n" * 250: b"long"},
        "trusted": {"trusted.overlay.opaque": b"y", "user.x": b"1"},
        "capability": {"security.capability": capability},
        "selinux": {"security.selinux": b"system_u:object_r:etc_t:s0\0"},
        "spill-to-block": {"user.small": b"s", "user.block": RANDOM.randbytes(700)},
        "block-full": {f"user.part{n}": RANDOM.randbytes(150) for n in range(5)},
        "larger-than-1k": {"user.large": RANDOM.randbytes(2000)},
        "odd-lengths": {f"user.{'o' * n}": b"x" * n for n in range(1, 9)},
    }.items():
        write(f"{base}/{name}", b"has attributes\n")
        for key, value in attributes.items():
            attempt(os.setxattr, f"{base}/{name}", key, value)
    for n in range(3):
        # Equal attribute sets share one block between inodes.
        write(f"{base}/shared-{n}", b"shared\n")
        attempt(os.setxattr, f"{base}/shared-{n}", "user.shared", b"S" * 600)
    os.setxattr(directory(base, "directory"), "user.on-directory", b"yes")
    os.symlink("one", f"{base}/symlink")
    os.setxattr(f"{base}/symlink", "trusted.on-symlink", b"yes", follow_symlinks=False)
    os.mkfifo(f"{base}/fifo")
    os.setxattr(f"{base}/fifo", "trusted.on-fifo", b"yes")


def acl(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", ACL_VERSION) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def acls(root: str) -> None:
    base = directory(root, "acls")
    access = acl(
        (ACL_USER_OBJ, 6, NO_ID),
        (ACL_USER, 4, 1000),
        (ACL_USER, 7, 70000),
        (ACL_GROUP_OBJ, 4, NO_ID),
        (ACL_GROUP, 5, 2000),
        (ACL_MASK, 7, NO_ID),
        (ACL_OTHER, 0, NO_ID),
    )
    many = acl(
        (ACL_USER_OBJ, 6, NO_ID),
        *((ACL_USER, 4, 1000 + n) for n in range(60)),
        (ACL_GROUP_OBJ, 4, NO_ID),
        (ACL_MASK, 7, NO_ID),
        (ACL_OTHER, 0, NO_ID),
    )
    for name, value in {"access": access, "many-entries": many}.items():
        write(f"{base}/{name}", b"acl\n")
        attempt(os.setxattr, f"{base}/{name}", "system.posix_acl_access", value)
    both = directory(base, "both")
    os.setxattr(both, "system.posix_acl_access", access)
    os.setxattr(both, "system.posix_acl_default", access)
    write(f"{both}/inherits", b"inherited\n")
    directory(both, "inherits-too")


def sparse(root: str) -> None:
    base = directory(root, "sparse")
    block = RANDOM.randbytes(4096)
    write_at(f"{base}/hole-at-start", [(1 << 20, block)], (1 << 20) + 4096)
    write_at(f"{base}/hole-at-end", [(0, block)], 3 << 20)
    write_at(f"{base}/only-a-hole", [], 5 << 20)
    write_at(f"{base}/odd-end", [(0, b"start"), (777_777, b"middle")], 1_234_567)
    write_at(f"{base}/40-mebibytes", [(n << 20, block) for n in range(0, 40, 3)], 40 << 20)


def preallocated(root: str) -> None:
    """Unwritten extents: they read as zero although blocks are mapped."""
    base = directory(root, "preallocated")
    for name, mode, size in (("unwritten", 0, 300_000), ("past-the-end", fsops.FALLOC_KEEP_SIZE, 200_000)):
        fd = os.open(f"{base}/{name}", os.O_RDWR | os.O_CREAT, 0o644)
        os.pwrite(fd, b"written start", 0)
        attempt(fsops.fallocate, fd, mode, 0, size)
        os.fsync(fd)
        os.close(fd)
    fd = os.open(f"{base}/written-in-the-middle", os.O_RDWR | os.O_CREAT, 0o644)
    attempt(fsops.fallocate, fd, 0, 0, 400_000)
    os.pwrite(fd, b"M" * 10_000, 131_072)
    attempt(fsops.fallocate, fd, fsops.FALLOC_ZERO_RANGE, 132_000, 4096)
    os.fsync(fd)
    os.close(fd)


def fragmented(root: str) -> None:
    """One extent per data block: a tree of depth 2 or more where extents are used."""
    fd = os.open(directory(root, "fragmented") + "/holes", os.O_RDWR | os.O_CREAT, 0o644)
    block = os.fstatvfs(fd).f_bsize
    count = int(os.environ.get("FRAGMENTS", "1500"))
    os.pwrite(fd, RANDOM.randbytes(block * count), 0)
    os.fsync(fd)
    for n in range(1, count, 2):
        fsops.punch_hole(fd, n * block, block)
    os.fsync(fd)
    os.close(fd)


def directories(root: str) -> None:
    base = directory(root, "directories")
    directory(base, "empty")
    deep = directory(base, *[f"level-{n}" for n in range(40)])
    write(f"{deep}/bottom", b"deep\n")
    many = directory(base, "some-removed")
    for n in range(400):
        write(f"{many}/entry-number-{n:04d}", b"")
    for n in range(400):
        if n % 3 or n < 90:
            os.unlink(f"{many}/entry-number-{n:04d}")
    emptied = directory(base, "all-removed")
    for n in range(200):
        write(f"{emptied}/gone-{n}", b"")
    for n in range(200):
        os.unlink(f"{emptied}/gone-{n}")


def main(arguments: list[str]) -> None:
    root, *groups = arguments
    os.umask(0o022)
    RANDOM.seed(os.path.basename(root))
    for group in groups:
        globals()[group](root)


if __name__ == "__main__":
    main(sys.argv[1:])
