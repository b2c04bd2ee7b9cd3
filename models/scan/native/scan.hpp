// What the forward and the backward kernel share: the arguments and the recurrence over one block of tokens.
#pragma once

#include <algorithm>
#include <vector>

#include "vectors.hpp"

constexpr int BLOCK = 64;  // tokens whose inputs are prepared together; they stay in the first-level cache

// A sequence (batch, tokens, channels), channels next to each other; strides in elements. data is null if absent.
template <class T>
struct Sequence {
    T* data;
    int64_t batch_stride, token_stride;
    T* at(int64_t b, int64_t t) const { return data + b * batch_stride + t * token_stride; }
    explicit operator bool() const { return data != nullptr; }
};

template <class T>
struct Inputs {
    int64_t batch, length, channels, state;
    Sequence<const T> u, delta, B, C, z;
    const T *A, *D, *delta_bias;  // (channels, state), (channels), (channels)
    int32_t softplus, threads;
};

// Channels are worked on in groups of one vector.
template <class T>
struct Group {
    const Inputs<T>& in;
    int64_t b, first;
    int count;  // of lanes in use
    Vec<T> bias, skip;

    Group(const Inputs<T>& in, int64_t b, int64_t index)
        : in(in), b(b), first(index * LANES<T>), count((int)std::min<int64_t>(LANES<T>, in.channels - first)) {
        bias = in.delta_bias ? load(in.delta_bias + first, count) : Vec<T>{};
        skip = in.D ? load(in.D + first, count) : Vec<T>{};
    }

    Vec<T> read(const Sequence<const T>& x, int64_t t) const { return load(x.at(b, t) + first, count); }

    // The discretisation step; lanes out of use get 0, which leaves their state at 0.
    Vec<T> step(int64_t t) const {
        Vec<T> x = read(in.delta, t) + bias;
        return in.softplus ? softplus(x) : x;
    }

    // A log2(e), state-major: (state) vectors.
    std::vector<Vec<T>> rates() const {
        std::vector<Vec<T>> rates(in.state);
        for (int64_t n = 0; n < in.state; n++)
            for (int i = 0; i < count; i++) rates[n][i] = in.A[(first + i) * in.state + n] * (T)LOG2E;
        return rates;
    }
};

template <class T>
static inline int64_t groups(const Inputs<T>& in) {
    return (in.channels + LANES<T> - 1) / LANES<T>;
}

// Half of the registers hold states; the rest serve the exponential.
constexpr int TILE = REGISTERS / 2;

// `count` tokens of the recurrence, for STATES rows of the state from `n` on. Adds h C to y, unless C is null.
template <class T, int STATES, bool OUTPUT>
static inline void advance_tile(Vec<T>* h, const Vec<T>* rates, const Vec<T>* step, const Vec<T>* input, const T* B,
                                int64_t B_stride, const T* C, int64_t C_stride, Vec<T>* y, int count) {
    Vec<T> state[STATES];
    for (int n = 0; n < STATES; n++) state[n] = h[n];
    for (int t = 0; t < count; t++) {
        Vec<T> sum = {};
#pragma GCC unroll 16
        for (int n = 0; n < STATES; n++) {
            state[n] = exp2(step[t] * rates[n]) * state[n] + input[t] * B[t * B_stride + n];
            if (OUTPUT) sum += state[n] * C[t * C_stride + n];
        }
        if (OUTPUT) y[t] += sum;
    }
    for (int n = 0; n < STATES; n++) h[n] = state[n];
}

template <class T, bool OUTPUT>
static void advance(Vec<T>* h, const Vec<T>* rates, int64_t states, const Vec<T>* step, const Vec<T>* input,
                    const T* B, int64_t B_stride, const T* C, int64_t C_stride, Vec<T>* y, int count) {
    int64_t n = 0;
    for (; n + TILE <= states; n += TILE)
        advance_tile<T, TILE, OUTPUT>(h + n, rates + n, step, input, B + n, B_stride, C + n, C_stride, y, count);
    for (; n + 4 <= states; n += 4)
        advance_tile<T, 4, OUTPUT>(h + n, rates + n, step, input, B + n, B_stride, C + n, C_stride, y, count);
    for (; n < states; n++)
        advance_tile<T, 1, OUTPUT>(h + n, rates + n, step, input, B + n, B_stride, C + n, C_stride, y, count);
}
