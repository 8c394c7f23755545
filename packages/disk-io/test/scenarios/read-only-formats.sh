# Fields of formats that are only read, and what is said of them.
seal() { printf "$3" | dd of="$1" bs=1 seek=$(($2)) conv=notrunc status=none; }
said() { qemu-io -r -f $1 -c "read 0 512" img | head -1; qemu-io -f $1 -c length img; }
echo "== bochs"
new() { rm -f img; truncate -s 16k img; seal img 0 'Bochs Virtual HD Image'; seal img 32 Redolog; seal img 48 Growing; seal img 64 '\0\0\2\0\0\2\0\0\0\4\0\0\2\0\0\0\0\40\0\0\0\0\0\0\0\0\20\0'; }
new; said bochs
for p in '72 \377\377\377\377' '72 \1\0\20\0' '72 \20\0\0\0' '88 \377\377\377\377\377\377\377\377' '88 \0\0\0\0\1' '80 \0\0\0\0' '80 \0\0\0\200' '80 \1\2\0\0' '64 \0\0\3\0' '0 X'; do set -- $p; new; echo "$p"; seal img $1 "$2"; said bochs; done
new; qemu-img resize -f bochs img 2M; qemu-img snapshot -c a img
echo "== cloop"
new() { rm -f img; truncate -s 4k img; seal img 0 '#!/bin/sh\n#V2.0 Format\n'; seal img 128 '\0\0\10\0\0\0\0\2\0\0\0\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\4\0'; }
for p in '128 \0\0\2\1' '128 \0\0\0\0' '128 \377\377\376\0' '132 \377\377\377\377' '132 \4\0\0\1' '136 \1' '144 \0\0\0\0\0\0\0\1' '144 \377\377\377\377\377\377\377\377'; do set -- $p; new; echo "$p"; seal img $1 "$2"; said cloop; done
echo "== vpc"
qemu-img create -q -f vpc vhd 64M
for n in '\377\377\377\377' '\100\0\0\1' '\40\0\0\0'; do cp vhd img; seal img 540 "$n"; qemu-io -f vpc -c length img; done
