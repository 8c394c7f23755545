#!/usr/bin/env bash
# Makes the zstd streams that the fuzzer starts from into packages/testkit/seeds/zstd. Each yields
# 16384 bytes and ends in padding, as in a cluster of qcow2. Needs the zstd program and Python.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=packages/testkit/seeds/zstd
mkdir -p "$out"

text() { python3 -c 'import sys; sys.stdout.write("".join("line %d of %d\n" % (n, n * n % 77) for n in range(2000))[:int(sys.argv[1])])' "$1"; }
noise() { python3 -c 'import random, sys; sys.stdout.buffer.write(random.Random(1).randbytes(int(sys.argv[1])))' "$1"; }
padding() { head -c 300 /dev/zero; }

# Packed as every seed is; a name says what the stream shows.
keep() { gzip -9n >"$out/$1.img.gz"; }

{ text 16384 | zstd -q -19 --no-check; padding; } | keep no-content-size
text 16384 >"$out/text" && { zstd -q -c --check "$out/text"; padding; } | keep content-size-and-checksum
rm "$out/text"
{ noise 16384 | zstd -q -3 --no-check; padding; } | keep raw-blocks
{ head -c 16384 /dev/zero | zstd -q --no-check; padding; } | keep run-length-blocks
{ text 8192 | zstd -q --no-check; printf 'P*M\x18\x04\x00\x00\x00skip'; noise 8192 | zstd -q --no-check; padding; } | keep two-frames
