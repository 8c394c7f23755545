# Options of an image while it is open: good ones, and refused ones.
qemu-img create -q -f qcow2 img 64M
io() { args=(); for l in "$@"; do echo "> $l"; args+=(-c "$l"); done; qemu-io "${args[@]}" img; echo "rc $?"; }
for o in lazy-refcounts=off overlap-check.inactive-l2=off read-only=on force-share=on data-file=x backing=x discard-no-unref=on; do io "reopen -o $o" "write -P 1 0 64k" "read -P 1 0 64k"; qemu-io -c "open -o driver=qcow2,$o img" -c "read 0 512"; qemu-io --image-opts -c "write 0 512" driver=qcow2,file.filename=img,$o; done
for o in cache-size=1M,l2-cache-size=2M l2-cache-size=1T refcount-cache-size=8E l2-cache-entry-size=300 l2-cache-entry-size=128k cache-clean-interval=-1 overlap-check=blub overlap-check=none,overlap-check.template=cached lazy-refcounts=42; do io "reopen -o $o" "length"; qemu-io -c "open -o driver=qcow2,$o img" -c "read 0 512"; qemu-io --image-opts -c "write 0 512" driver=qcow2,file.filename=img,$o; done
qemu-io -c "reopen -o overlap-check=all,lazy-refcounts=on,pass-discard-other=on -r" -c "write 0 512" -c "reopen -w" -c "write 0 512" img
qemu-img create -q -f qcow2 -o compat=0.10 img 64M
io "reopen -c writethrough -o cache.writeback=on" "reopen -c none -o cache.direct=on"; io "reopen -o lazy-refcounts=on" "write 0 512"; qemu-io -c "open -o driver=qcow2,lazy-refcounts=on img" -c "read 0 512"
qemu-io -c "reopen -o lazy-refcounts=on,cache-size=1k" -c length img
echo "== an overlay over an image that is being written"
rm -f below over; qemu-img create -q -f qcow2 below 1M
held() { rm -f fifo held; mkfifo fifo; qemu-io $1 <fifo >held & exec 9>fifo; echo length >&9; until grep -q MiB held; do sleep 0.1; done; }
released() { exec 9>&-; wait; }
held below; for f in qcow2 qed; do qemu-img create -f $f -b below -F qcow2 over; qemu-img create -f $f -b below over; done; released
echo "== changing an image that is being written"
qemu-img create -q -f qcow2 -b below -F qcow2 over
held over; qemu-img rebase -u -b "" over; qemu-img commit over; qemu-img commit -b below over; qemu-img amend -o lazy_refcounts=on over; released
echo "== what a reopen takes the place of"
qemu-img create -q -f qcow2 t 64M
io() { args=(); for l in "$@"; do args+=(-c "$l"); done; echo "> $*"; qemu-io "${args[@]}" -c "write 0 1k"; }
io "open -o overlap-check=constant t" "reopen -o overlap-check.template=all" "reopen -o overlap-check=none" "reopen -o overlap-check=none,overlap-check.template=all"
io "open -o cache-size=1M t" "reopen -o l2-cache-size=2M" "reopen -o refcount-cache-size=1M" "reopen -o refcount-cache-size=64T" "reopen -o cache-size=64k" "reopen -o l2-cache-size=2M,cache-size=1M"
