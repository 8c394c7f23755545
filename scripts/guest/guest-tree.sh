# shellcheck shell=bash
# What makes a Debian tree a guest: fstab, /boot and the EFI system partition.

ROOT_UUID=$(uuid_of root)
BOOT_UUID=$(uuid_of boot)
ESP_VOLUME_ID=D15CF11E
ESP_LABEL=ESP
KERNEL_VERSION=6.1.0-0-guest

# Times that this machine would decide are this one: 2026-01-01 unless set.
EPOCH=${SOURCE_DATE_EPOCH:-1767225600}

# shellcheck disable=SC2034 # used by the scripts that source this
GUEST_TOOLS=(python3:python3 mke2fs:e2fsprogs e2fsck:e2fsprogs debugfs:e2fsprogs losetup:mount
  findmnt:util-linux sgdisk:gdisk mkfs.vfat:dosfstools mcopy:mtools qemu-img:qemu-utils)

# finish_root ROOT BOOT_TYPE: the files that make ROOT a guest's root.
finish_root() {
  local root=$1 boot_type=$2
  mkdir -p "$root/boot" "$root/media/cdrom0"
  cat >"$root/etc/fstab" <<TEXT
# /etc/fstab: static file system information.
#
# <file system> <mount point> <type> <options> <dump> <pass>
UUID=$ROOT_UUID /               ext4    errors=remount-ro 0       1
# /boot was on /dev/sda2 during installation
UUID=$BOOT_UUID /boot           $boot_type    defaults        0       2
LABEL=$ESP_LABEL	/boot/efi	vfat	umask=0077	0	1
/dev/sr0        /media/cdrom0   udf,iso9660 user,noauto     0       0
UUID=$(uuid_of 'a disk that is gone') /srv/gone\\040disk ext4 nofail,x-systemd.device-timeout=1s 0 2
tmpfs           /tmp            tmpfs   size=20%        0       0
/swapfile       none            swap    sw              0       0
TEXT
  ln -s "boot/vmlinuz-$KERNEL_VERSION" "$root/vmlinuz"
  ln -s "boot/initrd.img-$KERNEL_VERSION" "$root/initrd.img"
  # The mount over /boot hides this: a reader that follows fstab never sees it.
  echo 'hidden by the mount over /boot' >"$root/boot/hidden-by-the-mount"
  python3 "$TOOLS/clamp-times.py" "$root" "$EPOCH"
  python3 "$TOOLS/decorate.py" "$root" "$EPOCH"
}

# finish_boot BOOT: a kernel and what stands beside it, not bootable.
finish_boot() {
  local boot=$1 line
  mkdir -p "$boot/efi" "$boot/grub/fonts"
  printf 'This is not a kernel. %s\n' "$KERNEL_VERSION" >"$boot/vmlinuz-$KERNEL_VERSION"
  truncate -s 300000 "$boot/vmlinuz-$KERNEL_VERSION"
  for ((line = 0; line < 30000; line++)); do
    printf '%08x initrd line\n' "$line"
  done >"$boot/initrd.img-$KERNEL_VERSION"
  printf 'CONFIG_%s=y\n' EXT4_FS VFAT_FS EFI_PARTITION BLK_DEV_NBD >"$boot/config-$KERNEL_VERSION"
  echo 'ffffffff81000000 T _text' >"$boot/System.map-$KERNEL_VERSION"
  printf 'search --no-floppy --fs-uuid --set=root %s\nlinux /vmlinuz-%s root=UUID=%s ro\n' \
    "$BOOT_UUID" "$KERNEL_VERSION" "$ROOT_UUID" >"$boot/grub/grub.cfg"
  # Larger than what direct and double indirect blocks of 1 KiB can map.
  printf 'begin' >"$boot/sparse"
  printf 'end' | dd of="$boot/sparse" bs=1 seek=70000000 conv=notrunc status=none
  ln "$boot/config-$KERNEL_VERSION" "$boot/config-hard-link"
  ln -s "vmlinuz-$KERNEL_VERSION" "$boot/vmlinuz"
  python3 "$TOOLS/clamp-times.py" "$boot" "$EPOCH"
}

# make_esp IMAGE SIZE_MIB FAT_BITS: an EFI system partition of a few files.
make_esp() {
  local image=$1 tree=$WORK/esp
  truncate -s "$2M" "$image"
  mkfs.vfat --invariant -F "$3" -i "$ESP_VOLUME_ID" -n "$ESP_LABEL" "$image" >/dev/null
  mkdir -p "$tree/EFI/BOOT" "$tree/EFI/debian"
  printf 'MZ This is not a boot loader.\n' >"$tree/EFI/BOOT/BOOTX64.EFI"
  printf 'search.fs_uuid %s root\nconfigfile /grub/grub.cfg\n' "$BOOT_UUID" >"$tree/EFI/debian/grub.cfg"
  printf 'A file with a long name and blanks in it.\r\n' >"$tree/Long File Name.txt"
  python3 "$TOOLS/clamp-times.py" "$tree" "$EPOCH"
  TZ=UTC mcopy -s -m -i "$image" "$tree/EFI" "$tree/Long File Name.txt" ::/
}

# assemble_disk DISK ESP BOOT ROOT: a GPT disk of three partition images.
assemble_disk() {
  local disk=$1 image sectors number=0 start=2048
  local types=(ef00 8300 8304) names=("EFI system partition" boot root)
  local arguments=(-U "$(uuid_of disk)")
  shift
  for image in "$@"; do
    sectors=$(($(stat -c %s "$image") / 512))
    arguments+=(-n "$((number + 1)):$start:$((start + sectors - 1))" -t "$((number + 1)):${types[number]}"
      -c "$((number + 1)):${names[number]}" -u "$((number + 1)):$(uuid_of "partition $number")")
    number=$((number + 1))
    start=$((start + sectors))
  done
  rm -f "$disk"
  truncate -s "$(((start + 2048) * 512))" "$disk"
  sgdisk "${arguments[@]}" "$disk" >"$WORK/sgdisk.log" || { cat "$WORK/sgdisk.log" >&2 && return 1; }
  start=2048
  for image in "$@"; do
    dd if="$image" of="$disk" bs=64K seek="$((start * 512))" oflag=seek_bytes conv=notrunc,sparse status=none
    start=$((start + $(stat -c %s "$image") / 512))
  done
}

# check_disk DISK FILESYSTEM...: the verdict of the genuine tools.
check_disk() {
  local image
  sgdisk -v "$1" | tee "$WORK/check.log" | grep -q '^No problems found' || check_failed
  for image in "${@:2}"; do
    e2fsck -fn "$image" >"$WORK/check.log" 2>&1 || check_failed
  done
}

check_failed() {
  cat "$WORK/check.log" >&2
  fail "the disk does not pass its check"
}
