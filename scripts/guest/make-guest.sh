#!/usr/bin/env bash
# Make a whole Debian guest on a GPT disk, its manifests, and that disk in qcow2
# images of many kinds. See README.md beside this file.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: make-guest.sh [--force] OUT_DIR

Makes the guest's disk as OUT_DIR/guest.raw, its qcow2 variants, manifests of
what they hold, and variants.tsv, unless OUT_DIR is up to date.
  --force           make everything again
GUEST_CACHE         where the installed Debian system is kept between runs
SOURCE_DATE_EPOCH   the time of everything that no package dates
Must run as root; needs about 4 GB. Exit code 77: something this needs is
missing here.
TEXT
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
source "$here/lib.sh"
# shellcheck source=debian-root.sh
source "$here/debian-root.sh"
# shellcheck source=guest-tree.sh
source "$here/guest-tree.sh"

# The filesystems have mke2fs's own defaults, and the kernel writes them.
format_filesystems() {
  truncate -s 1G "$WORK/root.ext4"
  truncate -s 128M "$WORK/boot.ext4"
  mke2fs -q -F -t ext4 -L root -U "$ROOT_UUID" "$WORK/root.ext4"
  mke2fs -q -F -t ext4 -L boot -U "$BOOT_UUID" "$WORK/boot.ext4"
  make_esp "$WORK/esp.fat" 64 32
}

mount_guest() {
  mkdir -p "$MNT"
  mount -o "loop,$1" "$WORK/root.ext4" "$MNT"
  mount -o "loop,$1" "$WORK/boot.ext4" "$MNT/boot"
}

unmount_guest() { umount -R "$MNT"; }

fill_guest() {
  mkdir -p "$MNT" "$WORK/boot"
  mount -o loop "$WORK/root.ext4" "$MNT"
  mount -o loop "$WORK/boot.ext4" "$WORK/boot"
  tar -C "$MNT" --numeric-owner --xattrs --xattrs-include='*' --acls -p \
    -xf "$DEBIAN_TAR" --use-compress-program='zstd -d'
  finish_root "$MNT" ext4
  finish_boot "$WORK/boot"
  umount "$MNT" "$WORK/boot"
}

# What a guest does in a day, on both filesystems.
change_guest() {
  mount_guest rw,noatime
  printf 'PRETTY_NAME="The guest after a change"\nID=debian\n' >"$MNT/usr/lib/os-release"
  seq 200000 >"$MNT/var/log/syslog"
  rm -r "$MNT/usr/share/doc/sudo" "$MNT/usr/share/locale/de"
  mv "$MNT/usr/share/common-licenses" "$MNT/usr/share/moved-licenses"
  truncate -s 1000 "$MNT/etc/services"
  chmod 0600 "$MNT/etc/hosts"
  mkdir "$MNT/root/new"
  ln -s ../../etc/fstab "$MNT/root/new/link"
  dd if=/dev/zero of="$MNT/root/new/zeros" bs=1M count=3 status=none
  echo 'CONFIG_NEW=y' >>"$MNT/boot/config-$KERNEL_VERSION"
  rm "$MNT/boot/initrd.img-$KERNEL_VERSION"
  unmount_guest
}

# record DISK MANIFEST: the disk as it is now and what the kernel sees of it.
record() {
  mount_guest ro
  manifest "$MNT" "$2"
  unmount_guest
  assemble_disk "$1" "$WORK/esp.fat" "$WORK/boot.ext4" "$WORK/root.ext4"
  check_disk "$1" "$WORK/root.ext4" "$WORK/boot.ext4"
}

# row FILE SNAPSHOT STATE OPTIONS: compare the image with the disk it stands for
# and list it.
row() {
  local file=$1 snapshot=$2 state=$3 options=$4 format=qcow2
  case $file in *.raw) format=raw ;; esac
  if [ "$snapshot" = - ]; then
    qemu-img compare -q -f raw -F "$format" "$state.raw" "$file" || fail "$file is not the disk it was made from"
  else
    qemu-img convert -l "snapshot.name=$snapshot" -O raw "$file" snapshot.raw
    qemu-img compare -q -f raw -F raw "$state.raw" snapshot.raw || fail "the snapshot in $file is not the disk"
    rm snapshot.raw
  fi
  [ "$format" = raw ] || qemu-img check -q "$file"
  printf '%s\t%s\t%s\t%s\t%s\n' "$file" "$snapshot" "$(<"$state.sha256")" "$state.manifest.jsonl" "$options" >>variants.tsv
  say "$file $snapshot ($options), $(du -m "$file" | cut -f1) MB"
}

