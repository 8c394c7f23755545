# Failures while the structures of an image grow under the state of a virtual machine.
VM=-b
for ev in refblock_alloc_hookup refblock_alloc_write refblock_alloc_write_blocks refblock_alloc_write_table refblock_alloc_switch_table l1_grow_alloc_table l1_grow_write_table l1_grow_activate_table; do
for errno in 5; do for once in on; do
cat > conf <<E
[inject-error]
event = "$ev"
errno = "$errno"
once = "$once"
E
rm -f img; qemu-img create -q -f qcow2 -o cluster_size=1k,compat=1.1 img 1G
echo "Event: $ev; errno: $errno; once: $once $VM"
qemu-io -c "write $VM 0 64k" blkdebug:conf:img
qemu-img check img 2>&1 | grep -v 'fragmented\|end offset'
done; done; done
