// Gives the audio thread the newest of something without locks, and takes the old ones back: they
// are deleted by the thread that publishes, never by the audio thread.
#pragma once

#include <atomic>
#include <memory>

namespace bandmate {

template <class T> class Handoff {
public:
    Handoff() = default;
    Handoff(const Handoff&) = delete;
    Handoff& operator=(const Handoff&) = delete;
    ~Handoff() {
        delete next_.load();
        delete retired_.load();
        delete current_;
    }

    // For the publishing side; one thread at a time.
    void publish(std::unique_ptr<const T> item) {
        collect();
        delete next_.exchange(item.release(), std::memory_order_acq_rel);
    }
    void collect() { delete retired_.exchange(nullptr, std::memory_order_acq_rel); }

    // For the audio thread: the newest, or null before the first. It stays valid until the next
    // call. If the last one given back has not been collected yet, it is kept for a block longer.
    const T* take() {
        if (next_.load(std::memory_order_relaxed) != nullptr &&
            retired_.load(std::memory_order_acquire) == nullptr) {
            const T* newest = next_.exchange(nullptr, std::memory_order_acq_rel);
            retired_.store(current_, std::memory_order_release);
            current_ = newest;
        }
        return current_;
    }

private:
    std::atomic<const T*> next_{nullptr};
    std::atomic<const T*> retired_{nullptr};
    const T* current_ = nullptr; // the audio thread's
};

} // namespace bandmate
