# shellcheck shell=bash
# Generations of the format and the block sizes that the kernel can mount.

image ext2-1k
make_ext2_1k() {
  format 64M -t ext2 -b 1024 -I 128 -L ext2-1k
  mount_image
  populate "${ALL_GROUPS[@]}"
  python3 "$TOOLS/big-files.py" "$MNT" indirect
  unmount_image
  publish_clean "block maps down to triple-indirect blocks, 1 KiB blocks, 128-byte inodes"
}

image ext2-4k
make_ext2_4k() {
  format 64M -t ext2 -b 4096 -I 256
  mount_image
  populate "${ALL_GROUPS[@]}"
  python3 "$TOOLS/big-files.py" "$MNT" indirect
  unmount_image
  publish_clean "block maps down to triple-indirect blocks, 4 KiB blocks"
}

image ext2-rev0
make_ext2_rev0() {
  format 24M -r 0 -b 1024 -O none
  mount_image
  # Extended attributes would make the kernel raise the revision.
  populate files names links specials sockets modes times sparse directories
  unmount_image
  publish_clean "revision 0: the feature words mean nothing, inode size 128, first inode 11"
}

image ext2-bare
make_ext2_bare() {
  simple "no feature, not even filetype: directory entries carry no type" 32M -t ext2 -b 2048 -O none
}

image ext3-default
make_ext3_default() { simple "block maps with a clean journal" 64M -t ext3 -b 4096 -L ext3; }

image ext3-1k-128
make_ext3_1k_128() { simple "ext3 with 1 KiB blocks and 128-byte inodes" 32M -t ext3 -b 1024 -I 128; }

image ext4-default
make_ext4_default() { simple_extents "ext4 as mke2fs makes it" 128M -t ext4 -b 4096 -L "ext4 default"; }

image ext4-1k
make_ext4_1k() {
  simple_extents "1 KiB blocks: the first block group starts at block 1" 64M -t ext4 -b 1024
}

image ext4-2k
make_ext4_2k() { simple_extents "2 KiB blocks, 512-byte inodes" 64M -t ext4 -b 2048 -I 512; }

image ext4-inode-1024
make_ext4_inode_1024() { simple "1024-byte inodes: most extended attributes fit" 64M -t ext4 -I 1024; }

image ext4-inode-128
make_ext4_inode_128() {
  simple "128-byte inodes: times in whole seconds, no attributes in the inode" 64M -t ext4 -I 128
}

image ext4-inode-4096
make_ext4_inode_4096() { simple "inodes as large as a block" 64M -t ext4 -b 4096 -I 4096 -N 2048; }
