#!/bin/sh
# Installs the Debian packages that Cadre is built with, if any is missing. With everything in place
# it touches neither the network nor the system and takes a few milliseconds.
#
#   tools/setup.sh            what run.sh and test.sh need
#   tools/setup.sh --fuzz     and what `test.sh --slow` needs: clang with its fuzzer, clang-format
#   tools/setup.sh --list     prints the packages instead
set -eu

packages="cmake ninja-build g++ pkg-config libfmt-dev nlohmann-json3-dev libcli11-dev
  libtomlplusplus-dev libpcre2-dev libutf8proc-dev libzstd-dev libxxhash-dev libminizip-dev zlib1g-dev
  libyaml-dev libedit-dev doctest-dev"
# Only read, never run: the Python domain of the quick start's training text.
packages="$packages libpython3-stdlib"

for argument in "$@"; do
  case $argument in
    --fuzz) packages="$packages clang libclang-rt-14-dev clang-format" ;;
    --list)
      printf '%s\n' $packages
      exit 0
      ;;
    *)
      echo "setup: unknown argument $argument; expected --fuzz or --list" >&2
      exit 2
      ;;
  esac
done

if ! command -v dpkg-query >/dev/null; then
  echo "setup: this is not a Debian system; install the counterparts of:" $packages >&2
  exit 5
fi

# One call: dpkg-query prints a line for each package that it knows, and the rest are missing.
installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $packages 2>/dev/null || true)
missing=
for package in $packages; do
  case "
$installed
" in
    *"
$package installed
"*) ;;
    *) missing="$missing $package" ;;
  esac
done
[ -z "$missing" ] && exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "setup: missing packages, and neither root nor sudo is at hand. As root, run:" >&2
    echo "  apt-get install$missing" >&2
    exit 2
  fi
  as_root=sudo
fi

echo "setup: installing$missing" >&2
apt() {
  $as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 "$@" >"$log" 2>&1 </dev/null
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The lists may be old or, in a container, absent; a first attempt without them saves a minute.
if ! apt install -y --no-install-recommends $missing; then
  if ! { apt update && apt install -y --no-install-recommends $missing; }; then
    tail -n 20 "$log" >&2
    echo "setup: apt-get could not install$missing" >&2
    exit 3
  fi
fi
