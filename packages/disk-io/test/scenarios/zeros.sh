# Zeros and discards of parts of clusters: what the tables say afterwards, and what needs data.
map() { qemu-img map --output=json "$1"; }
qemu-img create -q -f qcow2 img 1M; qemu-io -c "write -z 16k 65k" -c "write 512k 64k" -c "write -z -n 300k 1k" -c "write -z -n 514k 1k" img; map img
qemu-img create -q -f qcow2 -o extended_l2=on img 1M; qemu-io -c "write -z 755200 128k" -c "write 0 4k" -c "write -z -n 1k 1k" -c "write -z -n 4k 512" img; map img
qemu-img create -q -f qcow2 -o extended_l2=on img 300k; qemu-io -c "write -c -P 7 0 64k" -c "write -c -P 7 128k 128k" -c "write -z -n 32k 4k" -c "write -z -n 64k 80k" -c "write -z 1k 150k" -c "read -P 0 1k 150k" -c "read -P 7 0 1k" -c "write -zu 240k 60k" img; map img
qemu-io -c "write -c -P 7 256k 44k" -c "write -z 270k 30k" -c "write -zu 290k 10k" img; map img; qemu-img check img
qemu-img create -q -f qcow2 -b img -F qcow2 over 1M; qemu-io -c "write -z 300k 1k" -c "write -zu 2k 64k" over; map over
qemu-img create -q -f qcow2 -o cluster_size=512 img 129k; qemu-io -c "write 32k 1k" -c "write 67k 1k" img
qemu-img create -q -f qcow2 -o cluster_size=4k -b img -F qcow2 over 132k; qemu-io -c "write -z 34k 1k" -c "write -z 63k 3k" -c "write -z 128k 512" -c "write -z 130k 1k" over; map over
qemu-img create -q -f qcow2 -o compat=0.10 old 1M; qemu-io -c "write -z -n 0 64k" -c "write -z -n 2M 64k" -c "write 0 128k" -c "write -z 0 64k" -c "write -zu 64k 1k" -c "write -z 640k 64k" old; map old
qemu-img create -q -f qcow2 -o compat=0.10 -b img -F qcow2 old 1M; qemu-io -c "write -z -n 0 64k" -c "write -z 256k 64k" old; map old
qemu-img create -q -f qcow2 -o compat=0.10 old 1M; qemu-io -c "write -z 64k 4k" old; stat -c %s old
echo "== data files"
for raw in off on; do
qemu-img create -q -f qcow2 -o data_file=data.$raw,data_file_raw=$raw ext.$raw 1M
qemu-io -c "write 0 400k" -c "write -z 0 64k" -c "write -zu 64k 64k" -c "discard 128k 64k" -c "write -z -n 192k 4k" -c "write -z -n 256k 64k" -c "write -z 321k 1k" ext.$raw
map ext.$raw; md5sum data.$raw; qemu-img check ext.$raw; done
echo "== raw disks keep the space of zeros, as space that was not written"
rm -f plain; truncate -s 1M plain; for z in "write -P 1 0 192k" "write -z 64k 64k" "write -z 512k 64k" "write -zu 128k 4k" "write -z 1000000 48577"; do qemu-io -f raw -c "$z" plain; qemu-img map -f raw --output=json plain; done
du -k plain | cut -f1; stat -c %s plain
qemu-io -c "write -z 64k 4k" -c "write -P 3 8k 4k" --image-opts driver=raw,offset=64k,size=128k,file.filename=plain; qemu-img map -f raw --output=json plain
echo "== zeros around which the file below has holes, and tables of version 2"
rm -f plain; truncate -s 3M plain; qemu-img create -q -f qcow2 -o cluster_size=2M -b plain -F raw over 70M; qemu-io -c "write -zu 4112896 135168" -c "write -z 2100k 1k" over; map over; qemu-img check over
qemu-io -f raw -c "write -P 1 2M 64k" plain; qemu-io -c "write -z 3M 1k" over; map over
qemu-img create -q -f qcow2 -o preallocation=metadata,cluster_size=4k img 4M; qemu-io -c "write -zu 512512 90624" img; map img
qemu-img create -q -f qcow2 -o compat=0.10,cluster_size=512 old 1M; qemu-io -c "write -z 0 100k" -c "write -zu 512k 100k" old; qemu-img check old; stat -c %s old
echo "== grains of zeros over data"
rm -f img; qemu-img create -q -f vmdk -o zeroed_grain=on img 1M
qemu-io -f vmdk -c "write -P 1 0 512k" -c "write -z 64k 64k" -c "write -z 100k 100k" -c "write -zu 256k 64k" -c "write -P 7 64k 4k" -c "read -P 7 64k 4k" -c "read -P 0 68k 60k" img
qemu-img map --output=json -f vmdk img; stat -c %s img
