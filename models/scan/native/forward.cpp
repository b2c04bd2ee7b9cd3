// The selective scan, forward. Channels stand in the lanes of a vector and the states of a channel in registers, so the
// sum over states needs no shuffles and each exponential is taken once.
//
// Threads share the batch and the channels. Where these do not suffice for all threads, the sequence is cut too, as in
// chunked.py: every chunk from a zero state, the carry over the chunks, every chunk again from the right state. That
// costs the exponentials twice and so begins at three chunks.

#include "walker.hpp"

template <class T>
struct Outputs {
    Sequence<T> out;
    T* last_state;  // (batch, channels, state), or null
};

namespace {

template <class T>
void scan(const Inputs<T>& in, const Outputs<T>& outputs) {
    const Sequence<T> out = outputs.out;
    const int64_t all_strips = strips(in), threads = std::max(1, in.threads);
    const int64_t parts = std::min(all_strips, (threads + in.batch - 1) / in.batch);
    int64_t chunks = std::min(threads / (in.batch * parts), (in.length + BLOCK - 1) / BLOCK);
    if (chunks < 3) chunks = 1;
    const int64_t steps = ((in.length + chunks - 1) / chunks + BLOCK - 1) / BLOCK * BLOCK;
    chunks = (in.length + steps - 1) / steps;
    std::vector<Vec<T>> ends, totals;
    if (chunks > 1) {
        ends.resize(in.batch * all_strips * chunks * in.state);
        totals.resize(in.batch * all_strips * chunks);
    }
    auto slot = [&](int64_t b, int64_t s, int64_t k) { return (b * all_strips + s) * chunks + k; };
    auto walkers_of = [&](int64_t b, int64_t part) {
        std::vector<Walker<T>> walkers;
        for (int64_t s = part * all_strips / parts; s < (part + 1) * all_strips / parts; s++)
            walkers.emplace_back(in, b, s);
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
                    for (int64_t s = part * all_strips / parts, i = 0; i < (int64_t)walkers.size(); s++, i++) {
                        std::copy(walkers[i].h.begin(), walkers[i].h.end(), &ends[slot(b, s, k) * in.state]);
                        totals[slot(b, s, k)] = walkers[i].total_step;
                    }
                }
    }
#pragma omp parallel for collapse(3) schedule(dynamic) num_threads(threads)
    for (int64_t b = 0; b < in.batch; b++)
        for (int64_t part = 0; part < parts; part++)
            for (int64_t k = 0; k < chunks; k++) {
                FlushDenormals flush;
                auto walkers = walkers_of(b, part);
                for (int64_t s = part * all_strips / parts, i = 0; i < (int64_t)walkers.size(); s++, i++)
                    for (int64_t j = 0; j < k; j++)  // the carry: few chunks, a handful of operations each
                        for (int64_t n = 0; n < in.state; n++) {
                            Vec<T>& h = walkers[i].h[n];
                            h = exp2(totals[slot(b, s, j)] * walkers[i].rates[n]) * h + ends[slot(b, s, j) * in.state + n];
                        }
                walk<T, true>(walkers, k * steps, std::min(in.length, (k + 1) * steps), out);
                if (outputs.last_state && k == chunks - 1)
                    for (auto& walker : walkers) walker.strip.store_by_state(outputs.last_state, walker.h);
            }
}

}  // namespace

extern "C" void scan_forward_f32(const Inputs<float>* in, const Outputs<float>* out) { scan(*in, *out); }
extern "C" void scan_forward_f64(const Inputs<double>* in, const Outputs<double>* out) { scan(*in, *out); }
