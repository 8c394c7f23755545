"""Linux calls that Python's os module lacks: statx, fallocate, inode flags, shutdown."""

import ctypes
import errno
import fcntl
import os
import struct
from typing import NamedTuple

LIBC = ctypes.CDLL(None, use_errno=True)

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
STATX_BASIC_STATS_BTIME = 0xFFF
STATX_BTIME = 0x800
STATX_ATTR_ENCRYPTED = 0x800
STATX_ATTR_VERITY = 0x100000

FALLOC_KEEP_SIZE = 1
FALLOC_PUNCH_HOLE = 2
FALLOC_ZERO_RANGE = 16

FS_IOC_FSGETXATTR = 0x801C581F
EXT4_IOC_SHUTDOWN = 0x8004587D
SHUTDOWN_WITHOUT_LOG_FLUSH = 2


class Stat(NamedTuple):
    """The fields of struct statx that a manifest records; times are nanoseconds."""

    attributes: int
    nlink: int
    uid: int
    gid: int
    mode: int
    ino: int
    size: int
    blocks: int
    atime_ns: int
    crtime_ns: int | None
    ctime_ns: int
    mtime_ns: int
    rdev: tuple[int, int]


_STATX = struct.Struct("<IIQIIIHHQQQQ" + "qIi" * 4 + "II")


def statx(path: bytes) -> Stat:
    """lstat with birth time and attributes."""
    buffer = ctypes.create_string_buffer(256)
    result = LIBC.statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS_BTIME, buffer)
    if result != 0:
        raise_errno(path)
    field = _STATX.unpack_from(buffer)
    times = [field[12 + 3 * i] * 1_000_000_000 + field[13 + 3 * i] for i in range(4)]
    has_birth_time = field[0] & STATX_BTIME
    return Stat(
        attributes=field[2],
        nlink=field[3],
        uid=field[4],
        gid=field[5],
        mode=field[6],
        ino=field[8],
        size=field[9],
        blocks=field[10],
        atime_ns=times[0],
        crtime_ns=times[1] if has_birth_time else None,
        ctime_ns=times[2],
        mtime_ns=times[3],
        rdev=(field[24], field[25]),
    )


def raise_errno(path: bytes) -> None:
    code = ctypes.get_errno()
    raise OSError(code, os.strerror(code), path)


def fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    result = LIBC.fallocate(fd, mode, ctypes.c_longlong(offset), ctypes.c_longlong(length))
    if result != 0:
        raise_errno(b"fallocate")


def punch_hole(fd: int, offset: int, length: int) -> None:
    fallocate(fd, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, offset, length)


def data_segments(fd: int, size: int) -> list[tuple[int, int]]:
    """(offset, length) of every piece that SEEK_DATA calls data."""
    segments = []
    offset = 0
    while offset < size:
        try:
            start = os.lseek(fd, offset, os.SEEK_DATA)
            end = os.lseek(fd, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            if error.errno == errno.ENOENT:
                # Inline files that are larger than their room: the kernel cannot tell.
                return [(0, size)]
            raise
        segments.append((start, end - start))
        offset = end
    return segments


def get_project(fd: int) -> int:
    buffer = bytearray(28)
    fcntl.ioctl(fd, FS_IOC_FSGETXATTR, buffer)
    return struct.unpack_from("<I", buffer, 12)[0]


def shut_down(mount_point: str) -> None:
    """Stop all writes of the filesystem at once, as a power cut would."""
    fd = os.open(mount_point, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("<I", SHUTDOWN_WITHOUT_LOG_FLUSH))
    finally:
        os.close(fd)
