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

template <class T>
static inline Vec<T> load(const T* from, int count) {
    Vec<T> v = {};
    if (count == LANES<T>)
        std::memcpy(&v, from, sizeof v);
    else
        std::memcpy(&v, from, count * sizeof(T));
    return v;
}

template <class T>
static inline void store(T* to, Vec<T> v, int count) {
    if (count == LANES<T>)
        std::memcpy(to, &v, sizeof v);
    else
        std::memcpy(to, &v, count * sizeof(T));
}

template <class T>
static inline Vec<T> all(T x) {
    return x - Vec<T>{};
}

template <class T>
static inline T sum_lanes(Vec<T> v) {
    for (int half = LANES<T> / 2; half; half /= 2)
        for (int i = 0; i < half; i++) v[i] += v[i + half];
    return v[0];
}

// 2^x. The constant term of the polynomial is exactly 1, so that decays next to 1, which a state meets thousands of
// times, carry no bias. The others are the relative minimax fit of degree 6 on [-1/2, 1/2], error 1.6e-8.
static inline F32 exp2(F32 x) {
#if defined(__AVX512DQ__)
    F32 whole = (F32)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    F32 r = x - whole;
#else
    // Below -126 a float is denormal or zero; above 128 infinite.
    const F32 low = all(-127.0f), high = all(129.0f), magic = all(12582912.0f);  // 1.5 * 2^23 rounds to whole numbers
    F32 bounded = x < low ? low : x;
    bounded = bounded > high ? high : bounded;
    F32 shifted = bounded + magic, whole = shifted - magic, r = bounded - whole;
#endif
    F32 p = all(1.5353362e-4f);
    p = p * r + 1.3398875e-3f;
    p = p * r + 9.618437e-3f;
    p = p * r + 5.5503324e-2f;
    p = p * r + 0.24022648f;
    p = p * r + 0.6931472f;
    p = p * r + 1.0f;
#if defined(__AVX512DQ__)
    return (F32)_mm512_scalef_ps((__m512)p, (__m512)whole);
#else
    // Two factors, because 2^129 is no float; x that is not a number stays so through p.
    I32 exponent = (I32)shifted - (I32)magic, half = exponent >> 1;
    F32 result = p * (F32)((half + 127) << 23) * (F32)((exponent - half + 127) << 23);
    return x < -126.0f ? F32{} : result;
#endif
}

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
    V bounded = x < -1000 ? x * 0 - 1000 : x;  // also -inf, of which exp2 would make not-a-number
    V y = bounded * high, lost = (bounded * high - y) + bounded * low;  // a fused multiply-add where there is one
    return exp2(y) * (1 + lost * (T)0.69314718056);
}

// log(1 + e) for e >= 0, to the last digits also for tiny e: what 1 + e rounds away comes back as (e - (w - 1)) / w.
static inline F32 log1p(F32 e) {
    F32 w = e + 1.0f;
    F32 lost = (e - (w - 1.0f)) / w;
    I32 bits = (I32)w - 0x3f3504f3;  // of sqrt(1/2): the mantissa ends in [sqrt(1/2), sqrt(2))
    I32 exponent = bits >> 23;
    F32 m = (F32)((bits & 0x7fffff) + 0x3f3504f3);
    F32 s = (m - 1.0f) / (m + 1.0f), q = s * s;  // log m = 2 atanh s
    F32 p = all(0.22222222f);
    p = p * q + 0.28571430f;
    p = p * q + 0.4f;
    p = p * q + 0.66666667f;
    p = p * q * s + s * 2.0f;
    return __builtin_convertvector(exponent, F32) * 0.69314718f + (p + lost);
}

static inline F64 log1p(F64 e) {
    for (int i = 0; i < LANES<double>; i++) e[i] = std::log1p(e[i]);
    return e;
}

template <class V>
static inline V softplus(V x) {
    V magnitude = x < 0 ? -x : x;
    return (x > 0 ? x : V{}) + log1p(exp(-magnitude));  // torch returns x above 20, the same to float's last digit
}

template <class V>
static inline V sigmoid(V x) {
    return 1 / (1 + exp(-x));
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
