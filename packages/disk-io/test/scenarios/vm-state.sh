# The state of a virtual machine, beside the disk, in snapshots, and very far out.
qemu-img create -q -f qcow2 img 64M
io() { args=(); for l in "$@"; do args+=(-c "$l"); done; qemu-io "${args[@]}" img; echo "rc $?"; }
io "write -b -P 1 0 64k" "write -b -P 2 64k 512"; io "read -b -P 1 0 64k" "read -b -P 2 64k 512" "read -b -P 0 1M 64k"
io "write -b -P 11 1T 512" ; io "read -b -P 11 1T 512"
qemu-img snapshot -c foo img; io "read -b -P 1 0 64k"; qemu-img snapshot -a foo img;  io "read -b -P 11 1T 512" "read -b -P 1 0 64k"
qemu-img snapshot -d foo img
qemu-img check img | grep -v 'fragm\|offset'; qemu-img info img | grep -v size
io "write -b 1P 512"; io "write 0 128k" "write -b 0 1M" "read -b -P 0xcd 0 1M" "write -b 512 1" "read -b 0 3"
rm img; qemu-img create -q -f qcow2 -o compat=0.10 img 64M; io "write -b -P 1 0 64k"; qemu-img check img | grep -v 'fragm\|offset'
