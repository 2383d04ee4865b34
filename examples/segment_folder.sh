#!/bin/sh
# Segment a folder in two processes, then export the masks for an annotation tool.
# Usage: examples/segment_folder.sh PHOTOS OUT "cat, dog"
set -eu
photos=$1 out=$2 classes=$3

ovseg segment "$photos" -c "$classes" -o "$out" --shard 1/2 -q &
ovseg segment "$photos" -c "$classes" -o "$out" --shard 2/2 -q
wait
# The same command without --shard joins the two, and writes the report.
ovseg segment "$photos" -c "$classes" -o "$out"
ovseg convert "$out" --to coco,labelme
