/* Many noisy Jansen-Rit columns, as fast as a processor lets one compute them: the limit.

   Single precision, seconds and mV. A block of columns stays in the first-level cache for all steps, and each step is a
   loop over its columns that compilers vectorise, with an exponential, a logarithm, a sine and a cosine of its own.
   Noise comes from a hash of column and step. `in_c.py` compiles this file, and calls the last three functions.

   Written for `-ffast-math`: whether a number is finite is asked of its bits. */

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE__
#include <xmmintrin.h>
#endif

#ifndef BLOCK
#define BLOCK 64 /* columns that are stepped together */
#endif
#define GROUP 16 /* blocks that take turns where all states are written out, so that memory is written in long runs */
#define CHUNK 128 /* steps that are summed in single precision before they are added up in double */

#define INLINE static inline __attribute__((always_inline))
#define EACH_COLUMN _Pragma("omp simd") for (int j = 0; j < BLOCK; j++)

enum { STRANG, HEUN, HELD }; /* the first two with white noise, the last Heun's with a uniform rate held over each step */

static const double A = 3.25, B = 22, a = 100, b = 50, TWICE_E0 = 5, V0 = 6, R = 0.56, P = 220, SIGMA = 2000,
                    HALF_RANGE = 100;

/* What a step needs that is the same in all columns. */
typedef struct {
    float h, threshold, slope, lift;                       /* of the sigmoids, as powers of two; lift: exp(r v0) */
    float kick;                                            /* what a step adds to y3 at the highest firing rate */
    float keep_a, move_a, keep_b, move_b;                  /* exp(-k h), and h times that, for both kinds of synapse */
    float push_x, push_u, spread_xx, spread_ux, spread_uu; /* what the input and its noise add to x1 and u1 */
    float root;                                            /* what 1 from the random numbers adds to y4 in Heun's method */
} Constants;

/* Strang: x are the potentials, and u = x' + k x, which decays by itself. Heun: u are the potentials' derivatives. */
typedef struct {
    _Alignas(64) float x0[BLOCK], x1[BLOCK], x2[BLOCK], u0[BLOCK], u1[BLOCK], u2[BLOCK];
    float slope[BLOCK], kick1[BLOCK], kick2[BLOCK]; /* what depends on C */
    float z0[BLOCK], z1[BLOCK];                     /* two standard normals, or uniform in [-1, 1) */
    uint32_t key0[BLOCK], key1[BLOCK], key2[BLOCK], bits0[BLOCK], bits1[BLOCK];
} Columns;

/* Of v = x1 - x2 over the steps of a chunk, around its value at the first of them. */
typedef struct {
    _Alignas(64) float first[BLOCK], sum[BLOCK], squares[BLOCK], low[BLOCK], high[BLOCK];
} Sums;

INLINE float of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

INLINE uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* 2^x for |x| < 126, to 2e-7. */
INLINE float power_of_two(float x) {
    float n = rintf(x), f = x - n;
    float p = 9.671512604e-3f + 1.326472763e-3f * f;
    p = 5.550733740e-2f + p * f;
    p = 2.402224209e-1f + p * f;
    p = 6.931469776e-1f + p * f;
    p = 1.0f + p * f;
    return of_bits(bits_of(p) + ((uint32_t)(int32_t)n << 23));
}

