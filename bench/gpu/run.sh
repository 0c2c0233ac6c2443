#!/usr/bin/env bash
# What `scripts/bench gpu` does: on a machine with a GPU and a CUDA toolkit, without a network, in under 9 minutes:
# builds the engine for its card, runs the conformance suite there, prints the table, runs compute-sanitizer, and
# BoTorch where it can be imported. Keeps everything under bench/results/, also when a part failed.
#
#   scripts/bench gpu            all of it
#   scripts/bench gpu --check    says what is there and what is missing, and does nothing
#   scripts/bench gpu --quick    tiny sizes; nothing is kept
#   scripts/bench gpu --pack     on a machine with a network: fetches the packages that are not part of CUDA into
#                                build/gpu-packages, from where a run elsewhere takes what it misses
#
# Exit code: 0 all parts passed; 1 one failed; 2 this machine cannot run it.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/../../scripts/common.sh"
cd "$KRIGON_ROOT" || exit 2

mode=run
case "${1:-}" in
  "") ;;
  --check | --quick | --pack) mode=${1#--} ;;
  *) die "unknown option '$1'; allowed: --check, --quick, --pack" ;;
esac

started=$SECONDS
total=530 # seconds for everything
build=$KRIGON_ROOT/build/gpu
packages=(libfmt-dev libfmt9 libopenblas-openmp-dev libopenblas0-openmp libgfortran5 libquadmath0 libgtest-dev libgmock-dev
  googletest)

