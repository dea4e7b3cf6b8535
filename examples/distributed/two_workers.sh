#!/bin/sh
# Two workers on this machine, as two machines would be: sh two_workers.sh kd-train --data=... --model_dir=...
set -eu
one=127.0.0.1:${PORT:-29400} two=127.0.0.1:$((${PORT:-29400} + 1))

worker() {
    index=$1
    shift
    TF_CONFIG="{\"cluster\": {\"worker\": [\"$one\", \"$two\"]}, \"task\": {\"type\": \"worker\", \"index\": $index}}" \
        "$@" --strategy=multi_worker
}

worker 1 "$@" &
other=$!
status=0
worker 0 "$@" || status=$?
wait "$other" || status=$?
exit "$status"
