#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "schemas/base/random.h"

int main(int argc, char** argv) {
  entente::ensure_sodium();
  return doctest::Context(argc, argv).run();
}
