#!/usr/bin/env python3
"""Writes VirtualBox disk images (VDI), for tests, from descriptions of the format alone.

usage: vdi.py -
       vdi.py KIND TARGET CONTENT [--block BYTES] [--extra BYTES] [--shuffle] [--apart SECTORS]
              [--spare BLOCKS] [--header BYTES] [--version MAJOR.MINOR] [--comment TEXT]
              [--over PARENT --base CONTENT] [--id UUID] [--link UUID] [--modified UUID]

With "-" each line of the input is a JSON list of arguments, for an image of its own.

CONTENT is a raw disk. KIND is one of
  dynamic       blocks that are not all zero; others are free or said to be zero, in turn
  static        all blocks
  differencing  blocks that differ from BASE, the content of the disk PARENT
  undo          the same, called an undo image
"""

import argparse
import json
import random
import struct
import sys
import uuid

SECTOR = 512
FREE, ZERO = 0xFFFFFFFF, 0xFFFFFFFE
TYPES = {"dynamic": 1, "static": 2, "undo": 3, "differencing": 4}
UUIDS = 392


def up(value: int, unit: int = SECTOR) -> int:
    return -(-value // unit) * unit


def make(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=TYPES)
    parser.add_argument("target")
    parser.add_argument("content")
    parser.add_argument("--block", type=int, default=1024 * 1024)
    parser.add_argument("--extra", type=int, default=0)
    parser.add_argument("--shuffle", action="store_true")
    parser.add_argument("--apart", type=int, default=0)
    parser.add_argument("--spare", type=int, default=0)
    parser.add_argument("--header", type=int, default=400)
    parser.add_argument("--version", default="1.1")
    parser.add_argument("--comment", default="")
    parser.add_argument("--over")
    parser.add_argument("--base")
    parser.add_argument("--id")
    parser.add_argument("--link")
    parser.add_argument("--modified")
    args = parser.parse_args(arguments)
    with open(args.content, "rb") as file:
        content = file.read()
    base = None
    links = bytes(32)
    if args.over is not None:
        with open(args.base, "rb") as file:
            base = file.read().ljust(len(content), b"\0")
        with open(args.over, "rb") as file:
            links = file.read(SECTOR)[UUIDS : UUIDS + 32]
    # Integers within a UUID are little endian, as all others.
    if args.link is not None:
        links = uuid.UUID(args.link).bytes_le + links[16:]
    if args.modified is not None:
        links = links[:16] + uuid.UUID(args.modified).bytes_le

    count = up(len(content), args.block) // args.block + args.spare
    blocks = [FREE] * count
    held = []
    for index in range(count):
        cut = slice(index * args.block, (index + 1) * args.block)
        data = content[cut]
        if base is not None and data == base[cut]:
            continue
        if args.kind == "static" or any(data):
            held.append((index, data))
        elif base is not None or index % 2 == 0:
            blocks[index] = ZERO
    places = list(range(len(held)))
    if args.shuffle:
        random.Random(3).shuffle(places)
    noise = random.Random(7)
    stored = [b""] * len(held)
    for (index, data), place in zip(held, places):
        blocks[index] = place
        stored[place] = noise.randbytes(args.extra) + data.ljust(args.block, b"\0")

    map_at = up(72 + args.header) + args.apart * SECTOR
    data_at = up(map_at + count * 4) + args.apart * SECTOR
    own = random.Random(args.target)
    own_ids = [uuid.UUID(int=own.getrandbits(128)) for _ in range(2)]
    if args.id is not None:
        own_ids[0] = uuid.UUID(args.id)
    major, minor = (int(part) for part in args.version.split("."))
    head = b"<<< VirtualBox Disk Image >>>\n".ljust(64, b"\0")
    head += struct.pack("<IHH", 0xBEDA107F, minor, major)
    head += struct.pack("<III256s", args.header, TYPES[args.kind], 0, args.comment.encode())
    head += struct.pack("<IIIIIII", map_at, data_at, 0, 0, 0, SECTOR, 0)
    head += struct.pack("<QIIII", len(content), args.block, args.extra, count, len(held))
    head += own_ids[0].bytes_le + own_ids[1].bytes_le + links
    out = bytearray(data_at)
    out[: len(head)] = head
    struct.pack_into(f"<{count}I", out, map_at, *blocks)
    with open(args.target, "wb") as file:
        file.write(bytes(out) + b"".join(stored))


if sys.argv[1:] == ["-"]:
    for line in sys.stdin:
        make(json.loads(line))
else:
    make(sys.argv[1:])
