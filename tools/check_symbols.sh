#!/bin/sh
# usage: check_symbols.sh NAMESPACE OBJECT:OBJECT:...
#
# Objects compiled for an instruction set must not define inline functions that other objects define
# too: the linker keeps one copy of each, and if it is the one with AVX-512 instructions, every
# processor without them crashes. So each weak symbol must name the set's own namespace.
set -eu
namespace=$1
# The objects of one set, split at the colons.
IFS=:
set -- $2
unset IFS
nm -C --defined-only "$@" | awk -v own="::$namespace" '
  /^[^ ]*:$/ { object = $0; next }
  $2 ~ /^[WVuB]$/ {
    name = $0
    sub(/^[^ ]* . /, "", name)
    seen++
    if (index(name, own) == 0) {
      print object " " name " is shared with other objects"
      failed = 1
    }
  }
  END { exit failed }'
