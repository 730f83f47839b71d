// Tenfold kernel check: counting, random numbers and guarded memory.
// SPDX-License-Identifier: Apache-2.0
#define _DEFAULT_SOURCE  // mmap, which ISO C leaves out
#include "harness.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static struct {
  char name[200];
  bool open, failed;
  size_t passed_count, failed_count;
} cases;

typedef struct mapping {
  uint8_t *pages;
  size_t slack, bytes, mapped;
} mapping;

static mapping mappings[256];
static size_t mapping_count;
static const uint8_t canary = 0xA5;

static size_t page_bytes(void) { return (size_t)sysconf(_SC_PAGESIZE); }

static void release_memory(void) {
  size_t page = page_bytes();
  for (size_t m = 0; m < mapping_count; m++) {
    const uint8_t *first = mappings[m].pages + page;
    for (size_t i = 0; i < mappings[m].slack; i++)
      if (first[i] != canary) {
        fail("wrote %zu bytes before a buffer of %zu", mappings[m].slack - i, mappings[m].bytes);
        break;
      }
    munmap(mappings[m].pages, mappings[m].mapped);
  }
  mapping_count = 0;
}

void end_cases(void) {
  release_memory();
  if (!cases.open) return;
  if (cases.failed) cases.failed_count++;
  else cases.passed_count++;
  cases.open = false;
}

static void stopped(int number) {
  // Only what a signal handler may call.
  const char *why = number == SIGSEGV || number == SIGBUS ? "memory outside a buffer in: " : "stopped in: ";
  ssize_t written = write(2, why, strlen(why));
  written += write(2, cases.name, strlen(cases.name));
  written += write(2, "\n", 1);
  _exit(written < 0 ? 3 : 2);
}

void begin_case(const char *format, ...) {
  end_cases();
  static bool watching;
  if (!watching) {
    const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGABRT};
    for (size_t i = 0; i < COUNT_OF(signals); i++) signal(signals[i], stopped);
    watching = true;
  }
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(cases.name, sizeof cases.name, format, arguments);
  va_end(arguments);
  cases.open = true;
  cases.failed = false;
}

void fail(const char *format, ...) {
  if (!cases.failed) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "FAILED %s: ", cases.name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
  }
  cases.failed = true;
}

size_t passed_cases(void) { return cases.passed_count; }
size_t failed_cases(void) { return cases.failed_count; }

void expect_bits(float value, float expected, const char *what, size_t i, size_t j) {
  if (isnan(value) && isnan(expected)) return;
  if (memcmp(&value, &expected, 4) != 0) fail("%s[%zu][%zu] is %a, not %a", what, i, j, value, expected);
}

void expect_near(double value, double expected, double tolerance, const char *what, size_t i, size_t j) {
  if (!(fabs(value - expected) <= tolerance))
    fail("%s[%zu][%zu] is %.9g, not %.9g (tolerance %.3g)", what, i, j, value, expected, tolerance);
}

void expect_equal(int64_t value, int64_t expected, const char *what, size_t i, size_t j) {
  if (value != expected) fail("%s[%zu][%zu] is %lld, not %lld", what, i, j, (long long)value, (long long)expected);
}

void *guarded(size_t bytes) {
  size_t page = page_bytes(), usable = (bytes + page - 1) / page * page;
  if (usable == 0) usable = page;
  if (mapping_count == COUNT_OF(mappings)) {
    fprintf(stderr, "too many buffers in: %s\n", cases.name);
    exit(3);
  }
  uint8_t *pages = mmap(NULL, usable + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED || mprotect(pages + page, usable, PROT_READ | PROT_WRITE) != 0) {
    perror("memory for a buffer");
    exit(3);
  }
  memset(pages + page, canary, usable);
  mappings[mapping_count++] = (mapping){pages, usable - bytes, bytes, usable + 2 * page};
  return pages + page + usable - bytes;
}

static uint64_t state = 1;

void seed(uint64_t value) { state = value; }

uint64_t next_bits(void) {
  // SplitMix64.
  uint64_t z = state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

void fill_units(float *x, size_t count, float size) {
  for (size_t i = 0; i < count; i++) x[i] = unit() * size;
}

double half_value(uint16_t bits) {
  int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  double size = exponent == 31 ? (mantissa ? NAN : INFINITY)
                               : exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
  return bits >> 15 ? -size : size;
}
