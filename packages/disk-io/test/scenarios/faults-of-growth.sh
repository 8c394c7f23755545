# Failures while the structures of an image grow under the state of a virtual machine.
VM=-b
for ev in refblock_alloc_hookup refblock_alloc_write refblock_alloc_write_table l1_grow_alloc_table l1_grow_write_table l1_grow_activate_table l2_alloc_write refblock_alloc; do
for errno in 5; do for once in on off; do
cat > conf <<E
[inject-error]
event = "$ev"
errno = "$errno"
once = "$once"
E
rm -f img; qemu-img create -q -f qcow2 -o cluster_size=512,compat=1.1 img 1G
echo "Event: $ev; errno: $errno; once: $once $VM"
qemu-io -c "write $VM 0 64k" blkdebug:conf:img
qemu-img check img 2>&1 | grep -v 'fragmented\|end offset\|^Leaked'
done; done; done
# The image file is told of requests to a data file, and what comes next there fails.
printf '[inject-error]\nevent = "write_aio"\nonce = "on"\n' > conf
rm -f img data; qemu-img create -q -f qcow2 -o data_file=data img 1M
qemu-io --cache writethrough -c 'write 0 64k' -c 'read 0 64k' blkdebug:conf:img
qemu-img check img
