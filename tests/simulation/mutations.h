// Deliberate faults: each breaks one promise of the product at one of its interfaces, and some seed
// must catch it. The product's code is not touched.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "federation/ask/receipt_book.h"
#include "federation/ask/release_store.h"
#include "federation/query/twin_source.h"
#include "node/history/history.h"
#include "schemas/base/clock.h"
#include "schemas/base/random.h"
#include "security/privacy/noise.h"

namespace entente::simulation {

enum class Mutation {
  none,
  // The account.
  skip_seen_set,
  send_before_debit,
  forget_debit,
  forget_site_debit,
  double_debit,
  cap_off_by_one,
  quota_ignored,
  charge_next_block,
  charge_other_partner,
  guarantees_ignored,
  // Noise and figures.
  reuse_noise,
  no_noise,
  redraw_for_each_question,
  bad_readings_counted,
  ticks_shifted,
  a_twin_counted_twice,
  a_twin_forgotten,
  // Admission.
  agreement_not_checked,
  suspension_ignored,
  step_not_delivered,
  stale_accepted,
  audience_not_checked,
  signature_not_checked,
  peer_not_compared,
  purpose_ignored,
  // Answers.
  other_key_signs,
  other_body_signed,
  merged_twice,
  member_left_out,
  late_called_answered,
  answers_after_deadline,
  receipt_forgotten,
  // Durability.
  acknowledged_before_commit,
  disk_lies_about_syncs,
  synced_page_lost,
  release_rewritten,
};

struct MutationInfo {
  Mutation mutation;
  std::string_view name;
  std::string_view what;  // of the product it breaks
};
std::span<const MutationInfo> all_mutations();
std::string_view name_of(Mutation mutation);
std::optional<Mutation> mutation_named(std::string_view name);

// A noise that draws nothing, so that what is released is exact.
class NoNoise final : public security::NoiseSource {
 public:
  std::int64_t gaussian(std::uint64_t) override { return 0; }
  std::int64_t laplace(std::uint64_t) override { return 0; }
};

// Each gives `inner` as it is, or with the mutation in front of it. What is returned may own a
// decorator and refers to `inner`.
template <class Interface>
struct Mutated {
  std::unique_ptr<Interface> decorator;
  Interface* used = nullptr;
};
Mutated<federation::ReleaseStore> mutated(Mutation mutation, federation::ReleaseStore& inner,
                                          Random& random);
Mutated<const federation::TwinSource> mutated(Mutation mutation,
                                              const federation::TwinSource& inner);
Mutated<security::NoiseSource> mutated(Mutation mutation, security::NoiseSource& inner);
Mutated<federation::ReceiptBook> mutated(Mutation mutation, federation::ReceiptBook& inner);

}  // namespace entente::simulation
