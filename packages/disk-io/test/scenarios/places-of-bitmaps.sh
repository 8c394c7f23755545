# Bitmaps lie in new clusters after each session that may write, and those beside them as well.
directory() { qemu-io -f raw -r -c "read -v $1 $2" img; stat -c %s img; }
qemu-img create -q -f qcow2 img 2M
qemu-img bitmap --add -g 64k img e1; qemu-img bitmap --add --disable -g 64k img d1
qemu-io -c "write -P 1 600k 10k" img
qemu-img bitmap --add -g 64k img e2
echo "== added"
directory 112 24; directory 917504 96
qemu-img bitmap --disable img e2; qemu-img bitmap --enable img d1; qemu-img bitmap --clear img e1
qemu-img bitmap --merge e1 img e2; qemu-img bitmap --remove img e1
echo "== changed and removed"
directory 112 24; directory 720896 64
qemu-img snapshot -c s img; qemu-io -c "write -P 2 0 64k" img
directory 112 24; qemu-img check img
