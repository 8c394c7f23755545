# shellcheck shell=bash
# How a file's contents are kept: inline, scattered over a terabyte, deep trees.

# inline_image NOTES SIZE MKE2FS-OPTION...
inline_image() {
  local notes=$1
  shift
  python3 "$TOOLS/inline.py" tree "$WORK/tree"
  format "$@" -d "$WORK/tree"
  mount_image
  python3 "$TOOLS/inline.py" mounted "$MNT"
  populate "${ALL_GROUPS[@]}"
  unmount_image
  publish_clean "$notes"
}

image inline-data
make_inline_data() {
  inline_image "inline_data: small files, directories and symlinks in the inode" 64M -t ext4 -O inline_data
}

image inline-data-1k-512
make_inline_data_1k_512() {
  inline_image "inline_data with 512-byte inodes and 1 KiB blocks" 64M -t ext4 -b 1024 -I 512 -O inline_data
}

image inline-data-no-csum
make_inline_data_no_csum() {
  inline_image "inline_data without checksums, without 64bit" 64M -t ext4 -O inline_data,^metadata_csum,^64bit
}

image terabyte-file
make_terabyte_file() {
  format 64M -t ext4 -b 4096
  mount_image
  python3 "$TOOLS/big-files.py" "$MNT" terabyte
  unmount_image
  publish_clean "sparse files of 1 TiB in a filesystem of 64 MiB"
}

image deep-extents
make_deep_extents() {
  format 96M -t ext4 -b 1024
  mount_image
  python3 "$TOOLS/big-files.py" "$MNT" every-other-block
  FRAGMENTS=3000 populate fragmented
  unmount_image
  debugfs -R 'ex -n /every-other-block' "$IMG" 2>/dev/null | grep -q ' 0/ 3 '
  publish_clean "30,000 extents in one file: an extent tree of depth 3"
}

image long-extents
make_long_extents() {
  format 1G -t ext4 -b 4096 -O sparse_super2,^resize_inode
  mount_image
  python3 "$TOOLS/big-files.py" "$MNT" long-extents
  unmount_image
  # More than 32,768 in the length field means unwritten; exactly that many does not.
  debugfs -R 'ex -l /written' "$IMG" 2>/dev/null | grep -q ' 32768 *$'
  publish_clean "a written extent of 32,768 blocks, and long unwritten ones"
}
