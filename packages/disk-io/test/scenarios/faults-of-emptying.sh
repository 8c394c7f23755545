# A commit empties the image above: failures of each step, and what is left of the image.
export LC_ALL=C
for ev in l1_update empty_image_prepare reftable_update refblock_alloc refblock_update_part cluster_alloc l2_load read_aio; do
rm -f base img; qemu-img create -q -f qcow2 base 1M; qemu-img create -q -f qcow2 -b base -F qcow2 img
qemu-io -c 'write -P 4 0 64k' -c 'write -P 5 128k 100k' img
cat > conf <<C
[inject-error]
event = "$ev"
errno = "28"
once = "on"
C
echo "Event: $ev"
qemu-img commit blkdebug:conf:img; echo "code $?"
qemu-img check img; cksum img
qemu-img check -r all img; cksum img
qemu-io -c 'read -P 4 0 64k' img
done
# Nothing of an image that could not be opened is told but the reason.
for ev in reftable_load none; do
qemu-io -c 'read 0 512' "json:{'driver':'qcow2','file':{'driver':'blkdebug','image':{'driver':'file','filename':'img'},'inject-error':[{'event':'$ev','errno':28}]}}"
done
