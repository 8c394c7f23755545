# Which metadata writes are kept off, by options: refusals, marks, what is written where nobody looks.
poke() { printf "$3" | dd of=$1 bs=1 seek=$(($2)) conv=notrunc 2>/dev/null; }
feat() { python3 -c "
import hashlib,struct;d=bytearray(open('img','rb').read());s=struct.unpack('>Q',d[64:72])[0]
if s: d[s+16:s+24]=bytes(8)
print('incompat',struct.unpack('>Q',d[72:80])[0],hashlib.md5(d).hexdigest())"; }
io() { o=$1; shift; args=(); for l in "$@"; do args+=(-c "$l"); done; qemu-io "${args[@]}" --image-opts driver=qcow2,file.filename=img$o; feat; }
rb=131072; l2=262144; l22=524288
qemu-img create -q -f qcow2 plain 64M; qemu-io -c "write 0 64k" plain
cp plain snap; qemu-img snapshot -c foo snap; qemu-io -c "write 0 64k" snap
data() { cp plain img; poke img $l2 "\x80\x00\x00\x00\x00\x0$1\x00\x00"; }
inactive() { cp snap img; poke img $l22 "\x80\x00\x00\x00\x00\x0$1\x00\x00"; }
no=,overlap-check=none
echo "== constant: L1 table, L2 table, refcount block"
for c in 3 4 2; do data $c; io ,overlap-check=constant "write -P 1 0 64k"; done
echo "== none, and one of them"
for c in 1 3; do data $c; io $no,overlap-check.active-l1=on "write -P 1 0 64k"; done
for c in 2 4; do data $c; io $no,overlap-check.refcount-block=on "write -P 1 0 64k"; done
echo "== all but one of them"
data 1; io ,overlap-check.refcount-table=off "write -P 1 0 64k"
data 4; io ,overlap-check.active-l2=off "write -P 1 0 64k"
inactive 6; io ,overlap-check.inactive-l1=off "write -P 1 0 64k"
inactive 7; io ,overlap-check.snapshot-table=off "write -P 1 0 64k"
echo "== tables that only a snapshot uses"
for o in "" ,overlap-check=all ,overlap-check.inactive-l2=on ,overlap-check.template=all,overlap-check.inactive-l2=off; do
inactive 4; io "$o" "write -P 1 0 64k" "write 4k 4k"; done
inactive 4; qemu-io -c "open -r -o overlap-check=all img" -c "reopen -w" -c "write 0 512" -c close -c "open img" -c "open -r img" -c "read 0 512"; feat
inactive 4; qemu-io -c "reopen -o overlap-check.inactive-l2=on" -c "write 0 512" -c "read 0 512" -c flush img; feat
inactive 4; qemu-io -c "reopen -o overlap-check=all" -c "reopen -o overlap-check=cached" -c "write 0 512" img; feat
echo "== new clusters over what counts as free"
for at in 0 6; do cp plain img; poke img $((rb+at)) "\x00\x00"; io "" "write 128k 64k"; done
cp plain img; poke img $rb "\x00\x00"; io "" "write -c 128k 64k"
qemu-img create -q -f qcow2 img 64M; poke img $rb "\x00\x00"; io "" "write 128k 64k"
echo "== L2 tables of a snapshot that nobody can find"
for entry in "0 \x00\x00\x00\x00\x00\x00\x02\x00" "8 \x10\x00\x00\x00"; do set -- $entry
rm -f img; qemu-img create -q -f qcow2 img 64M; qemu-io -c "write 0 512" img >/dev/null; qemu-img snapshot -c s img
printf "$2" | dd of=img bs=1 seek=$((458752 + $1)) conv=notrunc 2>/dev/null
qemu-io -c "open -o overlap-check.inactive-l2=on img" -c "write 0 4k" -c "read 0 4k"; echo "exit $?"
qemu-io -c "write 0 4k" img; done
