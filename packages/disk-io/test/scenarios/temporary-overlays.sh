# What is written with -s goes to a qcow2 overlay that nobody sees afterwards.
qemu-img create -q -f raw r 4M; qemu-io -f raw -c "write -P 5 1M 1M" r >/dev/null
qemu-img create -q -f qcow2 -b r -F raw q; qemu-io -c "write -P 6 2M 64k" q >/dev/null
io() { echo "== $*"; timeout 20 qemu-io "$@" 2>&1 | sed 's/vl\.[A-Za-z0-9]*/TEMPORARY/'; }
io -s -c map -c info -c "write -P 9 1M 4k" -c "read -P 5 1028k 60k" -c "alloc 1M 2M" -c "truncate 8M" -c "truncate 1M" -c "write -c 128k 64k" -c map -f raw r
io -s -c "discard 0 64k" -c "write -P 7 2M 64k" -c "discard 2M 64k" -c "read -P 0 2M 64k" -c "write -z -u 64k 128k" -c map -c length --image-opts driver=qcow2,file.filename=q
io -s -r -c "write 0 4k" -c map -c "reopen -w" "json:{'driver':'qcow2','file.filename':'q'}"
io -s -C -c "read -P 6 2M 4k" -c map -c "reopen -r" q
io -s -d ignore -c "discard 1M 64k" -c map -f raw r; io -s -U -c length -f raw r
io -s -c "write 0 4k" -c "reopen -o backing.driver=raw" -c "reopen -o lazy-refcounts=on" -c "reopen -o foo=bar" -c map q; io -s -c "reopen -r" -c "reopen -o lazy-refcounts=2" q
io -s -c "break read_aio A" -c "read 0 4k" -c map -f raw blkdebug::r
io -c "open -s r" -c "write 0 4k" -c map -c close -c "open -s -r -o driver=qcow2 q" -c "write 0 4k" -c map
io --image-opts -c close -c "open -s -o driver=raw r" -c "open -s driver=raw,file.filename=r,offset=1M" -c "write 0 4k" -c map driver=raw,file.filename=r
io -s -c map --image-opts driver=raw,file.filename=r,read-only=on; io -s --image-opts driver=copy-on-read,file.driver=raw,file.file.filename=r
io -s -c length -c "write 1024 512" --image-opts driver=null-co,size=1025; io -s nosuch
echo "== what an image does not name lies below it all the same"
opts=driver=qcow2,file.filename=o,backing.driver=qcow2,backing.file.filename=q
for f in qcow2 qed qcow; do
  qemu-img create -q -f $f o 4M
  io --image-opts -c "write -P 3 1M 4k" -c "write -z 1540k 4k" -c "write -P 4 2M 64k" -c "discard 2M 64k" -c "discard 1280k 64k" -c "read -P 5 1028k 60k" -c "read -P 5 1544k 56k" -c map ${opts/qcow2/$f}
  qemu-img convert -O raw --image-opts ${opts/qcow2/$f} out; md5sum out
done
echo "== no image below"
for d in "raw','file.filename':'r" "throttle','throttle-group':'g','file.driver':'raw','file.file.filename':'r"; do
  for b in null "''" "'x'" "{'driver':'raw','file':{'driver':'file','filename':'r'}}"; do io --object throttle-group,id=g -c length "json:{'driver':'$d','backing':$b}"; done
done
md5sum r q
