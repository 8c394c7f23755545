# shellcheck shell=bash
# Where groups, descriptors, backups and bitmaps lie.

image no-flex-bg
make_no_flex_bg() { simple "every group holds its own bitmaps and inode table" 80M -t ext4 -b 1024 -O ^flex_bg; }

image flex-bg-64
make_flex_bg_64() { simple_extents "64 groups to a flex group" 80M -t ext4 -b 1024 -G 64; }

image meta-bg
make_meta_bg() {
  simple "meta_bg with 64-byte descriptors, three meta groups" 320M -t ext4 -b 1024 -O ^resize_inode,meta_bg
}

image meta-bg-32bit
make_meta_bg_32bit() {
  simple "meta_bg with 32-byte descriptors, no flex_bg" 300M -t ext4 -b 1024 -O '^resize_inode,meta_bg,^64bit,^flex_bg'
}

image no-64bit
make_no_64bit() { simple_extents "32-byte group descriptors" 64M -t ext4 -O ^64bit; }

image ext4-no-extents
make_ext4_no_extents() { simple "block maps with checksums" 64M -t ext4 -O '^extents,^64bit'; }

image mixed-mapping
make_mixed_mapping() {
  format 64M -t ext4 -O ^64bit,^extents
  mount_image
  populate files sparse directories
  unmount_image
  tune2fs -O extents "$IMG" >/dev/null
  mount_image
  mkdir "$MNT/later"
  python3 "$TOOLS/populate.py" "$MNT/later" files sparse preallocated fragmented
  unmount_image
  publish_clean "files with block maps beside files with extents, as an upgraded ext3 has"
}

image sparse-super2
make_sparse_super2() {
  simple "sparse_super2: two backup superblocks" 80M -t ext4 -b 1024 -O ^resize_inode,sparse_super2
}

image no-sparse-super
make_no_sparse_super() {
  simple "a backup superblock in every group" 80M -t ext3 -b 1024 -O ^sparse_super,^resize_inode
}

image no-resize-inode
make_no_resize_inode() { simple "no reserved descriptor blocks" 64M -t ext4 -O ^resize_inode; }

image no-journal
make_no_journal() { simple_extents "ext4 without a journal" 64M -t ext4 -O ^has_journal; }

image raid-stride
make_raid_stride() { simple "stride and stripe width set" 80M -t ext4 -b 1024 -O ^flex_bg -E stride=16,stripe-width=64; }

image packed-metadata
make_packed_metadata() { simple "all metadata at the start" 80M -t ext4 -b 1024 -E packed_meta_blocks=1; }

image small-groups
make_small_groups() {
  simple "groups of 256 blocks, the last one short" 8000K -t ext4 -b 1024 -g 256 -O '^has_journal,^resize_inode' -N 1200
}

image bigalloc-16k
make_bigalloc_16k() { simple_extents "bigalloc: 4 KiB blocks in 16 KiB clusters" 128M -t ext4 -O bigalloc -C 16384; }

image bigalloc-1k-64k
make_bigalloc_1k_64k() { simple_extents "bigalloc: 1 KiB blocks in 64 KiB clusters" 256M -t ext4 -b 1024 -O bigalloc -C 65536; }

image bigalloc-1m-no-csum
make_bigalloc_1m_no_csum() {
  simple_extents "bigalloc: 1 MiB clusters, no checksums" 1G -t ext4 -O bigalloc,^metadata_csum -C 1048576
}

# resized NOTES SIZE NEW_SIZE MKE2FS-OPTION...: fill, resize, and fill some more.
resized() {
  local notes=$1 size=$2 new_size=$3
  shift 3
  format "$size" "$@"
  mount_image
  populate "${ALL_GROUPS[@]}"
  unmount_image
  truncate -s "$new_size" "$IMG"
  e2fsck -fy "$IMG" >/dev/null 2>&1
  resize2fs "$IMG" >/dev/null 2>&1
  mount_image
  mkdir "$MNT/after"
  python3 "$TOOLS/populate.py" "$MNT/after" files xattrs
  python3 "$TOOLS/many-entries.py" "$MNT/after/many" files 5000
  unmount_image
  publish_clean "$notes"
}

image resized
make_resized() { resized "grown from 24 MiB to 400 MiB into reserved descriptor blocks" 24M 400M -t ext4 -b 1024; }

image resized-meta-bg
make_resized_meta_bg() {
  resized "grown with meta_bg: new groups have another layout" 24M 400M -t ext4 -b 1024 -O meta_bg,^resize_inode
}

image converted-to-64bit
make_converted_to_64bit() {
  format 64M -t ext4 -b 1024 -O ^64bit
  mount_image
  populate "${ALL_GROUPS[@]}"
  unmount_image
  e2fsck -fy "$IMG" >/dev/null 2>&1
  resize2fs -b "$IMG" >/dev/null 2>&1
  publish_clean "converted to 64bit by resize2fs"
}

# Clusters keep the number of groups small, so that block numbers above 2^32
# fit into 5 TiB with 1 KiB blocks.
image blocks-above-32-bits
make_blocks_above_32_bits() {
  format 5T -t ext4 -b 1024 -O bigalloc -C 65536 -J size=8 -N 81920 \
    -E lazy_itable_init=1,lazy_journal_init=1
  mount_image noinit_itable
  local loop n
  loop=$(findmnt -n -o SOURCE "$MNT")
  # Files below this many blocks are put near their inode.
  echo 1000000 >"/sys/fs/ext4/${loop##*/}/mb_stream_req"
  for n in 1 40000 70000 80000; do
    # The goal decides the group of the next inode, and with it that of its data.
    echo "$n" >"/sys/fs/ext4/${loop##*/}/inode_goal"
    mkdir "$MNT/goal-$n"
    python3 "$TOOLS/populate.py" "$MNT/goal-$n" files links xattrs preallocated fragmented
  done
  unmount_image
  publish_clean "5 TiB with 1 KiB blocks: data, inode tables and bitmaps above block 2^32"
}
