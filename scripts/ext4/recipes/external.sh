# shellcheck shell=bash
# The journal on a device of its own: NAME.journal.img beside NAME.img.

# format_external: sets JOURNAL_LOOP.
format_external() {
  truncate -s 8M "$WORK/$NAME.journal.img"
  mke2fs -q -F -b 4096 -U "$(uuid_of "$NAME-journal")" -O journal_dev "$WORK/$NAME.journal.img" >/dev/null
  JOURNAL_LOOP=$(losetup -f --show "$WORK/$NAME.journal.img")
  format 32M -t ext4 -b 4096 -J "device=$JOURNAL_LOOP"
}

publish_external() {
  losetup -d "$JOURNAL_LOOP"
  mv "$WORK/$NAME.journal.img" "$OUT/"
  publish mount "$1" "$2" "external_journal=$NAME.journal.img"
}

image external-journal-clean
make_external_journal_clean() {
  format_external
  mount_image
  populate "${ALL_GROUPS[@]}"
  unmount_image
  e2fsck -fn -j "$JOURNAL_LOOP" "$IMG" >/dev/null 2>&1
  list_mounted "$IMG" "$WORK/$NAME.jsonl" "$WORK/statfs.json"
  publish_external ok "external journal, cleanly unmounted: needs no replay"
}

image external-journal-dirty
make_external_journal_dirty() {
  format_external
  mount_image commit=600
  python3 "$TOOLS/crash.py" prepare "$MNT"
  unmount_image
  mount_image commit=600
  python3 "$TOOLS/crash.py" general "$MNT" "$IMG" "$WORK/frozen.img" \
    "$WORK/$NAME.journal.img" "$WORK/frozen.journal.img"
  unmount_image
  losetup -d "$JOURNAL_LOOP"
  mv "$WORK/frozen.img" "$IMG"
  mv "$WORK/frozen.journal.img" "$WORK/$NAME.journal.img"
  list_with_journal_copy
  JOURNAL_LOOP=$(losetup -f --show "$WORK/$NAME.journal.img")
  publish_external refuse "external journal that needs replay; the manifest is what replay would show"
}

list_with_journal_copy() {
  local loop
  cp --sparse=always "$IMG" "$WORK/copy.img"
  cp --sparse=always "$WORK/$NAME.journal.img" "$WORK/copy.journal.img"
  loop=$(losetup -f --show "$WORK/copy.journal.img")
  mount -o "loop,noatime,journal_path=$loop" "$WORK/copy.img" "$MNT"
  umount "$MNT"
  mount -o "loop,ro,noatime,journal_path=$loop" "$WORK/copy.img" "$MNT"
  python3 "$TOOLS/manifest.py" "$MNT" "$WORK/$NAME.jsonl" "$WORK/statfs.json"
  umount "$MNT"
  losetup -d "$loop"
}
