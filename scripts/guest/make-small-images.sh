#!/usr/bin/env bash
# Make the tiny images of one feature each, and what qemu-img says of them. See
# README.md beside this file.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: make-small-images.sh OUT_DIR

Makes the images that test-images/README.md lists, and expected.json. A
luks.qcow2 that OUT_DIR holds is kept, since its keys are random.
Must run as root. Exit code 77: something this needs is missing here.
TEXT
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
source "$here/lib.sh"

EPOCH=${SOURCE_DATE_EPOCH:-1767225600}
PASSPHRASE=diskfile
MIB=1048576

payload() { python3 "$TOOLS/payload.py" "$@"; }

convert() { qemu-img convert -m 1 -f raw "$@"; }

# io IMAGE COMMAND...: run qemu-io commands; it exits 0 when one of them fails.
io() {
  local image=$1 command arguments=()
  shift
  for command in "$@"; do arguments+=(-c "$command"); done
  qemu-io -f qcow2 "${arguments[@]}" "$image" >"$WORK/qemu-io.log" 2>&1 || true
  if grep -qiE 'error|failed|invalid|not supported' "$WORK/qemu-io.log"; then
    cat "$WORK/qemu-io.log" >&2
    fail "qemu-io could not write $image"
  fi
}

compressed_images() {
  convert -c -O qcow2 -o compression_type=zstd,cluster_size=16k payload.raw zstd.qcow2
  convert -c -O qcow2 -o cluster_size=4k payload.raw deflate-4k-clusters.qcow2
  convert -c -O qcow2 -o extended_l2=on,cluster_size=16k payload.raw extended-l2-deflate.qcow2
}

plain_images() {
  convert -O qcow2 -o compat=0.10,cluster_size=512 payload.raw v2-512-clusters.qcow2
  convert -O qcow2 -o refcount_bits=1,cluster_size=1k payload.raw refcount-1-bit.qcow2
  convert -O qcow2 -o refcount_bits=64,cluster_size=1k payload.raw refcount-64-bits.qcow2
  convert -O qcow payload.raw qcow-v1.qcow
  # Some versions of qemu-img write the whole image and exit with 1 all the same.
  convert -c -O qcow payload.raw qcow-v1-compressed.qcow || true
  qemu-img compare -q -f raw -F qcow payload.raw qcow-v1-compressed.qcow
}

# Zero clusters that keep their host cluster, and others that do not.
zero_cluster_image() {
  convert -O qcow2 -o cluster_size=4k payload.raw zero-clusters.qcow2
  io zero-clusters.qcow2 'write -z 4096 4096' 'write -z -u 65536 8192' "write -z $MIB 8192"
}

# Subclusters of 512 bytes: allocated, zero and untouched ones in one cluster.
extended_l2_image() {
  qemu-img create -q -f qcow2 -o extended_l2=on,cluster_size=16k extended-l2.qcow2 4M
  io extended-l2.qcow2 'write -P 0x11 512 512' 'write -P 0x22 2048 3072' 'write -z 2560 512' \
    'write -P 0x33 16000 1000' 'write -P 0x44 65536 16384' 'write -z 66048 1024' \
    'write -P 0x55 4193792 512' 'write -z 32768 16384' 'write -P 0x66 1048576 100'
}

# The overlay is longer than its base, hides part of it by zeros, and names it
# relative to itself.
backing_images() {
  mkdir -p backing
  payload base.raw $((2 * MIB + 512)) 2
  convert -O qcow2 -o cluster_size=2k base.raw backing/base.qcow2
  qemu-img create -q -f qcow2 -F qcow2 -b base.qcow2 -o cluster_size=4k backing/overlay.qcow2 3M
  io backing/overlay.qcow2 'write -P 0x77 4096 1000' 'write -z 65536 16384' \
    "write -P 0x88 $((2 * MIB - 100)) 2000" "write -P 0x99 $((3 * MIB - 512)) 512"
  qemu-img create -q -f qcow2 -F qcow2 -b overlay.qcow2 -o extended_l2=on,cluster_size=16k \
    backing/shorter.qcow2 $((MIB + 1536))
  io backing/shorter.qcow2 'write -P 0xaa 512 512' 'write -z 4608 512' "write -P 0xbb $MIB 1536"
}

# The external file is a valid raw disk in the first, and in the guest's write
# order in the second.
data_file_images() {
  payload small.raw 524288 4
  convert -O qcow2 -o data_file=data-file.raw,data_file_raw=on,cluster_size=4k small.raw data-file.qcow2
  qemu-img create -q -f qcow2 -o data_file=data-file-mapped.data,cluster_size=4k data-file-mapped.qcow2 256k
  io data-file-mapped.qcow2 'write -P 0xcc 258048 4096' 'write -P 0xdd 8192 6000' 'write -z 8192 4096'
}

