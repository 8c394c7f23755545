# Failures at the moments at which clusters are given up and counts are changed.
for ev in cluster_free refblock_load flush_to_disk; do
for op in 'discard 0 128k' 'write -z -u 64k 64k' 'write -b 0 64k' 'write 4M 1k'; do
rm -f img; qemu-img create -q -f qcow2 img 8M
qemu-io -c 'write 0 128k' -c 'write -c 1M 64k' img
printf '[inject-error]\nevent = "%s"\nonce = "on"\n' $ev > conf
echo "Event: $ev; $op"
qemu-io -c "$op" -c 'read 512k 512' blkdebug:conf:img
qemu-img check img
done; done
