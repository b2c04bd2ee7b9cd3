// The whole Mamba mixer with the LayerNorm before it, for inference: what lies between the image's tokens and the next
// convolution never leaves the cache.
//
// Threads go through the sequence together, one stretch of tokens after the other. Within a stretch they share the
// tokens, except in the scan, where they share the channels:
//
//     out_proj of the stretch before; LayerNorm, in_proj | conv1d, SiLU, x_proj, dt_proj | softplus, scan, skip, gate
//
// with a barrier at each bar. The channels of x from the last tokens of a stretch are kept for the next one's conv1d.

#include <memory>

#include "matrix.hpp"
#include "walker.hpp"

struct Mixer {
    int64_t batch, length, channels, inner, state, rank, kernel;
    const float *x, *norm_weight, *norm_bias, *in_proj, *conv_weight, *conv_bias, *x_proj, *dt_proj, *dt_bias, *A, *D,
        *out_proj;
    float* out;
    float epsilon;
    int32_t threads;
};

namespace {

constexpr int TOKENS = 64;  // a thread's piece of work between two looks for more
constexpr int STRETCH = 8;  // pieces a thread in a stretch: few barriers, and yet all of it in the second-level cache

// (x - mean) / sqrt(variance + epsilon) * weight + bias
void layer_norm(const float* x, const Mixer& m, float* out) {
    const int64_t c = m.channels;
    F32 sums = {}, squares = {};
    for (int64_t i = 0; i < c; i += LANES<float>) sums += load(x + i, (int)std::min<int64_t>(LANES<float>, c - i));
    const float mean = sum_lanes<float>(sums) / c;
    for (int64_t i = 0; i < c; i += LANES<float>) {
        const int count = (int)std::min<int64_t>(LANES<float>, c - i);
        F32 difference = load(x + i, count) - mean;
        for (int j = count; j < LANES<float>; j++) difference[j] = 0;
        squares += difference * difference;
    }
    const float scale = 1 / std::sqrt(sum_lanes<float>(squares) / c + m.epsilon);
    for (int64_t i = 0; i < c; i++) out[i] = (x[i] - mean) * scale * m.norm_weight[i] + m.norm_bias[i];
}

class Run {
   public:
    explicit Run(const Mixer& m)
        : m(m),
          in_proj(m.in_proj, 2 * m.inner, m.channels),
          x_proj(m.x_proj, m.rank + 2 * m.state, m.inner),
          dt_proj(m.dt_proj, m.inner, m.rank),
          out_proj(m.out_proj, m.channels, m.inner),
          taps(m.kernel * m.inner),
          tokens(std::min<int64_t>(m.length, (int64_t)TOKENS * STRETCH * std::max(1, m.threads))),
          xz((tokens + history()) * 2 * m.inner),
          u(tokens * m.inner),
          delta(tokens * m.inner),
          y(tokens * m.inner),
          projected(tokens * projected_width()) {
        for (int64_t k = 0; k < m.kernel; k++)
            for (int64_t i = 0; i < m.inner; i++) taps[k * m.inner + i] = m.conv_weight[i * m.kernel + k];
        const auto sequence = [](const std::vector<float>& from, int64_t first, int64_t stride) {
            return Sequence<const float>{from.data() + first, 0, stride};
        };
        const auto rows = [&](int64_t first) {
            return Rows<float>{projected.data() + first, 0, projected_width(), 0, 0};
        };
        const int64_t row = 2 * m.inner;
        in = {1, tokens, m.inner, m.state, 1,
              sequence(u, 0, m.inner), sequence(delta, 0, m.inner), sequence(xz, history() * row + m.inner, row),
              rows(m.rank), rows(m.rank + m.state),
              m.A, m.D, m.dt_bias, 1, m.threads};
    }

    void all() {
#pragma omp parallel num_threads(std::max(1, m.threads))
        {
            FlushDenormals flush;
            for (int64_t b = 0; b < m.batch; b++) one(b);
        }
    }

