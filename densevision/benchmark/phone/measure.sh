# Time .tflite files on the fastest cores of an Android phone. Runs there, in mksh with toybox.
# usage: sh measure.sh FOLDER MODELS RUNS THREADS ROUNDS ATTEMPTS PAUSE_S
# FOLDER contains benchmark_model and 0.tflite, 1.tflite, ...; MODELS is their number.
# Lines that begin with @ are written here, all others by benchmark_model.
folder=$1 models=$2 runs=$3 threads=$4 rounds=$5 attempts=$6 pause=$7
binary=$folder/benchmark_model cpu=/sys/devices/system/cpu

fastest=-1 mask=0 cores=
for core in "$cpu"/cpu[0-9]*; do
  top=$(cat "$core/cpufreq/cpuinfo_max_freq" 2>/dev/null)
  top=${top:-0} number=${core##*cpu}
  if [ "$top" -gt "$fastest" ]; then fastest=$top mask=0 cores=; fi
  if [ "$top" -eq "$fastest" ]; then mask=$((mask | 1 << number)) cores="$cores $number"; fi
done
mask=$(printf %x "$mask")

# A phone throttles when a core's limit is below its maximum, or when Android says so.
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
  now=0
  if [ "$lowest" -lt "$fastest" ] || [ "${status:-0}" -gt 0 ]; then now=1 throttled=1; fi
  echo "@$1 governor=$governor limit_khz=$lowest status=$status battery=$battery cpu=$hottest throttled=$now"
}

# Run benchmark_model once; sets throttled and result.
measure() {
  throttled=0
  for name in ro.product.model ro.soc.model ro.board.platform ro.build.fingerprint ro.build.version.release; do
    echo "@prop $name=$(getprop $name)"
  done
  echo "@cores mask=$mask numbers=${cores# } max_khz=$fastest"
  for file in "$binary" "$1"; do
    echo "@hash $(sha256sum "$file" 2>/dev/null)"
  done
  set -- "--graph=$1" "--num_threads=$threads" --use_xnnpack=true --warmup_runs=5 "--num_runs=$runs"
  echo "@flags $*"
  conditions before
  taskset "$mask" "$binary" "$@" 2>&1
  result=$?
  echo "@exit $result"
  conditions after
  echo "@end"
}

round=1
while [ "$round" -le "$rounds" ]; do
  turn=0
  while [ "$turn" -lt "$models" ]; do
    model=$(((round - 1 + turn) % models)) # each round begins with another model
    echo "@note $model round $round of $rounds"
    attempt=0 throttled=1 result=0
    while [ "$throttled" -eq 1 ] && [ "$result" -eq 0 ] && [ "$attempt" -lt "$attempts" ]; do
      if [ "$attempt" -gt 0 ]; then sleep "$pause"; fi
      attempt=$((attempt + 1))
      measure "$folder/$model.tflite" > "$folder/output"
      if [ "$throttled" -eq 1 ]; then echo "@note $model the phone throttled, attempt $attempt of $attempts"; fi
    done
    cat "$folder/output"
    if [ "$result" -ne 0 ]; then exit 1; fi
    turn=$((turn + 1))
  done
  round=$((round + 1))
done
