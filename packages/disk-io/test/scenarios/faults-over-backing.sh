# One failure at each event, of an image over another one: reads from below, copies, zeros, flushes.
truncate -s 1M base.raw
for ev in l2_update l2_alloc_write read_aio read_backing_aio write_aio cow_read cow_write reftable_load refblock_alloc cluster_alloc flush_to_os flush_to_disk pwritev pwritev_zero pwritev_done cor_write cluster_alloc_space empty_image_prepare none; do
echo "== $ev"; rm -f img; qemu-img create -q -f qcow2 -b base.raw -F raw img 1M
printf '[set-state]\nevent = "none"\n\n[inject-error]\nevent = "%s"\nonce = "on"\n' $ev > conf
qemu-io -c "read 0 4k" -c "write 0 4k" -c "write -c 128k 64k" -c "read 128k 4k" -c "write -z 256k 64k" -c "write 256k 512" -c "write -z 0 64k" -c "write 512k 100k" -c flush blkdebug:conf:img
qemu-img check img 2>&1 | grep -v 'allocated\|end offset'
qemu-io -C -c "read 700k 4k" -c "read 700k 4k" blkdebug:conf:img
done
echo "== QED"; qemu-io -f raw -c "write -P 1 0 1M" base.raw
qemu-img create -q -f qed -b base.raw -F raw template 1M
for ev in l1_update l2_load l2_update read_aio read_backing_aio write_aio cow_read cow_write flush_to_os flush_to_disk pwritev pwritev_done cor_write; do
echo "== $ev"; cp template img; printf '[inject-error]\nevent = "%s"\nonce = "on"\n' $ev > conf
qemu-io -c "read 0 4k" -c "write 0 4k" -c "read 0 64k" -c "write 128k 64k" -c "write 128k 4k" -c "read 128k 64k" -c flush blkdebug:conf:img
done
