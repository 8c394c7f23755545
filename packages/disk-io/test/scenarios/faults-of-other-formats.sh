# What the host refuses, of formats other than qcow2: each has its own moments, and its own words for a header that is not read.
fail() { qemu-io "${@:3}" --image-opts "driver=$1,file.driver=blkdebug,file.image.filename=t.$1,file.inject-error.0.event=$2"; echo rc $?; }
for format in vmdk qed vpc; do
  qemu-img create -q -f $format t.$format 64M; qemu-io -f $format -c "write -q -P 1 1M 64k" t.$format; echo "== $format"
  fail $format none -c "read 1M 4k"
  fail $format read_aio -c "read 1M 4k" -c "read 3M 4k" -c "write 1M 4k"
  fail $format write_aio -c "read 1M 4k" -c "write 1M 4k"
done
fail qed write_aio -c "write 1M 4k" -c "truncate 70M"
qemu-img create -q -f vmdk -o subformat=streamOptimized t.vmdk 64M; qemu-io -c "write -q 0 64k" t.vmdk; fail vmdk read_compressed -c "read 0 4k"
fail vmdk write_compressed -c "write 1M 64k" -c "read 0 4k"
qemu-img info --image-opts driver=qed,file.driver=blkdebug,file.image.filename=t.qed,file.inject-error.0.event=none
