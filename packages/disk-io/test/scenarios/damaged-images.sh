# Images that are damaged where it hurts: what is refused, what is marked, what a check says.
poke() { printf "$3" | dd of=$1 bs=1 seek=$(($2)) conv=notrunc 2>/dev/null; }
feat() { python3 -c "
import struct;d=open('img','rb').read(104);print('incompat',struct.unpack('>Q',d[72:80])[0])"; }
mk() { rm -f img; qemu-img create -q -f qcow2 ${1:+-o $1} img 64M; }
chk() { qemu-img check "$@" img 2>&1 | grep -v 'fragm\|end offset'; }
rt=65536; rb=131072; l1=196608; l2=262144; l22=524288
echo "== L2 reference into L1"; mk; poke img $l1 "\x80\x00\x00\x00\x00\x03\x00\x00"; feat; chk; qemu-io -c "write 0 64k" -c "write 0 64k" img; feat; qemu-io -c "write 0 512" img; qemu-io -c "read 0 512" img; chk -r all; 
echo "== data cluster reference into refcount block"; mk; qemu-io -c "write 0 64k" img; poke img $l2 "\x80\x00\x00\x00\x00\x02\x00\x00"; qemu-io -c "write 0 64k" img; feat; chk; chk -r all; qemu-io -c "write 0 64k" img
echo "== inactive L2"; mk; qemu-io -c "write 0 64k" img; qemu-img snapshot -c foo img; qemu-io -c "write 0 64k" img; poke img $l22 "\x80\x00\x00\x00\x00\x04\x00\x00"; qemu-io -c "write 0 64k" img; feat
echo "== overlap after COW"; mk; qemu-io -c "write 0 64k" -c "write 64k 64k" img; poke img $((rb+12)) "\x00\x00"; qemu-io -c "write 128k 64k" img; feat; chk
echo "== unaligned data"; mk; qemu-io -c "write 0 64k" img; poke img $l2 "\x80\x00\x00\x00\x00\x05\x2a\x00"; qemu-io -c "read 0 64k" img; feat; qemu-io -c "write 0 64k" img; feat; chk; 
echo "== unaligned L2"; mk; qemu-io -c "write 0 64k" img; poke img $l1 "\x80\x00\x00\x00\x00\x04\x2a\x00"; qemu-io -c "write 0 64k" img; feat;  qemu-io -c "read 0 64k" img; 
echo "== zero refblock in table"; mk; qemu-io -c "write 0 64k" img; poke img $rb "\x00\x00\x00\x00\x00\x00"; chk; qemu-io -c "write 64k 64k" img; qemu-io -c "write 64k 64k" -c "write 128k 64k" img; feat
echo "== preallocated overlap"; mk preallocation=metadata; poke img $l2 "\x80\x00\x00\x00\x00\x01\x00\x00"; qemu-io -c "write 0 64k" img; feat;  qemu-io -c "write -z 0 64k" img; qemu-io -c "discard 0 64k" img
echo "== snapshot overlap"; mk; qemu-io -c "write 0 64k" img; qemu-img snapshot -c a img; poke img 64 "\x00\x00\x00\x00\x00\x04\x00\x00"; qemu-img snapshot -c b img; feat; qemu-io -c "read 0 64k" img
echo "== corrupt flagged"; mk;  poke img 79 "\x02"; qemu-io -c "read 0 512" img; qemu-io -r -c "read 0 512" -c "write 0 512" img; qemu-io -c "write 0 512" img; qemu-img info img | grep corrupt
echo "== snapshot at a place beyond all numbers"; mk; qemu-io -c "write 0 64k" img; qemu-img snapshot -c a img; poke img 458752 "\x12\x34\x56\x78\x90\xab\xcd\xef"; chk
