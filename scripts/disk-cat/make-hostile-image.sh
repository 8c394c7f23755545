#!/usr/bin/env bash
# Makes an image whose directories try to lead a copy out of its destination: names with slashes,
# "..", a name twice, links that go up. Needs e2fsprogs and python3, but no root.
set -euo pipefail
[ $# = 1 ] || { echo "usage: make-hostile-image.sh FILE" >&2; exit 2; }
image=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export E2FSPROGS_FAKE_TIME=1767225600

printf 'from the guest\n' >"$work/payload"
rm -f "$image"
mke2fs -q -F -t ext2 -b 1024 -I 128 -N 48 -O none,filetype,sparse_super -m 0 \
  -U 00000000-0000-4000-8000-686f7374696c -E hash_seed=00000000-0000-4000-8000-686f7374696c \
  "$image" 96
# Names with a Z in them are patched below: debugfs refuses what they become.
debugfs -w -f - "$image" >/dev/null 2>&1 <<DEBUGFS
mkdir etc
mkdir bin
cd /
symlink twice ../outside
mkdir twicZ
cd twicZ
write $work/payload owned
cd /
symlink file-behind-link ../outside/victim
mkdir up
cd up
write $work/payload ..Zowned
write $work/payload ..ZoutsideZowned
write $work/payload ZZ
write $work/payload aZb
write $work/payload ordinary
cd /
write $work/payload plain
symlink absolute /etc/passwd
DEBUGFS

python3 - "$image" <<'PYTHON'
import sys

NAMES = {
    b"twicZ": b"twice",  # a second entry called "twice", this one a directory
    b"..Zowned": b"../owned",
    b"..ZoutsideZowned": b"../outside/owned",
    b"ZZ": b"..",
    b"aZb": b"a\0b",
}
path = sys.argv[1]
data = bytearray(open(path, "rb").read())
for name, becomes in NAMES.items():
    # The length and the type of a directory entry stand right before its name.
    entries = [bytes([len(name), kind]) + name for kind in (1, 2)]
    found = [at for entry in entries for at in [data.find(entry)] if at != -1]
    assert len(found) == 1, name
    start = found[0] + 2
    data[start : start + len(name)] = becomes
open(path, "wb").write(data)
PYTHON
