// Agreements and the public description of exports, as values, and their wire form.
//
// An ExportView is everything a partner may know about an export before asking: keys, declared
// cells and sizes, measures with bounds, blocks, ticks, caps. Conversions are total and refuse
// (agreement_invalid) with the field that is wrong: names that are no names, lower >= upper,
// a counter-offer that answers none, non-finite bounds, cells with the wrong number of values,
// duplicate cells, ticks that neither divide the block nor are multiples of it, revisions that do
// not ascend.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "schemas/base/ids.h"
#include "schemas/base/time.h"
#include "schemas/question.h"

namespace entente {

// Privacy amounts are integers: 2^-40 rho, 2^-60 delta (security/privacy/rho.h computes with them).
struct RhoUnits {
  std::uint64_t units = 0;
  auto operator<=>(const RhoUnits&) const = default;
};
struct DeltaUnits {
  std::uint64_t units = 0;
  auto operator<=>(const DeltaUnits&) const = default;
};

struct ReducerBounds {
  Reducer reducer = Reducer::mean;
  double lower = 0;
  double upper = 0;
  bool operator==(const ReducerBounds&) const = default;
};

struct Measure {
  std::string signal;
  std::string unit;  // as the type says; empty = dimensionless
  Reducer default_reducer = Reducer::mean;
  std::vector<ReducerBounds> bounds;
  const ReducerBounds* bounds_for(Reducer reducer) const;
  bool operator==(const Measure&) const = default;
};

// What one privacy unit is, as ExportView::unit says it:
//   "twin"            each twin
//   "property:NAME"   all twins with one value of the property
//   "ancestor:NAME"   all twins below one twin: where the relationship NAME, followed from twin to
//                     twin, ends; a DTMI for NAME is the nearest twin of that type instead
struct UnitRule {
  enum class Kind { twin, property, relationship, type };
  Kind kind = Kind::twin;
  std::string name;  // of the property, relationship or type; empty for twins
  bool operator==(const UnitRule&) const = default;
};
std::optional<UnitRule> unit_rule_from(std::string_view text);

struct PublicCell {
  std::vector<std::string> values;  // one per key, in the export's order
  std::uint32_t units = 0;          // declared; a unit is counted in each cell where it has twins
  bool operator==(const PublicCell&) const = default;
};

inline constexpr std::size_t kRevisions = 16;  // of one export

// What a question to a system twin reaches, for whoever may ask it without knowing its members.
struct CompositeTerms {
  // Each site answers, as far as it can to the asker alone; or the composing site merges their
  // releases and answers for them.
  enum class Answer { routed, own };
  struct Leaf {
    OrgId organisation;
    std::string site;
    std::string domain;
    std::string name;  // value of the key kOrganisationKey, as the composing site calls it
    bool operator==(const Leaf&) const = default;
  };
  struct Name {
    OrgId organisation;
    std::string name;
    auto operator<=>(const Name&) const = default;
  };
  Answer answer = Answer::routed;
  std::vector<Leaf> leaves;  // each (organisation, site, domain) once
  std::vector<Name> within;  // composites inside, at any depth; each once
  bool operator==(const CompositeTerms&) const = default;
};
std::string_view to_text(CompositeTerms::Answer answer);
std::optional<CompositeTerms::Answer> composite_answer_from_text(std::string_view text);
inline constexpr std::size_t kLeaves = 1'024;    // of one composite that another may ask
inline constexpr std::size_t kComposites = 256;  // within one
// The key by which a composite tells its members apart: an alias, or alias/alias below a composite.
inline constexpr std::string_view kOrganisationKey = "organisation";

struct ExportView {
  std::string name;
  std::string site;
  std::string domain;
  std::string type;  // DTMI
  std::vector<std::string> keys;
  std::vector<PublicCell> cells;  // a view without keys has one cell with no values
  std::vector<Measure> measures;
  std::string zone = "UTC";
  Duration block = days(1);  // zero = lifetime
  Duration tick = hours(1);
  Duration lateness;
  RhoUnits rho_cap;
  DeltaUnits delta;
  std::string unit = "twin";        // UnitRule's text
  DeltaUnits threshold_delta = {};  // cap of each block for thresholding; 0 = no private keys
  // In how many groups of a question one unit is counted, at most. A twin is in one.
  std::uint32_t groups_per_unit = 1;
  // Group keys whose values are no public fact: a value is named where its units reach a threshold
  // and are at least private_min_units. Each such question spends private_delta of every block that
  // it is charged to.
  std::vector<std::string> private_keys = {};
  DeltaUnits private_delta = {};
  std::uint32_t private_min_units = 0;  // 0 = no private keys
  // How long after a window has closed (its end and the lateness) late data and corrections of it
  // are taken in, ascending; whether there were any or not.
  std::vector<Duration> revisions = {};
  // Of a system twin that partners may ask; nothing for an export of own twins.
  std::optional<CompositeTerms> composite = {};
  // How many of these had passed at `now`, for a window that ends at `to`: the number of the
  // revision that is answered then. 0 before the first.
  std::uint32_t revision_at(Instant now, Instant to) const;
  const Measure* measure(std::string_view signal) const;
  std::uint32_t declared_units() const;
  // How many units lie in these cells, at least: where units may lie in several cells, those of the
  // largest.
  std::uint64_t units_within(const std::vector<std::uint32_t>& cells) const;
  bool operator==(const ExportView&) const = default;
};

struct AgreementTest {
  bool must = true;
  std::string question;
  bool operator==(const AgreementTest&) const = default;
};

struct Agreement {
  OrgId provider;
  OrgId consumer;
  std::string name;
  std::vector<ExportView> exports;
  std::vector<std::string> purposes;  // empty = any
  std::vector<Aggregate> aggregates;  // empty = all
  std::uint32_t min_units = 1;
  std::uint32_t min_sites = 1;
  RhoUnits rho_per_block;        // the consumer's quota
  RhoUnits rho_guaranteed = {};  // the part of it that no other partner may use up
  std::vector<std::string> onward;
  Instant issued;
  Instant expires;
  std::vector<AgreementTest> tests;
  // Counter-offers before this one, and the id of the one that it answers: none in the first.
  std::uint32_t round = 0;
  std::optional<AgreementId> answers = {};
  Duration tick_least = {};              // of a cell of time; zero = the export's tick
  Duration window_least = {};            // of a window; zero = one tick
  std::uint32_t questions_per_hour = 0;  // 0 = no limit but the budget
  std::uint32_t questions_per_day = 0;
  std::optional<Instant> starts = {};  // nothing = as soon as both have signed
  std::string zone = {};               // whose days bound the validity; empty = instants
  const ExportView* find_export(std::string_view name) const;
  bool operator==(const Agreement&) const = default;
};

struct SignedAgreement {
  Bytes agreement;  // canonical, as received
  // Whoever has not agreed yet has none; one of the two there is.
  std::optional<Signature> provider_signature;
  std::optional<Signature> consumer_signature;
  bool operator==(const SignedAgreement&) const = default;
};

Bytes canonical_bytes(const ExportView& view);
// Refuses (invalid_argument) with the field that is wrong.
[[nodiscard]] Result<ExportView> export_view_from_bytes(ByteView canonical);
Hash256 export_hash(const ExportView& view);

Bytes canonical_bytes(const Agreement& agreement);
[[nodiscard]] Result<Agreement> agreement_from_bytes(ByteView canonical);
AgreementId agreement_id_of(ByteView canonical);

Bytes to_wire_bytes(const SignedAgreement& agreement);
[[nodiscard]] Result<SignedAgreement> signed_agreement_from_bytes(ByteView bytes);

}  // namespace entente
