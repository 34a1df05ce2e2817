#include "tests/simulation/scale.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>

namespace entente::simulation {
namespace {

// The numbers of a line, in their order; names and units are left out.
std::vector<double> numbers_in(const std::string& line) {
  std::vector<double> numbers;
  for (const char* at = line.c_str(); *at != '\0';) {
    if (*at >= '0' && *at <= '9') {
      char* end = nullptr;
      numbers.push_back(std::strtod(at, &end));
      at = end;
    } else {
      ++at;
    }
  }
  return numbers;
}

std::vector<std::string> documented() {
  std::ifstream readme(ENTENTE_SOURCE_DIR "/federation/README.md");
  std::vector<std::string> lines;
  for (std::string line; std::getline(readme, line);) {
    if (line.starts_with("| `own` | ") || line.starts_with("| `routed` | ")) lines.push_back(line);
  }
  return lines;
}

TEST_SUITE("scale") {
  TEST_CASE("the table of ten thousand sites in federation README is what the model gives") {
    const auto made = scale_table();
    const auto written = documented();
    REQUIRE(made.size() == written.size());
    for (std::size_t i = 0; i < made.size(); ++i) {
      CAPTURE(made[i]);
      CAPTURE(written[i]);
      const auto a = numbers_in(made[i]);
      const auto b = numbers_in(written[i]);
      REQUIRE(a.size() == b.size());
      // A field more in a message is no new table.
      for (std::size_t n = 0; n < a.size(); ++n) CHECK(std::abs(a[n] - b[n]) <= 0.1 * a[n]);
    }
  }

  TEST_CASE("latency grows with depth and not with width") {
    const auto one = figures_of({1, 64, ScaleAnswer::own}).latency;
    const auto sixty_four = figures_of({64, 64, ScaleAnswer::own}).latency;
    const auto deep = figures_of({64, 2, ScaleAnswer::own});
    CHECK(sixty_four.seconds() < 3 * std::max(one.seconds(), 0.34));
    CHECK(deep.levels == 6);
    CHECK(deep.latency.seconds() > 2 * sixty_four.seconds());
  }

  TEST_CASE("a node that answers for itself carries bytes by its members and names of leaves") {
    const auto sizes = measured_sizes();
    const auto own = figures_of({10'000, 10, ScaleAnswer::own});
    const auto routed = figures_of({10'000, 10, ScaleAnswer::routed});
    CHECK(own.bytes_origin < routed.bytes_origin / 10);
    CHECK(routed.bytes_origin > 10'000 * sizes.answer);
    CHECK(own.messages_most == 22);  // ten members and a parent, there and back
  }
}

}  // namespace
}  // namespace entente::simulation
