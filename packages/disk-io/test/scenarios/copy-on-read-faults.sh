# Copies on reading that fail, or wait, on their way to the image.
truncate -s 1M base.raw; qemu-io -f raw -c "write -P 1 0 1M" -c "write -z 768k 256k" base.raw
qemu-img create -q -f qcow2 -b base.raw -F raw template 1M
B=driver=blkdebug,image.driver=qcow2,image.file.filename=img
for o in "" ,inject-error.0.event=cor_write,inject-error.0.once=on ,inject-error.0.event=cor_write,inject-error.0.errno=28 ,inject-error.0.event=none,inject-error.0.iotype=write ,align=4096; do
echo "== $o"; cp template img
qemu-io -C -c "read -P 1 0 4k" -c "read -P 1 512k 4k" -c "read -P 0 800k 4k" --image-opts $B$o; qemu-img map img
done
echo "== waiting"; cp template img
qemu-io -C -c "break cor_write A" -c "aio_read -P 1 0 4k" -c "wait_break A" -c "resume A" -c aio_flush --image-opts $B; qemu-img map img; md5sum img
for ev in write_aio read_backing_aio; do echo "== $ev"; cp template img
qemu-io -C -c "break $ev A" -c "aio_read 0 4k" -c "wait_break A" -c "resume A" -c aio_flush blkdebug::img; qemu-img map img
printf '[inject-error]\nevent = "%s"\nonce = "on"\n' $ev > conf; cp template img
qemu-io -C -c "read 0 4k" -c "read 0 64k" -c "read 100k 100k" blkdebug:conf:img; md5sum img
done
