# What is read from below is kept, zeros as zeros.
qemu-img create -q -f raw base 4M; qemu-io -f raw -c "write -P 55 3M 1M" -c "write -P 66 1M 64k" base
qemu-img create -q -f qcow2 -b base -F raw wrap 4G
qemu-io -C -c "read 0 1024" -c "read -P 0 3221225472 128k" -c "read -P 66 1M 4k" -c "read -P 55 3M 512" -c info wrap
qemu-img map --output=json wrap; qemu-img check wrap
qemu-io -C -r -c "read 0 1024" wrap; qemu-io -c "open -C wrap" -c "read -P 66 1088k 4k"
qemu-io --image-opts -c "read -P 55 3200k 4k" -c info -c map "driver=copy-on-read,file.driver=qcow2,file.file.filename=wrap"
