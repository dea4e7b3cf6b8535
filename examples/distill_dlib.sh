#!/usr/bin/env bash
# From dlib's face network to a student of 64 pixels that tells people apart whom it never saw, without one label:
#
#     bash examples/distill_dlib.sh LFW OUTPUT [WIDTH_DIVISOR] [VIEWS] [EPOCHS]
#
# LFW is the folder with lfw-deepfunneled/, pairs.txt, people.txt and landmarks.csv. The people of folds 7 and 8 are held out; teacher,
# student and bare pixels are scored on their pairs, with the threshold of all other folds: OUTPUT/scores. Given again, it goes on where it
# stopped; another WIDTH_DIVISOR takes the same cache.
set -euo pipefail
lfw=${1:?give the folder of LFW} output=${2:?give a folder for what is made} divisor=${3:-8} views=${4:-4} epochs=${5:-40}
teacher="python:$(dirname "$0")/dlib_teacher.py:embed"
data=(--data="lfw:$lfw" --split=official --test_folds=7,8)

pip install --quiet dlib-bin face-recognition-models

if [[ ! -e "$output/cache" ]]; then
  kd-cache --teacher="$teacher" "${data[@]}" --admit --admit_pairs=50
fi
# What dlib says of each photograph under so many crops and flips: a process a core, which share the work.
workers=()
trap 'kill "${workers[@]}" 2>/dev/null || true' EXIT
for ((core = 0; core < $(nproc); core++)); do
  kd-cache --teacher="$teacher" "${data[@]}" --noadmit --views="$views" --output="$output/cache" --worker="$core/$(nproc)" &
  workers+=($!)
done
for worker in "${workers[@]}"; do
  wait "$worker"
done
trap - EXIT

student="$output/student_$divisor"
if [[ ! -e "$student/metrics.json" ]]; then
  kd-distill --task=embedding --teacher_cache="$output/cache" --targets=similarity,cosine "${data[@]}" --align \
    --image_size=64 --image_cache="$output/images" --network=resnet50 --width_divisor="$divisor" --optimizer=adam --learning_rate=0.003 \
    --epochs="$epochs" --model_dir="$student"
fi

# Shows the scores of NAME, a MODEL; they are kept, since dlib's take minutes.
score() {
  local scores="$output/scores/$1"
  if [[ ! -e "$scores/metrics.json" ]]; then
    kd-evaluate --model="$2" --protocol=lfw --data="lfw:$lfw" --test_folds=7,8 --align --image_size=64 --output="$scores" >/dev/null
  fi
  cat "$scores/metrics.json"
}
score teacher "$teacher"
score "student_$divisor" "$student"
score pixels pixels
