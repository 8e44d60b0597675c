/* Gradients of a depthwise filter of 3x3 or 5x5 taps on maps in channels-last memory. Called by __init__.py through
 * ctypes; all numbers are float32.
 *
 * A task is a few vectors of channels of one image. It copies row after row of them into rings of rows, side by side
 * and with zeros around, so that the loops over the pixels have neither borders nor strides.
 */
#include "common.h"

enum { LANES = 16, MOST_TAPS = 25, MOST_VECTORS = 8 };
typedef float vec __attribute__((vector_size(LANES * sizeof(float))));

typedef struct {
    long images, height, width, channels, out_height, out_width, kernel, stride, padding, dilation;
} Filter;

typedef struct {
    long vectors, rest; /* whole vectors of channels, and channels in a last one */
} Slice;

INLINE void load(vec *v, const float *p, long lanes) {
    *v = (vec){0};
    memcpy(v, p, lanes * sizeof(float));
}

/* out[vector * pitch + pixel] from [pixels, channels] */
CLONES static void unpack(vec *out, long pitch, const float *in, long pixels, long channels, Slice slice) {
    for (long i = 0; i < pixels; i++) {
        for (long v = 0; v < slice.vectors; v++) load(&out[v * pitch + i], in + i * channels + v * LANES, LANES);
        if (slice.rest)
            load(&out[slice.vectors * pitch + i], in + i * channels + slice.vectors * LANES, slice.rest);
    }
}

CLONES static void pack(float *out, const vec *in, long pitch, long pixels, long channels, Slice slice) {
    for (long i = 0; i < pixels; i++) {
        for (long v = 0; v < slice.vectors; v++)
            memcpy(out + i * channels + v * LANES, &in[v * pitch + i], LANES * sizeof(float));
        if (slice.rest)
            memcpy(out + i * channels + slice.vectors * LANES, &in[slice.vectors * pitch + i],
                   slice.rest * sizeof(float));
    }
}

/* out[i * step] = sum over taps of weight[tap] * from[tap][i] */
CLONES static void filter_row(vec *out, long count, long step, const vec *const *from, const vec *weight, long taps) {
    long i = 0;
    for (; i + 4 <= count; i += 4) {
        vec a = {0}, b = {0}, c = {0}, d = {0};
        for (long t = 0; t < taps; t++) {
            const vec *in = from[t] + i, w = weight[t];
            a += w * in[0];
            b += w * in[1];
            c += w * in[2];
            d += w * in[3];
        }
        out[i * step] = a, out[(i + 1) * step] = b, out[(i + 2) * step] = c, out[(i + 3) * step] = d;
    }
    for (; i < count; i++) {
        vec a = {0};
        for (long t = 0; t < taps; t++) a += weight[t] * from[t][i];
        out[i * step] = a;
    }
}

/* sum[tap] += dy * what the tap saw; a constant kernel keeps all sums in registers */
INLINE void correlate(vec *sum, const vec *dy, const vec *const *rows, const Filter *f, const int kernel) {
    vec acc[MOST_TAPS];
    for (int t = 0; t < kernel * kernel; t++) acc[t] = sum[t];
    for (long i = 0; i < f->out_width; i++) {
        vec d = dy[i];
        for (int ky = 0; ky < kernel; ky++)
            for (int kx = 0; kx < kernel; kx++)
                acc[ky * kernel + kx] += d * rows[ky][i * f->stride + kx * f->dilation];
    }
    for (int t = 0; t < kernel * kernel; t++) sum[t] = acc[t];
}

CLONES static void correlate_row(vec *sum, const vec *dy, const vec *const *rows, const Filter *f) {
    if (f->kernel == 5) correlate(sum, dy, rows, f, 5);
    else correlate(sum, dy, rows, f, 3);
}

/* The last `lines` rows of a map, line after line for each vector, with `border` zeros on both sides of a row. */
typedef struct {
    vec *memory;
    long lines, border, cols;
} Ring;

static vec *ring_row(const Ring *ring, long vector, long row) {
    return ring->memory + (vector * ring->lines + row % ring->lines) * ring->cols + ring->border;
}