# Two snapshots; the disk was larger when the second was made.
snapshot_image() {
  convert -O qcow2 -o cluster_size=4k base.raw snapshot.qcow2
  qemu-img snapshot -c first snapshot.qcow2
  qemu-img resize -q snapshot.qcow2 3M
  io snapshot.qcow2 'write -P 0x31 4096 5000' "write -P 0x32 $((3 * MIB - 4096)) 4096" 'write -z 65536 4096'
  qemu-img snapshot -c 'second state' snapshot.qcow2
  io snapshot.qcow2 'write -P 0x33 8192 5000' "discard $((3 * MIB - 4096)) 4096"
  python3 "$TOOLS/fix-snapshot-dates.py" snapshot.qcow2 "$EPOCH"
}

bitmap_image() {
  qemu-img create -q -f qcow2 -o cluster_size=4k bitmap.qcow2 4M
  qemu-img bitmap --add -g 64k bitmap.qcow2 since-monday
  qemu-img bitmap --add -g 4096 --disable bitmap.qcow2 disabled
  io bitmap.qcow2 'write -P 0x41 65536 70000' 'write -P 0x42 4190208 4096'
}

# A writer with lazy refcounts that ends without closing.
dirty_image() {
  qemu-img create -q -f qcow2 -o lazy_refcounts=on,cluster_size=4k dirty.qcow2 1M
  { qemu-io -f qcow2 -c 'write -P 0x51 4096 9000' -c flush -c abort dirty.qcow2 || true; } >"$WORK/qemu-io.log" 2>&1
  qemu-img info --output=json dirty.qcow2 | grep -q '"dirty-flag": true' || fail "dirty.qcow2 is not dirty"
}

# encrypted FILE CREATE-OPTIONS: a disk of 64 KiB under PASSPHRASE.
encrypted() {
  local key=secret,id=key,data=$PASSPHRASE opened=driver=qcow2,file.filename=$1,encrypt.key-secret=key
  qemu-img create -q -f qcow2 --object "$key" -o "$2,encrypt.key-secret=key" "$1" 64k >/dev/null &&
    qemu-img convert -n --object "$key" -f raw --target-image-opts encrypted.raw "$opened" &&
    qemu-img check -q --object "$key" --image-opts "$opened"
}

encrypted_images() {
  local try
  payload encrypted.raw 65536 3
  encrypted aes.qcow2 encrypt.format=aes,cluster_size=4k
  if [ -f "$OUT/luks.qcow2" ]; then
    cp "$OUT/luks.qcow2" luks.qcow2
    return
  fi
  # qemu-img measures the key derivation, which fails often where the clock of
  # the processor time is coarse. The options make a small header.
  local options=encrypt.format=luks,encrypt.iter-time=10,cluster_size=4k
  options+=,encrypt.cipher-alg=aes-128,encrypt.cipher-mode=cbc,encrypt.ivgen-alg=plain64
  for ((try = 0; try < 50; try++)); do
    ! encrypted luks.qcow2 "$options" 2>"$WORK/luks.log" || return 0
    grep -q 'Unable to get accurate CPU usage' "$WORK/luks.log" || break
  done
  cat "$WORK/luks.log" >&2
  fail "luks.qcow2 could not be made"
}

# small_root FILE SIZE NAME: an ext2 filesystem that looks like a guest's root.
small_root() {
  local tree=$WORK/tree inode
  rm -rf "$tree"
  mkdir -p "$tree/etc" "$tree/usr/lib"
  printf 'ID=%s\nPRETTY_NAME="The guest in %s"\n' "$3" "$3" >"$tree/usr/lib/os-release"
  ln -s ../usr/lib/os-release "$tree/etc/os-release"
  truncate -s "$2" "$1"
  E2FSPROGS_FAKE_TIME=$EPOCH mke2fs -q -F -t ext2 -b 4096 -I 128 -m 0 -U "$(uuid_of "$3")" \
    -E "hash_seed=$(uuid_of hash)" -d "$tree" "$1" >"$WORK/mke2fs.log" 2>&1
  # The root is inode 2; the first that is not reserved is 11, lost+found.
  for inode in 2 11 12 13 14 15 16; do
    printf "set_inode_field <$inode> %s @$EPOCH\n" atime ctime mtime
  done >"$WORK/debugfs.commands"
  E2FSPROGS_FAKE_TIME=$EPOCH debugfs -w -f "$WORK/debugfs.commands" "$1" >/dev/null 2>"$WORK/debugfs.log"
  e2fsck -fn "$1" >"$WORK/e2fsck.log" 2>&1 || fail "the filesystem for $3 is not clean"
}

# place FILE DISK OFFSET
place() { dd if="$1" of="$2" bs=4096 seek="$3" oflag=seek_bytes conv=notrunc,sparse status=none; }

# publish_disk FILE: disk.raw as a compressed image.
publish_disk() { convert -c -O qcow2 -o cluster_size=4k disk.raw "$1"; }

