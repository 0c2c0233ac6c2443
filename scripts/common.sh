# Shell functions that the scripts share. Sourced, never run.
set -euo pipefail

KRIGON_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
say() { printf '\n== %s\n' "$*"; }
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# as_root COMMAND...: as it stands for root, through sudo for everybody else.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "this needs root and there is no sudo: run it as root: $*"
  fi
}

# use_python MODULE...: makes `python3` one that can import the modules: the first of $KRIGON_PYTHON,
# the one on PATH, and the distribution's, to which the packages of scripts/setup belong.
use_python() {
  local candidate imports="" folder=$KRIGON_ROOT/build/python
  for module in "$@"; do imports+="import $module;"; done
  for candidate in "${KRIGON_PYTHON:-}" python3 /usr/bin/python3; do
    [ -n "$candidate" ] && "$candidate" -c "$imports" >/dev/null 2>&1 || continue
    if [ "$candidate" != python3 ]; then
      mkdir -p "$folder"
      printf '#!/bin/sh\nexec "%s" "$@"\n' "$(command -v "$candidate")" >"$folder/python3.$$"
      chmod +x "$folder/python3.$$"
      mv "$folder/python3.$$" "$folder/python3"
      export PATH=$folder:$PATH
    fi
    return 0
  done
  die "no Python 3 that can import: $*. Run scripts/setup, or set KRIGON_PYTHON to one that can."
}

# Parallel jobs: one for each core, fewer where memory is short (a compiler takes up to 1.5 GB).
build_jobs() {
  local cores by_memory
  cores=$(nproc)
  by_memory=$(awk '/^MemAvailable:/ {print int($2 / 1500000)}' /proc/meminfo 2>/dev/null || echo "$cores")
  [ "${by_memory:-0}" -ge 1 ] || by_memory=1
  echo $((cores < by_memory ? cores : by_memory))
}

# build PRESET [CMAKE OPTION...] [-- TARGET...]
build() {
  local preset=$1 options=()
  shift
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  [ $# -eq 0 ] || shift
  cmake --preset "$preset" "${options[@]}"
  cmake --build --preset "$preset" -j "$(build_jobs)" ${1:+--target "$@"}
}

# run_ctest BUILD_FOLDER [CTEST OPTION...]: runs the tests and leaves the counts in tests_passed,
# tests_failed and tests_skipped. Returns ctest's own status.
run_ctest() {
  local folder=$1 status=0
  shift
  local results=$folder/ctest-results.xml
  rm -f "$results"
  ctest --test-dir "$folder" --output-on-failure --no-tests=error --progress -j "$(build_jobs)" \
    --output-junit "$(cd "$folder" && pwd)/ctest-results.xml" "$@" || status=$?
  [ -s "$results" ] || die "ctest left no results in $results (exit code $status)"
  local suite all failures disabled skipped
  suite=$(sed -n '/<testsuite /,/>/p' "$results" | tr '\n\t' '  ' | head -c 2000)
  all=$(sed -n 's/.* tests="\([0-9]*\)".*/\1/p' <<<"$suite")
  failures=$(sed -n 's/.* failures="\([0-9]*\)".*/\1/p' <<<"$suite")
  disabled=$(sed -n 's/.* disabled="\([0-9]*\)".*/\1/p' <<<"$suite")
  skipped=$(sed -n 's/.* skipped="\([0-9]*\)".*/\1/p' <<<"$suite")
  tests_failed=$failures
  tests_skipped=$((disabled + skipped))
  tests_passed=$((all - failures - disabled - skipped))
  return "$status"
}

