#include "node/daemon/node_metrics.h"

#include <doctest/doctest.h>

#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

using namespace entente::node;

namespace {

bool shows(NodeMetrics& metrics, const std::string& line) {
  const std::string text = prometheus::TextSerializer().Serialize(metrics.registry().Collect());
  return text.find(line + "\n") != std::string::npos;
}

}  // namespace

TEST_SUITE("daemon/node_metrics") {
  TEST_CASE("draws of noise are counted by where they came from and never go back") {
    NodeMetrics metrics;
    metrics.noise(7, 2);
    CHECK(shows(metrics, "entente_noise_draws_total{source=\"pool\"} 7"));
    CHECK(shows(metrics, "entente_noise_draws_total{source=\"taker\"} 2"));
    metrics.noise(9, 2);
    metrics.noise(8, 2);
    CHECK(shows(metrics, "entente_noise_draws_total{source=\"pool\"} 9"));
    CHECK(shows(metrics, "entente_noise_draws_total{source=\"taker\"} 2"));
  }
}
