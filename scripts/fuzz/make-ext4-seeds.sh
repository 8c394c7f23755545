#!/usr/bin/env bash
# Makes the small ext2/3/4 images that the fuzzer starts from, compressed, into
# packages/testkit/seeds/ext4. Needs root, e2fsprogs, a kernel with ext4 and Python.
# Each shows many features at once, so that few images cover much of the parser.
set -euo pipefail
cd "$(dirname "$0")/../.."

out=packages/testkit/seeds/ext4
work=$(mktemp -d)
mnt=$work/mnt
img=$work/fs.img
mkdir -p "$out" "$mnt"
trap 'mountpoint -q "$mnt" && umount "$mnt"; rm -rf "$work"' EXIT

# format NAME SIZE MKE2FS-OPTION...
format() {
  local name=$1 size=$2
  shift 2
  rm -f "$img"
  truncate -s "$size" "$img"
  mke2fs -q -F -L "$name" -U 6f6f6f6f-1111-2222-3333-444444444444 \
    -E "hash_seed=01234567-89ab-cdef-0123-456789abcdef,lazy_itable_init=0,nodiscard${EXTENDED:+,$EXTENDED}" \
    "$@" "$img"
}

# keep NAME
keep() {
  gzip -9n <"$img" >"$out/$1.img.gz"
  echo "$1: $(stat -c %s "$img") bytes, $(stat -c %s "$out/$1.img.gz") compressed"
}

# seed NAME SIZE SCENARIO MKE2FS-OPTION...
seed() {
  local name=$1 size=$2 scenario=$3
  shift 3
  format "$name" "$size" "$@"
  mount -t ext4 -o loop "$img" "$mnt"
  python3 scripts/fuzz/fill-ext4-seed.py "${TREE:-tree}" "$mnt"
  umount "$mnt"
  if [ "$scenario" != clean ]; then
    mount -t ext4 -o "loop,commit=600${MOUNT:+,$MOUNT}" "$img" "$mnt"
    python3 scripts/fuzz/fill-ext4-seed.py "$scenario" "$mnt"
    umount "$mnt"
    dumpe2fs -h "$img" 2>/dev/null | grep -q needs_recovery
  else
    e2fsck -fn "$img" >/dev/null
  fi
  keep "$name"
}

# Kernels without CONFIG_UNICODE do not mount it, so mke2fs fills it.
seed_casefold() {
  mkdir "$work/tree"
  python3 scripts/fuzz/fill-ext4-seed.py tree "$work/tree"
  EXTENDED=encoding=utf8 format casefold 1M -t ext4 -b 1024 -N 128 -d "$work/tree" \
    -O ^has_journal,casefold,sparse_super2
  debugfs -w -R 'set_inode_field /many flags 0x40080000' "$img" 2>/dev/null
  keep casefold
}

seed ext2 600K clean -t ext2 -b 1024 -I 128 -N 128 -O ^filetype
seed ext3 4M clean -t ext3 -b 1024 -N 128 -J size=1
seed ext4 4M clean -t ext4 -b 1024 -N 128 -J size=1 -O metadata_csum,64bit,inline_data,orphan_file
seed ext4-4k 2M clean -t ext4 -b 4096 -N 128 -O ^has_journal,metadata_csum,^64bit,large_dir,ea_inode
seed_casefold
TREE=crowd seed hash-tree 1M clean -t ext4 -b 1024 -N 128 -O ^has_journal
seed meta-bg 2M clean -t ext4 -b 1024 -g 512 -N 128 -O ^has_journal,meta_bg,^resize_inode,^flex_bg,uninit_bg,^metadata_csum
seed bigalloc 4M clean -t ext4 -b 1024 -C 4096 -N 128 -O ^has_journal,bigalloc
seed dirty 4M dirty -t ext4 -b 1024 -N 128 -J size=1
seed dirty-no-csum 4M dirty -t ext4 -b 1024 -N 128 -J size=1 -O ^metadata_csum,^64bit
MOUNT=data=journal,journal_checksum seed dirty-csum-v1 4M dirty -t ext4 -b 1024 -N 128 -J size=1 -O ^metadata_csum,^64bit
seed fast-commit 4M fast -t ext4 -b 1024 -N 128 -O fast_commit -J size=1,fast_commit_size=256
