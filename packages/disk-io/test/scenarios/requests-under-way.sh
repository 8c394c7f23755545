# Requests under way say how they ended only where a later command waits for the host.
qemu-img create -q -f qcow2 t.qcow2 64M
qemu-io -c "aio_write -P 3 0 64k" -c "length" -c "write 0" -c "read 0 foo" -c aio_flush t.qcow2; echo rc $?
qemu-io -c "read 1M 1M" -c "aio_write 1M 64k" -c "length" -c "length" -c nosuch -c length -c "aio_flush" -c "length" t.qcow2
qemu-io -c "read 0 64k" -c "aio_read -P 4 0 64k" -c length -c help -c length -c length -c "write 0" -c "read 0 foo" -c "length" -c length t.qcow2; echo rc $?
qemu-io -c "aio_read 64M 512" -c "aio_write 64M 1k" -c "writev 64M 4k 4k" -c "readv 67104768 4k 4k" -c "write 64M 4k" t.qcow2; echo rc $?
qemu-img create -q -f vhdx t.vhdx 64M; qemu-io -c "aio_read 64M 512" -c "aio_write 64M 1k" -c "writev 64M 4k 4k" t.vhdx
