#include "tests/simulation/mutations.h"

#include <algorithm>
#include <map>

#include "schemas/base/hash.h"

namespace entente::simulation {
namespace {

using namespace federation;

constexpr MutationInfo kAll[] = {
    {Mutation::skip_seen_set, "skip-seen-set", "a query id is looked up under another id"},
    {Mutation::send_before_debit, "send-before-debit", "an answer leaves before its commit"},
    {Mutation::forget_debit, "forget-debit", "a release is stored without any charge"},
    {Mutation::forget_site_debit, "forget-last-block", "the last block of a charge is left out"},
    {Mutation::double_debit, "double-debit", "a release is charged twice what it states"},
    {Mutation::cap_off_by_one, "cap-off-by-one", "one question beyond the site's cap fits"},
    {Mutation::quota_ignored, "quota-ignored", "the partner's quota is not looked at"},
    {Mutation::charge_next_block, "charge-next-block", "a charge is booked a block later"},
    {Mutation::charge_other_partner, "charge-other-partner", "another partner's quota pays"},
    {Mutation::guarantees_ignored, "guarantees-ignored", "what others are guaranteed is used up"},
    {Mutation::reuse_noise, "reuse-noise", "every release gets the same draws"},
    {Mutation::no_noise, "no-noise", "what is released is exact"},
    {Mutation::redraw_for_each_question, "redraw", "one question has other bytes each time"},
    {Mutation::bad_readings_counted, "wrong-value", "a twin's value is not its readings'"},
    {Mutation::ticks_shifted, "ticks-shifted", "a window begins an hour late"},
    {Mutation::a_twin_counted_twice, "twin-twice", "a twin is in the fold twice"},
    {Mutation::a_twin_forgotten, "twin-forgotten", "a twin is not in the fold"},
    {Mutation::agreement_not_checked, "agreement-not-checked", "an ended agreement still counts"},
    {Mutation::suspension_ignored, "suspension-ignored", "a suspended agreement still counts"},
    {Mutation::step_not_delivered, "step-not-delivered", "a step counts as told and was not sent"},
    {Mutation::stale_accepted, "stale-accepted", "an envelope past its deadline is answered"},
    {Mutation::audience_not_checked, "wrong-audience", "an envelope for another site is answered"},
    {Mutation::signature_not_checked, "signature-not-checked", "a changed envelope is answered"},
    {Mutation::peer_not_compared, "peer-not-compared", "one partner sends another's envelope"},
    {Mutation::purpose_ignored, "purpose-ignored", "a purpose nobody agreed to is answered"},
    {Mutation::other_key_signs, "other-key-signs", "answers bear another key's signature"},
    {Mutation::other_body_signed, "other-body-signed", "an answer is that of another question"},
    {Mutation::merged_twice, "merged-twice", "a member's release is merged twice"},
    {Mutation::member_left_out, "member-left-out", "a member is missing in the coverage"},
    {Mutation::late_called_answered, "late-called-answered", "a late member counts as answered"},
    {Mutation::answers_after_deadline, "after-deadline", "the asker's timer is slow"},
    {Mutation::receipt_forgotten, "receipt-forgotten", "no receipt is shown or kept off the disk"},
    {Mutation::acknowledged_before_commit, "early-acknowledgement",
     "readings are acknowledged before their commit"},
    {Mutation::disk_lies_about_syncs, "lying-disk", "a sync is reported and not done"},
    {Mutation::synced_page_lost, "synced-page-lost", "a synced page is zeros after a crash"},
    {Mutation::release_rewritten, "release-rewritten", "stored bytes change after they were sent"},
};

class MutatedReleases final : public ReleaseStore {
 public:
  MutatedReleases(Mutation mutation, ReleaseStore& inner, Random& random)
      : mutation_(mutation), inner_(inner), random_(random) {}

  Result<ReleaseStanding> inquire(const ReleaseInquiry& inquiry) const override {
    return inner_.inquire(bent(inquiry));
  }
  std::vector<StoredRelease> cells(const ReleaseInquiry& inquiry) const override {
    return inner_.cells(bent(inquiry));
  }
  std::vector<BlockAmount> left(const ReleaseInquiry& inquiry) const override {
    return inner_.left(bent(inquiry));
  }
  void commit(ReleaseInquiry inquiry, std::function<Bytes()> draw,
              std::function<void(Result<CommittedRelease>)> done) override {
    inquiry = bent(inquiry);
    if (mutation_ == Mutation::forget_debit) inquiry.charges.clear();
    if (mutation_ == Mutation::forget_site_debit && inquiry.charges.size() > 1) {
      inquiry.charges.pop_back();
    }
    if (mutation_ == Mutation::send_before_debit) {
      CommittedRelease early;
      early.release = draw();
      early.charged = inquiry.charges;
      early.audit_head.count = 1;
      auto bytes = early.release;
      done(std::move(early));
      inner_.commit(
          std::move(inquiry), [bytes] { return bytes; }, [](Result<CommittedRelease>) {});
      return;
    }
    if (mutation_ == Mutation::other_body_signed) {
      auto last = last_;
      done = [last, done = std::move(done)](Result<CommittedRelease> committed) {
        if (committed) {
          std::swap(*last, committed->release);
          if (committed->release.empty()) committed->release = *last;
        }
        done(std::move(committed));
      };
    }
    inner_.commit(std::move(inquiry), std::move(draw), std::move(done));
  }
  void note(const ReleaseInquiry& inquiry, std::string_view outcome) override {
    inner_.note(inquiry, outcome);
  }

