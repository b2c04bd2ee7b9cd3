// The whole Mamba mixer with the LayerNorm before it, for inference: what lies between the image's tokens and the next
// convolution never leaves the cache.
//
// A piece of tokens goes through all of it in one thread, which then takes the next piece:
//
//     LayerNorm, in_proj, conv1d, SiLU, x_proj | dt_proj, softplus, scan, skip, gate, strip after strip | out_proj
//
// Only the scan's state comes from the piece before, through a chain with one link a strip. The tokens that conv1d
// looks back at are computed again. Within a piece what has d channels lies strip by strip, in whole vectors.
//
// A second direction goes through everything again and adds its result. To keep what both need, in_proj's output or the
// ungated sum, was no faster: either costs as much memory traffic as it saves work.

#include <omp.h>

#include "chain.hpp"
#include "matrix.hpp"
#include "scan.hpp"

struct Direction {  // of which the second, if there is one, goes from the last token to the first
    const float *conv_weight, *conv_bias, *x_proj, *dt_proj, *dt_bias, *A, *D;
};

struct Mixer {
    int64_t batch, length, channels, inner, state, rank, kernel, directions;
    const float *x, *norm_weight, *norm_bias, *in_proj, *out_proj;
    Direction direction[2];
    float* out;
    float epsilon;
    int32_t threads, cores;
};

namespace {

constexpr int64_t PIECE = 96;  // tokens: its memory stays in the second-level cache; whole tiles of matrix.hpp

// (x - mean) / sqrt(variance + epsilon) * weight + bias, of one token.
class LayerNorm {
   public:
    LayerNorm(const Mixer& m) : whole(m.channels / LANES<float>), rest(m.channels % LANES<float>),
          share(1.0f / m.channels), epsilon(m.epsilon), weight(vectors_of(m.channels)), bias(weight.size()) {
        std::memcpy(weight.data(), m.norm_weight, m.channels * sizeof(float));
        std::memcpy(bias.data(), m.norm_bias, m.channels * sizeof(float));
    }

    void operator()(const float* x, float* out) const {
        F32 sums = {}, squares = {};
        each(x, [&](F32 v, int64_t, int) { sums += v; });
        const float mean = sum_lanes<float>(sums) * share;
        each(x, [&](F32 v, int64_t, int count) {
            const F32 difference = count < LANES<float> ? only_first(v - mean, count) : v - mean;
            squares += difference * difference;
        });
        const float scale = 1 / std::sqrt(sum_lanes<float>(squares) * share + epsilon);
        each(x, [&](F32 v, int64_t i, int count) {
            store(out + i * LANES<float>, (v - mean) * (scale * weight[i]) + bias[i], count);
        });
    }

   private:
    template <class Use>
    void each(const float* x, Use use) const {
        for (int64_t i = 0; i < whole; i++) use(load(x + i * LANES<float>), i, LANES<float>);
        if (rest) use(load(x + whole * LANES<float>, rest), whole, rest);
    }

    const int64_t whole;
    const int rest;
    const float share, epsilon;
    std::vector<F32> weight, bias;
};

// What one thread works in.
struct Desk {
    std::vector<float> normed;         // (history + PIECE, c)
    std::vector<float> projected;      // (PIECE, r + 2 n), rows padded
    std::vector<F32> x, z, u, h;       // (strips, history + PIECE), (strips, PIECE) twice, (n)
};

// One direction's way through the images of a batch.
class Pass {
   public:
    Pass(const Mixer& m, bool reverse)
        : m(m), d(m.direction[reverse]), reverse(reverse), history(m.kernel - 1), strips(vectors_of(m.inner)),
          width(vectors_of(m.rank + 2 * m.state) * LANES<float>), pieces((m.length + PIECE - 1) / PIECE), layer_norm(m),
          in_proj_x(m.in_proj, m.inner, m.channels), in_proj_z(m.in_proj + m.inner * m.channels, m.inner, m.channels),
          x_proj(d.x_proj, m.rank + 2 * m.state, m.inner), out_proj(m.out_proj, m.channels, m.inner),
          taps(by_row(d.conv_weight, m.kernel)), steps(by_row(d.dt_proj, m.rank)), rates(by_row(d.A, m.state)) {
        for (F32& rate : rates) rate *= (float)LOG2E;
        for (int64_t b = 0; b < m.batch; b++) chains.emplace_back(new Chain(pieces, strips, m.state));
    }

    // Run by every thread of a team; returns when no piece is left to begin.
    void work() {
        Desk desk;
        desk.normed.resize((history + PIECE) * m.channels);
        desk.projected.resize(PIECE * width);
        desk.x.resize(strips * (history + PIECE));
        desk.z.resize(strips * PIECE);
        desk.u.resize(strips * PIECE);
        desk.h.resize(m.state);
        for (int64_t ticket; (ticket = tickets.fetch_add(1)) < pieces * m.batch;) {
            const int64_t b = ticket % m.batch, piece = ticket / m.batch;
            for (int64_t next = piece; next >= 0;) {
                const int64_t missing = run(b, next, desk);
                next = missing >= 0 ? missing : next == piece ? -1 : piece;
            }
        }
    }

   private:
    // -1 where the piece has been done, by whomever; else an earlier piece that has to be done first.
    int64_t run(int64_t b, int64_t piece, Desk& desk) {
        Chain& chain = *chains[b];
        const int64_t first = piece * PIECE, count = std::min(PIECE, m.length - first);
        enter(b, first, count, desk);
        for (int64_t s = 0; s < strips; s++) {
            if (chain.is_finished(piece)) return -1;
            const int64_t missing = chain.wait(piece, s);
            if (missing >= 0) return missing;
            std::copy_n(chain.carry(piece, s), m.state, desk.h.begin());
            scan(s, count, desk);
            chain.pass(piece, s, desk.h.data());
        }
        if (chain.claim(piece)) leave(b, first, count, desk);
        return -1;
    }

