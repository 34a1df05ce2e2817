// kill -9 at every named point of writing, sealing and erasing: what was acknowledged is there
// once, nothing is there by half, summaries equal the readings. ENTENTE_CRASH_ROUNDS=100 runs every
// point a hundred times, at its first to its hundredth pass; the test command does a few. A killed
// process loses nothing that it gave to the kernel, so that the files lie in memory where the
// system has such a place (/dev/shm): the same is tested, and no round waits for a disk. What a
// disk loses is power_cut_test.cpp's.
#include <doctest/doctest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "tests/unit/node/child_process.h"
#include "tests/unit/node/history/crash_model.h"
#include "tests/unit/node/temporary_folder.h"

#ifdef ENTENTE_CRASH_POINTS
namespace entente::node {
namespace {

TEST_SUITE("node/history crashes") {
  TEST_CASE("kill -9 at any point of writing sealing and erasing loses and halves nothing") {
    if (const auto folder = test::child_folder())
      return test::live(*folder, test::kBatches, test::say);
    const char* asked = std::getenv("ENTENTE_CRASH_ROUNDS");
    const int rounds = asked == nullptr ? 2 : std::atoi(asked);
    const bool memory = ::access("/dev/shm", W_OK) == 0;
    const std::filesystem::path in_memory =
        memory ? "/dev/shm" : std::filesystem::temp_directory_path();
    int killed = 0;
    for (const char* point : {"before_commit",    "after_commit", "before_checkpoint",
                              "after_checkpoint", "named",        "journaled",
                              "frozen",           "merged",       "inserted",
                              "removed",          "published",    "summarised",
                              "bucketed",         "sealed",       "trimming",
                              "trimmed",          "erasing",      "erased",
                              "forgotten",        "replayed"}) {
      for (int round = 0; round < rounds; ++round) {
        // Early passes and late ones; a point that is passed less often lets the run end by itself.
        const int pass = rounds > 20 ? round + 1 : 1 + round * 11;
        CAPTURE(point);
        CAPTURE(pass);
        test::TemporaryFolder folder(in_memory);
        const auto end = test::run_child(
            folder / "h.db", "history." + std::string(point) + ":" + std::to_string(pass));
        killed += end.killed;
        if (round == 0) CHECK(end.killed);
        test::check_survivor(folder / "h.db", end.said);
      }
    }
    MESSAGE("killed " << killed << " times");
  }
}

}  // namespace
}  // namespace entente::node
#endif
