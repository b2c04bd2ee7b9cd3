// Products of a few tokens with a weight matrix, small enough that a library's set-up would cost more than the work.
#pragma once

#include <vector>

#include "vectors.hpp"

// A tile of ROWS tokens by COLUMNS vectors of outputs is kept in registers, with room for the weights' vectors.
constexpr int ROWS = REGISTERS == 32 ? 8 : 4, COLUMNS = REGISTERS == 32 ? 3 : 2;

// out[i] = sum_k W[i, k] x[k], from PyTorch's (outputs, inputs): panels of COLUMNS vectors, padded with zeros, in which
// the weights of one input lie together.
class Weights {
   public:
    Weights(const float* W, int64_t outputs, int64_t inputs) : outputs(outputs), inputs(inputs) {
        const int64_t vectors = (outputs + LANES<float> - 1) / LANES<float>;
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

    // out (tokens, outputs) = x (tokens, inputs) W^T; strides between tokens in elements.
    void apply(const float* x, int64_t x_stride, float* out, int64_t out_stride, int tokens) const {
        const int64_t vectors = (outputs + LANES<float> - 1) / LANES<float>;
        for (int64_t panel = 0; panel < vectors; panel += COLUMNS) {
            const F32* weights = &packed[panel * inputs];
            const int columns = (int)(outputs - panel * LANES<float>);
            switch (std::min<int64_t>(COLUMNS, vectors - panel)) {
                case 1: rows<1>(weights, x, x_stride, out + panel * LANES<float>, out_stride, tokens, columns); break;
                case 2: rows<2>(weights, x, x_stride, out + panel * LANES<float>, out_stride, tokens, columns); break;
                default: rows<3>(weights, x, x_stride, out + panel * LANES<float>, out_stride, tokens, columns);
            }
        }
    }

    const int64_t outputs, inputs;

   private:
    template <int WIDTH>
    void rows(const F32* weights, const float* x, int64_t x_stride, float* out, int64_t out_stride, int tokens,
              int columns) const {
        int t = 0;
        for (; t + ROWS <= tokens; t += ROWS)
            tile<ROWS, WIDTH>(weights, x + t * x_stride, x_stride, out + t * out_stride, out_stride, columns);
        for (; t < tokens; t++)
            tile<1, WIDTH>(weights, x + t * x_stride, x_stride, out + t * out_stride, out_stride, columns);
    }

    template <int HEIGHT, int WIDTH>
    void tile(const F32* weights, const float* x, int64_t x_stride, float* out, int64_t out_stride, int columns) const {
        F32 sum[HEIGHT][WIDTH] = {};
        for (int64_t k = 0; k < inputs; k++, weights += WIDTH) {
#pragma GCC unroll 8
            for (int r = 0; r < HEIGHT; r++) {
                const F32 value = all(x[r * x_stride + k]);
#pragma GCC unroll 3
                for (int c = 0; c < WIDTH; c++) sum[r][c] += value * weights[c];
            }
        }
        for (int r = 0; r < HEIGHT; r++)
            for (int c = 0; c < WIDTH; c++)
                store(out + r * out_stride + c * LANES<float>, sum[r][c],
                      std::min(LANES<float>, columns - c * LANES<float>));
    }

    std::vector<F32> packed;
};
