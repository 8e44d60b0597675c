#!/bin/sh
# Times .tflite files on the attached phone. Written by densevision benchmark; needs adb only.
# usage: sh time_on_phone.sh [SERIAL]
# then:  densevision benchmark '/tmp/pytest-of-root/pytest-273/test_figures_of_the_first_phon0/first one.tflite' --log phone.log
set -eu
if [ $# -gt 0 ]; then export ANDROID_SERIAL="$1"; fi
folder=/data/local/tmp/densevision
work=$(mktemp -d)
cat > "$work/measure.sh" <<'END_OF_MEASURE'
# Time one model on the fastest cores of an Android phone. Runs there, in mksh with toybox.
# usage: sh measure.sh BINARY MODEL RUNS THREADS
# Lines that begin with @ are written here, all others by benchmark_model.
binary=$1 model=$2 runs=$3 threads=$4
cpu=/sys/devices/system/cpu

fastest=-1 mask=0 cores=
for core in "$cpu"/cpu[0-9]*; do
  top=$(cat "$core/cpufreq/cpuinfo_max_freq" 2>/dev/null)
  top=${top:-0} number=${core##*cpu}
  if [ "$top" -gt "$fastest" ]; then fastest=$top mask=0 cores=; fi
  if [ "$top" -eq "$fastest" ]; then mask=$((mask | 1 << number)) cores="$cores $number"; fi
done
mask=$(printf %x "$mask")

# A phone throttles when a core's limit lies below its maximum, or when Android says so.
conditions() {
  lowest=$fastest
  for number in $cores; do
    limit=$(cat "$cpu/cpu$number/cpufreq/scaling_max_freq" 2>/dev/null)
    if [ "${limit:-$fastest}" -lt "$lowest" ]; then lowest=$limit; fi
  done
  governor=$(cat "$cpu/cpu$number/cpufreq/scaling_governor" 2>/dev/null)
  status=$(dumpsys thermalservice 2>/dev/null | sed -n 's/.*Thermal Status: *\([0-9]*\).*/\1/p' | head -n 1)
  battery=$(dumpsys battery 2>/dev/null | sed -n 's/^ *temperature: *//p' | head -n 1)
  hottest=
  for zone in /sys/class/thermal/thermal_zone*; do
    case $(cat "$zone/type" 2>/dev/null) in
      *[cC][pP][uU]*)
        heat=$(cat "$zone/temp" 2>/dev/null)
        if [ "${heat:-0}" -gt "${hottest:-0}" ]; then hottest=$heat; fi ;;
    esac
  done
  throttled=0
  if [ "$lowest" -lt "$fastest" ] || [ "${status:-0}" -gt 0 ]; then throttled=1; fi
  echo "@$1 governor=$governor limit_khz=$lowest status=$status battery=$battery cpu=$hottest throttled=$throttled"
}

for name in ro.product.model ro.soc.model ro.board.platform ro.build.fingerprint ro.build.version.release; do
  echo "@prop $name=$(getprop $name)"
done
echo "@cores mask=$mask numbers=${cores# } max_khz=$fastest"
for file in "$binary" "$model"; do
  echo "@hash $(sha256sum "$file" 2>/dev/null)"
done
set -- "--graph=$model" "--num_threads=$threads" --use_xnnpack=true --warmup_runs=5 "--num_runs=$runs"
echo "@flags $*"
conditions before
taskset "$mask" "$binary" "$@" 2>&1
echo "@exit $?"
conditions after
echo "@end"
END_OF_MEASURE
trap 'adb shell "rm -rf $folder" < /dev/null; rm -r "$work"' EXIT
adb shell "rm -rf $folder; mkdir -p $folder" < /dev/null
adb push "$work/measure.sh" "$folder/measure.sh"
adb push /tmp/pytest-of-root/pytest-273/test_figures_of_the_first_phon0/benchmark_model "$folder/benchmark_model"
adb shell "chmod 755 $folder/benchmark_model" < /dev/null
adb push '/tmp/pytest-of-root/pytest-273/test_figures_of_the_first_phon0/first one.tflite' "$folder/0.tflite"
: > phone.log
for round in 1 2 3; do
  for model in 0; do
    for attempt in 1 2 3; do
      echo "round $round, model $model, attempt $attempt"
      adb shell "sh $folder/measure.sh $folder/benchmark_model $folder/$model.tflite 50 1" \
        < /dev/null > "$work/out"
      if ! grep -q 'throttled=1' "$work/out"; then break; fi
      if [ "$attempt" -lt 3 ]; then echo "the phone throttled; waiting"; sleep 60; fi
    done
    cat "$work/out" >> phone.log
  done
done
echo "wrote phone.log"
