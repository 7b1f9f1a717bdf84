# Shared by the scripts beside it; sourced, never run. Sets $root and moves there.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"

say() { printf '== %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# What the program is built with, and what the tests need besides. The one list of packages.
build_packages="gcc libc6-dev meson ninja-build pkg-config libevent-dev libssl-dev libmicrohttpd-dev
    libcurl4-openssl-dev libjansson-dev libexpat1-dev libsqlite3-dev libidn2-dev ca-certificates"
test_packages="libcmocka-dev clang llvm libclang-rt-14-dev python3 python3-pytest python3-pytest-xdist python3-boto3 awscli
    swaks postfix openssl procps curl libfaketime"

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "installing Debian packages needs root or sudo: run this script once as root"
    fi
}

# need_packages NAME...: installs those that are missing, and says which.
need_packages() {
    local missing=() package
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "this is not a Debian machine; install yourself: ${missing[*]}"
    say "installing Debian packages: ${missing[*]}"
    # No service is started by an installation: a mail server of the machine is none of our business.
    local policy=/usr/sbin/policy-rc.d made=
    if [ ! -e "$policy" ]; then
        as_root sh -c "printf '#!/bin/sh\nexit 101\n' > $policy && chmod 755 $policy"
        made=yes
    fi
    local status=0
    { as_root apt-get update -q &&
      as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
    } >"${TMPDIR:-/tmp}/sesame-apt.$$" 2>&1 || status=$?
    [ -z "$made" ] || as_root rm -f "$policy"
    if [ "$status" != 0 ]; then
        tail -n 20 "${TMPDIR:-/tmp}/sesame-apt.$$" >&2
        rm -f "${TMPDIR:-/tmp}/sesame-apt.$$"
        die "apt-get could not install them"
    fi
    rm -f "${TMPDIR:-/tmp}/sesame-apt.$$"
}

# build_into DIR ARGS...: configures once, builds what changed.
build_into() {
    local dir=$1
    shift
    if [ ! -f "$dir/build.ninja" ]; then
        say "configuring $dir"
        rm -rf "$dir"
        meson setup "$dir" "$@" >"$dir.log" 2>&1 || { cat "$dir.log" >&2; rm -f "$dir.log"; die "meson could not configure $dir"; }
        rm -f "$dir.log"
    fi
    say "building $dir"
    ninja -C "$dir" --quiet >&2 || die "the build in $dir failed"
}
