// The selective scan, backward. With g_t the gradient of h_t and dy_t that of y_t:
//
//     g_t = C_t dy_t + exp(delta_{t+1} A) g_{t+1},
//
// which runs from the last token to the first and needs h_t on the way. States cannot be run backwards (that would
// divide by a decay), so the forward pass keeps one at every BLOCK tokens, and a block's states and decays are computed
// again and held in the cache while the block is walked in reverse.
//
// Threads share the batch and the channels. Gradients of B and C are sums over channels: each part writes its own, and
// the caller adds the parts, always in the same order.

#include "scan.hpp"

namespace {

constexpr int BACKWARD_BLOCK = 32;
constexpr int BACKWARD_TILE = REGISTERS / 4;  // two registers a state: the adjoint and the gradient of A

}  // namespace

template <class T>
struct Gradients {
    Sequence<const T> out;
    Sequence<T> u, delta, z;
    // A (batch, channels, state), D and delta_bias (batch, channels), B and C (parts, batch, length, state).
    T *A, *D, *delta_bias, *B, *C;
    int64_t parts;
};

namespace {

template <class T>
struct Adjoint {
    Group<T> group;
    std::vector<Vec<T>> rates, saved, carry, dA;  // saved: (blocks, state)
    Vec<T> dD = {}, dbias = {};

    Adjoint(const Inputs<T>& in, int64_t b, int64_t index)
        : group(in, b, index), rates(group.rates()), carry(in.state), dA(in.state) {
        const int64_t blocks = (in.length + BACKWARD_BLOCK - 1) / BACKWARD_BLOCK;
        saved.resize(blocks * in.state);
        std::vector<Vec<T>> h(in.state);
        for (int64_t block = 0; block < blocks; block++) {
            std::copy(h.begin(), h.end(), &saved[block * in.state]);
            const int64_t t0 = block * BACKWARD_BLOCK;
            const int count = (int)std::min<int64_t>(BACKWARD_BLOCK, in.length - t0);
            Vec<T> step[BACKWARD_BLOCK], input[BACKWARD_BLOCK];
            for (int t = 0; t < count; t++) {
                step[t] = group.step(t0 + t);
                input[t] = step[t] * group.read(in.u, t0 + t);
            }
            advance<T, false>(h.data(), rates.data(), in.state, step, input, in.B.at(b, t0), in.B.token_stride,
                              nullptr, 0, nullptr, count);
        }
    }

    // What one block holds of its tokens. y, by_input and by_decay are sums over the state.
    struct Tokens {
        Vec<T> step[BACKWARD_BLOCK], u[BACKWARD_BLOCK], input[BACKWARD_BLOCK], dy[BACKWARD_BLOCK];
        Vec<T> y[BACKWARD_BLOCK], by_input[BACKWARD_BLOCK], by_decay[BACKWARD_BLOCK];
    };

    // STATES rows of the state from n on. dB and dC (token, state) gather vectors of channels.
    template <int STATES>
    void tile(Tokens& k, int64_t n0, int64_t block, int count, Vec<T>* dB, Vec<T>* dC) {
        const Inputs<T>& in = group.in;
        const int64_t t0 = block * BACKWARD_BLOCK;
        Vec<T> states[(BACKWARD_BLOCK + 1) * STATES], decays[BACKWARD_BLOCK * STATES];
        for (int n = 0; n < STATES; n++) states[n] = saved[block * in.state + n0 + n];
        for (int t = 0; t < count; t++) {
            const T* B = in.B.at(group.b, t0 + t) + n0;
#pragma GCC unroll 16
            for (int n = 0; n < STATES; n++) {
                Vec<T> decay = exp2(k.step[t] * rates[n0 + n]);
                decays[t * STATES + n] = decay;
                states[(t + 1) * STATES + n] = decay * states[t * STATES + n] + k.input[t] * B[n];
            }
        }
        Vec<T> g[STATES], sum[STATES];
        for (int n = 0; n < STATES; n++) g[n] = carry[n0 + n], sum[n] = dA[n0 + n];
        for (int t = count - 1; t >= 0; t--) {
            const T *B = in.B.at(group.b, t0 + t) + n0, *C = in.C.at(group.b, t0 + t) + n0;
            Vec<T> y = k.y[t], by_input = k.by_input[t], by_decay = k.by_decay[t];
#pragma GCC unroll 16
            for (int n = 0; n < STATES; n++) {
                const Vec<T> h = states[(t + 1) * STATES + n];
                y += h * C[n];
                dC[t * in.state + n0 + n] += h * k.dy[t];
                g[n] += k.dy[t] * C[n];
                dB[t * in.state + n0 + n] += g[n] * k.input[t];
                by_input += g[n] * B[n];
                g[n] *= decays[t * STATES + n];
                const Vec<T> change = g[n] * states[t * STATES + n];  // gradient of delta_t A
                sum[n] += change * k.step[t];
                by_decay += change * rates[n0 + n];
            }
            k.y[t] = y, k.by_input[t] = by_input, k.by_decay[t] = by_decay;
        }
        for (int n = 0; n < STATES; n++) carry[n0 + n] = g[n], dA[n0 + n] = sum[n];
    }

