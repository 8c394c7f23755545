# An image whose name for the one below says with which secret that is opened.
S="--object secret,id=s,data=abc"; D=driver=qcow2,encrypt.key-secret=s,file.filename
qemu-img create -q -f qcow2 $S -o encrypt.format=aes,encrypt.key-secret=s e 1M
qemu-io $S --image-opts -c "write -P 7 0 64k" $D=e
qemu-img create -q -f qcow2 -u -F qcow2 -b 'json:{"driver":"qcow2","encrypt":{"key-secret":"s"},"file":{"driver":"file","filename":"e"}}' o 1M
qemu-io $S -c "read -P 7 0 64k" -c "write -P 3 1k 3k" -c "read -P 7 0 1k" -c "read -P 7 4k 32k" -c map o
qemu-io -c "read -P 7 4k 1k" o
qemu-io --object secret,id=other,data=abc -c "read -P 7 4k 1k" o
md5sum e; qemu-img map --output=json $S o
# A secret that is named and not there.
qemu-io -c "read 0 512" --image-opts $D=e
qemu-io -r -c "read 0 512" --image-opts $D=e
echo "== what LUKS gains"
qemu-img create -q -f luks --object secret,id=s,data=x -o key-secret=s,iter-time=10 grown 1M
qemu-io --object secret,id=s,data=x --image-opts -c 'write -P 5 0 1M' -c 'truncate 2M' -c 'read -P 5 0 1M' -c 'read -P 0 1M 1M' driver=luks,key-secret=s,file.filename=grown
