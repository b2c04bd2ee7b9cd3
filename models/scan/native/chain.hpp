// Threads that share out the pieces of a sequence, each of which needs what the piece before it leaves behind.
//
// A piece goes through `links` steps in order; step s of piece k waits for step s of piece k - 1 and then hands on a
// carry. Pieces are handed out in order, so a thread waits only while another is at work. Should that other have lost
// its core to somebody else's work, it may be gone for milliseconds, in which a thousand pieces could be done: after a
// short wait its piece is done again by the one who waits. All that a piece writes is the same whoever does it, so it
// does no harm when both do; carries are kept for all pieces, so that nothing a late one reads or writes was reused.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "vectors.hpp"

#if defined(__x86_64__)
static inline void pause_briefly() { _mm_pause(); }
#else
static inline void pause_briefly() {}
#endif

class Chain {
   public:
    static constexpr std::chrono::microseconds PATIENCE{50};  // about one piece's work

    // `size` vectors of carry in each link, zero before the first piece.
    Chain(int64_t pieces, int64_t links, int64_t size)
        : pieces(pieces), links(links), size(size), carries(pieces * links * size), taken(pieces),
          ready(pieces * links) {}

    const F32* carry(int64_t piece, int64_t link) const { return &carries[(piece * links + link) * size]; }

    // Waits for the carry of this piece: -1 if it is there, else the piece that should have brought it on and has not
    // for PATIENCE.
    int64_t wait(int64_t piece, int64_t link) const {
        for (int i = 0; i < 16; i++) {
            if (is_ready(piece, link)) return -1;
            pause_briefly();
        }
        int64_t last = last_ready(piece, link);
        for (auto since = std::chrono::steady_clock::now(); std::chrono::steady_clock::now() - since < PATIENCE;) {
            for (int i = 0; i < 16; i++) pause_briefly();
            const int64_t now = last_ready(piece, link);
            if (now == piece) return -1;
            if (now != last) since = std::chrono::steady_clock::now(), last = now;
        }
        return last;
    }

    // Hands this link's carry on to the next piece.
    void pass(int64_t piece, int64_t link, const F32* carry) {
        if (piece + 1 == pieces || is_ready(piece + 1, link)) return;
        std::copy(carry, carry + size, &carries[((piece + 1) * links + link) * size]);
        ready[(piece + 1) * links + link].store(1, std::memory_order_release);
    }

    bool is_finished(int64_t piece) const { return taken[piece].load(std::memory_order_relaxed); }

    // True for one caller only, who then writes the piece's result.
    bool claim(int64_t piece) { return !taken[piece].exchange(1, std::memory_order_relaxed); }

    const int64_t pieces, links, size;

   private:
    bool is_ready(int64_t piece, int64_t link) const {
        return piece == 0 || ready[piece * links + link].load(std::memory_order_acquire);
    }

    // The last piece up to this one whose carry is there.
    int64_t last_ready(int64_t piece, int64_t link) const {
        while (!is_ready(piece, link)) piece--;
        return piece;
    }

    std::vector<F32> carries;
    std::vector<std::atomic<uint8_t>> taken, ready;
};
