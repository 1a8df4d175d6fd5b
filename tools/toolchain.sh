# Functions for run.sh and test.sh, which source this file with the repository root as the current
# directory.

# Prints a cmake of at least version 3.25: Debian's own, or else the one on the PATH.
find_cmake() {
  for candidate in /usr/bin/cmake cmake; do
    version=$("$candidate" --version 2>/dev/null | sed -n '1s/^cmake version //p') || continue
    major=${version%%.*}
    rest=${version#*.}
    minor=${rest%%.*}
    case "$major$minor" in *[!0-9]* | '') continue ;; esac
    if [ "$major" -gt 3 ] || { [ "$major" -eq 3 ] && [ "$minor" -ge 25 ]; }; then
      echo "$candidate"
      return
    fi
  done
  echo "no cmake >= 3.25 found; tools/setup.sh installs one" >&2
  return 5
}

# build PRESET [TARGET...]: configures where needed and builds, showing the compiler's words only
# if it fails. Everything goes to a log whose name is printed with the error.
build() {
  preset=$1
  shift
  cmake=$(find_cmake)
  folder=build/$preset
  log=$folder/build.log
  mkdir -p "$folder"
  # A folder that was moved, or configured by another cmake, is configured anew.
  if [ -f "$folder/CMakeCache.txt" ] &&
    ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$folder/CMakeCache.txt"; then
    rm -rf "$folder/CMakeCache.txt" "$folder/CMakeFiles"
  fi
  if [ ! -f "$folder/build.ninja" ] && ! "$cmake" --preset "$preset" $CADRE_CONFIGURE >"$log" 2>&1
  then
    tail -n 30 "$log" >&2
    echo "configuring failed; the whole output is in $log" >&2
    return 1
  fi
  [ -f "$folder/.ninja_log" ] || echo "building in $folder: some minutes the first time" >&2
  targets=
  for target in "$@"; do targets="$targets --target $target"; done
  if [ -t 2 ]; then
    # Ninja's own status line, rewritten in place.
    NINJA_STATUS="building [%f/%t] " "$cmake" --build "$folder" $targets >&2
  elif ! "$cmake" --build "$folder" $targets >"$log" 2>&1; then
    grep -E '(error|Error|FAILED)' "$log" | head -n 30 >&2
    echo "the build failed; the whole output is in $log" >&2
    return 1
  else
    grep -E 'warning:' "$log" | sort -u >&2 || true
  fi
}