/* Gradient of the input, gathered: every input pixel from the outputs that saw it. */
static void filter_gradient(const float *dy, const Filter *f, Slice slice, const Ring *ring, const vec *weight,
                            vec *line, float *dx) {
    long taps = f->kernel * f->kernel, used = slice.vectors + (slice.rest > 0);
    for (long next = 0, y = 0; y < f->height; y++) {
        for (; next <= (y + f->padding) / f->stride && next < f->out_height; next++)
            unpack(ring_row(ring, 0, next), ring->lines * ring->cols, dy + next * f->out_width * f->channels,
                   f->out_width, f->channels, slice);
        for (long phase = 0; phase < f->stride; phase++) { /* pixels that the same taps reach */
            for (long v = 0; v < used; v++) {
                const vec *from[MOST_TAPS];
                vec w[MOST_TAPS];
                long count = 0;
                for (long t = 0; t < taps; t++) {
                    long ty = y + f->padding - t / f->kernel * f->dilation;
                    long tx = phase + f->padding - t % f->kernel * f->dilation;
                    if (ty < 0 || ty % f->stride || ty / f->stride >= f->out_height || tx % f->stride) continue;
                    from[count] = ring_row(ring, v, ty / f->stride) + tx / f->stride;
                    w[count++] = weight[v * taps + t];
                }
                filter_row(line + v * f->width + phase, (f->width - phase + f->stride - 1) / f->stride, f->stride, from,
                           w, count);
            }
        }
        pack(dx + y * f->width * f->channels, line, f->width, f->width, f->channels, slice);
    }
}

/* Gradient of the weights: sums of what a tap saw times the output's gradient. */
static void weight_gradient(const float *x, const float *dy, const Filter *f, Slice slice, const Ring *ring,
                            const vec *zeros, vec *line, vec *sum) {
    long taps = f->kernel * f->kernel, used = slice.vectors + (slice.rest > 0);
    for (long next = 0, oy = 0; oy < f->out_height; oy++) {
        long top = oy * f->stride - f->padding;
        for (; next <= top + (f->kernel - 1) * f->dilation && next < f->height; next++)
            unpack(ring_row(ring, 0, next), ring->lines * ring->cols, x + next * f->width * f->channels, f->width,
                   f->channels, slice);
        unpack(line, f->out_width, dy + oy * f->out_width * f->channels, f->out_width, f->channels, slice);
        for (long v = 0; v < used; v++) {
            const vec *rows[5];
            for (long ky = 0; ky < f->kernel; ky++) {
                long y = top + ky * f->dilation;
                rows[ky] = y < 0 || y >= f->height ? zeros : ring_row(ring, v, y) - ring->border;
            }
            correlate_row(sum + v * taps, line + v * f->out_width, rows, f);
        }
    }
}

/* x, dx: [images, height, width, channels]; dy: [images, out_height, out_width, channels]; weight: [taps, channels];
 * dweight: [images, taps, channels], the part of each image. Returns 0, or 1 without memory. */
int depthwise_backward(const float *x, const float *dy, const float *weight, const Filter *f, int threads, float *dx,
                       float *dweight) {
    long taps = f->kernel * f->kernel, reach = (f->kernel - 1) * f->dilation, border = reach / f->stride + 1;
    long vectors = (f->channels + LANES - 1) / LANES, width = f->images * vectors / threads;
    width = width < 1 ? 1 : least(width, MOST_VECTORS);
    long slices = (vectors + width - 1) / width;
    Ring inputs = {NULL, reach + 1, f->padding, f->width + 2 * f->padding};
    Ring outputs = {NULL, reach / f->stride + 1, border, f->out_width + 2 * border};
    long line = f->width > f->out_width ? f->width : f->out_width;
    long size = width * (inputs.lines * inputs.cols + outputs.lines * outputs.cols + line + 2 * taps) + inputs.cols;
    vec *memory = aligned_alloc(sizeof(vec), threads * size * sizeof(vec));
    if (!memory) return 1;
#pragma omp parallel num_threads(threads) firstprivate(inputs, outputs)
    {
        vec *work = memory + omp_get_thread_num() * size;
        memset(work, 0, size * sizeof(vec));
        inputs.memory = work;
        outputs.memory = inputs.memory + width * inputs.lines * inputs.cols;
        vec *row = outputs.memory + width * outputs.lines * outputs.cols, *w = row + width * line;
        vec *sum = w + width * taps, *zeros = sum + width * taps;
#pragma omp for schedule(static)
        for (long task = 0; task < f->images * slices; task++) {
            long image = task / slices, channel = task % slices * width * LANES;
            long lanes = least(f->channels - channel, width * LANES);
            long in = image * f->height * f->width * f->channels + channel;
            long out = image * f->out_height * f->out_width * f->channels + channel;
            Slice slice = {lanes / LANES, lanes % LANES};
            for (long t = 0; t < taps; t++) unpack(w + t, taps, weight + t * f->channels + channel, 1, f->channels, slice);
            filter_gradient(dy + out, f, slice, &outputs, w, row, dx + in);
            memset(sum, 0, width * taps * sizeof(vec));
            weight_gradient(x + in, dy + out, f, slice, &inputs, zeros, row, sum);
            for (long t = 0; t < taps; t++)
                pack(dweight + (image * taps + t) * f->channels + channel, sum + t, taps, 1, f->channels, slice);
        }
    }
    free(memory);
    return 0;
}
