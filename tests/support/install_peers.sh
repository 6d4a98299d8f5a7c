#!/bin/bash
# Install the real programs that the interop tests talk to, on Debian 12 and 13 and Ubuntu 24.04.
#
#   install_peers.sh           install what is missing; needs root
#   install_peers.sh --check   only name what is missing; exit status 1 if anything is
#
# Idempotent, asks nothing, starts no service, upgrades nothing that is there already.
#
# Why this is more than one apt-get line:
# * inn2 fails to configure unless inn.conf names a domain. That file belongs to inn2-inews, so that
#   package goes first and gets its domain; no package is ever left half configured.
# * Exim and Postfix exclude each other (mail-transport-agent). Postfix is installed; Exim's package is
#   only unpacked, into .peers/exim of this checkout, and its libraries come from apt.
# * msmtp submits mail as a user does, curl as the tutorial does; swaks needs libnet-ssleay-perl for TLS; slrn and tin read news.
# * zstd is what zstdunbatch of the kit calls for INN's rnews.
# * filespooler, git, dar, wget, syncthing and recutils are what people use on top of NNCP; dosfstools
#   makes the FAT32 stick of a test, which user-mode-linux mounts where the running kernel knows no FAT,
#   iproute2 the networks of others. strace tells what was synced before a promise was made.
# * Exim resolves the user Debian-exim as it starts, so that user is made.
# * leafnode and INN exclude each other too: leafnode is only unpacked, into .peers/leafnode.
# * A release may lack one of the programs that people use on top of NNCP (Debian 13 has no recutils):
#   it is left out, and what needs it is skipped.
set -euo pipefail

NNCP_USERS=(filespooler git dar wget syncthing recutils dosfstools iproute2 strace)
grep -qw vfat /proc/filesystems || modprobe -q -n vfat 2>/dev/null || NNCP_USERS+=(user-mode-linux)
readonly NNCP_USERS
readonly MAIL_CLIENTS=(swaks libnet-ssleay-perl msmtp curl)
readonly NEWSREADERS=(slrn tin)
readonly PEERS=(nncp postfix "${MAIL_CLIENTS[@]}" "${NEWSREADERS[@]}" inn2-inews inn2 zstd)
readonly EXIM_PACKAGE=exim4-daemon-light
readonly APT_LOCK_SECONDS=120

project=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
readonly project
readonly prefix=$project/.peers
readonly exim=$prefix/exim/usr/sbin/exim4
readonly fetchnews=$prefix/leafnode/usr/sbin/fetchnews
log=
has_policy=no

die() {
  [ -z "$log" ] || tail -n 25 "$log" >&2
  printf 'install_peers: %s\n' "$*" >&2
  exit 1
}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null)" = "ii " ]
}

exim_runs() {
  getent passwd Debian-exim >/dev/null && [ -x "$exim" ] && "$exim" -C /dev/null -bV >/dev/null 2>&1
}

# Whether this release has a package, as far as the lists tell: without lists it may have any.
is_offered() {
  [ -n "$(apt-cache show --no-all-versions "$1" 2>/dev/null)" ] || ! apt-cache show --no-all-versions nncp >/dev/null 2>&1
}

list_missing() {
  local package
  for package in "${PEERS[@]}"; do
    is_installed "$package" || printf '%s\n' "$package"
  done
  for package in "${NNCP_USERS[@]}"; do
    is_installed "$package" || ! is_offered "$package" || printf '%s\n' "$package"
  done
  exim_runs || printf 'exim (beside Postfix)\n'
  [ -x "$fetchnews" ] || ! is_offered leafnode || printf 'leafnode (beside INN)\n'
}

apt_get() {
  apt-get -q -y -o DPkg::Lock::Timeout=$APT_LOCK_SECONDS -o Dpkg::Use-Pty=0 \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@" >>"$log" 2>&1
}

# Old package lists give "not found": one update, one more try.
apt_retry() {
  apt_get "$@" || { apt_get update && apt_get "$@"; }
}

apt_install() {
  apt_retry install --no-install-recommends --no-upgrade "$@"
}

# The lists are there when apt knows a version of every package.
has_lists() {
  local package
  for package in "${PEERS[@]}" "$EXIM_PACKAGE"; do
    [ -n "$(apt-cache show --no-all-versions "$package" 2>/dev/null)" ] || return 1
  done
}

finish_dpkg() {
  dpkg --configure -a >>"$log" 2>&1 || die "a package is half configured; see: dpkg --audit"
}

