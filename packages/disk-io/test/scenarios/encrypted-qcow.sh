# Images of the first version that are encrypted, in place and over another image.
S="--object secret,id=s,data=abc --image-opts"; D=driver=qcow,encrypt.key-secret=s,file.filename
qemu-img create -q -f qcow --object secret,id=s,data=abc -o encrypt.format=aes,encrypt.key-secret=s e 1M
qemu-io $S -c "read -P 0 0 1M" -c "write -P 1 0 64k" -c "write -P 2 100k 3" -c "write -P 3 900 70000" -c "read -P 3 900 70000" -c "write -z 4k 10k" -c "discard 0 4k" -c "read -P 1 0 900" -c info -c map -c "write -P 9 1044480 4096" -c flush $D=e
qemu-io $S -c "read -P 1 0 900" -c "read -P 3 900 3196" -c "read -P 0 4k 10k" -c "read -P 3 14k 1k" -c "read -P 2 100k 3" -c "read -P 0 104k 64k" -c "read -P 9 1044480 4096" $D=e
qemu-io -c "read 0 512" e; qemu-io --object secret,id=s,data=wrong --image-opts -c "read -P 1 0 512" $D=e
qemu-img create -q -f qcow --object secret,id=s,data=abc -b base -F raw -o encrypt.format=aes,encrypt.key-secret=s o 1M 2>&1; qemu-img create -q -f raw base 1M; qemu-io -f raw -c "write -P 7 0 1M" base
qemu-img create -q -f qcow --object secret,id=s,data=abc -b base -F raw -o encrypt.format=aes,encrypt.key-secret=s o 1M
qemu-io $S -c "write -P 1 700 100" -c "read -P 7 0 700" -c "read -P 7 800 1k" -c "read -P 1 700 100" $D=o
md5sum e o
