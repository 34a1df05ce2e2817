// Runs a fuzz target over its corpus and over variations of it drawn from a fixed seed, so that
// every ordinary build exercises the decoder; it cannot replace the fuzzer.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "schemas/base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr int kVariations = 200;  // of each input
constexpr std::uint64_t kSeed = 20'150'820;

void run(const std::vector<std::uint8_t>& input) {
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

void vary(std::vector<std::uint8_t> input, entente::Random& random) {
  const std::uint64_t edits = 1 + random.below(4);
  for (std::uint64_t i = 0; i < edits && !input.empty(); ++i) {
    const std::size_t at = random.below(input.size());
    switch (random.below(4)) {
      case 0: input[at] = static_cast<std::uint8_t>(random.u64()); break;
      case 1: input[at] ^= static_cast<std::uint8_t>(1u << random.below(8)); break;
      case 2: input.resize(at); break;
      case 3:
        input.insert(input.begin() + static_cast<std::ptrdiff_t>(at), input.begin(),
                     input.begin() + static_cast<std::ptrdiff_t>(random.below(at + 1)));
        break;
    }
  }
  run(input);
}

}  // namespace

int main(int argc, char** argv) {
  entente::ensure_sodium();
  entente::SeededRandom random(kSeed);
  std::size_t files = 0;
  const std::filesystem::path folder = argc > 1 ? argv[1] : "";
  run({});
  if (std::filesystem::is_directory(folder)) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream stream(entry.path(), std::ios::binary);
      const std::vector<std::uint8_t> input{std::istreambuf_iterator<char>(stream), {}};
      run(input);
      for (int i = 0; i < kVariations; ++i) vary(input, random);
      ++files;
    }
  }
  for (int i = 0; i < kVariations; ++i) {
    std::vector<std::uint8_t> input(random.below(512));
    random.fill(input);
    run(input);
  }
  std::printf("%zu files and their variations replayed (seed %llu)\n", files,
              static_cast<unsigned long long>(kSeed));
  return 0;
}
