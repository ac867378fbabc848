// The worker's end of capturing: takes samples out of the tap's ring and makes pieces of them.
#pragma once

#include "store.hpp"
#include "tap.hpp"

namespace bandmate {

class Recorder {
public:
    // Take what is there. `room`: frames that may still be captured; the rest is dropped.
    void drain(Tap& tap, const Store& store, std::int64_t room);

    // After the tap's ring was emptied for a new beginning.
    void restart() { read_ = 0; }

    bool finished() const { return finished_; } // the musician is done
    bool full() const { return full_; }
    bool failed() const { return failed_; } // the disk is full
    std::int64_t frames() const;            // in the pieces
    // The pieces, oldest first; what follows begins anew.
    std::vector<Piece> take();

private:
    void handle(const Mark& mark, const Tap& tap, const Store& store);
    void append(Tap& tap, std::size_t frames, std::int64_t room);
    void close();

    std::vector<Piece> pieces_;
    std::shared_ptr<PieceFile> open_;
    std::int64_t start_ = 0;
    std::size_t read_ = 0; // frames ever taken out of the ring
    bool finished_ = false, full_ = false, failed_ = false;
};

} // namespace bandmate
