// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0
//
// Lets the thread sanitizer see that Swift's Mutex excludes, on Linux.
//
// The uncontended way through Synchronization.Mutex is compiled into the caller, where the sanitizer sees its atomics.
// A thread that has to wait, however, gets the lock inside libswiftSynchronization, by a system call the sanitizer knows
// nothing of, and each access under the lock is then reported as a race. In a build with the sanitizer these functions
// take the place of the library's (the executable's symbols come before a shared library's): they wait by trying again,
// with instrumented atomics. Nobody ever waits in the kernel then, so unlocking never takes its slow way.
// Layout and symbols: `_MutexHandle` in the Synchronization module's interface of Swift 6.3, a 32-bit thread id, 0 when
// free.

#if defined(__linux__) && defined(__has_feature)
#if __has_feature(thread_sanitizer)

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#define MUTEX(name) __asm__("$s15Synchronization12_MutexHandleV" name)

__attribute__((swiftcall)) void tenfold_mutex_lock_slow(uint32_t thread, __attribute__((swift_context)) void *word)
    MUTEX("9_lockSlowyys6UInt32VF");
__attribute__((swiftcall)) bool tenfold_mutex_try_lock_slow(__attribute__((swift_context)) void *word)
    MUTEX("12_tryLockSlowSbyF");

__attribute__((swiftcall)) void tenfold_mutex_lock_slow(uint32_t thread, __attribute__((swift_context)) void *word) {
  for (;;) {
    uint32_t owner = 0;
    if (__atomic_compare_exchange_n((uint32_t *)word, &owner, thread, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return;
    sched_yield();
  }
}

__attribute__((swiftcall)) bool tenfold_mutex_try_lock_slow(__attribute__((swift_context)) void *word) {
  (void)word;
  return false;
}

#endif
#endif

typedef int tenfold_sanitizers_is_not_empty;
