# shellcheck shell=bash
# What the kernel may be unable to mount: made by mke2fs -d, described by the tree
# that it copied and by debugfs.

# from_tree NOTES SIZE MKE2FS-OPTION...
from_tree() {
  local notes=$1
  shift
  mkdir "$WORK/tree"
  python3 "$TOOLS/populate.py" "$WORK/tree" "${TREE_GROUPS[@]}"
  format "$@" -d "$WORK/tree"
  publish_tree "$notes"
}

publish_tree() {
  check_clean "$IMG"
  python3 "$TOOLS/source-manifest.py" "$IMG" "$WORK/tree" "$WORK/$NAME.jsonl" "$WORK"
  publish source ok "$@"
}

# mke2fs -d leaves sockets out.
TREE_GROUPS=(files names links specials modes times xattrs acls sparse directories)

image blocks-8k
make_blocks_8k() { from_tree "8 KiB blocks" 64M -t ext4 -b 8192; }

image blocks-16k
make_blocks_16k() { from_tree "16 KiB blocks, block maps, no journal" 96M -t ext2 -b 16384; }

image blocks-32k
make_blocks_32k() {
  # mke2fs 1.47.0 loses the size of sparse files when it may write inline data.
  local TREE_GROUPS=(files names links specials modes times xattrs acls directories)
  from_tree "32 KiB blocks with inline data" 128M -t ext4 -b 32768 -O inline_data
}

image blocks-64k
make_blocks_64k() { from_tree "64 KiB blocks: directory records may be 65,536 bytes long" 256M -t ext4 -b 65536; }

image blocks-64k-bigalloc
make_blocks_64k_bigalloc() { from_tree "64 KiB blocks in 1 MiB clusters" 768M -t ext4 -b 65536 -O bigalloc -C 1048576; }

image blocks-64k-htree
make_blocks_64k_htree() {
  python3 "$TOOLS/many-entries.py" "$WORK/tree/many" files 5000
  python3 "$TOOLS/populate.py" "$WORK/tree" files directories
  format 256M -t ext4 -b 65536 -O ^metadata_csum -N 8000 -d "$WORK/tree"
  # Rebuilds directories, with an index where they have more than one block.
  e2fsck -fyD "$IMG" >/dev/null 2>&1 || [ $? = 1 ]
  publish_tree "64 KiB blocks, htree, no checksums: records that fill a block"
}

# CASEFOLD_FL, in directories that e2fsck then rebuilds with folded hashes.
image casefold
make_casefold() {
  local lookups
  lookups=$(python3 "$TOOLS/casefold-tree.py" "$WORK/tree")
  format 64M -t ext4 -b 4096 -O casefold -E encoding=utf8 -d "$WORK/tree"
  debugfs -w -R "sif /folded flags 0x40080000" "$IMG" 2>/dev/null
  debugfs -w -R "sif /folded/many flags 0x40080000" "$IMG" 2>/dev/null
  e2fsck -fyD "$IMG" >/dev/null 2>&1 || [ $? = 1 ]
  publish_tree "case-insensitive directories, one of them hashed; lookups lists spellings and what they find" \
    "+lookups=$lookups"
}

image verity
make_verity() {
  local size sealed
  mkdir -p "$WORK/tree/sealed" "$WORK/made"
  python3 "$TOOLS/populate.py" "$WORK/tree" files
  cp "$WORK"/tree/files/{0-bytes,4096-bytes,70000-bytes,half-a-mebibyte,text} "$WORK/tree/sealed/"
  cp -a "$WORK/tree/." "$WORK/made/"
  python3 "$TOOLS/verity.py" "$WORK"/made/sealed/*
  format 64M -t ext4 -b 4096 -O verity -d "$WORK/made"
  for sealed in "$WORK"/tree/sealed/*; do
    size=$(stat -c %s "$sealed")
    debugfs -w -R "sif /sealed/${sealed##*/} size $size" "$IMG" 2>/dev/null
    # VERITY_FL beside EXTENTS_FL.
    debugfs -w -R "sif /sealed/${sealed##*/} flags 0x180000" "$IMG" 2>/dev/null
  done
  publish_tree "fs-verity files: a hash tree past the end that is not part of the contents"
}

# The same way of making and describing, where the kernel can tell whether it is right.
image blocks-4k-from-tree
make_blocks_4k_from_tree() {
  mkdir "$WORK/tree"
  python3 "$TOOLS/populate.py" "$WORK/tree" "${TREE_GROUPS[@]}"
  format 64M -t ext4 -b 4096 -d "$WORK/tree"
  python3 "$TOOLS/source-manifest.py" "$IMG" "$WORK/tree" "$WORK/described.jsonl" "$WORK"
  list_mounted "$IMG" "$WORK/$NAME.jsonl" "$WORK/statfs.json"
  python3 "$TOOLS/view-difference.py" "$WORK/$NAME.jsonl" "$WORK/described.jsonl" |
    grep '"missing": 0, "extra": 0, "changed": 0'
  publish mount ok "made by mke2fs -d; the kernel confirms the manifests of the other such images"
}
