# An overlay of VMDK whose parent has changed: its own content can be read, nothing else.
qemu-img create -q -f vmdk base.vmdk 4M
qemu-io -c 'write -P 1 0 1M' base.vmdk
qemu-img create -q -f vmdk -b base.vmdk -F vmdk o.vmdk
qemu-io -c 'write -P 2 64k 64k' -c 'read -P 1 0 64k' o.vmdk
qemu-io -c 'write -P 3 2M 64k' base.vmdk
qemu-io -c 'read -P 2 64k 64k' -c 'read 0 64k' -c 'read 3M 64k' -c 'write 128k 512' \
  -c 'write -P 4 64k 512' -c 'read -P 4 64k 512' -c map o.vmdk
qemu-io -c 'write 256k 64k' -c 'write -z 512k 64k' -c 'write 600k 256k' -c 'aio_write 1M 64k' -c aio_flush -c 'discard 0 64k' -c 'read 0 64k' -c map o.vmdk
qemu-img compare o.vmdk base.vmdk
qemu-img map o.vmdk
rm base.vmdk
qemu-io -c 'read 0 64k' o.vmdk
qemu-img create -q -f vmdk base.vmdk 4M
qemu-img create -q -f vmdk -o subformat=streamOptimized -b base.vmdk -F vmdk stream.vmdk
qemu-io -c 'write 0 64k' base.vmdk
qemu-io -c 'write 0 64k' -c 'write -z 256k 64k' stream.vmdk
