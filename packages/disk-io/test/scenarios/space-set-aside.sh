# What is said where the host has no room for space that is to be set aside.
create() { rm -f x d; timeout 20 qemu-img create -f "$@"; echo "rc $?"; }
all() {
  for p in full falloc; do create raw -o preallocation=$p x 4M; create qcow2 -o preallocation=$p x 4M; create qcow2 -o preallocation=$p,data_file=d x 4M; done
  for p in full falloc; do
    rm -f x y; qemu-img create -q -f qcow2 x 128k; qemu-img create -q -f raw y 128k
    qemu-img resize --preallocation=$p x 4M; qemu-img resize -f raw --preallocation=$p y 4M
    qemu-io -f raw -c "truncate -m metadata 64k" -c "truncate -m $p 64k" -c "truncate -m metadata 1M" y
    qemu-io -c "truncate -m $p 8M" -c length x; qemu-io -f raw -c "truncate -m $p 8M" -c length y
  done
}
echo "== files that may not grow so far"
( trap '' XFSZ; ulimit -f 1024; all; create vhdx x 4M; create vdi -o static=on x 4M )
echo "== no space left"
mkdir m; if mount -t tmpfs -o size=1m none m 2>/dev/null; then trap 'cd ..; umount m' EXIT; cd m; all; create vhdx x 4M; create vdi x 10T; create qcow2 x 100T; fi
