# Failures of each step of a first write, with what a check finds after them.
for ev in l1_update l2_load l2_update l2_alloc_write write_aio refblock_load; do
for errno in 28; do for once in on off; do
cat > conf <<E
[inject-error]
event = "$ev"
errno = "$errno"
once = "$once"
E
rm -f img; qemu-img create -q -f qcow2 -o cluster_size=1k,compat=1.1 img 1G
echo "Event: $ev; errno: $errno; once: $once"
qemu-io -c "write 0 128k " blkdebug:conf:img
qemu-img check img 2>&1 | grep -v 'fragmented\|end offset'
done; done; done
