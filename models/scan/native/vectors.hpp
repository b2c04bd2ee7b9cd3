// Vectors of channels, as wide as the processor's registers, with the functions that a scan needs of them.
//
// float has its own polynomials; double, which only tests use, calls the C library for each lane.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__) && defined(__AVX512DQ__)
constexpr int BYTES = 64, REGISTERS = 32;
#elif defined(__AVX2__) && defined(__FMA__)
constexpr int BYTES = 32, REGISTERS = 16;
#else
constexpr int BYTES = 16, REGISTERS = 32;  // NEON; SSE has half as many and spills some
#endif

template <class T>
struct Types;
template <>
struct Types<float> {
    typedef float V __attribute__((vector_size(BYTES)));
    typedef int32_t I __attribute__((vector_size(BYTES)));
};
template <>
struct Types<double> {
    typedef double V __attribute__((vector_size(BYTES)));
    typedef int64_t I __attribute__((vector_size(BYTES)));
};
template <class T>
using Vec = typename Types<T>::V;
template <class T>
constexpr int LANES = BYTES / sizeof(T);
using F32 = Vec<float>;
using I32 = Types<float>::I;
using F64 = Vec<double>;

// The first `count` lanes from memory, zero in the others.
template <class T>
static inline Vec<T> load(const T* from, int count = LANES<T>) {
    Vec<T> v = {};
    std::memcpy(&v, from, count == LANES<T> ? sizeof v : count * sizeof(T));
    return v;
}

template <class T>
static inline void store(T* to, Vec<T> v, int count = LANES<T>) {
    std::memcpy(to, &v, count == LANES<T> ? sizeof v : count * sizeof(T));
}

// A copy of a length that the compiler does not know is a call of memcpy; a mask is not.
#if defined(__AVX512F__) && defined(__AVX512DQ__)
template <>
inline F32 load(const float* from, int count) {
    return (F32)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), from);
}
template <>
inline void store(float* to, F32 v, int count) {
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << count) - 1), (__m512)v);
}
#elif defined(__AVX2__) && defined(__FMA__)
static inline __m256i first_lanes(int count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
template <>
inline F32 load(const float* from, int count) {
    if (count == LANES<float>) return (F32)_mm256_loadu_ps(from);
    return (F32)_mm256_maskload_ps(from, first_lanes(count));
}
template <>
inline void store(float* to, F32 v, int count) {
    if (count == LANES<float>)
        _mm256_storeu_ps(to, (__m256)v);
    else
        _mm256_maskstore_ps(to, first_lanes(count), (__m256)v);
}
#endif

template <class T>
static inline Vec<T> all(T x) {
    return x - Vec<T>{};
}

// Zero in all lanes but the first `count`.
static inline F32 only_first(F32 v, int count) {
    I32 lane;
    for (int i = 0; i < LANES<float>; i++) lane[i] = i;
    return lane < count ? v : F32{};
}

// By halves, in this order on every processor of the same width.
template <class T>
static inline T sum_lanes(Vec<T> v) {
    for (int half = LANES<T> / 2; half; half /= 2)
        for (int i = 0; i < half; i++) v[i] += v[i + half];
    return v[0];
}
#if defined(__AVX512F__) && defined(__AVX512DQ__)
template <>
inline float sum_lanes<float>(F32 v) {
    return _mm512_reduce_add_ps((__m512)v);
}
#elif defined(__AVX2__) && defined(__FMA__)
template <>
inline float sum_lanes<float>(F32 v) {
    __m128 x = _mm_add_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps(x, x, 1)));
}
#endif

static inline F32 larger(F32 x, float bound) {  // not-a-number stays so
#if defined(__AVX512DQ__)
    return (F32)_mm512_max_ps(_mm512_set1_ps(bound), (__m512)x);
#elif defined(__AVX2__) && defined(__FMA__)
    return (F32)_mm256_max_ps(_mm256_set1_ps(bound), (__m256)x);
#else
    return x < bound ? all(bound) : x;
#endif
}
static inline F32 smaller(F32 x, float bound) {
#if defined(__AVX512DQ__)
    return (F32)_mm512_min_ps(_mm512_set1_ps(bound), (__m512)x);
#elif defined(__AVX2__) && defined(__FMA__)
    return (F32)_mm256_min_ps(_mm256_set1_ps(bound), (__m256)x);
#else
    return x > bound ? all(bound) : x;
#endif
}

