// The selective scan, backward. With g_t the gradient of h_t and dy_t that of y_t:
//
//     g_t = C_t dy_t + exp(delta_{t+1} A) g_{t+1},
//
// which runs from the last token to the first and needs h_t on the way. States cannot be run backwards (that would
// divide by a decay), so the forward pass keeps one at every BLOCK tokens, and a block's states and decays are computed
// again and held in the cache while the block is walked in reverse.
//
// Threads share the batch, the groups and their channels. Gradients of B and C are sums over the channels of a group:
// each part of a group writes its own, and the caller adds the parts, always in the same order.

#include "scan.hpp"

namespace {

constexpr int BACKWARD_BLOCK = 32;
constexpr int BACKWARD_TILE = REGISTERS / 4;  // two registers a state: the adjoint and the gradient of A

}  // namespace

template <class T>
struct Gradients {
    Sequence<const T> out;
    Sequence<T> u, delta, z;
    // A (batch, channels, state), D and delta_bias (batch, channels), B and C (parts, batch, length, groups, state) or,
    // where these are constant, as A.
    T *A, *D, *delta_bias, *B, *C;
    const T* last_state;  // of the state behind the last token, (batch, channels, state), or null
    int64_t parts;        // of each group
    int64_t reverse;      // whether B's and C's first token, in memory, is visited last
};

namespace {

template <class T>
struct Adjoint {
    Strip<T> strip;
    std::vector<Vec<T>> rates, saved, carry, dA, dB, dC;  // saved: (blocks, state); dB, dC: of constant ones
    Vec<T> dD = {}, dbias = {};

    Adjoint(const Inputs<T>& in, int64_t b, int64_t index, const T* last_state)
        : strip(in, b, index), rates(strip.rates()), carry(in.state), dA(in.state), dB(in.state), dC(in.state) {
        if (last_state) carry = strip.by_state(last_state + b * in.channels * in.state, 1);
        const int64_t blocks = (in.length + BACKWARD_BLOCK - 1) / BACKWARD_BLOCK;
        saved.resize(blocks * in.state);
        std::vector<Vec<T>> h(in.state);
        for (int64_t block = 0; block < blocks; block++) {
            std::copy(h.begin(), h.end(), &saved[block * in.state]);
            const int64_t t0 = block * BACKWARD_BLOCK;
            const int count = (int)std::min<int64_t>(BACKWARD_BLOCK, in.length - t0);
            Vec<T> step[BACKWARD_BLOCK], input[BACKWARD_BLOCK];
            for (int t = 0; t < count; t++) {
                step[t] = strip.step(t0 + t);
                input[t] = step[t] * strip.read(in.u, t0 + t);
            }
            strip.with_rows(t0, [&](auto B, auto C) {
                advance<T, false>(h.data(), rates.data(), in.state, step, input, B, C, nullptr, count);
            });
        }
    }

    // What one block holds of its tokens. y, by_input and by_decay are sums over the state.
    struct Tokens {
        Vec<T> step[BACKWARD_BLOCK], u[BACKWARD_BLOCK], input[BACKWARD_BLOCK], dy[BACKWARD_BLOCK];
        Vec<T> y[BACKWARD_BLOCK], by_input[BACKWARD_BLOCK], by_decay[BACKWARD_BLOCK];
    };

