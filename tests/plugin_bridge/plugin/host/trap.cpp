// Counts what an audio thread must not do. With glibc the functions of this program stand before
// the C library's; with sanitizers, which do the same, it counts nothing.
#include "hosted.hpp"

#include <atomic>

namespace {

thread_local bool armed = false;
std::atomic<long> calls{0};
std::atomic<const char*> name{""};

} // namespace

void trap::arm() { armed = true; }
void trap::release() { armed = false; }
long trap::count() { return calls; }
std::string trap::last() { return name.load(); }

#ifndef NO_TRAP

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

static void forbid(const char* what) {
    if (!armed) return;
    ++calls;
    name = what;
}

extern "C" {

void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void __libc_free(void*);

void* malloc(size_t size) { return forbid("malloc"), __libc_malloc(size); }
void* calloc(size_t count, size_t size) { return forbid("calloc"), __libc_calloc(count, size); }
void* realloc(void* old, size_t size) { return forbid("realloc"), __libc_realloc(old, size); }
void* memalign(size_t to, size_t size) { return forbid("memalign"), __libc_memalign(to, size); }
void* aligned_alloc(size_t to, size_t size) {
    return forbid("aligned_alloc"), __libc_memalign(to, size);
}
void free(void* old) {
    if (old != nullptr) forbid("free");
    __libc_free(old);
}

#define FORWARD(result, function, parameters, arguments)                                           \
    result function parameters {                                                                   \
        forbid(#function);                                                                         \
        static auto* const real =                                                                  \
            reinterpret_cast<result(*) parameters>(dlsym(RTLD_NEXT, #function));                   \
        return real arguments;                                                                     \
    }

FORWARD(int, pthread_mutex_lock, (pthread_mutex_t * m), (m))
FORWARD(int, pthread_rwlock_rdlock, (pthread_rwlock_t * m), (m))
FORWARD(int, pthread_rwlock_wrlock, (pthread_rwlock_t * m), (m))
FORWARD(int, pthread_cond_wait, (pthread_cond_t * c, pthread_mutex_t* m), (c, m))
FORWARD(int, pthread_cond_signal, (pthread_cond_t * c), (c))
FORWARD(int, pthread_cond_broadcast, (pthread_cond_t * c), (c))
FORWARD(FILE*, fopen, (const char* path, const char* mode), (path, mode))
FORWARD(FILE*, fopen64, (const char* path, const char* mode), (path, mode))
FORWARD(size_t, fwrite, (const void* p, size_t s, size_t n, FILE* f), (p, s, n, f))
FORWARD(size_t, fread, (void* p, size_t s, size_t n, FILE* f), (p, s, n, f))
FORWARD(ssize_t, read, (int file, void* data, size_t size), (file, data, size))
FORWARD(ssize_t, write, (int file, const void* data, size_t size), (file, data, size))
FORWARD(void*, mmap, (void* a, size_t n, int p, int f, int d, off_t o), (a, n, p, f, d, o))
FORWARD(int, munmap, (void* a, size_t n), (a, n))
FORWARD(int, usleep, (useconds_t time), (time))
FORWARD(int, nanosleep, (const struct timespec* a, struct timespec* b), (a, b))
FORWARD(int, clock_nanosleep, (clockid_t c, int f, const struct timespec* a, struct timespec* b),
        (c, f, a, b))
} // extern "C"

#endif