/* -2 log(2^-32 x) for 1 <= x <= 2^32, to 3e-7. */
INLINE float minus_twice_log(float x) {
    uint32_t bits = bits_of(x) - 0x3f3504f3u; /* so that the mantissa lies between sqrt(1/2) and sqrt(2) */
    float n = (float)(((int32_t)bits >> 23) - 32);
    float f = of_bits((bits & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    float p = -3.236099520e-1f + 2.016474094e-1f * f;
    p = 3.448645224e-1f + p * f;
    p = -3.981376744e-1f + p * f;
    p = 4.994245684e-1f + p * f;
    p = -6.666942976e-1f + p * f;
    p = 1.0000064688f + p * f;
    p = -2.0f + p * f;
    return p * f - 1.38629436112f * n;
}

INLINE uint32_t mix(uint32_t x) {
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ (x >> 16);
}

/* 64 random bits for each column and counter. */
INLINE void random_bits(Columns *m, int j, uint32_t counter) {
    uint32_t hash = mix(counter * 0x9E3779B9u + m->key0[j]);
    m->bits0[j] = mix(hash ^ m->key1[j]);
    m->bits1[j] = mix(hash + m->key2[j]);
}

/* Two standard normals by Box and Muller: an angle within a quarter of the circle, and two bits for which quarter. */
INLINE void normals(Columns *m, int j) {
    uint32_t bits0 = m->bits0[j], bits1 = m->bits1[j];
    float radius = sqrtf(minus_twice_log((float)(bits0 | 1u)));
    float turn = of_bits((bits1 & 0x007fffffu) | 0x3f800000u) - 1.5f, square = turn * turn;
    float sine = 1.570796322f + square * (-6.459634630e-1f + square * (7.968005446e-2f - 4.601707214e-3f * square));
    float cosine = 1.0f + square * (-1.233697706f + square * (2.536032112e-1f - 2.041728340e-2f * square));
    float either = of_bits(bits_of(cosine) ^ (bits1 & 0x80000000u));
    int swap = (bits1 & 0x40000000u) != 0;
    m->z0[j] = radius * (swap ? turn * sine : either);
    m->z1[j] = radius * (swap ? either : turn * sine);
}

INLINE void uniforms(Columns *m, int j) {
    m->z0[j] = of_bits((m->bits0[j] >> 9) | 0x40000000u) - 3.0f;
    m->z1[j] = of_bits((m->bits1[j] >> 9) | 0x40000000u) - 3.0f;
}

/* The three sigmoids, between 0 and 1, from two exponentials and one division: C1 = 4 C3 makes one exponential the
   fourth power of another. y0 needs no bounds, as a positive kernel over rates from 0 to 2 e0: 0 <= C1 y0 < 28 mV. */
INLINE void sigmoids(const Constants *c, float slope, float y0, float v, float *s0, float *s1, float *s2) {
    float u = power_of_two(fminf(fmaxf(c->threshold - c->slope * v, -60.0f), 60.0f));
    float w = power_of_two(-slope * y0), square = w * w;
    float d0 = 1.0f + u, d1 = 1.0f + c->lift * (square * square), d2 = 1.0f + c->lift * w;
    float d12 = d1 * d2, inverse = 1.0f / (d0 * d12), part = inverse * d0;
    *s0 = inverse * d12;
    *s1 = part * d2;
    *s2 = part * d1;
}

static Constants constants(double h, int scheme) {
    double ah = a * h, ea = exp(-ah), eb = exp(-b * h), e2 = ea * ea, f = A * a * P, log2_e = 1.4426950408889634;
    double xx = SIGMA * SIGMA / (4 * a * a * a) * (1 - e2 * (1 + 2 * ah + 2 * ah * ah));
    double xu = SIGMA * SIGMA * h * h * e2 / 2 + a * xx;
    double uu = SIGMA * SIGMA / (2 * a) * (1 - e2);
    double spread_ux = xu / sqrt(xx);
    Constants c = {
        .h = h, .threshold = R * V0 * log2_e, .slope = R * log2_e, .lift = exp(R * V0), .kick = h * A * a * TWICE_E0,
        .keep_a = ea, .move_a = h * ea, .keep_b = eb, .move_b = h * eb,
        .push_x = f * (1 - ea * (1 + ah)) / (a * a), .push_u = f * (1 - ea) / a,
        .spread_xx = sqrt(xx), .spread_ux = spread_ux, .spread_uu = sqrt(uu - spread_ux * spread_ux),
        .root = scheme == HELD ? h * A * a * HALF_RANGE : SIGMA * sqrt(h),
    };
    return c;
}

/* 64 bits for each seed and column, by the finalizer of splitmix64: two keys that no hash of one counter relates. */
static uint64_t keys(uint32_t seed, uint32_t column) {
    uint64_t z = (((uint64_t)seed << 32 | column) + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* All states zero; each column gets keys of its own. The last block is filled up with copies of the last column. */
static void start(const Constants *c, Columns *m, int scheme, const float *C, int64_t first, int64_t n, uint32_t seed) {
    memset(m, 0, sizeof *m);
    for (int j = 0; j < BLOCK; j++) {
        const uint32_t column = (uint32_t)(first + j);
        const float strength = C[column < n ? column : n - 1];
        m->slope[j] = 0.25f * strength * c->slope;
        m->kick1[j] = 0.8f * strength * c->kick;
        m->kick2[j] = 0.25f * strength * c->kick * (float)(B * b / (A * a));
        uint64_t key = keys(seed, column);
        m->key0[j] = (uint32_t)key;
        m->key1[j] = (uint32_t)(key >> 32);
        m->key2[j] = m->key1[j] * 0x2c1b3c6du + 0x85ebca6bu;
        if (scheme == STRANG) { /* half a kick ahead */
            float s0, s1, s2;
            sigmoids(c, m->slope[j], 0, 0, &s0, &s1, &s2);
            m->u0[j] = 0.5f * c->kick * s0, m->u1[j] = 0.5f * m->kick1[j] * s1, m->u2[j] = 0.5f * m->kick2[j] * s2;
        }
    }
}

/* The noise of a step. Bits, numbers and the step have loops of their own: in a longer loop a processor cannot have
   enough of the next iterations under way to fill the time until results are there. Heun draws for two steps. */
INLINE void draw(Columns *m, int scheme, int64_t step) {
    if (scheme != STRANG && step % 2) return;
    uint32_t counter = (uint32_t)(scheme == STRANG ? step : step / 2);
    EACH_COLUMN random_bits(m, j, counter);
    if (scheme == HELD)
        EACH_COLUMN uniforms(m, j);
    else
        EACH_COLUMN normals(m, j);
}

/* Strang splitting: half a kick by the sigmoids, exact flow of the linear rest with its noise, half a kick.

   Both halves are given at once, and a state that is written out is half a kick behind: one sigmoid of each a step. */
INLINE void strang(const Constants *c, Columns *m, int j, float *out) {
    float x0 = m->x0[j], x1 = m->x1[j], x2 = m->x2[j], u0 = m->u0[j], u1 = m->u1[j], u2 = m->u2[j];
    float z0 = m->z0[j], z1 = m->z1[j], s0, s1, s2;
    x0 = c->keep_a * x0 + c->move_a * u0;
    x1 = c->keep_a * x1 + (c->move_a * u1 + (c->push_x + c->spread_xx * z0));
    x2 = c->keep_b * x2 + c->move_b * u2;
    sigmoids(c, m->slope[j], x0, x1 - x2, &s0, &s1, &s2);
    float kick0 = c->kick * s0, kick1 = m->kick1[j] * s1, kick2 = m->kick2[j] * s2;
    u0 = c->keep_a * u0 + kick0;
    u1 = c->keep_a * u1 + (kick1 + (c->push_u + c->spread_ux * z0 + c->spread_uu * z1));
    u2 = c->keep_b * u2 + kick2;
    m->x0[j] = x0, m->x1[j] = x1, m->x2[j] = x2, m->u0[j] = u0, m->u1[j] = u1, m->u2[j] = u2;
    if (out) {
        out[j] = x0, out[BLOCK + j] = x1, out[2 * BLOCK + j] = x2;
        out[3 * BLOCK + j] = u0 - 0.5f * kick0 - (float)a * x0;
        out[4 * BLOCK + j] = u1 - 0.5f * kick1 - (float)a * x1;
        out[5 * BLOCK + j] = u2 - 0.5f * kick2 - (float)b * x2;
    }
}

/* Heun's method, with the increment of the noise, or the held rate, as a constant force over the step. */
INLINE void heun(const Constants *c, Columns *m, int j, int64_t step, float *out) {
    const float h = c->h, h_2 = 0.5f * h, a2 = 2 * a, b2 = 2 * b, aa = a * a, bb = b * b, force = A * a * P;
    float x0 = m->x0[j], x1 = m->x1[j], x2 = m->x2[j], u0 = m->u0[j], u1 = m->u1[j], u2 = m->u2[j];
    float z = step % 2 ? m->z1[j] : m->z0[j], s0, s1, s2;
    float noise = h * force + c->root * z;
    sigmoids(c, m->slope[j], x0, x1 - x2, &s0, &s1, &s2);
    float d0 = c->kick * s0 - h * (a2 * u0 + aa * x0);
    float d1 = m->kick1[j] * s1 - h * (a2 * u1 + aa * x1) + noise;
    float d2 = m->kick2[j] * s2 - h * (b2 * u2 + bb * x2);
    float p0 = x0 + h * u0, p1 = x1 + h * u1, p2 = x2 + h * u2, q0 = u0 + d0, q1 = u1 + d1, q2 = u2 + d2;
    sigmoids(c, m->slope[j], p0, p1 - p2, &s0, &s1, &s2);
    m->x0[j] = x0 += h_2 * (u0 + q0);
    m->x1[j] = x1 += h_2 * (u1 + q1);
    m->x2[j] = x2 += h_2 * (u2 + q2);
    m->u0[j] = u0 += 0.5f * (d0 + c->kick * s0 - h * (a2 * q0 + aa * p0));
    m->u1[j] = u1 += 0.5f * (d1 + m->kick1[j] * s1 - h * (a2 * q1 + aa * p1) + noise);
    m->u2[j] = u2 += 0.5f * (d2 + m->kick2[j] * s2 - h * (b2 * q2 + bb * p2));
    if (out) {
        out[j] = x0, out[BLOCK + j] = x1, out[2 * BLOCK + j] = x2;
        out[3 * BLOCK + j] = u0, out[4 * BLOCK + j] = u1, out[5 * BLOCK + j] = u2;
    }
}

INLINE void add_up(const Columns *m, Sums *s, int j) {
    float v = m->x1[j] - m->x2[j], d = v - s->first[j];
    s->sum[j] += d;
    s->squares[j] += d * d;
    s->low[j] = fminf(s->low[j], v);
    s->high[j] = fmaxf(s->high[j], v);
}

/* A block over all steps; mean, sd, min, max, and whether a column failed, go to `out`, five numbers a column. */
static void summarize(const Constants *c, Columns *m, int scheme, int used, int64_t steps, float *out) {
    Sums s;
    double sum[BLOCK] = {0}, squares[BLOCK] = {0};
    for (int j = 0; j < BLOCK; j++) s.low[j] = FLT_MAX, s.high[j] = -FLT_MAX;
    for (int64_t done = 0; done < steps; done += CHUNK) {
        int64_t end = done + CHUNK < steps ? done + CHUNK : steps;
        for (int j = 0; j < BLOCK; j++) s.first[j] = m->x1[j] - m->x2[j], s.sum[j] = s.squares[j] = 0;
        for (int64_t step = done; step < end; step++) {
            draw(m, scheme, step);
            if (scheme == STRANG)
                EACH_COLUMN {
                    strang(c, m, j, NULL);
                    add_up(m, &s, j);
                }
            else
                EACH_COLUMN {
                    heun(c, m, j, step, NULL);
                    add_up(m, &s, j);
                }
        }
        for (int j = 0; j < BLOCK; j++) {
            double shift = s.first[j], number = (double)(end - done);
            sum[j] += s.sum[j] + number * shift;
            squares[j] += s.squares[j] + 2 * shift * s.sum[j] + number * shift * shift;
        }
    }
    for (int j = 0; j < used; j++) {
        double mean = sum[j] / steps, variance = squares[j] / steps - mean * mean;
        int failed = (bits_of((float)squares[j]) & 0x7f800000u) == 0x7f800000u; /* what is not finite remains so */
        float row[5] = {mean, sqrt(variance > 0 ? variance : 0), s.low[j], s.high[j], failed};
        memcpy(out + 5 * j, row, sizeof row);
    }
}

/* `out` of shape (n, 5): mean, sd, min and max of y1 - y2 over the steps, and 1 where a column failed. */
void scan_summaries(int64_t n, int64_t steps, double h, const float *C, uint32_t seed, int scheme, int threads,
                    float *out) {
    const Constants c = constants(h, scheme);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t first = 0; first < n; first += BLOCK) {
        Columns m;
        start(&c, &m, scheme, C, first, n, seed);
        summarize(&c, &m, scheme, n - first < BLOCK ? n - first : BLOCK, steps, out + 5 * first);
    }
}

/* Write a row past the caches where that is possible: nobody here reads it again. */
INLINE void stream(float *out, const float *row, int width, int aligned) {
#ifdef __SSE__
    if (aligned) {
        for (int j = 0; j < width; j += 4) _mm_stream_ps(out + j, _mm_load_ps(row + j));
        return;
    }
#endif
    memcpy(out, row, width * sizeof *out);
}

/* `out` of shape (steps, 6, n): all states after every step; fastest if it starts at a multiple of 64 bytes, and n is
   one of 16. */
void scan_trajectories(int64_t n, int64_t steps, double h, const float *C, uint32_t seed, int scheme, int threads,
                       float *out) {
    const Constants c = constants(h, scheme);
    const int aligned = n % 16 == 0 && (uintptr_t)out % 64 == 0;
    const int64_t share = (n + threads * BLOCK - 1) / (threads * BLOCK), blocks = share < GROUP ? share : GROUP;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t first = 0; first < n; first += blocks * BLOCK) {
        Columns group[GROUP];
        _Alignas(64) float rows[6 * BLOCK];
        for (int64_t i = 0; i < blocks; i++) start(&c, &group[i], scheme, C, first + i * BLOCK, n, seed);
        for (int64_t step = 0; step < steps; step++)
            for (int64_t i = 0, at = first; i < blocks && at < n; i++, at += BLOCK) {
                draw(&group[i], scheme, step);
                if (scheme == STRANG)
                    EACH_COLUMN strang(&c, &group[i], j, rows);
                else
                    EACH_COLUMN heun(&c, &group[i], j, step, rows);
                for (int k = 0; k < 6; k++)
                    stream(out + (6 * step + k) * n + at, rows + k * BLOCK, n - at < BLOCK ? n - at : BLOCK, aligned);
            }
#ifdef __SSE__
        _mm_sfence();
#endif
    }
}

/* `out` of shape (steps, 2, n): the noise of Strang's steps, two standard normals each, with the keys of a scan. */
void scan_noise(int64_t n, int64_t steps, const float *C, uint32_t seed, float *out) {
    const Constants c = constants(1e-3, STRANG);
    for (int64_t first = 0; first < n; first += BLOCK) {
        Columns m;
        const int64_t used = n - first < BLOCK ? n - first : BLOCK;
        start(&c, &m, STRANG, C, first, n, seed);
        for (int64_t step = 0; step < steps; step++) {
            draw(&m, STRANG, step);
            memcpy(out + 2 * step * n + first, m.z0, used * sizeof *out);
            memcpy(out + (2 * step + 1) * n + first, m.z1, used * sizeof *out);
        }
    }
}
