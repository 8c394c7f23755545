# shellcheck shell=bash
# Images copied while mounted: the journal must be replayed to read them.

# crash SCENARIO [MOUNT-OPTIONS]: prepare $IMG, run the scenario, and make the
# copy that a power cut leaves the new $IMG.
crash() {
  local options=commit=600${2:+,$2}
  mount_image "$options"
  python3 "$TOOLS/crash.py" prepare "$MNT"
  unmount_image
  mount_image "$options"
  python3 "$TOOLS/crash.py" "$1" "$MNT" "$IMG" "$WORK/frozen.img"
  unmount_image
  mv "$WORK/frozen.img" "$IMG"
}

# Two ways to recover an image: the kernel's, by mounting it, and e2fsck's.
recover_by_mount() {
  local loop
  loop=$(losetup -f --show "$1")
  mount -o noatime "$loop" "$MNT" || return 1
  umount "$MNT"
  losetup -d "$loop"
}

recover_by_e2fsck() { e2fsck -fy "$1" >"$WORK/recovery.log" 2>&1 || [ $? = 1 ]; }

# list_recovered WAY MANIFEST [STATFS]: recover a copy of $IMG and list that.
list_recovered() {
  local copy=$WORK/copy.img
  cp --sparse=always "$IMG" "$copy"
  "recover_by_$1" "$copy"
  list_mounted "$copy" "${@:2}"
}

# publish_dirty NOTES: what the kernel sees after recovery; the copy must be clean.
publish_dirty() {
  list_recovered mount "$WORK/$NAME.jsonl" "$WORK/statfs.json"
  check_clean "$WORK/copy.img"
  list_recovered e2fsck "$WORK/other.jsonl"
  publish_recovered mount "$@"
}

# A reader that ignores the journal must be seen to be wrong.
require_dirty() {
  dumpe2fs -h "$IMG" 2>/dev/null | grep -q '^Filesystem features:.*needs_recovery'
  [ -n "${REPLAY_CHANGES_NOTHING:-}" ] || [[ $1 != *'"missing": 0, "extra": 0, "changed": 0,'* ]]
}

# publish_recovered ORACLE NOTES [key=value...]: record how far from the manifest a
# reader is that ignores the journal, and how far the other way of recovery.
publish_recovered() {
  local oracle=$1 notes=$2 raw other journal
  shift 2
  mount -o loop,ro,noload,noatime "$IMG" "$MNT"
  python3 "$TOOLS/manifest.py" --tolerant "$MNT" "$WORK/raw.jsonl"
  umount "$MNT"
  raw=$(python3 "$TOOLS/view-difference.py" "$WORK/raw.jsonl" "$WORK/$NAME.jsonl")
  other=$(python3 "$TOOLS/view-difference.py" "$WORK/other.jsonl" "$WORK/$NAME.jsonl")
  journal=$(python3 "$TOOLS/journal-facts.py" "$IMG" "$WORK/journal")
  echo "$NAME: without replay $raw"
  require_dirty "$raw"
  publish "$oracle" ok "$notes" "+dirty=true" "+without_replay=$raw" "+other_recovery=$other" \
    "+journal=$journal" "$@"
}

image dirty-default
make_dirty_default() {
  format 64M -t ext4 -b 4096
  crash general
  publish_dirty "checksum v3, 64-bit journal, data=ordered"
}

image dirty-no-csum
make_dirty_no_csum() {
  format 64M -t ext4 -b 4096 -O ^metadata_csum,^64bit
  crash general
  publish_dirty "no journal checksum, 32-bit tags"
}

image dirty-csum-v1
make_dirty_csum_v1() {
  format 64M -t ext4 -b 4096 -O ^metadata_csum
  crash general journal_checksum
  publish_dirty "journal checksum v1, 64-bit tags"
}

image dirty-async-commit
make_dirty_async_commit() {
  format 64M -t ext4 -b 4096 -O ^metadata_csum,^64bit
  crash general journal_async_commit,data=writeback
  publish_dirty "asynchronous commits with checksum v1, 32-bit tags"
}

