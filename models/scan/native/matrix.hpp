// Products of a few tokens with a weight matrix, small enough that a library's set-up would cost more than the work.
#pragma once

#include <algorithm>
#include <vector>

#include "vectors.hpp"

// A tile of tokens by at most COLUMNS vectors of outputs is kept in registers, with room for the weights' vectors.
constexpr int COLUMNS = REGISTERS == 32 ? 4 : 3;
template <int WIDTH>
constexpr int ROWS = REGISTERS != 32 ? 4 : WIDTH == 4 ? 6 : 8;

static inline int64_t vectors_of(int64_t channels) { return (channels + LANES<float> - 1) / LANES<float>; }

// Tokens of channels in either of two layouts: token by token, or strip by strip, where a strip is one vector of
// channels of all tokens. Strides in elements, from a token to the next and from a vector of channels to the next.
template <class T>
struct Layout {
    T* data;
    int64_t token, vector;
};
template <class T>
static inline Layout<T> by_token(T* data, int64_t stride) {
    return {data, stride, LANES<float>};
}
template <class T>
static inline Layout<T> by_strip(T* data, int64_t tokens) {
    return {data, LANES<float>, tokens * LANES<float>};
}

// out[i] = sum_k W[i, k] x[k], from PyTorch's (outputs, inputs): panels of COLUMNS vectors, padded with zeros, in which
// the weights of one input lie together.
class Weights {
   public:
    Weights(const float* W, int64_t outputs, int64_t inputs) : outputs(outputs), inputs(inputs) {
        const int64_t vectors = vectors_of(outputs);
        packed.resize(vectors * inputs);
        for (int64_t v = 0; v < vectors; v++) {
            const int64_t panel = v / COLUMNS * COLUMNS, width = std::min<int64_t>(COLUMNS, vectors - panel);
            for (int64_t k = 0; k < inputs; k++) {
                F32& to = packed[panel * inputs + k * width + v - panel];
                for (int i = 0; i < LANES<float> && v * LANES<float> + i < outputs; i++)
                    to[i] = W[(v * LANES<float> + i) * inputs + k];
            }
        }
    }

    // out (tokens, outputs) = x (tokens, inputs) W^T. With PADDED, out has room for whole vectors.
    template <bool PADDED>
    void apply(Layout<const float> x, Layout<float> out, int64_t tokens) const {
        const int64_t vectors = vectors_of(outputs);
        for (int64_t panel = 0; panel < vectors; panel += COLUMNS) {
            const F32* weights = &packed[panel * inputs];
            const Layout<float> to = {out.data + panel * out.vector, out.token, out.vector};
            const int64_t left = PADDED ? COLUMNS * LANES<float> : outputs - panel * LANES<float>;
            switch (std::min<int64_t>(COLUMNS, vectors - panel)) {
                case 1: rows<1>(weights, x, to, tokens, left); break;
                case 2: rows<2>(weights, x, to, tokens, left); break;
                case 3: rows<3>(weights, x, to, tokens, left); break;
                default: rows<COLUMNS>(weights, x, to, tokens, left);
            }
        }
    }

    const int64_t outputs, inputs;

   private:
    template <int WIDTH>
    void rows(const F32* weights, Layout<const float> x, Layout<float> out, int64_t tokens, int64_t left) const {
        constexpr int HEIGHT = ROWS<WIDTH>;
        int64_t t = 0;
        for (; t + HEIGHT <= tokens; t += HEIGHT) tile<HEIGHT, WIDTH>(weights, x, out, t, left);
        if (t < tokens && tokens >= HEIGHT)  // some once more: cheaper than one by one
            tile<HEIGHT, WIDTH>(weights, x, out, tokens - HEIGHT, left);
        else
            for (; t < tokens; t++) tile<1, WIDTH>(weights, x, out, t, left);
    }

    template <int HEIGHT, int WIDTH>
    void tile(const F32* weights, Layout<const float> x, Layout<float> out, int64_t t, int64_t left) const {
        F32 sum[HEIGHT][WIDTH] = {};
        for (int64_t first = 0; first < inputs; first += LANES<float>) {
            const float* from = x.data + t * x.token + first / LANES<float> * x.vector;
            const int64_t count = std::min<int64_t>(LANES<float>, inputs - first);
            for (int64_t k = 0; k < count; k++, weights += WIDTH) {
#pragma GCC unroll 8
                for (int r = 0; r < HEIGHT; r++) {
                    const F32 value = all(from[r * x.token + k]);
#pragma GCC unroll 4
                    for (int c = 0; c < WIDTH; c++) sum[r][c] += value * weights[c];
                }
            }
        }
        for (int r = 0; r < HEIGHT; r++)
            for (int c = 0; c < WIDTH; c++)
                store(out.data + (t + r) * out.token + c * out.vector, sum[r][c],
                      (int)std::min<int64_t>(LANES<float>, left - c * LANES<float>));
    }

    std::vector<F32> packed;
};
