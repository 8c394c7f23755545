# shellcheck shell=bash
# Checksums, extended attributes, quotas and the rest of the feature words.

image gdt-csum
make_gdt_csum() {
  simple_extents "uninit_bg without metadata_csum: CRC-16 of group descriptors" 64M -t ext4 -b 1024 -O ^metadata_csum,uninit_bg
}

image no-csum
make_no_csum() { simple_extents "no checksum of any kind" 64M -t ext4 -b 1024 -O ^metadata_csum,^uninit_bg; }

image csum-seed
make_csum_seed() {
  format 64M -t ext4 -O metadata_csum_seed
  # The seed stays when the UUID changes, so that they differ.
  tune2fs -U "$(uuid_of "$NAME-changed")" "$IMG" >/dev/null
  mount_image
  populate "${ALL_GROUPS[@]}" preallocated fragmented
  unmount_image
  publish_clean "metadata_csum_seed: the checksum seed is not derived from the UUID"
}

image uninit-groups
make_uninit_groups() {
  simple "groups whose bitmaps and inode tables were never written" 512M -t ext4 -b 1024 \
    -E lazy_itable_init=1 -O ^resize_inode
}

image ea-inode
make_ea_inode() {
  format 64M -t ext4 -O ea_inode
  mount_image
  populate "${ALL_GROUPS[@]}"
  python3 "$TOOLS/large-xattrs.py" "$MNT"
  unmount_image
  publish_clean "ea_inode: attribute values of up to 64 KiB in inodes of their own"
}

image ea-inode-no-csum-1k
make_ea_inode_no_csum_1k() {
  format 64M -t ext4 -b 1024 -O ea_inode,^metadata_csum
  mount_image
  populate "${ALL_GROUPS[@]}"
  python3 "$TOOLS/large-xattrs.py" "$MNT"
  unmount_image
  publish_clean "ea_inode without checksums, 1 KiB blocks"
}

# A kernel without the quota format refuses a writable mount with quota or
# project ids, so both are added to the finished filesystem.
PROJECTS=(1 42 65536 4294967294)

make_project_directories() {
  local project
  for project in "${PROJECTS[@]}"; do
    mkdir -p "$MNT/project-$project/directory"
    echo "belongs to project $project" >"$MNT/project-$project/file"
  done
}

publish_with_quota() {
  local project path
  unmount_image
  tune2fs -O project "$IMG" >/dev/null
  for project in "${PROJECTS[@]}"; do
    for path in "/project-$project" "/project-$project/directory" "/project-$project/file"; do
      echo "set_inode_field $path projid $project"
    done
  done >"$WORK/commands"
  debugfs -w -f "$WORK/commands" "$IMG" >/dev/null 2>&1
  tune2fs -O quota -Q usrquota,grpquota,prjquota "$IMG" >/dev/null
  # tune2fs leaves the usage of projects to e2fsck.
  e2fsck -fy "$IMG" >/dev/null 2>&1 || [ $? = 1 ]
  check_clean "$IMG"
  LIST_PROJECTS=yes list_mounted "$IMG" "$WORK/$NAME.jsonl" "$WORK/statfs.json"
  publish mount ok "$1"
}

image project-quota
make_project_quota() {
  format 64M -t ext4
  mount_image
  populate "${ALL_GROUPS[@]}"
  make_project_directories
  publish_with_quota "hidden quota files; inodes with project ids"
}

image orphan-file
make_orphan_file() { simple "an empty orphan file" 64M -t ext4 -O orphan_file; }

image mmp
make_mmp() { simple "multi-mount protection block, clean" 64M -t ext4 -O mmp; }

image stable-inodes
make_stable_inodes() { simple "stable_inodes, extra_isize" 64M -t ext4 -O stable_inodes,encrypt,verity; }

image everything
make_everything() {
  format 128M -t ext4 -b 1024 -I 512 -C 16384 \
    -O bigalloc,inline_data,ea_inode,large_dir,metadata_csum_seed,orphan_file,64bit,^resize_inode
  mount_image
  populate "${ALL_GROUPS[@]}" preallocated fragmented
  python3 "$TOOLS/inline.py" mounted "$MNT/inline"
  python3 "$TOOLS/large-xattrs.py" "$MNT"
  make_project_directories
  python3 "$TOOLS/many-entries.py" "$MNT/many" files 2000
  publish_with_quota "as many features at once as go together"
}

image encrypted
make_encrypted() {
  format 64M -t ext4 -O encrypt
  mount_image
  populate files links
  python3 "$TOOLS/encrypted.py" "$MNT"
  unmount_image
  publish_clean "fscrypt directories, files and symlinks: entries with encrypted=true must be refused"
}
