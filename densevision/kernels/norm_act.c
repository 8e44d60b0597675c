/* Batch norm with its activation, and their gradients: y = act((x - mean) * scale + bias), over rows of `channels`
 * numbers, which is a map in channels-last memory. Called by __init__.py through ctypes; all numbers are float32.
 *
 * Rows are short, so they are taken several at a time: every vector of one number a channel is repeated up to a
 * `period`, a multiple of the channels.
 */
#include <math.h>
#include <stdint.h>
#ifdef __SSE2__
#include <xmmintrin.h>
#endif

#include "common.h"

enum { LINEAR, RELU, RELU6, HSWISH };
enum { VECTOR = 16, PERIOD = 128, CHUNK = 16384, CHUNK_ROWS = 64 };
enum { LARGE = 1 << 24 }; /* numbers of a map that no cache holds */

/* NaN passes all of them, as in PyTorch. */
INLINE float activation(float z, int act) {
    if (act == RELU) return z < 0 ? 0 : z;
    if (act == RELU6) return z < 0 ? 0 : z > 6 ? 6 : z;
    if (act == HSWISH) return z * (z < -3 ? 0 : z > 3 ? 6 : z + 3) * (1.0f / 6);
    return z;
}

INLINE float slope(float z, int act) {
    if (act == RELU) return z > 0 ? 1 : 0;
    if (act == RELU6) return z > 0 && z < 6 ? 1 : 0;
    if (act == HSWISH) return z < -3 ? 0 : z > 3 ? 1 : z * (1.0f / 3) + 0.5f;
    return 1;
}

/* Each act gets loops of its own. */
#define FOR_EACH_ACT(act, call) \
    switch (act) { \
    case RELU: call(RELU); break; \
    case RELU6: call(RELU6); break; \
    case HSWISH: call(HSWISH); break; \
    default: call(LINEAR); \
    }

typedef struct {
    long channels, period;
    int past_cache; /* write without reading the destination into the cache first */
    float *mean, *scale, *bias, *by_x, *offset; /* one number a channel, repeated */
} Norm;

CLONES static void add_rows(const float *x, long n, long period, float *restrict sum) {
    for (long i = 0; i < n; i += period)
        for (long j = 0, m = least(period, n - i); j < m; j++) sum[j] += x[i + j];
}

CLONES static void add_squares(const float *x, long n, long period, const float *restrict mean, float *restrict sum) {
    for (long i = 0; i < n; i += period)
        for (long j = 0, m = least(period, n - i); j < m; j++) {
            float d = x[i + j] - mean[j];
            sum[j] += d * d;
        }
}

INLINE void write_past_cache(float *out, const float *in, long n) {
#ifdef __SSE2__
    for (long i = 0; i < n; i += 4) _mm_stream_ps(out + i, _mm_loadu_ps(in + i));
#else
    memcpy(out, in, n * sizeof(float));
#endif
}

INLINE void finish_writes(void) {
#ifdef __SSE2__
    _mm_sfence();
#endif
}

static int goes_past_cache(const float *out, long rows, long channels) {
    return rows * channels > LARGE && channels % 4 == 0 && (uintptr_t)out % 16 == 0;
}

CLONES static void apply(const float *restrict x, long n, const Norm *s, int act, float *restrict y) {
    const float *restrict mean = s->mean, *restrict scale = s->scale, *restrict bias = s->bias;
    float buffer[s->period];
#define APPLY(ACT) \
    for (long i = 0; i < n; i += s->period) { \
        float *restrict out = s->past_cache ? buffer : y + i; \
        long m = least(s->period, n - i); \
        for (long j = 0; j < m; j++) out[j] = activation((x[i + j] - mean[j]) * scale[j] + bias[j], ACT); \
        if (s->past_cache) write_past_cache(y + i, buffer, m); \
    }
    FOR_EACH_ACT(act, APPLY)
    if (s->past_cache) finish_writes();
}