if [ "$mode" = pack ]; then
  mkdir -p build/gpu-packages
  (cd build/gpu-packages && rm -f ./*.deb && apt-get -q download "${packages[@]}")
  du -sh build/gpu-packages
  exit 0
fi

# ---- what is there

missing=()
need() { # need WHAT TEST...: adds WHAT to what is missing unless the test holds
  local what=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$what")
}
have_file() { # have_file NAME FOLDER...
  local name=$1 folder
  shift
  for folder in "$@"; do [ ! -e "$folder/$name" ] || return 0; done
  return 1
}

root=$KRIGON_ROOT/build/gpu-root
libraries=/usr/lib/$(uname -m)-linux-gnu
includes=/usr/include/$(uname -m)-linux-gnu
if compgen -G 'build/gpu-packages/*.deb' >/dev/null && command -v dpkg-deb >/dev/null; then
  mkdir -p "$root"
  for package in build/gpu-packages/*.deb; do dpkg-deb -x "$package" "$root"; done
fi

card=""
driver="no NVIDIA driver here (nvidia-smi is not found)"
if command -v nvidia-smi >/dev/null; then
  if answer=$(nvidia-smi --query-gpu=name,compute_cap,driver_version,memory.total --format=csv,noheader 2>&1); then
    IFS=',' read -r card capability driver memory < <(head -n 1 <<<"$answer")
    card=${card# } capability=${capability//[ .]/} driver=${driver# } memory=${memory# }
  else
    driver="the NVIDIA driver does not answer: $(head -n 1 <<<"$answer")"
  fi
fi
[ -n "$card" ] || missing+=("a GPU: $driver")

toolkit=""
nvcc=$(command -v nvcc || true)
for candidate in ${KRIGON_CUDA_ROOT:-} ${nvcc:+"$(dirname "$(readlink -f "$nvcc")")/.."} /usr/local/cuda /opt/cuda; do
  [ -x "$candidate/bin/nvcc" ] || continue
  toolkit=$(readlink -f "$candidate")
  break
done
if [ -z "$toolkit" ]; then
  missing+=("nvcc: no CUDA toolkit (KRIGON_CUDA_ROOT, PATH, /usr/local/cuda and /opt/cuda were looked at)")
else
  need "cuBLAS's headers in $toolkit" test -e "$toolkit/include/cublas_v2.h"
  need "cuSOLVER's headers in $toolkit" test -e "$toolkit/include/cusolverDn.h"
fi
need "g++ with C++20" g++ -std=c++20 -fsyntax-only -x c++ /dev/null
cmake_version=$(cmake --version 2>/dev/null | sed -n 's/^cmake version //p' || true)
need "CMake 3.25 or newer" test "$(printf '3.25\n%s\n' "${cmake_version:-0}" | sort -V | head -n 1)" = 3.25
generator=("Unix Makefiles")
! command -v ninja >/dev/null || generator=(Ninja)
[ "${generator[0]}" = Ninja ] || need "make or ninja" command -v make
need "fmt (Debian: libfmt-dev)" have_file fmt/core.h /usr/include /usr/local/include "$root/usr/include"
need "OpenBLAS, openmp build (Debian: libopenblas-openmp-dev)" \
  have_file openblas-openmp/cblas.h "$includes" "$root$includes"

absent=() # parts that are skipped for want of something
tests=ON
have_file gmock/gmock.h /usr/include /usr/local/include "$root/usr/include" || {
  tests=OFF
  absent+=("conformance and compute-sanitizer: no GoogleTest (Debian: libgtest-dev, libgmock-dev)")
}
sanitizer=$(command -v compute-sanitizer || true)
[ -n "$sanitizer" ] || [ -z "$toolkit" ] || sanitizer=$(find "$toolkit"/bin "$toolkit"/compute-sanitizer -maxdepth 1 \
  -name compute-sanitizer -perm -u+x 2>/dev/null | head -n 1 || true)
[ -n "$sanitizer" ] || absent+=("compute-sanitizer: it is not in the toolkit")
python=""
for candidate in "${KRIGON_PYTHON:-}" python3 build/peers/bin/python; do
  command -v "${candidate:-/none}" >/dev/null || continue
  "$candidate" -c 'import importlib.util, sys
sys.exit(not all(importlib.util.find_spec(m) for m in ("torch", "gpytorch", "botorch")))' 2>/dev/null || continue
  python=$candidate
  break
done
[ -n "$python" ] || absent+=("BoTorch: no Python that can import torch, gpytorch and botorch")

echo "card:      ${card:-none}${card:+, compute capability $capability, $memory, driver $driver}"
echo "toolkit:   ${toolkit:-none}${toolkit:+, $("$toolkit/bin/nvcc" --version | sed -n 's/.*release \([^,]*\),.*/nvcc \1/p')}"
echo "sanitizer: ${sanitizer:-none}"
echo "BoTorch:   ${python:-none}"
for part in "${absent[@]}"; do echo "skipped:   $part"; done
if [ ${#missing[@]} -gt 0 ]; then
  printf 'missing:   %s\n' "${missing[@]}"
  echo "the GPU's benchmark cannot run here; 'scripts/bench gpu --pack' on a machine with a network fetches what is no part of CUDA"
  exit 2
fi
if [ "$mode" = check ]; then
  echo "everything is there"
  exit 0
fi

# ---- the parts, each within its own time and what is left of the whole

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failures=()
passed=()
part() { # part NAME SECONDS COMMAND...
  local name=$1 limit=$2 left word status=0 from=$SECONDS
  shift 2
  left=$((total - (SECONDS - started)))
  if [ "$left" -lt 5 ]; then
    absent+=("$name: no time was left")
    return 1
  fi
  [ "$limit" -le "$left" ] || limit=$left
  printf '\n== %s (at most %d s)\n' "$name" "$limit" | tee -a "$log"
  timeout -k 5 "$limit" "$@" </dev/null 2>&1 | tee -a "$log" || status=${PIPESTATUS[0]}
  case $status in
    0) passed+=("$name") word=passed ;;
    124 | 137) failures+=("$name: not done within $limit s") word="FAILED: out of time" ;;
    *) failures+=("$name: exit code $status") word="FAILED: exit code $status" ;;
  esac
  echo "-- $name: $word after $((SECONDS - from)) s" | tee -a "$log"
  return "$status"
}

export CUDA_DEVICE_ORDER=PCI_BUS_ID
[ ! -d "$root" ] || export LD_LIBRARY_PATH="$root$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
targets=(krigon_cuda krigon-bench-gpu)
[ "$tests" = OFF ] || targets+=(backend_conformance_test)
quick=()
[ "$mode" != quick ] || quick=(--quick)
data=$build/data
conformance=$build/tests/backend_conformance_test
# Small ones: under these tools everything takes a hundred times as long.
few='*CholeskyOfABadMember*/cuda:*PointsComeAndGo*/cuda:*LikelihoodFailsOnly*/cuda:*Paths*/cuda'

