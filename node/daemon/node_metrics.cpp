#include "node/daemon/node_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

namespace entente::node {

using prometheus::BuildCounter;
using prometheus::BuildGauge;

struct NodeMetrics::Families {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& questions = BuildCounter()
                                                           .Name("entente_questions_total")
                                                           .Help("Partners' questions by outcome")
                                                           .Register(registry);
  prometheus::Family<prometheus::Counter>& readings = BuildCounter()
                                                          .Name("entente_readings_total")
                                                          .Help("Readings by verdict at the edge")
                                                          .Register(registry);
  prometheus::Family<prometheus::Counter>& link_events =
      BuildCounter()
          .Name("entente_link_events_total")
          .Help("Connections of partners by what became of them")
          .Register(registry);
  prometheus::Family<prometheus::Counter>& noise =
      BuildCounter()
          .Name("entente_noise_draws_total")
          .Help("Draws of noise by where they came from: the pool, or the answering thread itself")
          .Register(registry);
  prometheus::Family<prometheus::Gauge>& links =
      BuildGauge().Name("entente_links").Help("Links by state").Register(registry);
  prometheus::Gauge& certificate = BuildGauge()
                                       .Name("entente_certificate_expiry_seconds")
                                       .Help("Life left of this site's certificate")
                                       .Register(registry)
                                       .Add({});
  prometheus::Gauge& charter = BuildGauge()
                                   .Name("entente_charter_expiry_seconds")
                                   .Help("Life left of this organisation's charter")
                                   .Register(registry)
                                   .Add({});
  prometheus::Gauge& clock_apart =
      BuildGauge()
          .Name("entente_clock_apart_seconds")
          .Help("The largest distance between a partner's clock and this site's")
          .Register(registry)
          .Add({});
  prometheus::Gauge& invitations = BuildGauge()
                                       .Name("entente_invitations_open")
                                       .Help("Invitations that somebody may still use")
                                       .Register(registry)
                                       .Add({});
  prometheus::Family<prometheus::Counter>& renewals =
      BuildCounter()
          .Name("entente_certificate_renewals_total")
          .Help("Looks at this site's certificate by whether it could be kept fresh")
          .Register(registry);
  prometheus::Gauge& twins =
      BuildGauge().Name("entente_twins").Help("Twins of this site").Register(registry).Add({});
};

NodeMetrics::NodeMetrics() : families_(std::make_unique<Families>()) {}
NodeMetrics::~NodeMetrics() = default;
const prometheus::Registry& NodeMetrics::registry() const {
  return families_->registry;
}
prometheus::Registry& NodeMetrics::registry() {
  return families_->registry;
}

void NodeMetrics::answered(bool reused) {
  families_->questions.Add({{"outcome", reused ? "reused" : "released"}}).Increment();
}

void NodeMetrics::refused(ErrorCode code) {
  families_->questions.Add({{"outcome", "refused"}, {"code", code_text(code)}}).Increment();
}

void NodeMetrics::readings(std::uint64_t accepted, std::uint64_t rejected) {
  families_->readings.Add({{"verdict", "accepted"}}).Increment(static_cast<double>(accepted));
  families_->readings.Add({{"verdict", "rejected"}}).Increment(static_cast<double>(rejected));
}

void NodeMetrics::link_event(std::string_view event) {
  families_->link_events.Add({{"event", std::string(event)}}).Increment();
}

void NodeMetrics::noise(std::uint64_t pooled, std::uint64_t drawn_by_taker) {
  const auto reach = [](prometheus::Counter& counter, std::uint64_t total) {
    const double more = static_cast<double>(total) - counter.Value();
    if (more > 0) counter.Increment(more);
  };
  reach(families_->noise.Add({{"source", "pool"}}), pooled);
  reach(families_->noise.Add({{"source", "taker"}}), drawn_by_taker);
}

void NodeMetrics::gauges(std::size_t active, std::size_t connected, Duration certificate_left,
                         std::size_t twins) {
  families_->links.Add({{"state", "active"}}).Set(static_cast<double>(active));
  families_->links.Add({{"state", "connected"}}).Set(static_cast<double>(connected));
  families_->certificate.Set(certificate_left.seconds());
  families_->twins.Set(static_cast<double>(twins));
}

void NodeMetrics::trust(Duration charter_left, std::size_t stale, Duration clock_apart,
                        std::size_t invitations) {
  families_->charter.Set(charter_left.seconds());
  families_->links.Add({{"state", "stale"}}).Set(static_cast<double>(stale));
  families_->clock_apart.Set(clock_apart.seconds());
  families_->invitations.Set(static_cast<double>(invitations));
}

void NodeMetrics::renewal(bool ok) {
  families_->renewals.Add({{"outcome", ok ? "ok" : "failed"}}).Increment();
}

}  // namespace entente::node
