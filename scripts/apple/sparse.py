#!/usr/bin/env python3
"""Writes Apple's images that grow, for tests, from what is published of the formats alone.

usage: sparse.py sparseimage TARGET CONTENT [--band SECTORS] [--shuffle]
       sparse.py asif TARGET CONTENT [--chunk BYTES] [--sector BYTES] [--shuffle] [--second]

CONTENT is a raw disk. Bands and chunks of zeros are left out. In an ASIF image, chunks with sectors of
zeros are noted as partly written, and those sectors hold other bytes; with --second the directory
that counts is the second one, and the first is out of date.
"""

import argparse
import random
import struct

SECTOR = 512


def pieces(content: bytes, size: int, shuffle: bool) -> list[tuple[int, bytes]]:
    held = []
    for index, at in enumerate(range(0, len(content), size)):
        piece = content[at : at + size]
        if any(piece):
            held.append((index, piece.ljust(size, b"\0")))
    if shuffle:
        random.Random(1).shuffle(held)
    return held


def sparseimage(content: bytes, args) -> bytes:
    held = pieces(content, args.band * SECTOR, args.shuffle)
    sectors = len(content) // SECTOR
    header = b"sprs" + struct.pack(">IIIIQQ28x", 3, args.band, 1, sectors % 2**32, 0, sectors)
    numbers = b"".join(struct.pack(">I", index + 1) for index, _ in held)
    assert len(header) == 64 and len(header) + len(numbers) <= 4096
    return (header + numbers).ljust(4096, b"\0") + b"".join(piece for _, piece in held)


def asif(content: bytes, args) -> bytes:
    chunk, sector = args.chunk, args.sector
    assert len(content) % sector == 0
    group_chunks = 4 * sector
    group_size = 8 * (group_chunks + 1)
    table_groups = chunk // group_size
    table_data = table_groups * group_chunks
    held = pieces(content, chunk, args.shuffle)
    max_sectors = len(content) // sector * 16
    tables = -(-max_sectors * sector // (table_data * chunk))

    # Chunk 0 has the header and the directories. Then whatever is needed, as it is needed.
    file: list[bytearray] = [bytearray(chunk)]
    directory: dict[int, int] = {}
    bitmaps: dict[int, int] = {}

    def take() -> int:
        file.append(bytearray(chunk))
        return len(file) - 1

    for index, piece in held:
        table = index // table_data
        if table not in directory:
            directory[table] = take()
        group = index // group_chunks
        base = (group % table_groups) * group_size
        place = take()
        parts = [piece[at : at + sector] for at in range(0, chunk, sector)]
        is_whole = all(any(part) for part in parts)
        file[place][:] = b"".join(part if any(part) else b"\xa5" * sector for part in parts)
        status = 1 if is_whole else 3
        entries = file[directory[table]]
        struct.pack_into(">Q", entries, base + 8 * (index % group_chunks), status << 62 | place)
        if is_whole:
            continue
        if group not in bitmaps:
            bitmaps[group] = take()
            struct.pack_into(">Q", entries, base + 8 * group_chunks, bitmaps[group])
        first = (index % group_chunks) * (chunk // sector)
        for number, part in enumerate(parts):
            if any(part):
                at = first + number
                file[bitmaps[group]][at // 4] |= 1 << at % 4 * 2
    offsets = (512, 512 + 8 * (tables + 1))
    assert offsets[1] + 8 * (tables + 1) <= chunk
    for number, offset in enumerate(offsets):
        is_new = number == (1 if args.second else 0)
        struct.pack_into(">Q", file[0], offset, 9 if is_new else 4)
        for table, place in directory.items() if is_new else ():
            struct.pack_into(">Q", file[0], offset + 8 * (table + 1), place)
    struct.pack_into(
        ">4sIIIQQ16sQQIHHQ", file[0], 0,
        b"shdw", 1, 512, 0, *offsets, bytes(range(16)), len(content) // sector, max_sectors, chunk, sector, 0, 0,
    )
    return b"".join(file)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("sparseimage", "asif"))
    parser.add_argument("target")
    parser.add_argument("content")
    parser.add_argument("--band", type=int, default=2048)
    parser.add_argument("--chunk", type=int, default=2**20)
    parser.add_argument("--sector", type=int, default=512)
    parser.add_argument("--shuffle", action="store_true")
    parser.add_argument("--second", action="store_true")
    args = parser.parse_args()
    with open(args.content, "rb") as file:
        content = file.read()
    made = sparseimage(content, args) if args.kind == "sparseimage" else asif(content, args)
    with open(args.target, "wb") as target:
        target.write(made)


main()
