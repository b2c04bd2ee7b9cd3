// The selective scan, forward. Channels stand in the lanes of a vector and the states of a channel in registers, so the
// sum over states needs no shuffles and each exponential is taken once.
//
// Threads share the batch and the channels. Where these do not suffice for all threads, the sequence is cut too, as in
// chunked.py: every chunk from a zero state, the carry over the chunks, every chunk again from the right state. That
// costs the exponentials twice and so begins at three chunks.

#include "walker.hpp"

namespace {

template <class T>
void scan(const Inputs<T>& in, Sequence<T> out) {
    const int64_t all_groups = groups(in), threads = std::max(1, in.threads);
    const int64_t parts = std::min(all_groups, (threads + in.batch - 1) / in.batch);
    int64_t chunks = std::min(threads / (in.batch * parts), (in.length + BLOCK - 1) / BLOCK);
    if (chunks < 3) chunks = 1;
    const int64_t steps = ((in.length + chunks - 1) / chunks + BLOCK - 1) / BLOCK * BLOCK;
    chunks = (in.length + steps - 1) / steps;
    std::vector<Vec<T>> ends, totals;
    if (chunks > 1) {
        ends.resize(in.batch * all_groups * chunks * in.state);
        totals.resize(in.batch * all_groups * chunks);
    }
    auto slot = [&](int64_t b, int64_t g, int64_t k) { return (b * all_groups + g) * chunks + k; };
    auto walkers_of = [&](int64_t b, int64_t part) {
        std::vector<Walker<T>> walkers;
        for (int64_t g = part * all_groups / parts; g < (part + 1) * all_groups / parts; g++)
            walkers.emplace_back(in, b, g);
        return walkers;
    };
    if (chunks > 1) {
#pragma omp parallel for collapse(3) schedule(dynamic) num_threads(threads)
        for (int64_t b = 0; b < in.batch; b++)
            for (int64_t part = 0; part < parts; part++)
                for (int64_t k = 0; k < chunks - 1; k++) {
                    FlushDenormals flush;
                    auto walkers = walkers_of(b, part);
                    walk<T, false>(walkers, k * steps, std::min(in.length, (k + 1) * steps), out);
                    for (int64_t g = part * all_groups / parts, i = 0; i < (int64_t)walkers.size(); g++, i++) {
                        std::copy(walkers[i].h.begin(), walkers[i].h.end(), &ends[slot(b, g, k) * in.state]);
                        totals[slot(b, g, k)] = walkers[i].total_step;
                    }
                }
    }
#pragma omp parallel for collapse(3) schedule(dynamic) num_threads(threads)
    for (int64_t b = 0; b < in.batch; b++)
        for (int64_t part = 0; part < parts; part++)
            for (int64_t k = 0; k < chunks; k++) {
                FlushDenormals flush;
                auto walkers = walkers_of(b, part);
                for (int64_t g = part * all_groups / parts, i = 0; i < (int64_t)walkers.size(); g++, i++)
                    for (int64_t j = 0; j < k; j++)  // the carry: few chunks, a handful of operations each
                        for (int64_t n = 0; n < in.state; n++) {
                            Vec<T>& h = walkers[i].h[n];
                            h = exp2(totals[slot(b, g, j)] * walkers[i].rates[n]) * h + ends[slot(b, g, j) * in.state + n];
                        }
                walk<T, true>(walkers, k * steps, std::min(in.length, (k + 1) * steps), out);
            }
}

}  // namespace

extern "C" void scan_forward_f32(const Inputs<float>* in, const Sequence<float>* out) { scan(*in, *out); }
extern "C" void scan_forward_f64(const Inputs<double>* in, const Sequence<double>* out) { scan(*in, *out); }
