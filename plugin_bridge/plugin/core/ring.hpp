// A queue of fixed size between two threads, one that writes and one that reads; neither waits.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <vector>

namespace bandmate {

template <class T> class Ring {
public:
    // Not while another thread uses it.
    void resize(std::size_t size) {
        items_.assign(size, T{});
        written_ = 0;
        read_ = 0;
    }

    std::size_t size() const { return items_.size(); }

    // For the writing thread.
    std::size_t room() const {
        return items_.size() -
               (written_.load(std::memory_order_relaxed) - read_.load(std::memory_order_acquire));
    }
    T& slot(std::size_t ahead) {
        return items_[(written_.load(std::memory_order_relaxed) + ahead) % items_.size()];
    }
    void commit(std::size_t count) { written_.fetch_add(count, std::memory_order_release); }
    bool push(const T& item) {
        if (room() == 0) return false;
        slot(0) = item;
        commit(1);
        return true;
    }

    // For the reading thread.
    std::size_t available() const {
        return written_.load(std::memory_order_acquire) - read_.load(std::memory_order_relaxed);
    }
    const T& front() const { return items_[read_.load(std::memory_order_relaxed) % items_.size()]; }
    // The oldest items that lie together, up to `count`.
    std::size_t contiguous(std::size_t count, const T*& first) const {
        const std::size_t at = read_.load(std::memory_order_relaxed) % items_.size();
        first = items_.data() + at;
        return std::min({count, available(), items_.size() - at});
    }
    void drop(std::size_t count) { read_.fetch_add(count, std::memory_order_release); }

private:
    std::vector<T> items_;
    std::atomic<std::size_t> written_{0}; // items ever written; wraps only after centuries
    std::atomic<std::size_t> read_{0};
};

} // namespace bandmate