# convert FILE OPTIONS [-c]: the guest's disk as a qcow2 image.
convert() {
  qemu-img convert -f raw -O qcow2 ${3:+"$3"} -o "$2" guest.raw "$1"
  row "$1" - guest "$2${3:+,compressed}"
}

# apply_changes FILE: what change_guest wrote, written into an image.
apply_changes() {
  qemu-io -f qcow2 "$1" <"$WORK/changes" >"$WORK/qemu-io.log" 2>&1
  ! grep -qiE 'error|failed' "$WORK/qemu-io.log" || {
    cat "$WORK/qemu-io.log" >&2
    fail "qemu-io could not change $1"
  }
}

make_variants() {
  printf 'file\tsnapshot\tsha256\tmanifest\toptions\n' >variants.tsv
  row guest.raw - guest raw
  convert plain.qcow2 compat=1.1
  convert v2.qcow2 compat=0.10
  convert clusters-4k.qcow2 cluster_size=4k
  convert clusters-2m.qcow2 cluster_size=2M
  convert extended-l2.qcow2 extended_l2=on,cluster_size=128k
  convert deflate.qcow2 compression_type=zlib -c
  convert zstd.qcow2 compression_type=zstd -c
  convert extended-l2-deflate.qcow2 extended_l2=on,cluster_size=64k -c
  convert data-file.qcow2 data_file=data-file.raw,data_file_raw=on

  convert base.qcow2 compression_type=zlib,cluster_size=64k -c
  qemu-img create -q -f qcow2 -F qcow2 -b base.qcow2 overlay.qcow2
  apply_changes overlay.qcow2
  row overlay.qcow2 - changed 'backing_file=base.qcow2'

  qemu-img convert -f raw -O qcow2 guest.raw snapshot.qcow2
  qemu-img snapshot -c before-the-change snapshot.qcow2
  apply_changes snapshot.qcow2
  row snapshot.qcow2 - changed 'internal snapshot'
  row snapshot.qcow2 before-the-change guest 'internal snapshot'
}

# is_current VERSION: OUT holds all that these scripts would make.
is_current() {
  [ "$(cat "$OUT/version" 2>/dev/null)" = "$1" ] || return 1
  local file
  for file in $(cut -f1,4 "$OUT/variants.tsv" | tail -n +2); do
    [ -f "$OUT/$file" ] || return 1
  done
}

main() {
  require_root
  require_tools "${DEBIAN_TOOLS[@]}" "${GUEST_TOOLS[@]}" qemu-io:qemu-utils
  local version
  version=$(fingerprint)
  if [ -z "$force" ] && is_current "$version"; then
    say "$OUT is up to date"
    return
  fi
  start_work
  rm -f "$OUT/version"
  MNT=$WORK/mnt
  ensure_debian_root
  format_filesystems
  fill_guest
  mkdir "$WORK/out"
  cd "$WORK/out"
  record guest.raw guest.manifest.jsonl
  change_guest
  record changed.raw changed.manifest.jsonl
  python3 "$TOOLS/changed-ranges.py" guest.raw changed.raw "$WORK/ranges" >"$WORK/changes"
  for state in guest changed; do hash_of "$state.raw" >"$state.sha256"; done
  make_variants
  rm changed.raw ./*.sha256
  mv ./* "$OUT/"
  echo "$version" >"$OUT/version"
  say "made $(($(wc -l <"$OUT/variants.tsv") - 1)) variants in $OUT ($(du -sm "$OUT" | cut -f1) MB), listed in variants.tsv"
}

force=
OUT=
while [ $# -gt 0 ]; do
  case $1 in
    --force) force=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    -*)
      usage >&2
      exit 2
      ;;
    *) OUT=$1 ;;
  esac
  shift
done
[ -n "$OUT" ] || {
  usage >&2
  exit 2
}
main
