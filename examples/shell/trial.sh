#!/bin/sh
# A trial in shell: runs a program that was never made to be tuned, reads its log as it comes and hands
# each line on with `krigon report`. The parameters arrive in the environment.
set -eu
here=$(dirname "$0")

# The exit status of the program, not of the loop behind the pipe, decides whether the trial failed.
{
  awk -v rate="$KRIGON_PARAM_RATE" -v momentum="$KRIGON_PARAM_MOMENTUM" \
    -v passes="${KRIGON_MAX_STEPS:-9}" -v seed=1 -f "$here/descend.awk" || touch failed
} | while read -r _ pass _ error; do
  krigon report step="$pass" error="$error"
done
[ ! -e failed ]
