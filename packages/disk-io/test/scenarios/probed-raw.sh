# The guest of a raw disk that nobody said is one must not make another format of it.
for m in 'QFI\373\0\0\0\3' 'KDMV' 'conectix' 'vhdxfile' 'QED\0' 'LUKS\272\276\0\1' 'abc'; do
  qemu-img create -q t 1M; { printf "$m"; head -c 504 /dev/zero; } | head -c 512 > m
  qemu-io -c "write -s m 0 512" -c "write -s m 0 4k" -c "aio_write -z 0 512" -c aio_flush -c "read -P 0 0 512" t 2>&1
done
printf 'FI\373\0\0\0\3' > m; qemu-img create -q t 1M
qemu-io -c 'write -P 0x51 0 1' -c 'write -s m 1 7' -c 'write -P 0 0 1' -c 'write -s m 1 7' -c 'read -v 0 16' t 2>&1
qemu-io -f raw -c 'write -P 0x51 0 1' t; qemu-img info -f raw t; md5sum t
rm t m
echo "== a raw file ends where it was told to, within a sector too"
qemu-img create -q -f raw odd 1M
for size in 1000 1048577 +513 "--shrink 700" 1024; do qemu-img resize -f raw odd $size; stat -c %s odd; done
qemu-io -f raw -c "truncate 1000" -c length odd; stat -c %s odd; qemu-io -f raw -c "write 512 512" odd; stat -c %s odd
