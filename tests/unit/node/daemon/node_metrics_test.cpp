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

  TEST_CASE("what ends and what is stale can be watched") {
    NodeMetrics metrics;
    metrics.trust(entente::days(2), 3, entente::milliseconds(1500), 1);
    metrics.renewal(true);
    metrics.renewal(false);
    metrics.renewal(false);
    CHECK(shows(metrics, "entente_charter_expiry_seconds 172800"));
    CHECK(shows(metrics, "entente_links{state=\"stale\"} 3"));
    CHECK(shows(metrics, "entente_clock_apart_seconds 1.5"));
    CHECK(shows(metrics, "entente_invitations_open 1"));
    CHECK(shows(metrics, "entente_certificate_renewals_total{outcome=\"failed\"} 2"));
  }
}
