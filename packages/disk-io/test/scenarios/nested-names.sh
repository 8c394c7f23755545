# A name goes down through the drivers of the files below, to the first one that can use it.
size=128k
for f in qcow2 vmdk vpc; do echo "== $f"
qemu-img create -q -f $f inner $size; qemu-io -f $f -c "write -P 42 0 $size" inner
rm -f outer; qemu-img convert -f raw -O $f inner outer
qemu-io -c "open -o driver=$f,file.driver=$f outer" -c "read -P 42 0 $size" -c length
qemu-io -c "open -o file.driver=$f outer" -c "read -P 42 0 $size"; qemu-io -c "open -o driver=raw,file.driver=raw,file.file.driver=$f outer" -c "read -v 0 16"
done
echo "== drivers that read names"
qemu-img create -q -f qcow2 img 1M; qemu-io -c "write -P 42 64k 512" img; qemu-img convert -O raw img copy
v=driver=raw,file.driver=blkverify,file.raw.filename=copy
for o in $v $v,file.test.driver=qcow2 file.driver=blkverify,file.raw.filename=copy; do qemu-io -c "open -o $o img" -c "read 0 512" -c "write -P 43 64k 512" -c "read -P 43 64k 512"; done
for o in inject-error.0.event=l2_load,file.inject-error.0.errno=28 config=/dev/null; do qemu-io -c "open -o file.driver=blkdebug,file.$o img" -c "read -P 43 64k 512"; done
qemu-io -c "open -o file.driver=blkdebug blkdebug:/dev/null:img" -c "read -P 43 64k 512"
qemu-io -c "open -o driver=qcow2,file.driver=file blkdebug::img" -c length
qemu-io -c "open -o driver=qcow2,file.driver=null-co img" -c length; qemu-io -c "open -o driver=raw,file.driver=null-co,file.size=64k null-co://" -c length
qemu-io -c "open -o driver=qcow2,file.driver=quorum img" -c length; qemu-io -c "open -o driver=qcow2,file.driver=throttle,file.throttle-group=x img" -c length
