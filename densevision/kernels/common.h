/* What the kernels share. */
#ifndef DENSEVISION_KERNELS_H
#define DENSEVISION_KERNELS_H

#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* Inner loops are compiled for several processors; the one at hand is chosen at run time. */
#if defined(__x86_64__) && defined(__linux__)
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CLONES
#endif
#define INLINE static inline __attribute__((always_inline))

INLINE long least(long a, long b) { return a < b ? a : b; }

#endif
