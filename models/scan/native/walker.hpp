// One strip of channels on its way through the tokens, with its state.
#pragma once

#include "scan.hpp"

template <class T>
struct Walker {
    Strip<T> strip;
    std::vector<Vec<T>> rates, h;
    Vec<T> total_step = {};

    Walker(const Inputs<T>& in, int64_t b, int64_t index) : strip(in, b, index), rates(strip.rates()), h(in.state) {}

    template <bool OUTPUT>
    void block(int64_t t0, int count, Sequence<T> out) {
        const Inputs<T>& in = strip.in;
        Vec<T> step[BLOCK], input[BLOCK], u[BLOCK], y[BLOCK];
        for (int t = 0; t < count; t++) {
            step[t] = strip.step(t0 + t);
            u[t] = strip.read(in.u, t0 + t);
            input[t] = step[t] * u[t];
            if (OUTPUT)
                y[t] = Vec<T>{};
            else
                total_step += step[t];
        }
        strip.with_rows(t0, [&](auto B, auto C) {
            advance<T, OUTPUT>(h.data(), rates.data(), in.state, step, input, B, C, y, count);
        });
        if (!OUTPUT) return;
        for (int t = 0; t < count; t++) {
            Vec<T> result = y[t] + strip.skip * u[t];
            if (in.z) {
                Vec<T> z = strip.read(in.z, t0 + t);
                result *= z * sigmoid(z);
            }
            store(out.at(strip.b, t0 + t) + strip.first, result, strip.count);
        }
    }
};

// Walkers of neighbouring strips go through the tokens together, so that memory is read in order.
template <class T, bool OUTPUT>
void walk(std::vector<Walker<T>>& walkers, int64_t begin, int64_t end, Sequence<T> out) {
    for (int64_t t = begin; t < end; t += BLOCK)
        for (auto& walker : walkers)
            walker.template block<OUTPUT>(t, (int)std::min<int64_t>(BLOCK, end - t), out);
}
