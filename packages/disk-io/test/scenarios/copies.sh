# Copies of one disk that vote, and that are compared.
for i in 1 2 3; do qemu-img create -q -f raw $i.raw 1M; qemu-io -f raw -c "write -P 0x32 0 1M" $i.raw >/dev/null; done
Q="driver=quorum,vote-threshold=2"; for i in 0 1 2; do Q="$Q,children.$i.driver=raw,children.$i.file.driver=file,children.$i.file.filename=$((i+1)).raw"; done
io() { qemu-io --image-opts "$@"; echo "rc $?"; }
io -c "read -P 0x32 0 64k" -c info -c length -c map -c "alloc 0 64k" "$Q"
io -c "write -P 0x33 0 64k" -c "read -P 0x33 0 64k" -c flush "$Q"
for i in 1 2 3; do qemu-io -f raw -c "read -P 0x33 0 64k" -c "read -P 0x32 64k 64k" $i.raw; done
qemu-io -f raw -c "write -P 0x42 0 64k" 2.raw
io -c "read -P 0x33 0 64k" "$Q"
io -c "read -P 0x33 0 64k" "$Q,rewrite-corrupted=on"
qemu-io -f raw -c "read -P 0x33 0 64k" 2.raw
qemu-io -f raw -c "write -P 0x41 0 64k" 1.raw;  qemu-io -f raw -c "write -P 0x42 0 64k" 2.raw
io -c "read -P 0x33 0 64k" -c "read -P 0x32 512k 64k" -c "read -P 0x32 0 512"  "$Q"
io -c "read 0 64k" "$Q,read-pattern=fifo"
io -c "read -P 0x41 0 64k" "$(echo $Q | sed 's/vote-threshold=2,//'),read-pattern=fifo"
B="driver=quorum,vote-threshold=2,blkverify=on"; for i in 0 1; do B="$B,children.$i.driver=raw,children.$i.file.driver=file,children.$i.file.filename=$((i+2)).raw"; done
io -c "read -P 0x32 128k 64k" "$B"; io -c "read 0 64k" "$B"; io -c "write -P 1 0 64k" -c "read -P 1 0 64k" "$B"
qemu-img create -q -f raw 4.raw 2M
io -c length "driver=quorum,vote-threshold=1,children.0.driver=raw,children.0.file.filename=1.raw,children.1.driver=raw,children.1.file.filename=4.raw"
for i in a b c; do qemu-img create -q -f qcow2 $i.qcow2 1M; done
qemu-io -c 'write 0 64k' "json:{'driver':'quorum','vote-threshold':2,'children':[{'driver':'qcow2','file':{'driver':'file','filename':'a.qcow2'}},{'driver':'qcow2','file':{'driver':'file','filename':'b.qcow2'}},{'driver':'qcow2','file':{'driver':'file','filename':'c.qcow2'}}]}"
qemu-io -c 'read -P 0xcd 0 64k' -c map c.qcow2
qemu-io -c 'write -z 0 64k' -c 'discard 0 64k' -c 'write -c 64k 64k' -c 'truncate 2M' -c 'reopen -r' -c 'read -P 0 0 64k' "json:{'driver':'quorum','vote-threshold':2,'children':[{'driver':'qcow2','file':{'driver':'file','filename':'a.qcow2'}},{'driver':'qcow2','file':{'driver':'file','filename':'b.qcow2'}},{'driver':'qcow2','file':{'driver':'file','filename':'c.qcow2'}}]}"
# failing child
cat > conf <<E
[inject-error]
event = "read_aio"
errno = "5"
E
qemu-io -c 'read 0 64k' "json:{'driver':'quorum','vote-threshold':2,'children':[{'driver':'qcow2','file':{'driver':'blkdebug','config':'conf','image':{'driver':'file','filename':'a.qcow2'}}},{'driver':'qcow2','file':{'driver':'file','filename':'b.qcow2'}},{'driver':'qcow2','file':{'driver':'file','filename':'c.qcow2'}}]}"
qemu-img create -q -f raw r.raw 1M; qemu-img create -q -f qcow2 i.qcow2 1M
qemu-io -c 'write -P 1 128k 64k' blkverify:r.raw:i.qcow2; echo rc $?
qemu-io -f raw -c 'write -P 2 4k 512' r.raw
qemu-io -c 'read 0 64k' blkverify:r.raw:i.qcow2; echo rc $?
qemu-io -c 'read 0 2k' -c 'read 2k 64k' -c 'read 128k 1k' blkverify:r.raw:i.qcow2; echo rc $?
qemu-io -c length blkverify:r.raw; qemu-io -c length blkverify:nosuch:i.qcow2; qemu-io -c length blkverify:r.raw:nosuch; 
qemu-io -c length --image-opts driver=blkverify,raw.filename=r.raw,test.driver=qcow2,test.file.filename=i.qcow2
qemu-io -c length --image-opts driver=raw,file.driver=blkverify,file.raw.filename=r.raw,file.test.driver=qcow2,file.test.file.filename=i.qcow2
qemu-io -c 'read 512k 64k' --image-opts driver=blkverify,raw.driver=raw,raw.file.filename=r.raw,test.driver=qcow2,test.file.filename=i.qcow2
qemu-io -c length --image-opts driver=blkverify,test.driver=qcow2,test.file.filename=i.qcow2; qemu-io -c length --image-opts driver=blkverify,raw.filename=r.raw
qemu-io -f raw -c 'write -P 1 0 64k' -c info -c 'read -P 1 0 64k' blkverify:r.raw:i.qcow2
echo "== a write that fails in one of two copies, and a copying node that may not write"
rm -f a r; qemu-img create -q -f qcow2 a 4M; qemu-img create -q -f raw r 4M
qemu-io -c 'write 0 64k' --image-opts driver=blkverify,raw.filename=r,test.driver=qcow2,test.file.driver=blkdebug,test.file.inject-error.0.event=write_aio,test.file.image.filename=a; echo rc $?
qemu-io -r -c 'read 0 64k' --image-opts driver=copy-on-read,file.driver=qcow2,file.file.filename=a; echo rc $?
echo "== copies that differ where their format is found out, and a copy of no stated format"
for i in r s t; do rm -f $i; qemu-img create -q -f raw $i 1M; done
qemu-io -f raw -c 'write -P 1 100 1k' t
qemu-io -f raw -c 'read 0 1k' blkverify:r:t; echo rc $?
qemu-io -r -c 'read 0 1k' blkverify:r:t; echo rc $?
qemu-io -c 'read 0 1k' blkverify:r:s; echo rc $?
qemu-io -c map -c 'alloc 0 64k' -c 'truncate 2M' null-co://
io -c "read 0 512" driver=quorum,vote-threshold=2,children.0.file.filename=1.raw,children.1.file.filename=3.raw
