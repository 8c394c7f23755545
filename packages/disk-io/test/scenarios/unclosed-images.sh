# Images that were not closed: told of by a check, repaired and told of when they are opened.
qemu-img create -q -f qcow2 -o compat=1.1,lazy_refcounts=on d 128M
qemu-io -c "write -P 0x5a 0 512" -c "sigraise 9" d
qemu-img check d; echo "rc $?"
for i in 1 2 3 4 5; do cp d d$i; done
qemu-io -r -c "read -P 0x5a 0 512" d
qemu-io -c "write 64k 512" d
qemu-img check d
qemu-img snapshot -c a d1
qemu-img resize d2 256M
qemu-img check -r all d3; echo "rc $?"
qemu-io -f qcow2 -c "read -P 0x5a 0 512" d4
qemu-img check d4
qemu-io -f raw -c "read 0 4" d5
qemu-img check -q d5; echo "rc $?"
echo "== marked before anything is flushed"
feat() { od -An -tx1 -j72 -N8 e; }
for c in "write 0 512" "write -P 0 0 128k" "write -z 0 64k" "write -c 0 64k" "read 0 64k" "discard 0 64k"; do
qemu-img create -q -f qcow2 -o lazy_refcounts=on e 128M
qemu-io -t writeback -c "$c" -c "sigraise 9" e; feat; qemu-img check e
qemu-io -t writeback -c "$c" e; feat; done
# Work on the image itself repairs it first, as well.
for c in 'amend -o compat=0.10' commit; do
rm -f img base; qemu-img create -q -f qcow2 base 64M; qemu-img create -q -f qcow2 -b base -F qcow2 -o lazy_refcounts=on img
qemu-io -c 'write -P 0x2a 0 128k' -c flush -c abort img 2>&1 | grep -v Abort
qemu-img $c img; qemu-img check img
done
# One whose counts cannot be read is given up, and keeps what its old table took.
rm -f img; qemu-img create -q -f qcow2 img 64M; qemu-io -c 'write 0 64k' img
printf '\0\0\0\0\377\377\52\0' | dd of=img bs=1 seek=65536 conv=notrunc status=none
printf '\1' | dd of=img bs=1 seek=79 conv=notrunc status=none
cp img img2; qemu-img resize img2 65M; qemu-io -c close img; feat; qemu-img check -r all img; feat
