/* The gradient of a gate, which multiplies a map in channels-last memory. Called by __init__.py through ctypes. */
#include "common.h"

CLONES static void add_products(const float *restrict x, const float *restrict dy, long channels, float *restrict sum) {
    for (long c = 0; c < channels; c++) sum[c] += x[c] * dy[c];
}

/* x, dy: [images, pixels, channels] -> sum: [images, channels] over the pixels of x * dy. */
void sum_products(const float *x, const float *dy, long images, long pixels, long channels, int threads, float *sum) {
    memset(sum, 0, images * channels * sizeof(float));
#pragma omp parallel for schedule(static) num_threads(threads)
    for (long image = 0; image < images; image++)
        for (long i = image * pixels; i < (image + 1) * pixels; i++)
            add_products(x + i * channels, dy + i * channels, channels, sum + image * channels);
}
