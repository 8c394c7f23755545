# What discards and zeros reach, by the options of the image and of the program.
mk() { rm -f img; qemu-img create -q -f qcow2 img 1M; qemu-io -c "write -q -P 1 0 256k" img; }
look() { qemu-img map img | tail -n +2; md5sum img; }
io() { o=$1; shift; args=(); for l in "$@"; do args+=(-c "$l"); done; echo "> $o"; qemu-io "${args[@]}" --image-opts driver=qcow2,file.filename=img$o; look; }
for o in "" ,discard=ignore ,discard=unmap,pass-discard-request=off ,discard=unmap,pass-discard-other=on ,detect-zeroes=on ,detect-zeroes=unmap ,detect-zeroes=unmap,discard=ignore ,detect-zeroes=x ,discard=x; do
mk; io "$o" "discard 0 64k" "write -P 0 64k 64k" "write -z -u 128k 64k" "write -P 0 200k 1k"; done
for d in ignore unmap; do mk; qemu-io -d $d -c "write -z -u 128k 64k" -c "discard 0 64k" img; look; done
rm -f f; truncate -s 1M f; qemu-io -f raw -c "write -P 1 0 256k" f
qemu-io -d ignore -f raw -c "write -z -u 128k 64k" -c "discard 0 64k" f; qemu-img map -f raw f
qemu-io -c "write -z -u 128k 64k" -c "discard 0 64k" --image-opts driver=raw,file.filename=f; qemu-img map -f raw f
echo "== what was given up is used again, in every cache mode"
for t in writeback unsafe writethrough; do qemu-img create -q -f qcow2 -o cluster_size=4k img 64M; qemu-io -c "write -P 1 6M 2M" img
qemu-io -t $t -c "write -zu 6M 2M" -c "write -P 1 22M 64k" -c "discard 22M 64k" -c "write -P 4 12M 128k" -c "write -z 12M 64k" -c "aio_write 13M 64k" img; qemu-img map --output=json img; done
