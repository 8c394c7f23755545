#!/usr/bin/env bash
# Make the small images of this folder again: NAME.img.gz, NAME.json and NAME.jsonl.gz.
# They are made like those of scripts/ext4 (whose README describes the manifests), only
# smaller. Must run as root; needs what scripts/ext4/make-images.sh needs.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SCRIPT_DIR=$(cd "$HERE/../../../../scripts/ext4" && pwd)
# shellcheck source=../../../../scripts/ext4/lib.sh
source "$SCRIPT_DIR/lib.sh"
for recipes in dirty fastcommit; do
  # shellcheck source=/dev/null
  source "$SCRIPT_DIR/recipes/$recipes.sh"
done
IMAGE_NAMES=()

image block-map
make_block_map() {
  format 3M -t ext2 -b 1024 -I 128 -N 256
  mount_image
  populate links specials modes sparse
  python3 - "$MNT/triple" <<'PYTHON'
import sys
with open(sys.argv[1], "wb") as out:
    for block in (0, 11, 12, 267, 268, 65803, 65804, 65805, 70000, 9_000_000):
        out.seek(block * 1024)
        out.write(b"file block %d " % block * 70)
PYTHON
  unmount_image
  publish_clean "ext2: direct to triple indirect blocks, devices, 128-byte inodes"
}

image extents
make_extents() {
  format 4M -t ext4 -b 1024 -I 256 -N 1024 -O inline_data,^has_journal,^resize_inode
  mount_image
  FRAGMENTS=40 populate names links specials sockets modes times xattrs acls sparse directories fragmented preallocated
  python3 "$TOOLS/many-entries.py" "$MNT/hashed" files 300
  unmount_image
  publish_clean "ext4: extents, inline data, attributes, ACLs, times, a hashed directory"
}

image journal
make_journal() {
  format 5M -t ext4 -b 1024 -N 1024 -J size=1 -O ^resize_inode
  crash general
  publish_dirty "checksums v3: a log to replay, with revokes"
}

image journal-data
make_journal_data() {
  format 12M -t ext3 -b 1024 -N 1024 -J size=4 -O ^resize_inode
  crash journalled-data data=journal
  publish_dirty "data=journal: contents in the log, some of them escaped"
}

image fast-commit
make_fast_commit() {
  format 12M -t ext4 -b 1024 -N 1024 -O fast_commit,^resize_inode -J size=2,fast_commit_size=256
  crash fast-everything
  publish_fast "full and fast commits in turn"
}

[ "$(id -u)" = 0 ] || skip "this must run as root (loop mounts)"
OUT=$(mktemp -d)
trap 'rm -rf "$OUT"' EXIT
for name in "${IMAGE_NAMES[@]}"; do
  [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
  (make_image "$name" committed)
  gzip -9 -n -c "$OUT/$name.img" >"$HERE/$name.img.gz"
  gzip -9 -n -c "$OUT/$name.jsonl" >"$HERE/$name.jsonl.gz"
  cp "$OUT/$name.json" "$HERE/$name.json"
done
