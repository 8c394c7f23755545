# Crashes while refcounts are lazy, and the option that makes them so.
feat() { python3 -c "
import struct;d=open('img','rb').read(104);print('incompat',struct.unpack('>Q',d[72:80])[0],'compat',struct.unpack('>Q',d[80:88])[0],'auto',struct.unpack('>Q',d[88:96])[0])"; }
qemu-img create -q -f qcow2 -o compat=1.1,lazy_refcounts=on img 128M
qemu-io -c "write -P 0x5a 0 512" img; feat; qemu-img check img
rm img; qemu-img create -q -f qcow2 -o compat=1.1,lazy_refcounts=on img 128M
qemu-io -c "write -P 0x5a 0 512" -c "sigraise 9" img; echo rc $?; feat; qemu-img check img | grep -v offset; 
qemu-io -r -c "read -P 0x5a 0 512" img; feat
qemu-img check -r all img | grep -v offset; feat
qemu-io -c "read -P 0x5a 0 512" img
rm img; qemu-img create -q -f qcow2 -o compat=1.1,lazy_refcounts=on img 128M
qemu-io -c "write -P 0x5a 0 512" -c "sigraise 9" img; feat
rm img; qemu-img create -q -f qcow2 -o compat=1.1,lazy_refcounts=off img 128M
qemu-io -c "write -P 0x5a 0 512" -c "sigraise 9" img; feat; qemu-img check img | grep -v offset
qemu-io -c "reopen -o lazy-refcounts=on" -c "write -P 0x5a 0 512" -c "sigraise 9" img; feat
qemu-img check -q -r all img
qemu-io -c "reopen -o lazy-refcounts=on" -c "write -P 0x5a 0 512" -c "reopen -o lazy-refcounts=off" -c "sigraise 9" img; feat
rm img; qemu-img create -q -f qcow2 -o compat=1.1,lazy_refcounts=on img 128M
qemu-io -c "reopen -o lazy-refcounts=off" -c "write -P 0x5a 0 512" -c "sigraise 9" img; feat
qemu-img create -q -f qcow2 -o compat=1.1,lazy_refcounts=on img 128M
qemu-io -c "write 0 512" -c flush -c "sigraise 9" img; feat
qemu-img create -q -f qcow2 -o compat=1.1,lazy_refcounts=on base 128M; qemu-io -c "write 0 512" base
qemu-img create -q -f qcow2 -b base -F qcow2 -o compat=1.1,lazy_refcounts=on img 128M
qemu-io -c "write 0 512" img;  qemu-img commit img; feat; qemu-img check img | grep -v offset
qemu-img create -q -f qcow2 -o compat=1.1 img 128M
qemu-io -c "write -P 0x5a 0 512" -c "close" -c "sigraise 15" img; feat
qemu-io -c "write 0 512" -c "abort" img 2>/dev/null ; feat
for format in qed vmdk; do
qemu-img create -q -f $format kept 4M; (qemu-io --cache writeback -c "write -P 5 3M 4k" -c "sigraise 9" kept) 2>/dev/null; qemu-img check kept; qemu-io -c "read -P 5 3M 4k" kept
done