   private:
    int64_t history() const { return m.kernel - 1; }
    int64_t projected_width() const { return m.rank + 2 * m.state; }

    // Run by every thread of the team.
    void one(int64_t b) {
#pragma omp barrier
#pragma omp single
        {
            walkers.clear();
            for (int64_t s = 0; s < strips(in); s++) walkers.emplace_back(in, 0, s);
            std::fill(xz.begin(), xz.begin() + history() * 2 * m.inner, 0.0f);
        }
        for (int64_t begin = 0; begin < m.length; begin += tokens) {
            const int64_t count = std::min(tokens, m.length - begin), pieces = (count + TOKENS - 1) / TOKENS;
            if (begin) finish(b, begin - tokens, tokens);
#pragma omp for schedule(static)
            for (int64_t piece = 0; piece < pieces; piece++) enter(b, begin, piece, size(count, piece));
#pragma omp for schedule(static)
            for (int64_t piece = 0; piece < pieces; piece++) project(piece * TOKENS, size(count, piece));
#pragma omp for schedule(static)
            for (int64_t s = 0; s < (int64_t)walkers.size(); s++)
                for (int64_t t = 0; t < count; t += BLOCK)
                    walkers[s].template block<true>(t, (int)std::min<int64_t>(BLOCK, count - t),
                                                    {y.data(), 0, m.inner});
#pragma omp single nowait
            std::copy_n(&xz[count * 2 * m.inner], history() * 2 * m.inner, xz.begin());
            if (begin + count == m.length) finish(b, begin, count);
#pragma omp barrier
        }
    }

    static int size(int64_t count, int64_t piece) { return (int)std::min<int64_t>(TOKENS, count - piece * TOKENS); }

    void enter(int64_t b, int64_t begin, int64_t piece, int count) {
        std::vector<float> normed(TOKENS * m.channels);
        const int64_t t = piece * TOKENS;
        for (int i = 0; i < count; i++)
            layer_norm(m.x + (b * m.length + begin + t + i) * m.channels, m, &normed[i * m.channels]);
        in_proj.apply(normed.data(), m.channels, &xz[(history() + t) * 2 * m.inner], 2 * m.inner, count);
    }

    void project(int64_t t, int count) {
        for (int64_t first = 0; first < m.inner; first += LANES<float>) {
            const int lanes = (int)std::min<int64_t>(LANES<float>, m.inner - first);
            const F32 bias = load(m.conv_bias + first, lanes);
            for (int64_t i = t; i < t + count; i++) {
                F32 sum = bias;
                for (int64_t k = 0; k < m.kernel; k++)
                    sum += load(&taps[k * m.inner + first], lanes) * load(&xz[(i + k) * 2 * m.inner + first], lanes);
                store(&u[i * m.inner + first], sum * sigmoid(sum), lanes);
            }
        }
        x_proj.apply(&u[t * m.inner], m.inner, &projected[t * projected_width()], projected_width(), count);
        dt_proj.apply(&projected[t * projected_width()], projected_width(), &delta[t * m.inner], m.inner, count);
    }

    void finish(int64_t b, int64_t begin, int64_t count) {
#pragma omp for schedule(static) nowait
        for (int64_t piece = 0; piece < (count + TOKENS - 1) / TOKENS; piece++)
            out_proj.apply(&y[piece * TOKENS * m.inner], m.inner,
                           m.out + (b * m.length + begin + piece * TOKENS) * m.channels, m.channels,
                           size(count, piece));
    }

    const Mixer& m;
    const Weights in_proj, x_proj, dt_proj, out_proj;
    std::vector<float> taps;
    const int64_t tokens;  // of a stretch
    std::vector<float> xz, u, delta, y, projected;
    Inputs<float> in;
    std::vector<Walker<float>> walkers;
};

}  // namespace

extern "C" void mixer_forward_f32(const Mixer* mixer) { Run(*mixer).all(); }