image dirty-csum-v3-32bit
make_dirty_csum_v3_32bit() {
  format 64M -t ext4 -b 1024 -O ^64bit
  crash general
  publish_dirty "checksum v3 without 64bit, 1 KiB blocks"
}

image dirty-ext3
make_dirty_ext3() {
  format 64M -t ext3 -b 1024 -I 128
  crash general
  publish_dirty "ext3: the journal itself has a block map"
}

image dirty-data-journal
make_dirty_data_journal() {
  format 64M -t ext4 -b 4096
  crash journalled-data data=journal
  publish_dirty "data=journal: contents are in the log, some escaped"
}

image dirty-data-journal-no-csum
make_dirty_data_journal_no_csum() {
  format 64M -t ext3 -b 1024
  crash journalled-data data=journal
  publish_dirty "data=journal on ext3 with 1 KiB blocks"
}

image dirty-revokes
make_dirty_revokes() {
  format 20M -t ext4 -b 1024 -N 2000 -J size=4
  crash revokes
  publish_dirty "revoked directory blocks that hold file data now"
}

image dirty-revokes-32bit
make_dirty_revokes_32bit() {
  format 20M -t ext3 -b 1024 -N 2000 -J size=4
  crash revokes
  publish_dirty "32-bit revoke records, no checksums"
}

image dirty-wrapped
make_dirty_wrapped() {
  format 64M -t ext4 -b 4096 -J size=4
  crash log-wraps
  publish_dirty "a small log that wrapped"
}

image dirty-wrapped-1k
make_dirty_wrapped_1k() {
  format 64M -t ext4 -b 1024 -J size=1 -O ^metadata_csum
  crash log-wraps
  publish_dirty "a small log of 1 KiB blocks that wrapped, no checksums"
}

image dirty-orphans
make_dirty_orphans() {
  format 64M -t ext4 -b 4096
  crash orphans
  publish_dirty "inodes on the orphan list"
}

image dirty-orphan-file
make_dirty_orphan_file() {
  format 64M -t ext4 -b 4096 -O orphan_file
  crash orphans
  publish_dirty "inodes in the orphan file"
}

image dirty-nothing
make_dirty_nothing() {
  format 32M -t ext4 -b 4096
  crash nothing
  REPLAY_CHANGES_NOTHING=yes publish_dirty "mounted but idle: needs_recovery with hardly anything in the log"
}

image dirty-synced
make_dirty_synced() {
  format 64M -t ext4 -b 4096
  crash synced
  REPLAY_CHANGES_NOTHING=yes publish_dirty "mounted and synced: the log still holds what is in place already"
}

# The orphan list also names files that are being truncated.
image dirty-truncated-orphan
make_dirty_truncated_orphan() {
  local ino
  format 64M -t ext4 -b 4096
  mount_image
  python3 "$TOOLS/crash.py" prepare "$MNT"
  ino=$(stat -c %i "$MNT/base/large")
  unmount_image
  debugfs -w -f - "$IMG" >/dev/null 2>&1 <<TEXT
set_inode_field <$ino> size 5000
set_super_value last_orphan $ino
TEXT
  list_recovered mount "$WORK/$NAME.jsonl" "$WORK/statfs.json"
  check_clean "$WORK/copy.img"
  list_mounted "$IMG" "$WORK/second.jsonl"
  # Only block counts may differ; the manifest leaves them out.
  publish mount ok "a file on the orphan list whose blocks past the end wait to be freed" \
    "+unsettled=$(python3 "$TOOLS/settle.py" "$WORK/$NAME.jsonl" "$WORK/second.jsonl" /dev/null)"
}

image dirty-bigalloc-inline
make_dirty_bigalloc_inline() {
  format 64M -t ext4 -b 1024 -O bigalloc,inline_data,metadata_csum_seed -C 16384
  crash general
  publish_dirty "bigalloc, inline_data and metadata_csum_seed with a dirty journal"
}
