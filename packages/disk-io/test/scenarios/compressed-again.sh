# Compressed writes to what is there already, in every form that it may have.
for options in compat=1.1 compat=0.10 extended_l2=on; do
echo "== $options"; qemu-img create -q -f qcow2 -o $options img 4M
qemu-io -c "write 0 64k" -c "write -c -P 3 0 64k" -c "read -P 0xcd 0 64k" -c "write -c -P 3 64k 64k" -c "write -c -P 4 64k 64k" -c "read -P 3 64k 64k" -c "write -z 128k 64k" -c "write -c -P 4 128k 64k" -c "read -P 4 128k 64k" -c "write 192k 64k" -c "write -z 192k 64k" -c "write -c -P 4 192k 64k" -c "read -P 0 192k 64k" -c "write 256k 64k" -c "discard 256k 64k" -c "write -c -P 4 256k 64k" -c "read -P 4 256k 64k" img
echo "== what lies beside it is written"
qemu-io -c "write -c -P 5 192k 256k" -c "read -P 5 320k 128k" -c "write -c -P 6 448k 64k" -c "write -c -P 7 384k 256k" -c "read -P 7 512k 128k" img
qemu-img snapshot -c s img; qemu-io -c "write -c -P 9 0 64k" -c "write -c -P 9 64k 64k" -c "write -c 1M 64k" img
qemu-img map --output=json img | sed 's/, "offset": [0-9]*//'; qemu-img check img
done
echo "== what does not compress is written as it is"
head -c 64k /dev/urandom > noise; qemu-img create -q -f qcow2 img 1M
qemu-io -c "write 0 64k" -c "write -c -s noise 0 64k" -c "read -P 0xcd 0 64k" img | grep -v Pattern; qemu-img convert -O raw img raw; cmp -n 65536 noise raw; qemu-img check img
