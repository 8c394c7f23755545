#!/usr/bin/env bash
# Make ext2/ext3/ext4 test images with manifests of what a reader must see.
# See README.md beside this file.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: make-images.sh [--list] [--force] [--only NAME]... OUT_DIR

Makes every image that OUT_DIR does not hold yet, and OUT_DIR/index.json.
  --list       print the names of all images and stop
  --only NAME  make this image (may be repeated; shell patterns work)
  --force      make images again that are already there
Must run as root: images are filled and listed through loop mounts.
Exit code 77: something this needs is missing here.
TEXT
}

SCRIPT_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
source "$SCRIPT_DIR/lib.sh"
for recipes in "$SCRIPT_DIR"/recipes/*.sh; do
  # shellcheck source=/dev/null
  source "$recipes"
done

require_host() {
  [ "$(id -u)" = 0 ] || skip "this must run as root (loop mounts)"
  local tool
  for tool in mke2fs tune2fs debugfs e2fsck dumpe2fs resize2fs losetup mount umount fallocate chattr python3 sha256sum; do
    command -v "$tool" >/dev/null || skip "the tool $tool is not installed"
  done
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || skip "python3 is older than 3.11"
  losetup -f >/dev/null 2>&1 || skip "no loop device is available"
}

wanted() {
  [ ${#only[@]} -eq 0 ] && return 0
  local pattern
  for pattern in "${only[@]}"; do
    # shellcheck disable=SC2053 # the pattern is meant to match as a pattern
    [[ $1 == $pattern ]] && return 0
  done
  return 1
}

only=()
force=
while [ $# -gt 0 ]; do
  case $1 in
    --list)
      printf '%s\n' "${IMAGE_NAMES[@]}"
      exit 0
      ;;
    --only)
      only+=("${2:?--only needs a name}")
      shift
      ;;
    --force) force=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    -*)
      usage >&2
      exit 2
      ;;
    *) break ;;
  esac
  shift
done
if [ $# -ne 1 ]; then
  usage >&2
  exit 2
fi

require_host
# Past the wrapper of a version manager, which takes longer than most of the tools.
PATH=$(python3 -c 'import os, sys; print(os.path.dirname(sys.executable))'):$PATH
mkdir -p "$1"
OUT=$(cd "$1" && pwd)
selected=0
failed=()
for name in "${IMAGE_NAMES[@]}"; do
  wanted "$name" || continue
  selected=$((selected + 1))
  version=$(recipe_version "$name")
  if [ -z "$force" ] && is_current "$name" "$version"; then
    continue
  fi
  started=$SECONDS
  # Not in a condition: `set -e` must stay on inside the recipe.
  set +e
  (
    set -e
    make_image "$name" "$version"
  )
  status=$?
  set -e
  if [ $status -eq 0 ]; then
    echo "made $name in $((SECONDS - started)) s"
  else
    echo "make-images: $name failed" >&2
    failed+=("$name")
  fi
done
if [ $selected -eq 0 ]; then
  echo "make-images: no image has that name; see --list" >&2
  exit 2
fi
python3 "$TOOLS/write-index.py" "$OUT" "${IMAGE_NAMES[@]}"
if [ ${#failed[@]} -gt 0 ]; then
  echo "make-images: failed: ${failed[*]}" >&2
  exit 1
fi
