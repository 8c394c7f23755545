# shellcheck shell=bash
# A Debian root filesystem as a tar archive, made once and kept in a cache.

CACHE=${GUEST_CACHE:-$GUEST_DIR/../../.cache/guest}

# Beyond the minimal system: file capabilities (iputils-ping), a directory of
# symbolic links with a UTF-8 name (ca-certificates), set-group-ID
# (openssh-client) and set-user-ID programs (sudo), links to links (less).
DEBIAN_PACKAGES=ca-certificates,iputils-ping,less,openssh-client,sudo,bzip2

# shellcheck disable=SC2034 # used by the scripts that source this
DEBIAN_TOOLS=(apt-get:apt debootstrap:debootstrap dpkg:dpkg tar:tar zstd:zstd)

# apt_archive: the mirror and the suite that apt on this machine uses.
apt_archive() {
  # shellcheck disable=SC2016 # apt-get fills these in, not the shell
  apt-get indextargets --format '$(REPO_URI) $(CODENAME)' \
    'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 'Component: main' |
    awk '$2 !~ /-/ { print; exit }'
}

# ensure_debian_root: sets DEBIAN_TAR to the archive of the installed system.
ensure_debian_root() {
  local mirror suite arch name
  read -r mirror suite < <(apt_archive) ||
    skip "apt has no list of a Debian archive (run apt-get update)"
  arch=$(dpkg --print-architecture)
  name=debian-$suite-$arch-$(sha256sum "$GUEST_DIR/debian-root.sh" | cut -c1-12).tar.zst
  mkdir -p "$CACHE"
  DEBIAN_TAR=$(cd "$CACHE" && pwd)/$name
  [ ! -f "$DEBIAN_TAR" ] || return 0
  say "installing Debian $suite ($arch) with debootstrap"
  bootstrap "$mirror" "$suite" "$WORK/debian"
  tar -C "$WORK/debian" --numeric-owner --xattrs --xattrs-include='*' --acls --format=posix \
    --sort=name -cf - . | zstd -q -T0 -3 -f -o "$DEBIAN_TAR.part"
  mv "$DEBIAN_TAR.part" "$DEBIAN_TAR"
  rm -rf --one-file-system "$WORK/debian"
}

bootstrap() {
  local mirror=$1 suite=$2 root=$3
  debootstrap --variant=minbase --include="$DEBIAN_PACKAGES" "$suite" "$root" "$mirror" \
    >"$WORK/debootstrap.log" 2>&1 || {
    tail -n 20 "$WORK/debootstrap.log" >&2
    fail "debootstrap failed"
  }
  forget_this_machine "$root"
}

# debootstrap copies the host's name and resolver, writes the mirror's address
# and dates the passwords; the guest is to be the same wherever it is made.
forget_this_machine() {
  local root=$1
  rm -rf "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb \
    "$root"/var/lib/apt/lists/* "$root"/var/log/bootstrap.log "$root"/var/cache/ldconfig/aux-cache
  echo guest >"$root/etc/hostname"
  printf '127.0.0.1 localhost\n127.0.1.1 guest\n::1 localhost ip6-localhost\n' >"$root/etc/hosts"
  : >"$root/etc/resolv.conf"
  : >"$root/etc/machine-id"
  sed -i 's/^\([^:]*:[^:]*\):[0-9]*:/\1:20454:/' "$root/etc/shadow"
  echo '# The guest has no package archive.' >"$root/etc/apt/sources.list"
}