{
  echo "benchmark: gpu"
  echo "card:      $card, compute capability $capability, $memory, driver $driver"
  echo "machine:   $(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1), $(nproc) CPUs"
  echo "toolkit:   $("$toolkit/bin/nvcc" --version | sed -n 's/.*release/release/p')"
  echo "date:      $(date -u '+%Y-%m-%d %H:%M UTC')"
} >>"$log"

# Passes only where tests ran, and none was skipped.
run_conformance() {
  local out status=0
  out=$("$@" 2>&1) || status=$?
  tail -n 40 <<<"$out"
  [ "$status" -eq 0 ] && grep -q '^\[  PASSED  \] [1-9]' <<<"$out" && ! grep -q '^\[  SKIPPED \]' <<<"$out"
}
compare_with_botorch() {
  local n ours answer
  for n in 2000 10000; do
    ours=$(cat "$data/fit-$n.seconds")
    answer=$(echo "$data/fit-$n.json" | timeout 80 "$python" bench/peers/fit.py "$(nproc)" cuda) || {
      echo "BoTorch's fit of $n points: failed, or not done within 80 s; ours took $ours s"
      continue
    }
    "$python" -c 'import json, sys
n, ours, theirs = sys.argv[1], float(sys.argv[2]), json.loads(sys.argv[3])
print("fit, n = %s: ours %.3g s, BoTorch %.3g s (%d evaluations): %.1f times faster, bar 5: %s" % (
    n, ours, theirs["seconds"], theirs["evaluations"], theirs["seconds"] / ours,
    "reached" if theirs["seconds"] >= 5 * ours else "NOT REACHED"))' "$n" "$ours" "$answer"
  done
}
export -f run_conformance compare_with_botorch
export python data

if part configure 60 cmake -S . -B "$build" -G "${generator[0]}" -DCMAKE_BUILD_TYPE=Release -DKRIGON_ENGINE_ONLY=ON \
  -DKRIGON_CUDA=ON -DKRIGON_CUDA_ROOT="$toolkit" -DKRIGON_CUDA_ARCHITECTURES="$capability" \
  -DKRIGON_BUILD_TESTS="$tests" -DCMAKE_PREFIX_PATH="$root/usr" &&
  part build 240 cmake --build "$build" -j "$(build_jobs)" --target "${targets[@]}"; then
  mkdir -p "$data"
  [ "$tests" = OFF ] || part conformance 100 bash -c 'run_conformance "$@"' - "$conformance" --gtest_filter='*/cuda' || true
  part table 120 "$build/bin/krigon-bench-gpu" "${quick[@]}" --data "$data" || true
  if [ "$tests" = ON ] && [ -n "$sanitizer" ]; then
    part memcheck 60 bash -c 'run_conformance "$@"' - "$sanitizer" --tool memcheck --error-exitcode 9 "$conformance" \
      --gtest_filter="$few" || true
    part racecheck 60 bash -c 'run_conformance "$@"' - "$sanitizer" --tool racecheck --error-exitcode 9 "$conformance" \
      --gtest_filter="$few" || true
  fi
  if [ -n "$python" ] && [ "$mode" = run ]; then part BoTorch 170 bash -c compare_with_botorch || true; fi
fi

{
  printf '\npassed:  %s\n' "$(IFS=,; echo "${passed[*]}")"
  for entry in "${absent[@]}"; do echo "skipped: $entry"; done
  for entry in "${failures[@]}"; do echo "FAILED:  $entry"; done
  echo "took:    $((SECONDS - started)) s"
} | tee -a "$log"
if [ "$mode" = run ]; then
  commit=$(git rev-parse --short=10 HEAD 2>/dev/null || echo unknown)
  [ -z "$(git status --porcelain --untracked-files=no 2>/dev/null)" ] || commit+=-modified
  echo "commit:  $commit" >>"$log"
  name=$(tr '[:upper:]' '[:lower:]' <<<"$card" | sed -E 's/[^a-z0-9]+/-/g; s/^-|-$//g')
  mkdir -p bench/results
  kept=bench/results/gpu-$name-$(date -u +%Y-%m-%d)-$commit.txt
  cp "$log" "$kept"
  chmod 644 "$kept"
  echo "kept in $kept"
fi
[ ${#failures[@]} -eq 0 ]
