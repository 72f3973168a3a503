#!/bin/sh
# Builds ffauth against the FFmpeg 7.1 of Debian 13 and runs tests there, in a chroot that debootstrap makes.
#
#     sudo tests/debian13.sh [ARGUMENTS OF cargo test]        (default: handover)
#
# Needs root, debootstrap and the toolchain that `cargo` runs; nothing of it is changed. The chroot and what is built in it stay
# in $DEBIAN13 (default: target/debian13, about 3 GB) for the next time. Mounts are seen by this command alone.
set -eu
project=$(cd "$(dirname "$0")/.." && pwd)
root=${DEBIAN13:-$project/target/debian13}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
packages="ca-certificates clang ffmpeg gcc git libc6-dev libavcodec-dev libavdevice-dev libavfilter-dev libavformat-dev
    libavutil-dev libclang-dev libssl-dev libswresample-dev libswscale-dev openssl pkg-config procps python3"

if [ "$(id -u)" != 0 ]; then
    echo "$0: chroot and mount need root: run it with sudo" >&2
    exit 1
fi
if ! command -v debootstrap >/dev/null; then
    echo "$0: debootstrap is missing: apt-get install debootstrap" >&2
    exit 1
fi
# sudo forgets both.
PATH=$PATH:${SUDO_USER:+$(getent passwd "$SUDO_USER" | cut -d: -f6)/.cargo/bin:}$HOME/.cargo/bin
home=$(getent passwd "${SUDO_USER:-root}" | cut -d: -f6)
export CARGO_HOME="${CARGO_HOME:-$home/.cargo}" RUSTUP_HOME="${RUSTUP_HOME:-$home/.rustup}"
toolchain=$(cd "$project" && rustc --print sysroot)

if [ ! -e "$root/.complete" ]; then
    rm -rf --one-file-system "$root"
    mkdir -p "$root"
    # shellcheck disable=SC2086
    debootstrap --variant=minbase --include="$(echo $packages | tr ' ' ,)" trixie "$root" "$mirror"
    touch "$root/.complete"
fi
cp /etc/resolv.conf "$root/etc/resolv.conf"
mkdir -p "$root/ffauth" "$root/toolchain" "$root/target" "$root/root/.cargo/registry" "$CARGO_HOME/registry"

[ $# -gt 0 ] || set -- handover
unshare --mount sh -eu -s "$root" "$project" "$toolchain" "$CARGO_HOME/registry" "$@" <<'INSIDE'
root=$1 project=$2 toolchain=$3 registry=$4
shift 4
mount --make-rprivate /
mount --bind "$project" "$root/ffauth"
mount -o remount,bind,ro "$root/ffauth"
mount --bind "$toolchain" "$root/toolchain"
mount --bind "$registry" "$root/root/.cargo/registry"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o size=2g tmp "$root/tmp"
exec chroot "$root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 PATH=/toolchain/bin:/usr/bin:/bin:/usr/sbin:/sbin \
    CARGO_TARGET_DIR=/target CARGO_TERM_COLOR=never sh -c '
        cd /ffauth
        ffmpeg -hide_banner -version | head -1
        exec cargo test --locked --test main "$@"' sh "$@"
INSIDE