/* With d = dy * act'(z): sums of d, and of d * (x - mean). */
CLONES static void reduce(const float *restrict x, const float *restrict dy, long n, const Norm *s, int act,
                          float *restrict sum, float *restrict sum_x) {
    const float *restrict mean = s->mean, *restrict scale = s->scale, *restrict bias = s->bias;
#define REDUCE(ACT) \
    for (long i = 0; i < n; i += s->period) \
        for (long j = 0, m = least(s->period, n - i); j < m; j++) { \
            float centred = x[i + j] - mean[j], d = dy[i + j] * slope(centred * scale[j] + bias[j], ACT); \
            sum[j] += d; \
            sum_x[j] += d * centred; \
        }
    FOR_EACH_ACT(act, REDUCE)
}

/* dx = scale * d + by_x * (x - mean) + offset */
CLONES static void input_gradient(const float *restrict x, const float *restrict dy, long n, const Norm *s, int act,
                                  float *restrict dx) {
    const float *restrict mean = s->mean, *restrict scale = s->scale, *restrict bias = s->bias;
    const float *restrict by_x = s->by_x, *restrict offset = s->offset;
    float buffer[s->period];
#define GRADIENT(ACT) \
    for (long i = 0; i < n; i += s->period) { \
        float *restrict out = s->past_cache ? buffer : dx + i; \
        long m = least(s->period, n - i); \
        for (long j = 0; j < m; j++) { \
            float centred = x[i + j] - mean[j], d = dy[i + j] * slope(centred * scale[j] + bias[j], ACT); \
            out[j] = scale[j] * d + (by_x[j] * centred + offset[j]); \
        } \
        if (s->past_cache) write_past_cache(dx + i, buffer, m); \
    }
    FOR_EACH_ACT(act, GRADIENT)
    if (s->past_cache) finish_writes();
}

/* Add a chunk's repeated sums to the doubles of its thread. */
CLONES static void fold(const float *restrict sum, long period, long channels, double *restrict total) {
    for (long j = 0; j < period; j += channels)
        for (long c = 0; c < channels; c++) total[c] += sum[j + c];
}

static void repeat(float *v, long period, long channels) {
    for (long j = channels; j < period; j++) v[j] = v[j - channels];
}

/* Merge count rows of this mean and sum of squared differences into a total (Chan, Golub and LeVeque 1979). */
CLONES static void merge(const double *restrict mean, const double *restrict squares, double count, long channels,
                         double *restrict total_mean, double *restrict total_squares, double seen) {
    double part = count > 0 ? count / (seen + count) : 0;
    for (long c = 0; c < channels; c++) {
        double d = mean[c] - total_mean[c];
        total_squares[c] += squares[c] + d * d * seen * part;
        total_mean[c] += d * part;
    }
}

static long chunk_rows(long channels) { return CHUNK / channels > CHUNK_ROWS ? CHUNK / channels : CHUNK_ROWS; }

/* Mean and sum of squared differences of rows, in chunks small enough to be read twice from the cache.
 * work: 2 * period floats; total: 4 * channels doubles, the first two of them the result. */
static void row_statistics(const float *x, long rows, long channels, long period, float *work, double *total) {
    float *sum = work, *centre = work + period;
    double *mean = total + 2 * channels, *squares = mean + channels;
    long step = chunk_rows(channels);
    for (long row = 0; row < rows; row += step) {
        long count = least(step, rows - row);
        memset(sum, 0, period * sizeof(float));
        add_rows(x + row * channels, count * channels, period, sum);
        memset(mean, 0, 2 * channels * sizeof(double));
        fold(sum, period, channels, mean);
        for (long c = 0; c < channels; c++) centre[c] = mean[c] /= count;
        repeat(centre, period, channels);
        memset(sum, 0, period * sizeof(float));
        add_squares(x + row * channels, count * channels, period, centre, sum);
        fold(sum, period, channels, squares);
        for (long c = 0; c < channels; c++) mean[c] = centre[c];
        merge(mean, squares, count, channels, total, total + channels, row);
    }
}

static void row_sums(const float *x, const float *dy, long rows, const Norm *s, int act, float *work, double *total) {
    long step = chunk_rows(s->channels);
    for (long row = 0; row < rows; row += step) {
        long start = row * s->channels;
        memset(work, 0, 2 * s->period * sizeof(float));
        reduce(x + start, dy + start, least(step, rows - row) * s->channels, s, act, work, work + s->period);
        fold(work, s->period, s->channels, total);
        fold(work + s->period, s->period, s->channels, total + s->channels);
    }
}

