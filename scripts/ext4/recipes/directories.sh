# shellcheck shell=bash
# Large directories: linear, hashed with each algorithm, deep trees, many links.

# hashed_directories NOTES [DEBUGFS-COMMAND...]: 20,000 and 300 entries, after
# the superblock fields have been set.
hashed_directories() {
  local notes=$1 command
  shift
  format 64M -t ext4 -b "${BLOCK:-4096}" -N 24000 -O "${FEATURES:-dir_index}"
  for command in "$@"; do
    debugfs -w -R "$command" "$IMG" 2>/dev/null
  done
  mount_image
  python3 "$TOOLS/many-entries.py" "$MNT/twenty-thousand" files 20000
  python3 "$TOOLS/many-entries.py" "$MNT/three-hundred" files 300
  find "$MNT/three-hundred" -type f -name '*7*' -delete
  unmount_image
  publish_clean "$notes"
}

image htree-half-md4
make_htree_half_md4() { hashed_directories "htree of 20,000 entries, half-MD4, signed characters"; }

image htree-unsigned
make_htree_unsigned() {
  hashed_directories "htree, half-MD4, unsigned characters" "ssv flags 2"
}

image htree-tea
make_htree_tea() { BLOCK=1024 hashed_directories "htree, TEA hash, 1 KiB blocks" "ssv def_hash_version tea"; }

image htree-legacy
make_htree_legacy() {
  FEATURES=dir_index,^metadata_csum hashed_directories "htree, legacy hash, no checksums" "ssv def_hash_version legacy"
}

image linear-directory
make_linear_directory() { FEATURES=^dir_index hashed_directories "20,000 entries without dir_index"; }

image large-dir
make_large_dir() {
  format 96M -t ext4 -b 1024 -O large_dir,^has_journal -N 1024
  mount_image
  python3 "$TOOLS/many-entries.py" "$MNT/deep" links 42000
  unmount_image
  publish_clean "large_dir: an htree with three levels of index blocks, 240-byte names, 1 KiB blocks"
}

image many-subdirectories
make_many_subdirectories() {
  format 160M -t ext4 -b 1024 -O ^has_journal -N 67000
  mount_image
  python3 "$TOOLS/many-entries.py" "$MNT/parent" subdirectories 66000
  unmount_image
  publish_clean "dir_nlink: 66,000 subdirectories, so the parent's link count is 1"
}

image many-subdirectories-inline
make_many_subdirectories_inline() {
  format 64M -t ext4 -b 4096 -O inline_data -N 4000
  mount_image
  python3 "$TOOLS/many-entries.py" "$MNT/parent" subdirectories 3000
  unmount_image
  publish_clean "3,000 directories that live in their inodes"
}