# mark DISK START COUNT: tell the sectors of a partition from any others.
mark() {
  printf 'the first of %d sectors from %d' "$3" "$2" | dd of="$1" bs=512 seek="$2" conv=notrunc status=none
  printf 'the last of %d sectors from %d' "$3" "$2" | dd of="$1" bs=512 seek=$(($2 + $3 - 1)) conv=notrunc status=none
}

partitioned_images() {
  small_root root.ext2 1M mbr-logical
  truncate -s 8M disk.raw
  sfdisk -q disk.raw <<'TEXT'
label: dos
label-id: 0x0d15cf11
start=64, size=2048, type=83, bootable
start=2112, size=1024, type=c
start=4096, size=10240, type=f
start=14336, size=2048, type=82
start=4160, size=1024, type=83
start=5248, size=2048, type=83
start=8000, size=63, type=8e
start=8192, size=4096, type=fd
TEXT
  mark disk.raw 64 2048
  mark disk.raw 2112 1024
  mark disk.raw 14336 2048
  mark disk.raw 4160 1024
  mark disk.raw 8000 63
  mark disk.raw 8192 4096
  place root.ext2 disk.raw $((5248 * 512))
  publish_disk mbr-logical.qcow2

  gpt_disk
  publish_disk gpt-512.qcow2
  dd if=/dev/zero of=disk.raw bs=512 seek=1 count=1 conv=notrunc status=none
  publish_disk gpt-backup-only.qcow2
  gpt_disk
  sgdisk -h 2:1:EE disk.raw >"$WORK/sgdisk.log"
  publish_disk gpt-hybrid.qcow2

  small_root disk.raw 1M no-table
  publish_disk no-table-ext2.qcow2
  gpt_4k_disk
  publish_disk gpt-4k.qcow2
}

gpt_disk() {
  rm -f disk.raw
  truncate -s 4M disk.raw
  sgdisk -a 64 -U "$(uuid_of gpt)" -n 1:64:1087 -t 1:ef00 -c '1:EFI system partition' -u "1:$(uuid_of gpt-1)" \
    -n 2:2048:4095 -t 2:8300 -c '2:Größe 数据' -u "2:$(uuid_of gpt-2)" -A 2:set:2 \
    -n 5:6144:8000 -t 5:8e00 -u "5:$(uuid_of gpt-5)" -A 5:set:60 -A 5:set:63 disk.raw >"$WORK/sgdisk.log"
  mark disk.raw 64 1024
  mark disk.raw 6144 1857
  small_root root.ext2 1M gpt
  place root.ext2 disk.raw $((2048 * 512))
}

gpt_4k_disk() {
  local linux=0FC63DAF-8483-4772-8E79-3D69D8477DE4 esp=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
  rm -f disk.raw
  truncate -s 4M disk.raw
  python3 "$TOOLS/gpt-4k.py" disk.raw "$(uuid_of gpt-4k)" "boot,$esp,$(uuid_of gpt-4k-1),16,255" \
    "root,$linux,$(uuid_of gpt-4k-2),256,767"
  mark disk.raw $((16 * 8)) $((240 * 8))
  small_root root.ext2 2M gpt-4k
  place root.ext2 disk.raw $MIB
}

# The verdict of qemu-img on all but the qcow images, which it cannot check, and
# the encrypted ones, which were checked with their key.
# dirty.qcow2 shows an error on purpose: its refcounts were never written.
check_images() {
  local image
  find . -name '*.qcow2' ! -name dirty.qcow2 ! -name aes.qcow2 ! -name luks.qcow2 | while read -r image; do
    qemu-img check -q "$image" >"$WORK/check.log" 2>&1 || {
      cat "$WORK/check.log" >&2
      fail "$image does not pass its check"
    }
  done
}

main() {
  require_root
  require_tools qemu-img:qemu-utils qemu-io:qemu-utils python3:python3 mke2fs:e2fsprogs \
    debugfs:e2fsprogs sgdisk:gdisk sfdisk:fdisk losetup:mount
  start_work
  mkdir "$WORK/images"
  cd "$WORK/images"
  payload payload.raw $((4 * MIB)) 1
  compressed_images
  plain_images
  zero_cluster_image
  extended_l2_image
  backing_images
  data_file_images
  snapshot_image
  bitmap_image
  dirty_image
  encrypted_images
  partitioned_images
  rm payload.raw base.raw small.raw encrypted.raw disk.raw root.ext2
  check_images
  python3 "$TOOLS/describe-images.py" . "$PASSPHRASE" expected.json
  # Not sparse, as after a checkout: the map of a data file shows its holes.
  cp -r --sparse=never . "$OUT/"
  say "made $(find . -name '*.qcow*' | wc -l) images in $OUT ($(du -cb --apparent-size . | tail -n 1 | cut -f1) bytes)"
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
