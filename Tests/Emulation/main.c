// Tenfold kernel check: runs every backend that this processor has.
// SPDX-License-Identifier: Apache-2.0
//
//   kernel-check [BACKEND...]   with names, those and no others must be the backends that run here, in this order
#include <stdio.h>

#include "harness.h"

static void report(const char *what, size_t passed_before, size_t failed_before) {
  printf(
    "  %-28s %5zu passed, %zu failed\n", what, passed_cases() - passed_before, failed_cases() - failed_before);
  fflush(stdout);
}

/// Runs the checks of one family and prints a line.
#define RUN(WHAT, CHECK) \
  do { \
    size_t passed = passed_cases(), failed = failed_cases(); \
    char label[64]; \
    CHECK; \
    end_cases(); \
    snprintf(label, sizeof label, "%s, %s", WHAT, name); \
    report(label, passed, failed); \
  } while (0)

static void check_backend(const tenfold_backend *backend) {
  const char *name = backend->name;
  RUN("int8", check_i8(backend));
  RUN("blocks", check_blocks(backend));
  RUN("floats", check_floats(backend));
  RUN("rows", check_rows(backend));
  RUN("scan", check_scan(backend));
}

/// The loops outside the backend tables; a backend may share another's, which is judged once.
static void check_loops(const char *backend) {
  static const void *seen[64];
  static size_t count;
  const tenfold_elementwise_kernels *elementwise = tenfold_elementwise_named(backend);
  const tenfold_attention_kernels *attention = tenfold_attention_named(backend);
  const tenfold_encoder_kernels *encoder = tenfold_encoder_kernels_named(backend);
  const void *tables[] = {elementwise, attention, encoder};
  const char *name;
  for (size_t t = 0; t < COUNT_OF(tables); t++) {
    bool done = false;
    for (size_t i = 0; i < count; i++) done = done || seen[i] == tables[t];
    if (done || count == COUNT_OF(seen)) continue;
    seen[count++] = tables[t];
    if (t == 0) {
      name = elementwise->name;
      RUN("element-wise", check_elementwise(elementwise));
    } else if (t == 1) {
      name = attention->name;
      RUN("attention", check_attention(attention));
    } else {
      name = encoder->name;
      RUN("encoder", check_encoder(encoder));
    }
  }
}

int main(int argument_count, char **arguments) {
  int ran = 0;
  bool as_expected = true;
  char names[200] = "";
  for (size_t i = 0; i < tenfold_backend_count(); i++) {
    const tenfold_backend *backend = tenfold_backend_at(i);
    if (!backend->supported()) {
      printf("%s: not run, this processor lacks %s\n", backend->name, backend->requirement);
      continue;
    }
    ran++;
    if (argument_count > 1 && (ran >= argument_count || strcmp(arguments[ran], backend->name) != 0)) as_expected = false;
    snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", ran > 1 ? ", " : "", backend->name);
    printf("%s:\n", backend->name);
    check_backend(backend);
    check_loops(backend->name);
  }
  if (argument_count > 1 && ran != argument_count - 1) as_expected = false;
  if (!as_expected) printf("the backends that ran are not those expected\n");
  printf("%zu passed, %zu failed (%s)\n", passed_cases(), failed_cases(), names);
  return failed_cases() == 0 && as_expected && passed_cases() > 0 ? 0 : 1;
}
