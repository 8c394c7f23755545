# How long the file is: free clusters at its end stay until the disk is made smaller or emptied.
len() { stat -c "$1: %s" "$1"; }
img() { rm -f img; qemu-img create -q -f qcow2 $1 img 4M; }
img; qemu-io -c "write 0 512k" -c "discard 256k 256k" img; len img; qemu-io -c "discard 0 4M" img; len img; qemu-io -c "write 1M 64k" img; len img
qemu-img resize -q --shrink img 2M; len img; qemu-img resize -q --shrink img 512k; len img
img "-o compat=0.10"; qemu-io -c "write 0 512k" img; qemu-io -c "discard 256k 256k" img; len img
img; qemu-io -c "write -c 0 1M" -c "write 0 1M" -c "discard 0 1M" img; len img
img; qemu-io -c "write 0 1M" img; qemu-img create -q -f qcow2 -b img -F qcow2 over
qemu-io -c "write 0 512k" -c "discard 256k 256k" -c "write -zu 1M 1M" over; len over; qemu-img commit -q over; len over; len img
qemu-io -c "write -zu 0 1M" over; qemu-img rebase -b "" over; len over
img "-o preallocation=falloc"; qemu-io -c "discard 1M 3M" img; len img; qemu-img resize -q --shrink img 1M; len img
img; qemu-io -c "write -b 0 64k" img; qemu-img snapshot -c s img; qemu-img snapshot -d s img; len img; qemu-img amend -o refcount_bits=64 img; len img; qemu-img amend -o lazy_refcounts=on img; len img; qemu-img check img
big() { rm -f img; qemu-img create -q -f qcow2 -o $1 img 4G; qemu-io -c "discard 1G 64k" -c "discard 4k 3k" img; len img; qemu-io -c "discard 1G 1G" -c "write 2G 64k" -c flush img; len img; md5sum img; }
big compat=1.1; big compat=0.10
echo "== refcount blocks among clusters that follow one another"
for c in "write 2686976 458752" "write 100k 300k"; do qemu-img create -q -f qcow2 -o cluster_size=512 img 4M; qemu-io -c "discard 0 4M" -c "$c" img; qemu-img map --output=json img; qemu-img check img; done
echo "== what is behind a Parallels image"
rm -f img; qemu-img create -q -f parallels img 8M; truncate -s +3M img; qemu-io -f parallels -c 'read 0 512' img; len img
