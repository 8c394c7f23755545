# Entries of tables that say what cannot be: what reads, writes and frees make of them.
poke() { printf "$3" | dd of=$1 bs=1 seek=$(($2)) conv=notrunc 2>/dev/null; }
feat() { od -An -tx1 -j72 -N8 img; }
rt=65536; l2=262144
fresh() { rm -f img; qemu-img create -q -f qcow2 ${1:+-o $1} img 8M; qemu-io -c "write 0 16k" -c "write 80k 16k" img >/dev/null; }
echo "== clusters where none can begin"
for flags in "\x80 \x00" "\x00 \x00" "\x80 \x01"; do set -- $flags
for c in "write 0 64k" "write 4k 4k" "read 4k 4k" "discard 0 64k" "write -z 0 64k" "write -z -u 0 64k"; do
fresh; poke img $l2 "$1\x00\x00\x00\x00\x05\x2a$2"; qemu-io -c "$c" -c "$c" img; feat; done; done
echo "== subclusters that are two things"
for entry in "\x80\0\0\0\0\x05\0\0\0\0\0\x01\0\0\0\x01" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"; do
for c in "read 0 2k" "read 64k 64k" "write 0 2k" "write 40k 64k" "write -z 0 64k" "discard 0 64k"; do
fresh extended_l2=on; poke img $l2 "$entry"; qemu-io -c "$c" img; feat; qemu-img check img | grep -v offset; done; done
fresh extended_l2=on; poke img $l2 "\x80\0\0\0\0\x05\2\0\0\0\0\x01\0\0\0\x01"; qemu-io -c "write 1k 1k" img
echo "== refcount blocks where none can begin"
fresh; poke img $rt "\0\0\0\0\0\x02\x2a\0"; qemu-io -c "read 0 4k" -c "write 0 4k" -c "write 1M 64k" img; feat
fresh; poke img $rt "\0\0\0\0\0\x02\x2a\0"; qemu-io -r -c "read 0 4k" img; feat
echo "== tables upon each other"
fresh; poke img 48 "\0\0\0\0\0\0\0\0"; qemu-io -c "read 0 4k" -c "write 0 4k" -c "write 1M 64k" img; feat
echo "== a data file in which a cluster lies elsewhere"
rm -f img; qemu-img create -q -f qcow2 -o data_file=d img 8M; qemu-io -c "write 0 128k" img >/dev/null
poke img $l2 "\x80\0\0\0\0\x01\0\0"; qemu-io -c "read 0 4k" -c "write 0 4k" img; feat
echo "== clusters given up where counts are damaged"
for c in "discard 0 128k" "discard 64k 64k" "write -z -u 0 128k"; do
fresh; poke img $rt "\0\0\0\0\0\x02\x2a\0"; qemu-io -c "$c" -c "read 0 4k" img; feat
qemu-io -r -c "read -P 0xcd 0 16k" -c "read -P 0xcd 80k 16k" img; done
# Nothing is counted, though a snapshot shares the table that is to be written.
rm -f img; qemu-img create -q -f qcow2 img 64M; qemu-io -c 'write 0 64k' img; qemu-img snapshot -c foo img
printf '\0\0\0\0\0\0\0\0' | dd of=img bs=1 seek=65536 conv=notrunc status=none
qemu-io -c 'write 0 64k' img; qemu-img check img
echo "== tables that name no cluster as the format changes"
fresh; poke img 196608 "\x80\0\0\0\0\x04\x2a\0"; qemu-img amend -o compat=0.10 img; feat
fresh; poke img $l2 "\x80\0\0\0\0\x05\x2a\x01"; qemu-img amend -o compat=0.10 img; feat
echo "== refcount blocks that nothing counts as the disk shrinks"
for place in "\0\xff\xff\xff\0\0\0\0" "\0\0\0\x10\0\0\0\0"; do
fresh refcount_bits=1; poke img $((rt + 8)) "$place"; qemu-img resize --shrink img 4M; feat
qemu-img check -r all img; qemu-img info img | grep virtual; qemu-img resize --shrink img 4M; done
fresh; poke img $((rt + 8)) "\0\0\0\0\0\x08\0\0"; qemu-img resize --shrink img 4M; feat; qemu-img check img
echo "== refcounts built anew, of which many blocks count each other"
rm -f img; qemu-img create -q -f qcow2 -o cluster_size=512 img 32M; qemu-io -c "write 0 23M" img >/dev/null
at=$((0x$(od -An -tx1 -j48 -N8 img | tr -d ' '))); poke img $at "\0\0\0\0\0\0\0\0"
qemu-img check -r all img | tail -9; od -An -tx1 -j48 -N12 img; stat -c %s img; qemu-img check img
