# shellcheck shell=bash
# What the scripts in this folder share: checking the host, scratch space, and
# mounts that are undone however the script ends.
GUEST_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOOLS=$GUEST_DIR/tools
PROGRAM=$(basename "$0")

say() { echo "$PROGRAM: $*"; }

fail() {
  echo "$PROGRAM: $*" >&2
  exit 1
}

# Exit code 77 tells a caller that nothing is wrong but the host cannot do this.
skip() {
  echo "$PROGRAM: skipped: $*" >&2
  exit 77
}

require_root() {
  [ "$(id -u)" = 0 ] || skip "this must run as root (it makes device nodes, owners and loop mounts)"
  losetup -f >/dev/null 2>&1 || skip "no loop device is available"
}

# require_tools TOOL:PACKAGE...
require_tools() {
  local pair missing=
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || missing+=" ${pair%%:*} (Debian package ${pair##*:})"
  done
  [ -z "$missing" ] || skip "not installed:$missing"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || skip "python3 is older than 3.10"
}

# Makes WORK, a scratch directory in OUT, and removes it with every mount below
# it when the script ends.
start_work() {
  mkdir -p "$OUT"
  OUT=$(cd "$OUT" && pwd)
  WORK=$(mktemp -d "$OUT/.work.XXXXXX")
  trap clean_up EXIT
  trap 'exit 130' INT TERM
}

clean_up() {
  local mounted loop
  findmnt -rn -o TARGET | awk -v dir="$WORK/" 'index($0, dir) == 1' | tac | while read -r mounted; do
    umount "$mounted" || umount -l "$mounted"
  done
  losetup -ln -O NAME,BACK-FILE | awk -v dir="$WORK/" 'index($2, dir) == 1 { print $1 }' | while read -r loop; do
    losetup -d "$loop" || true
  done
  # A mount that could not be undone must not be emptied.
  rm -rf --one-file-system "$WORK"
}

# fingerprint: changes when anything that decides the output changes.
fingerprint() {
  cat "$0" "$GUEST_DIR"/*.sh "$TOOLS"/*.py | sha256sum | cut -c1-16
}

# A UUID that is the same in every run, from a name.
uuid_of() {
  local hash
  hash=$(printf 'diskfile guest %s' "$1" | sha256sum)
  echo "${hash:0:8}-${hash:8:4}-4${hash:13:3}-8${hash:17:3}-${hash:20:12}"
}

manifest() { python3 "$TOOLS/manifest.py" "$@"; }

# sha256 of a file's bytes.
hash_of() { sha256sum "$1" | cut -d' ' -f1; }