    // STATES rows of the state from n on. dB_rows and dC_rows (token, state) gather vectors of channels.
    template <int STATES, class RowsB, class RowsC>
    void tile(Tokens& k, int64_t n0, int64_t block, int count, RowsB B, RowsC C, Vec<T>* dB_rows, Vec<T>* dC_rows) {
        const Inputs<T>& in = strip.in;
        Vec<T> states[(BACKWARD_BLOCK + 1) * STATES], decays[BACKWARD_BLOCK * STATES];
        for (int n = 0; n < STATES; n++) states[n] = saved[block * in.state + n0 + n];
        for (int t = 0; t < count; t++) {
#pragma GCC unroll 16
            for (int n = 0; n < STATES; n++) {
                Vec<T> decay = exp2(k.step[t] * rates[n0 + n]);
                decays[t * STATES + n] = decay;
                states[(t + 1) * STATES + n] = decay * states[t * STATES + n] + k.input[t] * B(t, n0 + n);
            }
        }
        // Sums of a block first: over thousands of tokens a single one would lose digits.
        Vec<T> g[STATES], sum[STATES] = {}, sum_B[STATES] = {}, sum_C[STATES] = {};
        for (int n = 0; n < STATES; n++) g[n] = carry[n0 + n];
        for (int t = count - 1; t >= 0; t--) {
            Vec<T> y = k.y[t], by_input = k.by_input[t], by_decay = k.by_decay[t];
#pragma GCC unroll 16
            for (int n = 0; n < STATES; n++) {
                const Vec<T> h = states[(t + 1) * STATES + n];
                y += h * C(t, n0 + n);
                (RowsC::constant ? sum_C[n] : dC_rows[t * in.state + n0 + n]) += h * k.dy[t];
                g[n] += k.dy[t] * C(t, n0 + n);
                (RowsB::constant ? sum_B[n] : dB_rows[t * in.state + n0 + n]) += g[n] * k.input[t];
                by_input += g[n] * B(t, n0 + n);
                g[n] *= decays[t * STATES + n];
                const Vec<T> change = g[n] * states[t * STATES + n];  // gradient of delta_t A
                sum[n] += change * k.step[t];
                by_decay += change * rates[n0 + n];
            }
            k.y[t] = y, k.by_input[t] = by_input, k.by_decay[t] = by_decay;
        }
        for (int n = 0; n < STATES; n++) {
            carry[n0 + n] = g[n];
            dA[n0 + n] += sum[n];
            if (RowsB::constant) dB[n0 + n] += sum_B[n];
            if (RowsC::constant) dC[n0 + n] += sum_C[n];
        }
    }

    void reverse(int64_t block, const Gradients<T>& grad, Vec<T>* dB_rows, Vec<T>* dC_rows) {
        const Inputs<T>& in = strip.in;
        const int64_t t0 = block * BACKWARD_BLOCK;
        const int count = (int)std::min<int64_t>(BACKWARD_BLOCK, in.length - t0);
        Tokens k;
        Vec<T> slope[BACKWARD_BLOCK];  // d step / d delta
        for (int t = 0; t < count; t++) {
            const Vec<T> x = strip.read(in.delta, t0 + t) + strip.bias;
            slope[t] = in.softplus ? sigmoid(x) : all<T>(1);
            k.step[t] = strip.step(t0 + t);
            k.u[t] = strip.read(in.u, t0 + t);
            k.input[t] = k.step[t] * k.u[t];
            k.dy[t] = strip.read(grad.out, t0 + t);
            if (in.z) {
                const Vec<T> z = strip.read(in.z, t0 + t);
                k.dy[t] *= z * sigmoid(z);
            }
            k.y[t] = k.u[t] * strip.skip;
            k.by_input[t] = k.by_decay[t] = Vec<T>{};
        }
        strip.with_rows(t0, [&](auto B, auto C) {
            int64_t n = 0;
            for (; n + BACKWARD_TILE <= in.state; n += BACKWARD_TILE)
                tile<BACKWARD_TILE>(k, n, block, count, B, C, dB_rows, dC_rows);
            for (; n < in.state; n++) tile<1>(k, n, block, count, B, C, dB_rows, dC_rows);
        });
        Vec<T> sum_D = {}, sum_bias = {};
        for (int t = 0; t < count; t++) {
            const int64_t token = t0 + t;
            auto write = [&](const Sequence<T>& to, Vec<T> v) {
                store(to.at(strip.b, token) + strip.first, v, strip.count);
            };
            const Vec<T> ddelta = (k.by_input[t] * k.u[t] + k.by_decay[t] * (T)0.69314718055994531) * slope[t];
            sum_D += k.dy[t] * k.u[t];
            sum_bias += ddelta;
            write(grad.u, k.by_input[t] * k.step[t] + k.dy[t] * strip.skip);
            write(grad.delta, ddelta);
            if (in.z) {
                const Vec<T> z = strip.read(in.z, token), s = sigmoid(z);
                write(grad.z, strip.read(grad.out, token) * k.y[t] * s * (1 + z * (1 - s)));
            }
        }
        dD += sum_D;
        dbias += sum_bias;
    }