// 2^x. The first two terms of the polynomial are those of the series, so that decays next to 1, which a state meets
// thousands of times, carry no bias. The others are the relative minimax fit of degree 5 on [-1/2, 1/2], error 1.05e-7,
// which is less than what rounding does to a state: a term more changes no digit of the scan's error.
// Below 2^-126 the result is zero or, where denormal numbers are not flushed, some number that is as small.
static inline F32 exp2(F32 x) {
#if defined(__AVX512DQ__)
    const F32 whole = (F32)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const F32 r = x - whole;
#else
    const F32 magic = all(12582912.0f);  // 1.5 * 2^23: its sum with x has x's whole part in its last bits
    const F32 bounded = smaller(larger(x, -127.0f), 128.0f), shifted = bounded + magic;
    const F32 r = bounded - (shifted - magic);
#endif
    F32 p = all(1.3300393e-3f);
    p = p * r + 9.66969e-3f;
    p = p * r + 5.550559e-2f;
    p = p * r + 0.24022283f;
    p = p * r + 0.6931472f;
    p = p * r + 1.0f;
#if defined(__AVX512DQ__)
    return (F32)_mm512_scalef_ps((__m512)p, (__m512)whole);
#else
    // At the bounds r is 0 and p exactly 1, whose exponent then becomes that of zero and of infinity.
    return (F32)((I32)p + ((I32)shifted << 23));
#endif
}

static inline F64 larger(F64 x, double bound) { return x < bound ? x * 0 + bound : x; }

static inline F64 exp2(F64 x) {
    for (int i = 0; i < LANES<double>; i++) x[i] = std::exp2(x[i]);
    return x;
}

constexpr double LOG2E = 1.4426950408889634;

// e^x. What x log2(e) loses in rounding is put back: a step of 1e-6 is exp(-14), and should not lose a digit.
template <class V>
static inline V exp(V x) {
    using T = decltype(x[0] + 0);
    constexpr T high = (T)LOG2E, low = (T)(LOG2E - (double)high);
    const V bounded = larger(x, -1000);  // also -inf, of which exp2 would make not-a-number
    V y = bounded * high, lost = (bounded * high - y) + bounded * low;  // a fused multiply-add where there is one
    return exp2(y) * (1 + lost * (T)0.69314718056);
}

// log(1 + e) for e in [0, 1], to the last digits also for tiny e: e times the relative minimax fit of degree 8, error
// 3.3e-8.
static inline F32 log1p(F32 e) {
    F32 p = all(5.364823e-3f);
    p = p * e - 3.0065788e-2f;
    p = p * e + 7.920453e-2f;
    p = p * e - 0.13753802f;
    p = p * e + 0.19153655f;
    p = p * e - 0.24857163f;
    p = p * e + 0.33321324f;
    p = p * e - 0.49999648f;
    p = p * e + 1.0f;
    return p * e;
}

static inline F64 log1p(F64 e) {
    for (int i = 0; i < LANES<double>; i++) e[i] = std::log1p(e[i]);
    return e;
}

static inline F32 minus_magnitude(F32 x) { return (F32)((I32)x | (int32_t)0x80000000); }
static inline F64 minus_magnitude(F64 x) { return x < 0 ? x : -x; }

template <class V>
static inline V softplus(V x) {  // torch returns x above 20, the same to float's last digit
    return larger(x, 0) + log1p(exp(minus_magnitude(x)));
}

static inline F64 sigmoid(F64 x) { return 1 / (1 + exp(-x)); }

// What exp() puts back would be lost again behind 1 +.
static inline F32 sigmoid(F32 x) {
#if defined(__AVX512DQ__)
    const F32 sum = 1.0f + exp2(smaller(x * (float)-LOG2E, 126.0f));  // finite, so that 0 inf does not arise below
    const F32 guess = (F32)_mm512_rcp14_ps((__m512)sum);
    return guess + guess * (1.0f - sum * guess);
#else
    return 1.0f / (1.0f + exp2(x * (float)-LOG2E));
#endif
}

// Denormal numbers cost a hundred cycles each on some processors, and a state that fades from black passes through
// them. They are taken as zero while a kernel runs, and as before afterwards.
class FlushDenormals {
#if defined(__x86_64__)
    unsigned before = _mm_getcsr();

   public:
    FlushDenormals() { _mm_setcsr(before | 0x8040); }
    ~FlushDenormals() { _mm_setcsr(before); }
#else
   public:
    FlushDenormals() {}
    ~FlushDenormals() {}
#endif
};
