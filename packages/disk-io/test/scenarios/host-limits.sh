# Hosts with limits on the size and place of requests: what is split, left out, refused.
fill() { rm -f img; qemu-img create -q -f qcow2 -o cluster_size=64k img 8M; qemu-io -c "write -q -P 11 0 8M" img; }
look() { qemu-img map img; md5sum img; }
B=driver=blkdebug,image.driver=qcow2,image.file.filename=img
io() { o=$1; shift; args=(); for l in "$@"; do args+=(-c "$l"); done; echo "> $o"; qemu-io "${args[@]}" --image-opts $B$o; }
fill
io ,align=512 "write -P 22 512 512" "read -P 11 0 512" "read -P 22 512 512" info map
io ,align=512,max-transfer=64k "write -P 33 0 128k" "read -P 33 0 128k" "write -P 1 100 20" "read -v 90 40" "aio_write 0 256k" aio_flush
io ,align=512,opt-write-zero=960k,max-write-zero=960k "write -z 500k 130k" "write -z -u 1000 5000" "write -z 512k 2000k"; look
io ,align=512,opt-discard=960k,max-discard=1920k "discard 5000000 2000000" "discard 5000001 3" "discard 0 960k" "discard -q 1 100"; look
fill
io ,align=4096,opt-discard=4k "discard 100k 100k" "discard 0 127k" "write -z 1 4095" "write -P 2 4097 1" "read -P 2 4097 1"; look
io ,align=512,max-transfer=1k,max-discard=64k,opt-discard=64k "discard 1 500k" "discard 3M 3M" "write -P 7 511 4098"; look
for o in align=1000 align=0 align=1 align=64M align=4G max-transfer=100 align=4k,max-transfer=6k opt-write-zero=100 opt-write-zero=4k,max-write-zero=6k max-write-zero=3 opt-discard=100 opt-discard=1M,max-discard=1500k max-discard=0 align=512,opt-write-zero=1000 opt-write-zero=-1 align=x align=2147483648 max-transfer=2147483648; do
io ,$o "write -z 512 1k" "discard 1024 1k" length info; done
io ,align=512 "write -P 2 8M 512" "write -P 2 8388607 1" "read 8388600 8" "read 8388600 9" length "truncate 9M" length
