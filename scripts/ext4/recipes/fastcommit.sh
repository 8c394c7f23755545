# shellcheck shell=bash
# Dirty images whose log ends in fast commits.

# crash_fast SCENARIO MKE2FS-OPTION...
crash_fast() {
  local scenario=$1
  shift
  format 64M -t ext4 -J size=8,fast_commit_size=1024 "$@"
  crash "$scenario"
}

# publish_fast NOTES [ORACLE [OPTION]]: recover twice, and keep of the manifest only
# what both agree on and e2fsck does not object to.
publish_fast() {
  local notes=$1 oracle=${2:-mount} other=e2fsck unsettled
  [ "$oracle" = mount ] || other=mount
  python3 "$TOOLS/journal-facts.py" "$IMG" "$WORK/journal" | grep -q '"tail"'
  list_recovered "$oracle" "$WORK/second.jsonl"
  list_recovered "$oracle" "$WORK/$NAME.jsonl" "$WORK/statfs.json"
  e2fsck -fn "$WORK/copy.img" >"$WORK/objections" 2>&1 || true
  unsettled=$(python3 "$TOOLS/settle.py" "$WORK/$NAME.jsonl" "$WORK/second.jsonl" "$WORK/objections" "${@:3}")
  # The other way may fail altogether; then there is nothing to compare.
  if ! list_recovered "$other" "$WORK/other.jsonl" 2>/dev/null; then
    cp /dev/null "$WORK/other.jsonl"
  fi
  publish_recovered "$oracle" "$notes" "+unsettled=$unsettled"
}

image fast-commit-creations
make_fast_commit_creations() {
  crash_fast fast-creations -b 4096 -O fast_commit
  publish_fast "fast commits: new files and a new directory"
}

image fast-commit-names
make_fast_commit_names() {
  crash_fast fast-names -b 4096 -O fast_commit
  publish_fast "fast commits: unlink, link, rename, rmdir; a block of padding between them"
}

image fast-commit-ranges
make_fast_commit_ranges() {
  crash_fast fast-ranges -b 4096 -O fast_commit
  publish_fast "fast commits: appended, overwritten, punched, truncated and preallocated ranges"
}

image fast-commit-everything
make_fast_commit_everything() {
  crash_fast fast-everything -b 1024 -O fast_commit
  publish_fast "full and fast commits in turn, 1 KiB blocks"
}

image fast-commit-no-csum
make_fast_commit_no_csum() {
  crash_fast fast-everything -b 4096 -O fast_commit,^metadata_csum,^64bit
  publish_fast "fast commits without metadata_csum and 64bit"
}

image fast-commit-inline
make_fast_commit_inline() {
  crash_fast fast-inline -b 4096 -O fast_commit,inline_data
  publish_fast "fast commits of files whose data is inline"
}

image fast-commit-orphans
make_fast_commit_orphans() {
  crash_fast fast-orphans -b 4096 -O fast_commit
  publish_fast "unlinked files still open; kernels refuse to replay this, e2fsck does it" e2fsck directory-times
}

image fast-commit-torn
make_fast_commit_torn() {
  crash_fast fast-ranges -b 4096 -O fast_commit
  python3 "$TOOLS/tear-fast-commit.py" "$IMG" "$WORK/journal" 20
  publish_fast "the checksum of the 21st fast commit is wrong: replay must stop before it"
}
