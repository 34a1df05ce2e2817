// What Prometheus may know of questions, links and certificates. Labels are bounded: an outcome, a
// code, a state; never a partner, a twin or a question. Threads: any.
#pragma once

#include <memory>
#include <string_view>

#include "federation/ask/disclosure_gate.h"
#include "schemas/base/time.h"

namespace prometheus {
class Registry;
}

namespace entente::node {

class NodeMetrics final : public federation::GateObserver {
 public:
  NodeMetrics();
  ~NodeMetrics();
  const prometheus::Registry& registry() const;
  prometheus::Registry& registry();

  // entente_questions_total{outcome = released | reused | refused}.
  void answered(bool reused) override;
  void refused(ErrorCode code) override;
  // entente_readings_total{verdict = accepted | rejected}.
  void readings(std::uint64_t accepted, std::uint64_t rejected);
  // entente_link_events_total{event}.
  void link_event(std::string_view event);
  // entente_noise_draws_total{source = pool | taker}: how many draws in all came from the pool, and
  // how many the answering thread made itself; both only ever grow.
  void noise(std::uint64_t pooled, std::uint64_t drawn_by_taker);
  // entente_links{state}, entente_certificate_expiry_seconds, entente_twins.
  void gauges(std::size_t active, std::size_t connected, Duration certificate_left,
              std::size_t twins);
  // entente_charter_expiry_seconds, entente_links{state = stale}, entente_clock_apart_seconds (the
  // largest distance of a partner's clock), entente_invitations_open.
  void trust(Duration charter_left, std::size_t stale, Duration clock_apart,
             std::size_t invitations);
  // entente_certificate_renewals_total{outcome = ok | failed}: each minute's look.
  void renewal(bool ok);

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace entente::node
