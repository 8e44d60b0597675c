#!/bin/sh
# Train in several processes of this machine: tools/dist_train.sh CONFIG PROCESSES [options of densevision train]
config=$1
processes=$2
shift 2
exec python -m torch.distributed.run --standalone --nproc_per_node="$processes" \
    -m densevision.cli.main train "$config" --launcher pytorch "$@"
