// One group of channels on its way through the tokens, with its state.
#pragma once

#include "scan.hpp"

template <class T>
struct Walker {
    Group<T> group;
    std::vector<Vec<T>> rates, h;
    Vec<T> total_step = {};

    Walker(const Inputs<T>& in, int64_t b, int64_t index) : group(in, b, index), rates(group.rates()), h(in.state) {}

    template <bool OUTPUT>
    void block(int64_t t0, int count, Sequence<T> out) {
        const Inputs<T>& in = group.in;
        Vec<T> step[BLOCK], input[BLOCK], u[BLOCK], y[BLOCK];
        for (int t = 0; t < count; t++) {
            step[t] = group.step(t0 + t);
            u[t] = group.read(in.u, t0 + t);
            input[t] = step[t] * u[t];
            if (OUTPUT)
                y[t] = Vec<T>{};
            else
                total_step += step[t];
        }
        advance<T, OUTPUT>(h.data(), rates.data(), in.state, step, input, in.B.at(group.b, t0), in.B.token_stride,
                           in.C.at(group.b, t0), in.C.token_stride, y, count);
        if (!OUTPUT) return;
        for (int t = 0; t < count; t++) {
            Vec<T> result = y[t] + group.skip * u[t];
            if (in.z) {
                Vec<T> z = group.read(in.z, t0 + t);
                result *= z * sigmoid(z);
            }
            store(out.at(group.b, t0 + t) + group.first, result, group.count);
        }
    }
};

// Walkers of neighbouring groups go through the tokens together, so that memory is read in order.
template <class T, bool OUTPUT>
void walk(std::vector<Walker<T>>& walkers, int64_t begin, int64_t end, Sequence<T> out) {
    for (int64_t t = begin; t < end; t += BLOCK)
        for (auto& walker : walkers)
            walker.template block<OUTPUT>(t, (int)std::min<int64_t>(BLOCK, end - t), out);
}
