# What was given up is used again before the next flush, and refcount tables that move.
lay() { qemu-img map --output=json $1; qemu-img check $1; stat -c %s $1; }
for o in cluster_size=64k compat=0.10 extended_l2=on lazy_refcounts=on; do
qemu-img create -q -f qcow2 -o $o img 8M
qemu-io -c "write -P 1 0 1M" -c "discard 256k 128k" -c "write -P 3 2M 192k" -c "write -z -u 0 64k" -c "write -P 4 3M 64k" -c "discard 0 64k" -c "write -P 5 4M 300k" img; lay img
done
qemu-img create -q -f qcow2 img 8M
qemu-io -c "write -c 0 64k" -c "write -c 64k 64k" -c "write -P 1 0 64k" -c "write -P 2 64k 64k" -c "write -c -P 4 1M 64k" -c "write -P 2 256k 1M" img; lay img
qemu-img snapshot -c a img; qemu-io -c "write 0 64k" -c "discard 0 64k" -c "discard 64k 64k" -c "write 2M 128k" img; lay img
for c in "write 0 2100k"; do qemu-img create -q -f qcow2 -o cluster_size=512,refcount_bits=64 img 80M; qemu-io -c "$c" -c "write 60M 512" -c "discard 1M 1M" -c "write 70M 50k" img; qemu-img map img | tail -4; qemu-img check img; stat -c %s img; done
echo "== behind compressed clusters that are gone, within one request, parts of clusters in version 2"
qemu-img create -q -f qcow2 -o compat=0.10 img 2M; qemu-io -c "write -c 0 64k" -c "write -z 0 64k" -c "write -c 1M 64k" -c "write -z 1536k 512" img; lay img
qemu-img create -q -f qcow2 -o cluster_size=4k img 8M; qemu-io -c "write -c 2560k 4k" -c "write 1M 3M" -c "write -z 4M 512" -c "write 6M 4k" img; lay img