    // Token `t`, counted in this direction, of (batch, length, channels).
    int64_t row(int64_t b, int64_t t) const {
        return (b * m.length + (reverse ? m.length - 1 - t : t)) * m.channels;
    }

    void enter(int64_t b, int64_t first, int64_t count, Desk& desk) const {
        const int64_t before = std::min(history, first), tokens = before + count, missing = history - before;
        for (int64_t i = 0; i < tokens; i++)
            layer_norm(m.x + row(b, first - before + i), &desk.normed[i * m.channels]);
        for (int64_t s = 0; s < strips; s++)  // no tokens before the first
            std::fill_n(&desk.x[s * (history + PIECE)], missing, F32{});
        in_proj_x.apply<true>(by_token<const float>(desk.normed.data(), m.channels),
                              by_strip((float*)&desk.x[missing], history + PIECE), tokens);
        in_proj_z.apply<true>(by_token<const float>(&desk.normed[before * m.channels], m.channels),
                              by_strip((float*)desk.z.data(), PIECE), count);
        for (int64_t s = 0; s < strips; s++) m.kernel == 4 ? convolve<4>(s, count, desk) : convolve<0>(s, count, desk);
        x_proj.apply<true>(by_strip<const float>((const float*)desk.u.data(), PIECE),
                           by_token(desk.projected.data(), width), count);
    }

    // conv1d and SiLU; TAPS of the kernel, 0 for any.
    template <int TAPS>
    void convolve(int64_t s, int64_t count, Desk& desk) const {
        const F32 *x = &desk.x[s * (history + PIECE)], *tap = &taps[s * m.kernel];
        const F32 bias = of_strip(d.conv_bias, s);
        for (int64_t t = 0; t < count; t++) {
            F32 sum = bias;
            for (int64_t k = 0; k < (TAPS ? TAPS : m.kernel); k++) sum += tap[k] * x[t + k];
            desk.u[s * PIECE + t] = sum * sigmoid(sum);
        }
    }

    // dt_proj, softplus, the recurrence, skip and gate; the result takes the place of u.
    void scan(int64_t s, int64_t count, Desk& desk) const {
        F32 *u = &desk.u[s * PIECE], step[PIECE], input[PIECE], y[PIECE];
        const F32 *z = &desk.z[s * PIECE], *weight = &steps[s * m.rank];
        const F32 bias = of_strip(d.dt_bias, s), skip = of_strip(d.D, s);
        for (int64_t t = 0; t < count; t++) {
            F32 delta = bias;
            for (int64_t k = 0; k < m.rank; k++) delta += weight[k] * desk.projected[t * width + k];
            step[t] = softplus(delta);
            input[t] = step[t] * u[t];
            y[t] = skip * u[t];
        }
        const Varying<float> B{&desk.projected[m.rank], width}, C{&desk.projected[m.rank + m.state], width};
        advance<float, true>(desk.h.data(), &rates[s * m.state], m.state, step, input, B, C, y, (int)count);
        for (int64_t t = 0; t < count; t++) u[t] = y[t] * (z[t] * sigmoid(z[t]));
    }

    // out_proj. The second direction adds to what the first has left.
    void leave(int64_t b, int64_t first, int64_t count, Desk& desk) const {
        const auto y = by_strip<const float>((const float*)desk.u.data(), PIECE);
        float* out = m.out + row(b, first);
        if (!reverse) return out_proj.apply<false>(y, by_token(out, m.channels), count);
        out_proj.apply<false>(y, by_token(desk.normed.data(), m.channels), count);
        for (int64_t t = 0; t < count; t++)
            for (int64_t i = 0; i < m.channels; i++) out[i - t * m.channels] += desk.normed[t * m.channels + i];
    }

    F32 of_strip(const float* from, int64_t s) const {
        return load(from + s * LANES<float>, (int)std::min<int64_t>(LANES<float>, m.inner - s * LANES<float>));
    }

    // (strips, columns) vectors from (inner, columns), zero in the lanes that are out of use.
    std::vector<F32> by_row(const float* from, int64_t columns) const {
        std::vector<F32> vectors(vectors_of(m.inner) * columns);
        for (int64_t i = 0; i < m.inner; i++)
            for (int64_t k = 0; k < columns; k++)
                vectors[i / LANES<float> * columns + k][i % LANES<float>] = from[i * columns + k];
        return vectors;
    }

    const Mixer& m;
    const Direction& d;
    const bool reverse;
    const int64_t history, strips, width, pieces;
    const LayerNorm layer_norm;
    const Weights in_proj_x, in_proj_z, x_proj, out_proj;
    std::vector<F32> taps, steps, rates;  // rates: A log2(e)
    std::vector<std::unique_ptr<Chain>> chains;
    std::atomic<int64_t> tickets{0};
};

}  // namespace

extern "C" void mixer_forward_f32(const Mixer* mixer) {
    for (int64_t i = 0; i < mixer->directions; i++) {
        Pass pass(*mixer, i == 1);
#pragma omp parallel num_threads(std::max(1, mixer->threads))
        if (omp_get_thread_num() < std::max(1, mixer->cores)) {  // more than that would only take each other's core
            FlushDenormals flush;
            pass.work();
        }
    }
}