 private:
  ReleaseInquiry bent(ReleaseInquiry inquiry) const {
    switch (mutation_) {
      case Mutation::skip_seen_set:
        inquiry.query_id = random_.id<QueryId>();
        break;
      case Mutation::double_debit:
        for (BlockAmount& charge : inquiry.charges) charge.rho.units *= 2;
        break;
      case Mutation::cap_off_by_one:
        if (!inquiry.charges.empty()) {
          inquiry.site_cap.units += inquiry.charges.front().rho.units;
          inquiry.partner_quota.units += inquiry.charges.front().rho.units;
        }
        break;
      case Mutation::quota_ignored:
        inquiry.partner_quota.units = INT64_MAX;
        break;
      case Mutation::charge_next_block:
        for (BlockAmount& charge : inquiry.charges) charge.start = charge.start + hours(12);
        break;
      case Mutation::charge_other_partner:
        inquiry.partner = OrgId{};
        break;
      case Mutation::guarantees_ignored:
        inquiry.guaranteed_to_others.clear();
        break;
      case Mutation::redraw_for_each_question:
        inquiry.release_key =
            hash_parts("redraw", {inquiry.release_key.view(), inquiry.envelope_hash.view()});
        break;
      case Mutation::receipt_forgotten:
        inquiry.shown.reset();
        break;
      default:
        break;
    }
    return inquiry;
  }

  const Mutation mutation_;
  ReleaseStore& inner_;
  Random& random_;
  std::shared_ptr<Bytes> last_ = std::make_shared<Bytes>();  // released before
};

class MutatedTwins final : public TwinSource {
 public:
  MutatedTwins(Mutation mutation, const TwinSource& inner) : mutation_(mutation), inner_(inner) {}
  Result<FoldedTable> fold(const FoldRequest& request) const override {
    FoldRequest asked = request;
    if (mutation_ == Mutation::ticks_shifted) {
      for (TimeWindow& tick : asked.ticks) tick.from = tick.from + hours(1);
    }
    auto table = inner_.fold(asked);
    if (!table || table->units.empty()) return table;
    auto& units = table->units;
    if (mutation_ == Mutation::a_twin_forgotten) units.pop_back();
    if (mutation_ == Mutation::a_twin_counted_twice) units.push_back(units.front());
    if (mutation_ == Mutation::bad_readings_counted) {
      for (double& value : units.front().values) value += 1;
    }
    return table;
  }

 private:
  const Mutation mutation_;
  const TwinSource& inner_;
};

// The same draws, again and again: every thousandth of a second of real noise would differ.
class ReusedNoise final : public security::NoiseSource {
 public:
  explicit ReusedNoise(security::NoiseSource& inner) : inner_(inner) {}
  std::int64_t gaussian(std::uint64_t variance) override {
    auto& kept = drawn_[variance];
    if (kept == 0) kept = inner_.gaussian(variance);
    return kept;
  }
  std::int64_t laplace(std::uint64_t scale) override { return inner_.laplace(scale); }

 private:
  security::NoiseSource& inner_;
  std::map<std::uint64_t, std::int64_t> drawn_;
};

class ForgottenReceipts final : public ReceiptBook {
 public:
  Bytes newest(const OrgId&, const std::string&) const override { return {}; }
  void keep(const LedgerReceipt&, Bytes) override {}
};

}  // namespace

std::span<const MutationInfo> all_mutations() {
  return kAll;
}

std::string_view name_of(Mutation mutation) {
  for (const MutationInfo& one : kAll) {
    if (one.mutation == mutation) return one.name;
  }
  return "none";
}

std::optional<Mutation> mutation_named(std::string_view name) {
  for (const MutationInfo& one : kAll) {
    if (one.name == name) return one.mutation;
  }
  return {};
}

Mutated<ReleaseStore> mutated(Mutation mutation, ReleaseStore& inner, Random& random) {
  if (mutation == Mutation::none) return {nullptr, &inner};
  Mutated<ReleaseStore> out{std::make_unique<MutatedReleases>(mutation, inner, random), nullptr};
  out.used = out.decorator.get();
  return out;
}

Mutated<const TwinSource> mutated(Mutation mutation, const TwinSource& inner) {
  if (mutation == Mutation::none) return {nullptr, &inner};
  Mutated<const TwinSource> out{std::make_unique<const MutatedTwins>(mutation, inner), nullptr};
  out.used = out.decorator.get();
  return out;
}

Mutated<security::NoiseSource> mutated(Mutation mutation, security::NoiseSource& inner) {
  if (mutation == Mutation::no_noise) {
    Mutated<security::NoiseSource> out{std::make_unique<NoNoise>(), nullptr};
    out.used = out.decorator.get();
    return out;
  }
  if (mutation != Mutation::reuse_noise) return {nullptr, &inner};
  Mutated<security::NoiseSource> out{std::make_unique<ReusedNoise>(inner), nullptr};
  out.used = out.decorator.get();
  return out;
}

Mutated<ReceiptBook> mutated(Mutation mutation, ReceiptBook& inner) {
  if (mutation != Mutation::receipt_forgotten) return {nullptr, &inner};
  Mutated<ReceiptBook> out{std::make_unique<ForgottenReceipts>(), nullptr};
  out.used = out.decorator.get();
  return out;
}

}  // namespace entente::simulation
