# Names that are given from the root stay so in messages, also below where somebody stands.
T=$PWD/below; mkdir -p below
qemu-io -c "open -o driver=qcow2,file.filename=$T/none"
for name in "$T/none" "file:$T/none" below/none ./below/none "json:{\"file.filename\":\"$T/none\"}"; do qemu-img info "$name"; qemu-io -c quit "$name"; done
qemu-io --image-opts "driver=qcow2,file.filename=$T/none" -c quit
qemu-img convert -O raw "file:$T/none" "$T/x"
qemu-img create -f raw "file:$T/no/x" 64k
qemu-io "blkdebug::$T/none" -c quit
for backing in "$T/none" none; do qemu-img create -q -f qcow2 -u -b "$backing" -F qcow2 below/over 1M
for name in "$T/over" "file:$T/over" below/over ./below/over; do qemu-img map "$name"; qemu-io -c quit "$name"; done
qemu-img commit below/over; qemu-img map --image-opts "driver=qcow2,file.filename=$T/over"; qemu-io -c "open -o file.filename=$T/over"; done
echo "== where the working directory is gone"
for line in "create -f qcow2 y 1M" "info x" "convert -f raw -O qcow2 $T/over y"; do mkdir gone; (cd gone; rmdir ../gone; qemu-img $line; qemu-io -c quit x); done
echo "== paths that cannot be"
echo > flat; ln -s loop loop; truncate -s 64k raw
qemu-img create -f qcow2 flat/x 1M; qemu-img create -f raw loop 1M; qemu-img convert -f raw -O qcow2 raw flat/x
echo "== drivers that ask for files and for devices"
mkdir -p directory
for d in file host_device; do for f in directory /dev/null raw; do echo "$d $f"; qemu-io -c "open -r -o driver=$d,filename=$f"; qemu-io -c "open -o driver=$d,filename=$f"; done; done
