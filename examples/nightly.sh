#!/usr/bin/env bash
# Every night: tonight's tables -> a checked, published table of recommendations, with last week's model.
# Once a week, and when there is no model yet: train, check, refit on everything, and use that model.
#
#   crontab:   15 2 * * *  RECSYS_HOME=/srv/recsys RECSYS_BIN=/opt/recsys/.venv/bin /opt/recsys/examples/nightly.sh
#
# RECSYS_HOME holds   input/interactions*.csv, and if there are any input/items.csv, input/users.csv
#                     train.toml, score.toml    settings, if the defaults do not fit
# and gets            published.parquet         the table to read; changes in one step, or not at all
#                     recommendations/          the tables of the last 7 nights
#                     data/ models/ logs/       what they were made from, and what was said on the way
#
# Cron mails what this script says, and it says nothing unless something is wrong. Exit codes are those of
# recsys: 6 when last night's run still goes on, 8 when a check was not passed. Needs bash and flock.
set -euo pipefail

: "${RECSYS_HOME:?is the folder to work in}"
: "${RECSYS_BIN:?is the folder of recsys and its python, such as .venv/bin}"
TRAIN_DAY="${TRAIN_DAY:-7}" # 1 is Monday, 7 Sunday
LEAST_SHARE="${LEAST_SHARE:-0.9}" # of last night's users that tonight's table must have

cd "$RECSYS_HOME"
mkdir -p models recommendations logs
today="$(date -u +%F)"
log="logs/$today.log"

exec 9>nightly.lock
if ! flock --nonblock 9; then
  echo "nightly.sh: last night's run still goes on; nothing was done" >&2
  exit 6
fi

exec 3>&2 >>"$log" 2>&1
trap 'code=$?; [ $code -eq 0 ] || echo "nightly.sh: exit $code; see $RECSYS_HOME/$log" >&3' EXIT

say() { echo "$(date -u +%FT%TZ) nightly.sh: $*"; }

# recsys preprocess, with the tables that there are and any further options.
preprocess() {
  local tables=()
  [ ! -e input/items.csv ] || tables+=(--items input/items.csv)
  [ ! -e input/users.csv ] || tables+=(--users input/users.csv)
  "$RECSYS_BIN/recsys" preprocess input/interactions*.csv ${tables[@]+"${tables[@]}"} \
    --output data --overwrite --json "$@"
}

# A new model: chosen on validation, better than the most popular items, then refitted on every event.
train() {
  local settings=() chosen="models/$today-chosen" refitted="models/$today"
  [ ! -e train.toml ] || settings=(--config train.toml)
  "$RECSYS_BIN/recsys" train data --output "$chosen" --overwrite ${settings[@]+"${settings[@]}"} --json
  "$RECSYS_BIN/recsys" evaluate "$chosen" data --output "$chosen.json" --overwrite --json
  check_model "$chosen.json"
  "$RECSYS_BIN/recsys" train data --output "$refitted" --refit "$chosen" --overwrite --json
  ln -sfn "$today" models/current
}

check_model() {
  "$RECSYS_BIN/python" - "$1" <<'PYTHON'
import json, sys

rankers = {ranker["name"]: ranker["metrics"]["NDCG@10"] for ranker in json.load(open(sys.argv[1]))["rankers"]}
model, popular = rankers["model"]["mean"], rankers["most popular"]["mean"]
if model <= popular:
    print(f"NDCG@10 of the new model is {model:.4f}, of the most popular items {popular:.4f}: not used")
    sys.exit(8)
PYTHON
}

# Tonight's table must hold what it says, and about as many users as the last one that was published.
check_table() {
  "$RECSYS_BIN/python" - tonight.json published.json "$LEAST_SHARE" <<'PYTHON'
import json, pathlib, sys
import pyarrow.parquet as pq

tonight = json.load(open(sys.argv[1]))
rows = pq.ParquetFile(tonight["output"]).metadata.num_rows
published = pathlib.Path(sys.argv[2])
users_before = json.loads(published.read_text())["users"] if published.exists() else 1
if rows == 0 or rows != tonight["rows"] or tonight["users"] < float(sys.argv[3]) * users_before:
    print(f"{rows} rows for {tonight['users']} users; {users_before} users were published before: not published")
    sys.exit(8)
PYTHON
}

# A rename: whoever reads published.parquet sees the old table or the new one, never half of one.
publish() {
  ln -f tonight.parquet "recommendations/$today.parquet"
  mv -f tonight.parquet published.parquet
  mv -f tonight.json published.json
}

if [ ! -e models/current ] || [ "$(date -u +%u)" = "$TRAIN_DAY" ]; then
  say "training"
  preprocess
  train
else
  say "scoring with the model of $(readlink models/current)"
  preprocess --encoders models/current
fi

settings=()
[ ! -e score.toml ] || settings=(--config score.toml)
"$RECSYS_BIN/recsys" score models/current --dataset data --output tonight.parquet --overwrite \
  ${settings[@]+"${settings[@]}"} --json >tonight.json
check_table
publish
find recommendations -name '*.parquet' -mtime +7 -delete
find logs -name '*.log' -mtime +60 -delete
say "published"