forbid_services() {
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    has_policy=ours
  fi
}

cleanup() {
  [ $has_policy = no ] || rm -f /usr/sbin/policy-rc.d
  [ -z "$log" ] || rm -f "$log"
}

install_users() {
  local package
  for package in "${NNCP_USERS[@]}"; do
    if is_installed "$package"; then
      continue
    elif is_offered "$package"; then
      apt_install "$package" || die "cannot install $package"
    else
      printf 'install_peers: this release has no package %s: what needs it is skipped\n' "$package" >&2
    fi
  done
}

install_postfix() {
  printf 'postfix postfix/main_mailer_type select No configuration\n' | debconf-set-selections
  apt_install postfix || die "cannot install postfix"
  # sendmail and postdrop read the system's main.cf even with -C, and that choice leaves none.
  [ -e /etc/postfix/main.cf ] ||
    printf 'compatibility_level = 3.6\ninet_interfaces = 127.0.0.1\n' >/etc/postfix/main.cf
}

install_inn() {
  apt_install inn2-inews || die "cannot install inn2-inews"
  if ! grep -Eq '^domain:[[:space:]]*[^[:space:]]' /etc/news/inn.conf; then
    # Naming it twice would be an error: the shipped line is a comment or empty.
    sed -i '/^#\{0,1\}domain:/d' /etc/news/inn.conf
    printf 'domain: peers.test\n' >>/etc/news/inn.conf
  fi
  apt_install inn2 || { finish_dpkg && is_installed inn2; } || die "cannot install inn2"
}

unpack_exim() {
  getent group Debian-exim >/dev/null || groupadd --system Debian-exim
  getent passwd Debian-exim >/dev/null ||
    useradd --system --gid Debian-exim --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin Debian-exim
  unpack "$EXIM_PACKAGE" "$prefix/exim"
  # Never set-uid root outside the package manager's care: it runs as the user of the test.
  chmod 755 "$exim"
  "$exim" -C /dev/null -bV >>"$log" 2>&1 || die "$exim does not run"
}

# unpack PACKAGE DIRECTORY: its files, without its scripts; its libraries are installed.
unpack() {
  local download needed=() library
  mkdir -p "$prefix"
  download=$(mktemp -d "$prefix/download.XXXXXX")
  # As root: apt's own user could not write into the directory.
  (cd "$download" && apt_retry -o APT::Sandbox::User=root download "$1") || die "cannot download $1"
  rm -rf "$2"
  dpkg -x "$download/$1"_*.deb "$2"
  chmod 755 "$prefix" "$2"
  while read -r library; do
    is_installed "$library" || needed+=("$library")
  done < <(dpkg-deb -f "$download/$1"_*.deb Depends | tr ',' '\n' | sed 's/|.*//; s/(.*//; s/ //g' | grep '^lib')
  [ ${#needed[@]} -eq 0 ] || apt_install "${needed[@]}" || die "cannot install the libraries of $1"
  rm -rf "$download"
}

main() {
  local missing
  [ $# -eq 0 ] || [ "$*" = --check ] || die "usage: install_peers.sh [--check]"
  export LC_ALL=C.UTF-8 PATH=$PATH:/usr/sbin:/sbin
  command -v dpkg-query >/dev/null || die "needs Debian or Ubuntu; install by hand: ${PEERS[*]} ${NNCP_USERS[*]} exim4"
  mapfile -t missing < <(list_missing)
  if [ ${#missing[@]} -eq 0 ]; then
    exit 0
  fi
  if [ "${1:-}" = --check ]; then
    printf '%s\n' "${missing[@]}"
    exit 1
  fi
  [ "$(id -u)" = 0 ] || die "must run as root"
  trap cleanup EXIT
  export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
  log=$(mktemp)
  forbid_services
  finish_dpkg
  has_lists || apt_get update || die "cannot read the package lists"
  apt_install nncp zstd "${MAIL_CLIENTS[@]}" "${NEWSREADERS[@]}" || die "cannot install nncp, zstd, mail clients and newsreaders"
  install_users
  is_installed postfix || install_postfix
  is_installed inn2 || install_inn
  exim_runs || unpack_exim
  [ -x "$fetchnews" ] || ! is_offered leafnode || unpack leafnode "$prefix/leafnode"
  mapfile -t missing < <(list_missing)
  [ ${#missing[@]} -eq 0 ] || die "still missing: ${missing[*]}"
}

main "$@"
