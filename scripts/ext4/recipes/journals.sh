# shellcheck shell=bash
# Logs written by hand, in ways that the kernel of today does not write them.

# make_states MKE2FS-OPTION...: $IMG, and three later states of it.
make_states() {
  local n before=$IMG
  format 32M -t ext4 "$@"
  mount_image
  python3 "$TOOLS/crash.py" prepare "$MNT"
  unmount_image
  for n in 1 2 3; do
    cp --sparse=always "$before" "$WORK/state-$n.img"
    mount -o loop,noatime "$WORK/state-$n.img" "$MNT"
    python3 "$TOOLS/later-state.py" "$n" "$MNT"
    umount "$MNT"
    before=$WORK/state-$n.img
  done
}

# hand_made VARIANT NOTES LAST_STATE MKE2FS-OPTION...: the manifest is that of the
# state which replay must reach; the kernel and e2fsck are asked whether they agree.
hand_made() {
  local variant=$1 notes=$2 last=$3 by_mount by_e2fsck
  make_states "${@:4}"
  python3 "$TOOLS/make-journal.py" "$variant" "$IMG" "$WORK"/state-[123].img
  list_mounted "$WORK/state-$last.img" "$WORK/$NAME.jsonl" "$WORK/statfs.json"
  by_mount=$(agreement_of mount)
  by_e2fsck=$(agreement_of e2fsck)
  echo "$NAME: recovered by mount: $by_mount, by e2fsck: $by_e2fsck"
  publish state "${EXPECTS:-ok}" "$notes" "+dirty=true" "recovered_by_mount=$by_mount" "recovered_by_e2fsck=$by_e2fsck" \
    "+journal=$(python3 "$TOOLS/journal-facts.py" "$IMG" "$WORK/journal")"
}

# agreement_of WAY: "equal", "refused", or how it differs.
agreement_of() {
  if ! list_recovered "$1" "$WORK/other.jsonl" 2>/dev/null; then
    echo refused
    return
  fi
  local difference
  difference=$(python3 "$TOOLS/view-difference.py" "$WORK/other.jsonl" "$WORK/$NAME.jsonl")
  case $difference in
    *'"missing": 0, "extra": 0, "changed": 0,'*) echo equal ;;
    *) echo "$difference" ;;
  esac
}

NO_CSUM=(-b 4096 -O '^metadata_csum,^64bit')

image journal-v1-superblock
make_journal_v1_superblock() {
  hand_made v1-superblock "journal superblock version 1: it has no features and no UUID" 3 "${NO_CSUM[@]}"
}

image journal-csum-v2-32bit
make_journal_csum_v2_32bit() { hand_made csum-v2-32bit "checksum v2, 10-byte tags" 3 -b 4096; }

image journal-csum-v2-64bit
make_journal_csum_v2_64bit() { hand_made csum-v2-64bit "checksum v2, 14-byte tags, many descriptors" 3 -b 1024; }

image journal-csum-v3-uuids
make_journal_csum_v3_uuids() { hand_made csum-v3-uuids "checksum v3, a UUID after every tag" 3 -b 4096; }

image journal-no-csum-uuids
make_journal_no_csum_uuids() { hand_made no-csum-uuids "12-byte tags, a UUID after every tag" 3 "${NO_CSUM[@]}"; }

image journal-sequence-wraps
make_journal_sequence_wraps() { hand_made sequence-wraps "transaction 0 follows 0xffffffff" 3 -b 4096; }

image journal-log-wraps
make_journal_log_wraps() { hand_made log-wraps "the log wraps within a transaction, checksum v2" 3 -b 4096; }

image journal-stale-after
make_journal_stale_after() { hand_made stale-after "older transactions follow the log" 3 "${NO_CSUM[@]}"; }

image journal-torn-commit
make_journal_torn_commit() { hand_made torn-commit "the last transaction has no commit block" 2 -b 4096; }

image journal-torn-no-csum
make_journal_torn_no_csum() { hand_made torn-no-csum "the last transaction has no commit block" 2 "${NO_CSUM[@]}"; }

image journal-bad-commit-v1
make_journal_bad_commit_v1() {
  hand_made bad-commit-v1 "the last transaction does not match its checksum v1" 2 "${NO_CSUM[@]}"
}

image journal-bad-commit-v2
make_journal_bad_commit_v2() { hand_made bad-commit-v2 "wrong checksum v2 in the last commit block" 2 -b 4096; }

image journal-bad-commit-v3
make_journal_bad_commit_v3() { hand_made bad-commit-v3 "wrong checksum v3 in the last commit block" 2 -b 4096; }

image journal-bad-commit-async
make_journal_bad_commit_async() {
  hand_made bad-commit-async "asynchronous commit whose transaction does not match its checksum" 2 "${NO_CSUM[@]}"
}

image journal-bad-data-v3
make_journal_bad_data_v3() {
  EXPECTS=refuse hand_made bad-data-v3 "a data block of the last transaction does not match its tag" 2 -b 4096
}

image journal-revokes-64bit
make_journal_revokes_64bit() { hand_made revokes-64bit "64-bit revoke records, blocks logged again later" 3 -b 1024; }

image journal-revokes-32bit
make_journal_revokes_32bit() {
  hand_made revokes-32bit "32-bit revoke records, blocks logged again later" 3 "${NO_CSUM[@]}"
}

image journal-unknown-feature
make_journal_unknown_feature() {
  EXPECTS=refuse hand_made unknown-feature "an unknown incompatible journal feature" 3 -b 4096
}

# The kernel may be unable to mount this block size: debugfs makes the states.
image journal-64k-blocks
make_journal_64k_blocks() {
  local n before=$IMG
  python3 "$TOOLS/populate.py" "$WORK/tree" files links
  format 256M -t ext4 -b 65536 -J size=64 -d "$WORK/tree"
  for n in 1 2 3; do
    cp --sparse=always "$before" "$WORK/state-$n.img"
    before=$WORK/state-$n.img
    echo "written in state $n" >"$WORK/tree/state-$n"
    rm "$WORK/tree/files/$((58 + n))-bytes"
    debugfs -w -f - "$before" >/dev/null 2>&1 <<TEXT
write $WORK/tree/state-$n state-$n
rm files/$((58 + n))-bytes
TEXT
    check_clean "$before"
  done
  python3 "$TOOLS/make-journal.py" csum-v3-uuids "$IMG" "$WORK"/state-[123].img
  python3 "$TOOLS/source-manifest.py" "$WORK/state-3.img" "$WORK/tree" "$WORK/$NAME.jsonl" "$WORK"
  cp --sparse=always "$IMG" "$WORK/copy.img"
  recover_by_e2fsck "$WORK/copy.img"
  python3 "$TOOLS/source-manifest.py" "$WORK/copy.img" "$WORK/tree" "$WORK/other.jsonl" "$WORK"
  cmp "$WORK/other.jsonl" "$WORK/$NAME.jsonl"
  publish source ok "a dirty journal of 64 KiB blocks" "+dirty=true" "recovered_by_e2fsck=equal" \
    "+journal=$(python3 "$TOOLS/journal-facts.py" "$IMG" "$WORK/journal")"
}
