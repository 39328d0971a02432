#!/usr/bin/env bash
# Puts a bitcoind that can be run into a folder and prints its path. Installs nothing into the system.
#
#   scripts/get-bitcoind.sh DIR
#
# 1. What DIR already holds is used as it is.
# 2. Else a bitcoind on PATH is used.
# 3. Else, on Debian and its kin (amd64, arm64), the package bitcoin-knots and the libraries that it needs are unpacked
#    into DIR, from the Debian mirror that this machine is set up with; apt checks their signatures.
# Messages go to stderr. Exit code 1: no bitcoind, and why.
set -euo pipefail

fail() {
  printf 'get-bitcoind: %s\n' "$1" >&2
  printf '%s\n' "  Install Bitcoin Core by other means and put bitcoind on PATH, or set TEST_BITCOIND to its path." >&2
  exit 1
}

[ $# -eq 1 ] || { echo "usage: scripts/get-bitcoind.sh DIR" >&2; exit 2; }
dir=$(mkdir -p "$1" && cd "$1" && pwd)
runs() { [ -x "$1" ] && "$1" --version >/dev/null 2>&1; }

if runs "$dir/bin/bitcoind"; then
  echo "$dir/bin/bitcoind"
  exit 0
fi
present=$(command -v bitcoind || true)
if [ -n "$present" ] && runs "$present"; then
  echo "$present"
  exit 0
fi

for tool in apt-get dpkg dpkg-deb; do
  command -v "$tool" >/dev/null || fail "no bitcoind here, and it can be fetched only where there is $tool"
done
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] || fail "Debian's keys ($keyring) are missing, so that packages can't be checked"
case $(dpkg --print-architecture) in
  amd64) triplet=x86_64-linux-gnu loader=ld-linux-x86-64.so.2 ;;
  arm64) triplet=aarch64-linux-gnu loader=ld-linux-aarch64.so.1 ;;
  *) fail "no packages are known for the architecture $(dpkg --print-architecture)" ;;
esac

# The first archive whose path ends in /debian, in either format of apt's sources.
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null |
  sed -nE 's/^[^#]*(https?:\/\/[^ ]*\/debian)\/?( .*)?$/\1/p' | head -n 1) || true
[ -n "$mirror" ] || fail "apt on this machine knows no Debian mirror"

# An apt of its own: its lists, cache and state live in a folder that is thrown away.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/packages"
touch "$work/status"
for suite in trixie trixie-backports; do
  echo "deb [signed-by=$keyring] $mirror $suite main"
done >"$work/sources.list"
own_apt() {
  apt-get -qq -oDir::Etc::sourcelist="$work/sources.list" -oDir::Etc::sourceparts=/dev/null \
    -oDir::State::lists="$work/lists" -oDir::State::status="$work/status" -oDir::Cache="$work" \
    -oAPT::Sandbox::User="$(id -un)" -oDebug::NoLocking=1 "$@" </dev/null >&2
}

echo "get-bitcoind: fetching bitcoin-knots from this machine's Debian mirror" >&2
own_apt update || fail "the Debian mirror can't be read"
# What bitcoind links to, with a C library new enough for it.
libraries="libc6 libstdc++6 libgcc-s1 libsqlite3-0 libevent-core-2.1-7t64 libevent-extra-2.1-7t64 libevent-pthreads-2.1-7t64
  libzmq5 libsodium23 libpgm-5.3-0t64 libnorm1t64 libxml2 libgssapi-krb5-2 libkrb5-3 libk5crypto3 libcom-err2
  libkrb5support0 libkeyutils1"
# shellcheck disable=SC2086 # one word per library
(cd "$work/packages" && own_apt download bitcoin-knots/trixie-backports $libraries) || fail "a package can't be downloaded"

rm -rf "$dir/root" "$dir/bin"
mkdir -p "$dir/bin"
for package in "$work"/packages/*.deb; do dpkg-deb -x "$package" "$dir/root"; done
for tool in bitcoind bitcoin-cli; do
  printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' \
    "$dir/root/usr/lib/$triplet/$loader" "$dir/root/usr/lib/$triplet" "$dir/root/usr/bin/$tool" >"$dir/bin/$tool"
  chmod +x "$dir/bin/$tool"
done
runs "$dir/bin/bitcoind" || fail "the unpacked bitcoind does not run: $("$dir/bin/bitcoind" --version 2>&1 | head -n 2)"
echo "$dir/bin/bitcoind"
