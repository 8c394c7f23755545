# shellcheck shell=bash
# What the recipes share: registering, formatting, mounting, and publishing an
# image with its manifest. A recipe runs in its own subshell with these set:
#   NAME   the image's name        IMG   the image being made
#   WORK   a scratch directory     MNT   the mount point
TOOLS=$SCRIPT_DIR/tools
IMAGE_NAMES=()
declare -A RECIPE_FILE=()
# The tools are used where they lie: leave no compiled files there.
export PYTHONDONTWRITEBYTECODE=1

skip() {
  echo "make-images: skipped: $1" >&2
  exit 77
}

# image NAME: register NAME; its recipe is the function make_NAME (- as _).
image() {
  IMAGE_NAMES+=("$1")
  RECIPE_FILE[$1]=${BASH_SOURCE[1]}
}

# An image is made again when its recipe file, the library or a tool changes.
recipe_version() {
  cat "${RECIPE_FILE[$1]}" "$SCRIPT_DIR/lib.sh" "$TOOLS"/*.py | sha256sum | cut -c1-16
}

is_current() {
  [ -f "$OUT/$1.img" ] && [ -f "$OUT/$1.jsonl" ] && [ -f "$OUT/$1.json" ] &&
    grep -q "\"version\": \"$2\"" "$OUT/$1.json"
}

make_image() {
  NAME=$1
  VERSION=$2
  WORK=$(mktemp -d "$OUT/.work.XXXXXX")
  trap clean_up EXIT
  trap 'exit 130' INT TERM
  IMG=$WORK/$NAME.img
  MNT=$WORK/mnt
  mkdir "$MNT"
  "make_${NAME//-/_}"
}

clean_up() {
  if mountpoint -q "$MNT"; then umount "$MNT" || umount -l "$MNT"; fi
  local loop
  for loop in $(losetup -l -n -O NAME,BACK-FILE | awk -v dir="$WORK/" 'index($2, dir) == 1 { print $1 }'); do
    losetup -d "$loop" || true
  done
  rm -rf "$WORK"
}

# A UUID that is the same in every run, from the image's name.
uuid_of() {
  local hash
  hash=$(printf '%s' "$1" | sha256sum)
  echo "${hash:0:8}-${hash:8:4}-4${hash:13:3}-8${hash:17:3}-${hash:20:12}"
}

# format SIZE MKE2FS-OPTION...
format() {
  local size=$1
  shift
  rm -f "$IMG"
  truncate -s "$size" "$IMG"
  mke2fs -q -F -U "$(uuid_of "$NAME")" "$@" "$IMG" </dev/null >"$WORK/mke2fs.log" 2>&1 || {
    cat "$WORK/mke2fs.log" >&2
    return 1
  }
}

# mount_image [OPTIONS]
# shellcheck disable=SC2120 # most recipes need no options
mount_image() {
  local options=loop,noatime,${1:-rw}
  mount -o "$options" "$IMG" "$MNT"
}

unmount_image() { umount "$MNT"; }

populate() { python3 "$TOOLS/populate.py" "$MNT" "$@"; }

# Every group of populate.py that any filesystem can hold.
ALL_GROUPS=(files names links specials sockets modes times xattrs acls sparse directories)

check_clean() { e2fsck -fn "$1" >"$WORK/e2fsck.log" 2>&1 || {
  cat "$WORK/e2fsck.log" >&2
  return 1
}; }

# list_mounted IMAGE MANIFEST [STATFS]: mount read-only and list.
list_mounted() {
  mount -o loop,ro,noatime "$1" "$MNT"
  python3 "$TOOLS/manifest.py" "$MNT" "${@:2}"
  umount "$MNT"
}

# publish ORACLE EXPECTS NOTES [key=value...]: NAME.json last, so that it marks
# a complete image.
publish() {
  local oracle=$1 expects=$2 notes=$3
  shift 3
  [ ! -f "$WORK/statfs.json" ] || set -- "$@" "statfs=@$WORK/statfs.json"
  fallocate --dig-holes "$IMG"
  python3 "$TOOLS/describe.py" "$IMG" "$WORK/$NAME.json" "name=$NAME" "version=$VERSION" \
    "image=$NAME.img" "manifest=$NAME.jsonl" "oracle=$oracle" "expects=$expects" "notes=$notes" "$@"
  rm -f "$OUT/$NAME.json"
  mv "$IMG" "$WORK/$NAME.jsonl" "$OUT/"
  mv "$WORK/$NAME.json" "$OUT/"
}

# publish_clean NOTES [key=value...]: a clean image, listed by the kernel.
publish_clean() {
  check_clean "$IMG"
  list_mounted "$IMG" "$WORK/$NAME.jsonl" "$WORK/statfs.json"
  publish mount ok "$@"
}

# simple NOTES SIZE MKE2FS-OPTION...: format, fill with everything, publish.
simple() { fill_and_publish "" "$@"; }

# simple_extents: the same, and what only extent-mapped files can hold.
simple_extents() { fill_and_publish "preallocated fragmented" "$@"; }

fill_and_publish() {
  local extra notes=$2
  read -ra extra <<<"$1"
  format "${@:3}"
  mount_image
  populate "${ALL_GROUPS[@]}" "${extra[@]}"
  unmount_image
  publish_clean "$notes"
}
