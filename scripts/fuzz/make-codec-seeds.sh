#!/usr/bin/env bash
# Makes the streams that the fuzzer and the unit tests of codec's own decoders start from into
# packages/testkit/seeds. Each yields 16384 bytes. Needs xz, bzip2 and Python; for LZFSE and ADC
# there are no free encoders, so these come from scripts/dmg.
set -euo pipefail
cd "$(dirname "$0")/../.."
seeds=packages/testkit/seeds
mkdir -p $seeds/{adc,bzip2,lzfse,xz}

text() { python3 -c 'import sys; sys.stdout.write("".join("line %d of %d\n" % (n, n * n % 77) for n in range(2000))[:int(sys.argv[1])])' "$1"; }
noise() { python3 -c 'import random, sys; sys.stdout.buffer.write(random.Random(1).randbytes(int(sys.argv[1])))' "$1"; }
# Words, noise, runs: matches of all kinds, repeated distances, plain chunks.
mixed() { text 6000; noise 2192; text 6000; head -c 2192 /dev/zero; }
zeros() { head -c "$1" /dev/zero; }

# Packed as every seed is; a name says what the stream shows.
keep() { gzip -9n >"$seeds/$1.img.gz"; }

mixed | xz -c -9e --check=crc64 | keep xz/mixed-crc64
mixed | xz -c --check=none --lzma2=preset=6,lc=1,lp=3,pb=0 | keep xz/mixed-no-check
mixed | xz -c --check=sha256 --lzma2=preset=0,lc=4,pb=4 | keep xz/mixed-sha256
text 16384 | xz -c -T2 --check=crc32 --block-size=4096 | keep xz/blocks-with-sizes
noise 16384 | xz -c --check=none | keep xz/plain-chunks
zeros 16384 | xz -c --check=none | keep xz/zeros
for machine in x86 ia64 powerpc arm armthumb sparc arm64; do
  python3 scripts/fuzz/branches.py $machine | xz -c --$machine --lzma2=preset=0 | keep xz/filter-$machine
done
python3 scripts/fuzz/branches.py x86 | xz -c --delta=dist=5 --x86=start=4096 --lzma2 | keep xz/filter-two
mixed | bzip2 -c -9 | keep bzip2/mixed
text 16384 | bzip2 -c -1 | keep bzip2/text
noise 16384 | bzip2 -c | keep bzip2/noise
zeros 16384 | bzip2 -c | keep bzip2/zeros

lzfse() { python3 scripts/dmg/lzfse.py "$1"; }
adc() { python3 scripts/dmg/adc.py; }
# Besides, copies from near and far.
sample() { python3 -c 'import sys; sys.path.insert(0, "scripts/dmg"); from matches import sample; sys.stdout.buffer.write(sample(16384))'; }

for kind in plain lzvn v1 v2 mixed; do sample | lzfse $kind | keep lzfse/sample-$kind; done
for kind in lzvn v2; do
  noise 16384 | lzfse $kind | keep lzfse/noise-$kind
  zeros 16384 | lzfse $kind | keep lzfse/zeros-$kind
done
sample | adc | keep adc/sample
noise 16384 | adc | keep adc/noise
zeros 16384 | adc | keep adc/zeros
