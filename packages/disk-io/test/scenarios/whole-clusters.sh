# A write of a part of a new cluster: the file then has all of the cluster, zeros included.
show() { qemu-img map --output=json "$1"; stat -c %s "$1"; qemu-img check "$1"; }
qemu-img create -q -f qcow2 img 1000k; qemu-io -c "write 5k 2k" -c "write 65k 1k" -c "write 990k 2k" img; show img
qemu-img create -q -f qcow2 img 1M; qemu-io -c "write 5k 200k" -c "write -z 512k 128k" -c "write 520k 1k" img; show img
qemu-img create -q -f qcow2 img 1M; qemu-io -c "write 0 512k" -c "discard 64k 256k" -c "write 66k 1k" -c "write 600k 1k" img; show img
qemu-img create -q -f qcow2 -o cluster_size=2M img 10M; qemu-io -c "write 5k 1k" -c "write 5M 1k" img; show img
qemu-img create -q -f qcow2 -o extended_l2=on img 1M; qemu-io -c "write 5k 2k" -c "write 101k 2k" img; show img
qemu-img create -q -f qcow2 img 100k; qemu-io -c "write 0 100k" img
for size in 100k 1M; do qemu-img create -q -f qcow2 -b img -F qcow2 over $size; qemu-io -c "write 66k 2k" -c "write 90k 512" over; show over; done
qemu-io -c "write 600k 2k" over; show over
qemu-img create -q -f qcow2 -o data_file=data ext 1M; qemu-io -c "write 5k 2k" -c "write 133k 2k" ext; show ext; qemu-img map --output=json -f raw data
echo "== the host refuses"
qemu-img create -q -f qcow2 img 1M
qemu-io -c "write 5k 1k" -c "write 70k 1k" -c "write 64k 128k" -c "write 200k 1k" "json:{'driver':'qcow2','file':{'driver':'blkdebug','image':{'driver':'file','filename':'img'},'inject-error':[{'event':'none','iotype':'write-zeroes','errno':28,'once':true}]}}"
show img
qemu-io -c "write 300k 1k" -c "write 310k 1k" "json:{'driver':'qcow2','file':{'driver':'blkdebug','image':{'driver':'file','filename':'img'},'inject-error':[{'event':'cluster_alloc_space','errno':5}]}}"
show img
