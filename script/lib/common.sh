# Shared by the scripts beside it; sourced, never run. Sets $root and moves there.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"

say() { printf '== %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# What the program is built with, and what the tests need besides. The one list of packages.
build_packages="gcc libc6-dev meson ninja-build pkg-config libevent-dev libssl-dev libmicrohttpd-dev
    libcurl4-openssl-dev libjansson-dev libexpat1-dev libsqlite3-dev libidn2-dev libgmime-3.0-dev
    libarchive-dev libseccomp-dev libunbound-dev ca-certificates"
test_packages="libcmocka-dev clang llvm libclang-rt-14-dev python3 python3-pytest python3-pytest-xdist python3-boto3 awscli
    swaks postfix openssl procps curl libfaketime python3-pytest-timeout python3-cryptography nodejs golang-go
    golang-github-aws-aws-sdk-go-dev"

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# install_packages NAME...: by apt-get. No service is started by that: a mail server of the machine is none of our
# business. What was put there for it is taken away again, however it ends.
install_packages() (
    policy=/usr/sbin/policy-rc.d made=
    trap '[ -z "$made" ] || as_root rm -f "$policy"' EXIT
    if [ ! -e "$policy" ]; then
        made=yes
        as_root sh -c "printf '#!/bin/sh\nexit 101\n' > $policy && chmod 755 $policy"
    fi
    as_root apt-get update -q &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends "$@"
)

# need_packages NAME...: installs those that are missing, and says which.
need_packages() {
    local missing=() package
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "this is not a Debian machine; install yourself: ${missing[*]}"
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
        die "these Debian packages are missing, and to install them takes root or sudo: ${missing[*]}"
    say "installing Debian packages: ${missing[*]}"
    local said
    said=$(mktemp)
    if ! install_packages "${missing[@]}" >"$said" 2>&1 </dev/null; then
        tail -n 20 "$said" >&2
        rm -f "$said"
        die "apt-get could not install them"
    fi
    rm -f "$said"
}

# configure_into DIR ARGS...: once.
configure_into() {
    local dir=$1 said
    shift
    if [ ! -f "$dir/build.ninja" ]; then
        say "configuring $dir"
        rm -rf "$dir"
        said=$(mktemp)
        meson setup "$dir" "$@" >"$said" 2>&1 || { cat "$said" >&2; rm -f "$said"; die "meson could not configure $dir"; }
        rm -f "$said"
    fi
}

# build_into DIR ARGS...: configures once, builds what changed.
build_into() {
    configure_into "$@"
    local dir=$1
    [ -w "$dir" ] || die "$root/$dir belongs to another user, who built there: remove it, or build as that user"
    say "building $dir"
    ninja -C "$dir" --quiet >&2 || die "the build in $dir failed"
}
