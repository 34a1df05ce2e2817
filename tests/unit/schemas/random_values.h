// Valid domain values drawn from a seed, for round-trip tests. Each draw varies every field.
#pragma once

#include <set>
#include <string>

#include "schemas/agreement.h"
#include "schemas/answer.h"
#include "schemas/base/random.h"
#include "schemas/charter.h"
#include "schemas/envelope.h"
#include "schemas/receipt.h"

namespace entente::test {

inline std::string random_name(Random& random) {
  static constexpr std::string_view kFirst = "abcdefghijklmnopqrstuvwxyz0123456789";
  static constexpr std::string_view kRest = "abcdefghijklmnopqrstuvwxyz0123456789._-";
  std::string name(1, kFirst[random.below(kFirst.size())]);
  for (auto more = random.below(10); more > 0; --more) name += kRest[random.below(kRest.size())];
  return name;
}

// Names by index, so that several of one list never clash.
inline std::string name_at(std::string_view stem, std::size_t index) {
  return std::string(stem) + std::to_string(index);
}

inline Instant random_instant(Random& random) {
  return {static_cast<std::int64_t>(random.below(4'000'000'000ull)) * 1'000'000'000};
}

inline Charter random_charter(Random& random) {
  Charter out;
  out.name = random_name(random);
  out.title = "Agence de l'air né " + random_name(random);
  out.version = 1 + static_cast<std::uint32_t>(random.below(3));
  if (out.version > 1) out.previous = random.id<Hash256>();
  for (auto n = 1 + random.below(5); n > 0; --n) out.root_keys.push_back(random.id<PublicKey>());
  out.threshold = static_cast<std::uint8_t>(1 + random.below(out.root_keys.size()));
  for (int purpose = 0; purpose < 5; ++purpose) {
    for (auto n = 1 + random.below(2); n > 0; --n) {
      out.keys.push_back({static_cast<KeyPurpose>(purpose), random.id<PublicKey>()});
    }
  }
  for (auto n = random.below(4); n > 0; --n) out.revoked_keys.push_back(random.id<Hash256>());
  out.issued = random_instant(random);
  out.expires = out.issued + days(1 + static_cast<std::int64_t>(random.below(800)));
  return out;
}

inline ExportView random_export(Random& random, std::string name) {
  ExportView out;
  out.name = std::move(name);
  out.site = random_name(random);
  out.domain = random_name(random);
  out.type = "dtmi:org:example:AirMonitor;1";
  const auto keys = random.below(3);
  for (std::size_t i = 0; i < keys; ++i) out.keys.push_back(name_at("key", i));
  const auto cells = keys == 0 ? 1 : 1 + random.below(6);
  for (std::size_t i = 0; i < cells; ++i) {
    PublicCell cell{{}, static_cast<std::uint32_t>(random.below(100'000))};
    for (std::size_t key = 0; key < keys; ++key) cell.values.push_back(name_at("Wert ä", i));
    out.cells.push_back(std::move(cell));
  }
  const auto measures = 1 + random.below(3);
  for (std::size_t i = 0; i < measures; ++i) {
    Measure measure{name_at("pm", i), random.below(2) == 0 ? "" : "µg/m³", Reducer::mean, {}};
    measure.default_reducer = static_cast<Reducer>(random.below(8));
    const auto bounds = 1 + random.below(8);
    for (std::size_t r = 0; r < bounds; ++r) {
      const double lower = -static_cast<double>(random.below(1000)) / 7.0;
      measure.bounds.push_back({static_cast<Reducer>(r), lower, lower + 0.125});
    }
    out.measures.push_back(std::move(measure));
  }
  if (random.below(2) == 0) out.threshold_delta = {random.below(std::uint64_t{1} << 60)};
  out.zone = random.below(2) == 0 ? "UTC" : "America/Los_Angeles";
  out.block = random.below(4) == 0 ? Duration{} : days(1);
  out.tick = random.below(2) == 0 ? hours(1) : days(2);
  out.lateness = minutes(static_cast<std::int64_t>(random.below(600)));
  for (auto n = random.below(3); n > 0; --n) {
    const Duration before = out.revisions.empty() ? Duration{} : out.revisions.back();
    out.revisions.push_back(before + days(1 + static_cast<std::int64_t>(random.below(30))));
  }
  out.rho_cap = {random.u64()};
  out.delta = {random.below(std::uint64_t{1} << 60)};
  constexpr const char* kUnits[] = {"twin", "property:ownerName", "ancestor:part_of",
                                    "ancestor:dtmi:example:Plant;1"};
  out.unit = kUnits[random.below(4)];
  if (out.unit != "twin") out.groups_per_unit = 1 + static_cast<std::uint32_t>(random.below(5));
  if (out.threshold_delta.units > 0 && random.below(2) == 0) {
    out.private_keys = {"tenant", "grid.zone"};
    out.private_delta = {1 + random.below(out.threshold_delta.units)};
    out.private_min_units = 1 + static_cast<std::uint32_t>(random.below(30));
  }
  return out;
}

inline Agreement random_agreement(Random& random) {
  Agreement out;
  out.provider = random.id<OrgId>();
  out.consumer = random.id<OrgId>();
  out.name = random_name(random);
  const auto exports = 1 + random.below(3);
  for (std::size_t i = 0; i < exports; ++i) {
    out.exports.push_back(random_export(random, name_at("export", i)));
  }
  const auto purposes = random.below(3);
  for (std::size_t i = 0; i < purposes; ++i) out.purposes.push_back(name_at("purpose ", i));
  const auto aggregates = random.below(12);
  for (std::size_t i = 0; i < aggregates; ++i) {
    out.aggregates.push_back(static_cast<Aggregate>(i));
  }
  out.min_units = 1 + static_cast<std::uint32_t>(random.below(50));
  out.min_sites = 1 + static_cast<std::uint32_t>(random.below(5));
  out.rho_per_block = {random.u64()};
  if (random.below(2) == 0) out.rho_guaranteed = {random.below(out.rho_per_block.units)};
  const auto onward = random.below(3);
  for (std::size_t i = 0; i < onward; ++i) out.onward.push_back(name_at("smoke@org", i));
  out.issued = random_instant(random);
  out.expires = out.issued + days(30);
  const auto tests = random.below(3);
  for (std::size_t i = 0; i < tests; ++i) {
    out.tests.push_back({random.below(2) == 0, name_at("ask mean(pm25)\n over ", i)});
  }
  if (random.below(2) == 0) {
    out.round = 1 + static_cast<std::uint32_t>(random.below(9));
    out.answers = random.id<AgreementId>();
  }
  if (random.below(2) == 0) out.tick_least = hours(static_cast<std::int64_t>(random.below(48)));
  if (random.below(2) == 0) out.window_least = days(static_cast<std::int64_t>(random.below(9)));
  out.questions_per_hour = static_cast<std::uint32_t>(random.below(3));
  out.questions_per_day = static_cast<std::uint32_t>(random.below(3));
  if (random.below(2) == 0) out.starts = out.issued + days(3);
  if (random.below(2) == 0) out.zone = "America/Los_Angeles";
  return out;
}

inline Bytes random_bytes(Random& random, std::size_t least, std::size_t spread) {
  Bytes out(least + random.below(spread));
  random.fill(out);
  return out;
}

inline Envelope random_envelope(Random& random) {
  Envelope out;
  out.origin = random.id<OrgId>();
  out.audience = random.id<OrgId>();
  out.audience_site = random_name(random);
  out.query_id = random.id<QueryId>();
  out.issued = random_instant(random);
  out.deadline = out.issued + seconds(1 + static_cast<std::int64_t>(random.below(120)));
  out.agreement = random.id<AgreementId>();
  out.purpose = random.below(2) == 0 ? "" : "planning";
  out.seal_key = random.id<SealKey>();
  out.question = random_bytes(random, 1, 500);
  if (random.below(2) == 0) out.receipt = random_bytes(random, 1, 300);
  out.fresh = random.below(2) == 0;
  return out;
}

inline std::vector<BlockAmount> random_amounts(Random& random) {
  std::vector<BlockAmount> out;
  Instant start = random_instant(random);
  for (auto n = random.below(5); n > 0; --n) {
    out.push_back({start, {random.u64()}});
    start = start + days(1);
  }
  return out;
}

inline Release random_release(Random& random) {
  Release out;
  out.organisation = random.id<OrgId>();
  out.site = random_name(random);
  out.question_hash = random.id<Hash256>();
  out.domain = random_name(random);
  out.unit = "twin";
  out.revision = static_cast<std::uint32_t>(random.below(4));
  out.charges = random_amounts(random);
  const auto statistics = 1 + random.below(5);
  std::size_t integers = 0;
  for (std::size_t i = 0; i < statistics; ++i) {
    const auto width = random.below(2) == 0 ? 1 : 1 + random.below(20);
    out.statistics.push_back(
        {static_cast<int>(random.below(80)) - 40, random.u64(), static_cast<std::uint32_t>(width)});
    integers += width;
  }
  const auto cells = random.below(10);
  const bool named = random.below(2) == 0;
  for (std::uint32_t i = 0; i < cells; ++i) {
    ReleasedCell cell{i / 3, i % 3, {}, {}};
    if (named) cell.values = {"müller & co", "b"};
    for (std::size_t j = 0; j < integers; ++j) {
      cell.mantissas.push_back(static_cast<std::int64_t>(random.u64()));
    }
    out.cells.push_back(std::move(cell));
  }
  out.released = random_instant(random);
  if (random.below(3) == 0) {
    out.charges.clear();
    Instant at = random_instant(random);
    for (auto n = 1 + random.below(4); n > 0; --n) {
      out.composed_of.push_back({random.id<Hash256>(), {at, at + hours(1)}});
      at = at + hours(1);
    }
  }
  return out;
}

inline Answer random_answer(Random& random) {
  Answer out;
  out.release = canonical_bytes(random_release(random));
  out.envelope_hash = random.id<Hash256>();
  out.audience = random.id<OrgId>();
  out.reused = random.below(2) == 0;
  out.charged = random_amounts(random);
  out.left = random_amounts(random);
  out.caps = random_amounts(random);
  out.audit_head = random.id<Hash256>();
  out.issued = random_instant(random);
  if (random.below(2) == 0) out.receipt = random_bytes(random, 1, 300);
  if (random.below(2) == 0) {
    out.delta_charged = {random.u64()};
    out.delta_left = {random.u64()};
  }
  return out;
}

inline LedgerReceipt random_receipt(Random& random) {
  LedgerReceipt out;
  out.organisation = random.id<OrgId>();
  out.site = random_name(random);
  out.head = {1 + random.below(INT64_MAX), random.id<Hash256>()};
  out.issued = random_instant(random);
  return out;
}

// Feeds `decode` with every one-bit flip of `good`, every truncation to whole and broken words, and
// `good` with a zero word behind it (which no canonical form has). A flip may decode (a text
// changed its letter) but then to another value; nothing crashes.
template <class Decode>
void for_each_damage(const Bytes& good, Decode&& decode) {
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes bad = good;
      bad[at] = static_cast<std::uint8_t>(bad[at] ^ (1u << bit));
      decode(bad);
    }
  }
}

}  // namespace entente::test