/* The vectors of a norm, unset, with room for every thread's doubles and floats behind them; NULL without memory. */
static double *prepare(Norm *s, long channels, int threads) {
    long period = (PERIOD + channels - 1) / channels * channels;
    while (period % VECTOR && period < 8 * PERIOD) period *= 2;
    double *totals = calloc(1, threads * 4 * channels * sizeof(double) + (5 + 2 * threads) * period * sizeof(float));
    float *v = (float *)(totals + threads * 4 * channels);
    *s = (Norm){channels, period, 0, v, v + period, v + 2 * period, v + 3 * period, v + 4 * period};
    return totals;
}

static void set_vectors(Norm *s, const float *mean, const float *var, const float *weight, const float *bias,
                        float eps) {
    for (long c = 0; c < s->channels; c++) {
        s->mean[c] = mean[c];
        s->scale[c] = weight[c] / sqrtf(var[c] + eps);
        s->bias[c] = bias[c];
    }
    repeat(s->mean, s->period, s->channels);
    repeat(s->scale, s->period, s->channels);
    repeat(s->bias, s->period, s->channels);
}

/* x, y: [rows, channels]; mean, var (of the batch, biased), weight, bias: [channels]. Returns 0, or 1 without memory. */
int norm_act_forward(const float *x, long rows, long channels, const float *weight, const float *bias, float eps, int act,
                     int threads, float *y, float *mean, float *var) {
    Norm s;
    double *totals = prepare(&s, channels, threads);
    if (!totals) return 1;
    s.past_cache = goes_past_cache(y, rows, channels);
#pragma omp parallel num_threads(threads)
    {
        int id = omp_get_thread_num(), team = omp_get_num_threads(); /* may be fewer than asked for */
        long first = rows * id / team, last = rows * (id + 1) / team;
        row_statistics(x + first * channels, last - first, channels, s.period, s.offset + (1 + 2 * id) * s.period,
                       totals + id * 4 * channels);
#pragma omp barrier
#pragma omp single
        {
            for (int t = 1; t < team; t++) {
                double *part = totals + t * 4 * channels, seen = rows * t / team;
                merge(part, part + channels, rows * (t + 1) / team - seen, channels, totals, totals + channels, seen);
            }
            for (long c = 0; c < channels; c++) mean[c] = totals[c], var[c] = totals[channels + c] / rows;
            set_vectors(&s, mean, var, weight, bias, eps);
        }
        apply(x + first * channels, (last - first) * channels, &s, act, y + first * channels);
    }
    free(totals);
    return 0;
}

/* As above; dy, dx: [rows, channels]; dweight, dbias: [channels]. */
int norm_act_backward(const float *x, const float *dy, long rows, long channels, const float *weight, const float *bias,
                      float eps, int act, int threads, const float *mean, const float *var, float *dx, float *dweight,
                      float *dbias) {
    Norm s;
    double *totals = prepare(&s, channels, threads);
    if (!totals) return 1;
    s.past_cache = goes_past_cache(dx, rows, channels);
    set_vectors(&s, mean, var, weight, bias, eps);
#pragma omp parallel num_threads(threads)
    {
        int id = omp_get_thread_num(), team = omp_get_num_threads();
        long first = rows * id / team, last = rows * (id + 1) / team, start = first * channels;
        row_sums(x + start, dy + start, last - first, &s, act, s.offset + (1 + 2 * id) * s.period,
                 totals + id * 4 * channels);
#pragma omp barrier
#pragma omp single
        {
            for (long c = 0; c < channels; c++) {
                double sum = 0, sum_x = 0, deviation = 1 / sqrt(var[c] + eps);
                for (int t = 0; t < team; t++) {
                    sum += totals[t * 4 * channels + c];
                    sum_x += totals[(t * 4 + 1) * channels + c];
                }
                dbias[c] = sum;
                dweight[c] = sum_x * deviation;
                s.by_x[c] = -s.scale[c] * deviation * deviation * sum_x / rows;
                s.offset[c] = -s.scale[c] * sum / rows;
            }
            repeat(s.by_x, s.period, channels);
            repeat(s.offset, s.period, channels);
        }
        input_gradient(x + start, dy + start, (last - first) * channels, &s, act, dx + start);
    }
    free(totals);
    return 0;
}
