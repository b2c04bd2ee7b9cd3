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

// B or C: (batch, tokens, groups, state), a row for all channels of a group; or constant over time, (channels, state).
template <class T>
struct Rows {
    const T* data;
    int64_t batch_stride, token_stride, group_stride, constant;
};

template <class T>
struct Inputs {
    int64_t batch, length, channels, state, groups;
    Sequence<const T> u, delta, z;
    Rows<T> B, C;
    const T *A, *D, *delta_bias;  // (channels, state), (channels), (channels)
    int32_t softplus, threads;
};

// B or C at n of token t, for the lanes of a strip: a number for all of them, or one for each.
template <class T>
struct Varying {
    static constexpr bool constant = false;
    const T* row;
    int64_t stride;
    T operator()(int t, int64_t n) const { return row[t * stride + n]; }
};
template <class T>
struct Constant {
    static constexpr bool constant = true;
    const Vec<T>* rows;  // (state)
    Vec<T> operator()(int, int64_t n) const { return rows[n]; }
};

// Strips in each group of channels, of one vector each; the last of a group may use fewer lanes.
template <class T>
static inline int64_t strips_of_a_group(const Inputs<T>& in) {
    return (in.channels / in.groups + LANES<T> - 1) / LANES<T>;
}

template <class T>
static inline int64_t strips(const Inputs<T>& in) {
    return in.groups * strips_of_a_group(in);
}

// Channels are worked on in strips of one vector, all of one group.
template <class T>
struct Strip {
    const Inputs<T>& in;
    int64_t b, group, first;
    int count;  // of lanes in use
    Vec<T> bias, skip;
    std::vector<Vec<T>> B, C;  // where they are constant

    Strip(const Inputs<T>& in, int64_t b, int64_t index) : in(in), b(b), group(index / strips_of_a_group(in)) {
        const int64_t size = in.channels / in.groups, inside = index % strips_of_a_group(in) * LANES<T>;
        first = group * size + inside;
        count = (int)std::min<int64_t>(LANES<T>, size - inside);
        bias = in.delta_bias ? load(in.delta_bias + first, count) : Vec<T>{};
        skip = in.D ? load(in.D + first, count) : Vec<T>{};
        if (in.B.constant) B = by_state(in.B.data, 1);
        if (in.C.constant) C = by_state(in.C.data, 1);
    }

    // Calls `use` with B and with C from token t on.
    template <class Use>
    void with_rows(int64_t t, Use use) const {
        with(in.B, B, t, [&](auto rows_B) { with(in.C, C, t, [&](auto rows_C) { use(rows_B, rows_C); }); });
    }

    template <class Use>
    void with(const Rows<T>& rows, const std::vector<Vec<T>>& constant, int64_t t, Use use) const {
        if (rows.constant) {
            use(Constant<T>{constant.data()});
        } else {
            const T* from = rows.data + b * rows.batch_stride + t * rows.token_stride + group * rows.group_stride;
            use(Varying<T>{from, rows.token_stride});
        }
    }

    Vec<T> read(const Sequence<const T>& x, int64_t t) const { return load(x.at(b, t) + first, count); }

    // The discretisation step; lanes out of use get 0, which leaves their state at 0.
    Vec<T> step(int64_t t) const {
        Vec<T> x = read(in.delta, t) + bias;
        return in.softplus ? softplus(x) : x;
    }

    // A log2(e).
    std::vector<Vec<T>> rates() const { return by_state(in.A, (T)LOG2E); }

    // (state) vectors from (channels, state), times a factor.
    std::vector<Vec<T>> by_state(const T* from, T factor) const {
        std::vector<Vec<T>> vectors(in.state);
        for (int64_t n = 0; n < in.state; n++)
            for (int i = 0; i < count; i++) vectors[n][i] = from[(first + i) * in.state + n] * factor;
        return vectors;
    }

    // The reverse: this strip's part of (batch, channels, state).
    void store_by_state(T* to, const std::vector<Vec<T>>& vectors) const {
        for (int64_t n = 0; n < in.state; n++)
            for (int i = 0; i < count; i++) to[(b * in.channels + first + i) * in.state + n] = vectors[n][i];
    }
};

// Half of the registers hold states; the rest serve the exponential.
constexpr int TILE = REGISTERS / 2;

// `count` tokens of the recurrence, for STATES rows of the state from `n0` on. With OUTPUT, adds h C to y.
template <class T, int STATES, bool OUTPUT, class RowsB, class RowsC>
static inline void advance_tile(Vec<T>* h, const Vec<T>* rates, int64_t n0, const Vec<T>* step, const Vec<T>* input,
                                RowsB B, RowsC C, Vec<T>* y, int count) {
    Vec<T> state[STATES];
    for (int n = 0; n < STATES; n++) state[n] = h[n0 + n];
    for (int t = 0; t < count; t++) {
        Vec<T> sum = {};
#pragma GCC unroll 16
        for (int n = 0; n < STATES; n++) {
            state[n] = exp2(step[t] * rates[n0 + n]) * state[n] + input[t] * B(t, n0 + n);
            if (OUTPUT) sum += state[n] * C(t, n0 + n);
        }
        if (OUTPUT) y[t] += sum;
    }
    for (int n = 0; n < STATES; n++) h[n0 + n] = state[n];
}

template <class T, bool OUTPUT, class RowsB, class RowsC>
static void advance(Vec<T>* h, const Vec<T>* rates, int64_t states, const Vec<T>* step, const Vec<T>* input, RowsB B,
                    RowsC C, Vec<T>* y, int count) {
    int64_t n = 0;
    for (; n + TILE <= states; n += TILE) advance_tile<T, TILE, OUTPUT>(h, rates, n, step, input, B, C, y, count);
    for (; n + 4 <= states; n += 4) advance_tile<T, 4, OUTPUT>(h, rates, n, step, input, B, C, y, count);
    for (; n < states; n++) advance_tile<T, 1, OUTPUT>(h, rates, n, step, input, B, C, y, count);
}