    void finish(const Gradients<T>& grad) const {
        const int64_t row = strip.b * strip.in.channels + strip.first;
        strip.store_by_state(grad.A, dA);
        if (strip.in.B.constant) strip.store_by_state(grad.B, dB);
        if (strip.in.C.constant) strip.store_by_state(grad.C, dC);
        store(grad.D + row, dD, strip.count);
        store(grad.delta_bias + row, dbias, strip.count);
    }
};

template <class T>
void part_backward(const Inputs<T>& in, const Gradients<T>& grad, int64_t b, int64_t group, int64_t part) {
    FlushDenormals flush;
    std::vector<Adjoint<T>> adjoints;
    const int64_t count = strips_of_a_group(in);
    for (int64_t s = part * count / grad.parts; s < (part + 1) * count / grad.parts; s++)
        adjoints.emplace_back(in, b, group * count + s, grad.last_state);
    std::vector<Vec<T>> dB(BACKWARD_BLOCK * in.state), dC(BACKWARD_BLOCK * in.state);
    const int64_t blocks = (in.length + BACKWARD_BLOCK - 1) / BACKWARD_BLOCK;
    for (int64_t block = blocks - 1; block >= 0; block--) {
        std::fill(dB.begin(), dB.end(), Vec<T>{});
        std::fill(dC.begin(), dC.end(), Vec<T>{});
        for (auto& adjoint : adjoints) adjoint.reverse(block, grad, dB.data(), dC.data());
        const int64_t t0 = block * BACKWARD_BLOCK, tokens = std::min<int64_t>(BACKWARD_BLOCK, in.length - t0);
        auto write = [&](T* to, const std::vector<Vec<T>>& rows) {
            for (int64_t t = 0; t < tokens; t++) {
                const int64_t token = grad.reverse ? in.length - 1 - t0 - t : t0 + t;
                T* row = to + (((part * in.batch + b) * in.length + token) * in.groups + group) * in.state;
                for (int64_t n = 0; n < in.state; n++) row[n] = sum_lanes<T>(rows[t * in.state + n]);
            }
        };
        if (!in.B.constant) write(grad.B, dB);
        if (!in.C.constant) write(grad.C, dC);
    }
    for (auto& adjoint : adjoints) adjoint.finish(grad);
}

template <class T>
void backward(const Inputs<T>& in, const Gradients<T>& grad) {
    const int threads = std::max(1, in.threads);
#pragma omp parallel for collapse(3) schedule(dynamic) num_threads(threads)
    for (int64_t b = 0; b < in.batch; b++)
        for (int64_t group = 0; group < in.groups; group++)
            for (int64_t part = 0; part < grad.parts; part++) part_backward(in, grad, b, group, part);
}

}  // namespace

extern "C" int64_t scan_strips_f32(int64_t channels) { return (channels + LANES<float> - 1) / LANES<float>; }
extern "C" int64_t scan_strips_f64(int64_t channels) { return (channels + LANES<double> - 1) / LANES<double>; }
extern "C" void scan_backward_f32(const Inputs<float>* in, const Gradients<float>* grad) { backward(*in, *grad); }
extern "C" void scan_backward_f64(const Inputs<double>* in, const Gradients<double>* grad) { backward(*in, *grad); }
