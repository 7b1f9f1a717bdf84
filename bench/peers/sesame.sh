#!/bin/bash
# The product, with its defaults. MODE: accept (an active rule that matches and has no action), deliver (the demo's
# rule: an S3 action under a SourceArn-conditioned bucket policy), encrypt (the same with a KmsKeyArn), sns (an SNS action
# to a topic with one HTTP subscriber on this machine) or function (a Lambda action that waits for a Node function).
set -eu
export SESAME_ROOT_ACCESS_KEY_ID=AKIDBENCH SESAME_ROOT_SECRET_ACCESS_KEY=bench-secret
api=$((PORT + 20000)) more=()
if [ "$MODE" = sns ]; then
    "$BENCH_BIN/subscriber" $((PORT + 10000)) >"$D/confirmations" &
fi
if [ "$MODE" = function ]; then
    more=(--function-processes "$(nproc)")
fi
(/usr/bin/python3 "$(dirname "$0")/sesame_setup.py" "http://127.0.0.1:$api" "$MODE" "$((PORT + 10000))" "$D/confirmations" &&
    touch "$D/set-up") &
exec ${PREFIX:-} "$SESAME_BIN" serve --data "$D/data" --smtp "127.0.0.1:$PORT" --api "127.0.0.1:$api" \
    --connections-max 20000 --tls-cert "$CERT" --tls-key "$KEY" "${more[@]}"
