#!/usr/bin/env bash
# Make the small guest: a few MB of a Debian system on a GPT disk in a qcow2
# image, and its manifest. See README.md beside this file.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: make-small-guest.sh OUT_DIR

Makes debian-guest.qcow2 (deflate compressed) and debian-guest.manifest.jsonl.
GUEST_CACHE         where the installed Debian system is kept between runs
SOURCE_DATE_EPOCH   the time of everything that no package dates
Must run as root. Exit code 77: something this needs is missing here.
TEXT
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
source "$here/lib.sh"
# shellcheck source=debian-root.sh
source "$here/debian-root.sh"
# shellcheck source=guest-tree.sh
source "$here/guest-tree.sh"

# The part of the Debian system that is kept. The programs and libraries are
# those whose licences ask for no more than the copyright file beside them.
KEPT=(bin sbin lib lib64 etc root home opt mnt srv media
  usr/lib/os-release usr/share/common-licenses usr/share/base-files usr/share/zoneinfo/Europe
  usr/share/zoneinfo/Etc usr/share/zoneinfo/UTC usr/share/zoneinfo/tzdata.zi
  usr/share/doc/{base-files,bzip2,dash,iputils-ping,sudo,zlib1g}
  usr/bin/{dash,sh,bzip2,bunzip2,bzcat,bzless,bzmore,ping,ping4,ping6,sudo,sudoedit}
  var/lib/dpkg/status var/lib/dpkg/diversions var/lib/dpkg/info/base-files.list
  var/run var/lock var/tmp var/mail var/log/apt var/log/btmp var/log/lastlog var/lib/pam)
KEPT_PATTERNS=('./usr/lib/*/libz.so.*' './usr/lib/*/libbz2.so.*')

# staging DIRECTORY SIZE: an empty filesystem to build a tree in. Its fixed hash
# seed makes the order of names in a directory the same in every run.
staging() {
  truncate -s "$2" "$1.img"
  mke2fs -q -F -t ext4 -b 4096 -I 256 -m 0 -E "hash_seed=$(uuid_of staging)" "$1.img"
  mkdir "$1"
  mount -o loop,noatime "$1.img" "$1"
}

fill_root() {
  local root=$1
  tar -C "$root" --numeric-owner --xattrs --xattrs-include='*' --acls -p \
    --wildcards --anchored -xf "$DEBIAN_TAR" --use-compress-program='zstd -d' \
    "${KEPT[@]/#/./}" "${KEPT_PATTERNS[@]}"
}

# make_ext IMAGE TREE SIZE_MIB INODE_BYTES MKE2FS-OPTION...: TREE as a filesystem.
make_ext() {
  local image=$1 tree=$2 inode_bytes=$4 mounted=$WORK/mounted
  truncate -s "$3M" "$image"
  export E2FSPROGS_FAKE_TIME=$EPOCH E2FSCK_TIME=$EPOCH
  mke2fs -q -F -I "$inode_bytes" -m 0 -E "hash_seed=$(uuid_of hash),nodiscard" "${@:5}" -d "$tree" "$image" \
    >"$WORK/mke2fs.log" 2>&1 || { cat "$WORK/mke2fs.log" >&2 && return 1; }
  # Index the large directories, as a kernel would have. Code 1: it has.
  e2fsck -fyD "$image" >"$WORK/e2fsck.log" 2>&1 || [ $? = 1 ] || { cat "$WORK/e2fsck.log" >&2 && return 1; }
  mkdir -p "$mounted"
  mount -o ro,loop "$image" "$mounted"
  python3 "$TOOLS/fix-inodes.py" "$tree" "$mounted" "$inode_bytes" "$EPOCH" >"$WORK/debugfs.commands"
  umount "$mounted"
  debugfs -w -f "$WORK/debugfs.commands" "$image" >/dev/null 2>"$WORK/debugfs.log"
}

# What the kernel sees in the finished filesystems must be the tree they hold.
compare_with_source() {
  mount --bind "$WORK/boot" "$WORK/root/boot"
  manifest "$WORK/root" "$WORK/source.jsonl"
  umount "$WORK/root/boot"
  mount -o ro,loop "$WORK/root.ext4" "$WORK/mounted"
  mount -o ro,loop "$WORK/boot.ext2" "$WORK/mounted/boot"
  manifest "$WORK/mounted" "$WORK/manifest.jsonl"
  umount "$WORK/mounted/boot" "$WORK/mounted"
  diff "$WORK/source.jsonl" "$WORK/manifest.jsonl" >"$WORK/diff.log" || {
    head -n 20 "$WORK/diff.log" >&2
    fail "the filesystems differ from the tree they were made from"
  }
}

main() {
  require_root
  require_tools "${DEBIAN_TOOLS[@]}" "${GUEST_TOOLS[@]}"
  start_work
  ensure_debian_root
  staging "$WORK/root" 512M
  staging "$WORK/boot" 128M
  fill_root "$WORK/root"
  finish_root "$WORK/root" ext2
  finish_boot "$WORK/boot"
  make_ext "$WORK/root.ext4" "$WORK/root" 96 256 -t ext4 -b 4096 -L root -U "$ROOT_UUID"
  make_ext "$WORK/boot.ext2" "$WORK/boot" 16 128 -t ext2 -b 1024 -L boot -U "$BOOT_UUID"
  compare_with_source
  make_esp "$WORK/esp.fat" 4 12
  publish
}

publish() {
  local image=$OUT/debian-guest.qcow2
  assemble_disk "$WORK/disk.raw" "$WORK/esp.fat" "$WORK/boot.ext2" "$WORK/root.ext4"
  check_disk "$WORK/disk.raw" "$WORK/root.ext4" "$WORK/boot.ext2"
  qemu-img convert -m 1 -c -O qcow2 "$WORK/disk.raw" "$WORK/disk.qcow2"
  qemu-img check -q "$WORK/disk.qcow2"
  mv "$WORK/disk.qcow2" "$image"
  mv "$WORK/manifest.jsonl" "$OUT/debian-guest.manifest.jsonl"
  say "made $image ($(stat -c %s "$image") bytes, $(wc -l <"$OUT/debian-guest.manifest.jsonl") paths)"
}

case ${1:-} in
  -h | --help)
    usage
    exit 0
    ;;
  '' | -*)
    usage >&2
    exit 2
    ;;
esac
OUT=$1
main