    void reverse(int64_t block, const Gradients<T>& grad, Vec<T>* dB, Vec<T>* dC) {
        const Inputs<T>& in = group.in;
        const int64_t t0 = block * BACKWARD_BLOCK;
        const int count = (int)std::min<int64_t>(BACKWARD_BLOCK, in.length - t0);
        Tokens k;
        Vec<T> slope[BACKWARD_BLOCK];  // d step / d delta
        for (int t = 0; t < count; t++) {
            const Vec<T> x = group.read(in.delta, t0 + t) + group.bias;
            slope[t] = in.softplus ? sigmoid(x) : all<T>(1);
            k.step[t] = group.step(t0 + t);
            k.u[t] = group.read(in.u, t0 + t);
            k.input[t] = k.step[t] * k.u[t];
            k.dy[t] = group.read(grad.out, t0 + t);
            if (in.z) {
                const Vec<T> z = group.read(in.z, t0 + t);
                k.dy[t] *= z * sigmoid(z);
            }
            k.y[t] = k.u[t] * group.skip;
            k.by_input[t] = k.by_decay[t] = Vec<T>{};
        }
        int64_t n = 0;
        for (; n + BACKWARD_TILE <= in.state; n += BACKWARD_TILE) tile<BACKWARD_TILE>(k, n, block, count, dB, dC);
        for (; n < in.state; n++) tile<1>(k, n, block, count, dB, dC);
        for (int t = 0; t < count; t++) {
            const int64_t token = t0 + t;
            auto write = [&](const Sequence<T>& to, Vec<T> v) {
                store(to.at(group.b, token) + group.first, v, group.count);
            };
            const Vec<T> ddelta = (k.by_input[t] * k.u[t] + k.by_decay[t] * (T)0.69314718055994531) * slope[t];
            dD += k.dy[t] * k.u[t];
            dbias += ddelta;
            write(grad.u, k.by_input[t] * k.step[t] + k.dy[t] * group.skip);
            write(grad.delta, ddelta);
            if (in.z) {
                const Vec<T> z = group.read(in.z, token), s = sigmoid(z);
                write(grad.z, group.read(grad.out, token) * k.y[t] * s * (1 + z * (1 - s)));
            }
        }
    }

    void finish(const Gradients<T>& grad) const {
        const Inputs<T>& in = group.in;
        const int64_t row = group.b * in.channels + group.first;
        for (int64_t n = 0; n < in.state; n++)
            for (int i = 0; i < group.count; i++) grad.A[(row + i) * in.state + n] = dA[n][i];
        store(grad.D + row, dD, group.count);
        store(grad.delta_bias + row, dbias, group.count);
    }
};

template <class T>
void part_backward(const Inputs<T>& in, const Gradients<T>& grad, int64_t b, int64_t part) {
    FlushDenormals flush;
    std::vector<Adjoint<T>> adjoints;
    const int64_t all_groups = groups(in);
    for (int64_t g = part * all_groups / grad.parts; g < (part + 1) * all_groups / grad.parts; g++)
        adjoints.emplace_back(in, b, g);
    std::vector<Vec<T>> dB(BACKWARD_BLOCK * in.state), dC(BACKWARD_BLOCK * in.state);
    const int64_t blocks = (in.length + BACKWARD_BLOCK - 1) / BACKWARD_BLOCK;
    for (int64_t block = blocks - 1; block >= 0; block--) {
        std::fill(dB.begin(), dB.end(), Vec<T>{});
        std::fill(dC.begin(), dC.end(), Vec<T>{});
        for (auto& adjoint : adjoints) adjoint.reverse(block, grad, dB.data(), dC.data());
        const int64_t t0 = block * BACKWARD_BLOCK, values = std::min<int64_t>(BACKWARD_BLOCK, in.length - t0) * in.state;
        const int64_t first = ((part * in.batch + b) * in.length + t0) * in.state;
        for (int64_t i = 0; i < values; i++) {
            grad.B[first + i] = sum_lanes<T>(dB[i]);
            grad.C[first + i] = sum_lanes<T>(dC[i]);
        }
    }
    for (auto& adjoint : adjoints) adjoint.finish(grad);
}

template <class T>
void backward(const Inputs<T>& in, const Gradients<T>& grad) {
    const int threads = std::max(1, in.threads);
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(threads)
    for (int64_t b = 0; b < in.batch; b++)
        for (int64_t part = 0; part < grad.parts; part++) part_backward(in, grad, b, part);
}

}  // namespace

extern "C" int64_t scan_groups_f32(int64_t channels) { return (channels + LANES<float> - 1) / LANES<float>; }
extern "C" int64_t scan_groups_f64(int64_t channels) { return (channels + LANES<double> - 1) / LANES<double>; }
extern "C" void scan_backward_f32(const Inputs<float>* in, const Gradients<float>* grad) { backward(*in, *grad); }
extern "C" void scan_backward_f64(const Inputs<double>* in, const Gradients<double>* grad) { backward(*in, *grad); }
