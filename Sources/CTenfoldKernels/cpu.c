// Tenfold kernels: what the CPU has and the operating system lets us use.
// SPDX-License-Identifier: Apache-2.0
#include "cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <stdint.h>

/// The register state that the operating system saves (XCR0), 0 without XSAVE.
static uint64_t saved_state(void) {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 0;
  __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
  return (uint64_t)d << 32 | a;
}

bool tenfold_cpu_has_avx2(void) {
  uint32_t a, b, c, d;
  if ((saved_state() & 0x6) != 0x6 || !__get_cpuid(1, &a, &b, &c, &d)) return false;
  if (!(c & bit_FMA) || !(c & bit_F16C)) return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_AVX2);
}

bool tenfold_cpu_has_avxvnni(void) {
  uint32_t a, b, c, d;
  if (!tenfold_cpu_has_avx2() || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || a < 1) return false;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4);
}

bool tenfold_cpu_has_avx512vnni(void) {
  uint32_t a, b, c, d;
  if (!tenfold_cpu_has_avx2() || (saved_state() & 0xE6) != 0xE6) return false;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  return (b & bit_AVX512F) && (b & bit_AVX512BW) && (b & bit_AVX512VL) && (b & bit_AVX512DQ) && (c & bit_AVX512VNNI);
}

bool tenfold_cpu_has_avx512bf16(void) {
  uint32_t a, b, c, d;
  if (!tenfold_cpu_has_avx512vnni() || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || a < 1) return false;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 5);
}
#endif

#if defined(__aarch64__)
#if defined(__APPLE__)
#include <stddef.h>
#include <sys/sysctl.h>

static bool has(const char *feature) {
  int value = 0;
  size_t size = sizeof value;
  return sysctlbyname(feature, &value, &size, NULL, 0) == 0 && value != 0;
}

bool tenfold_cpu_has_dotprod(void) { return has("hw.optional.arm.FEAT_DotProd"); }
bool tenfold_cpu_has_i8mm(void) { return tenfold_cpu_has_dotprod() && has("hw.optional.arm.FEAT_I8MM"); }

#elif defined(__linux__)
#include <sys/auxv.h>

// The kernel's numbers for HWCAP_ASIMDDP and HWCAP2_I8MM; older headers lack the second.
bool tenfold_cpu_has_dotprod(void) { return getauxval(AT_HWCAP) >> 20 & 1; }
bool tenfold_cpu_has_i8mm(void) { return tenfold_cpu_has_dotprod() && getauxval(AT_HWCAP2) >> 13 & 1; }

#else
// Elsewhere, what the whole program is compiled for anyway.
bool tenfold_cpu_has_dotprod(void) {
#if defined(__ARM_FEATURE_DOTPROD)
  return true;
#else
  return false;
#endif
}
bool tenfold_cpu_has_i8mm(void) {
#if defined(__ARM_FEATURE_MATMUL_INT8)
  return tenfold_cpu_has_dotprod();
#else
  return false;
#endif
}
#endif
#endif
