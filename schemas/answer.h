// What leaves a site: releases, answers, refusals; and their wire form (schemas/wire/answer.capnp).
#pragma once

#include <string>
#include <vector>

#include "schemas/agreement.h"
#include "schemas/base/ids.h"
#include "schemas/base/time.h"

namespace entente {

// An amount of a privacy budget on one block of event time.
struct BlockAmount {
  Instant start;
  RhoUnits rho;
  bool operator==(const BlockAmount&) const = default;
};

// One coordinate of every cell's vector, or `width` like ones side by side (bins of a histogram,
// nodes of a tree's level): value = mantissa * 2^exponent, noise of `variance` squared lattice
// steps (so its standard deviation is sqrt(variance) * 2^exponent).
struct Statistic {
  int exponent = 0;
  std::uint64_t variance = 0;
  std::uint32_t width = 1;
  bool operator==(const Statistic&) const = default;
};

struct ReleasedCell {
  std::uint32_t group = 0;
  std::uint32_t tick = 0;
  std::vector<std::int64_t> mantissas;   // as many as the statistics are wide together
  std::vector<std::string> values = {};  // of the question's private keys
  bool operator==(const ReleasedCell&) const = default;
};

struct Release {
  OrgId organisation;
  std::string site;
  Hash256 question_hash;
  std::string domain;
  std::string unit;
  std::uint32_t revision = 0;
  std::vector<BlockAmount> charges;
  std::vector<Statistic> statistics;
  std::vector<ReleasedCell> cells;
  Instant released;
  bool operator==(const Release&) const = default;
};

struct Answer {
  Bytes release;  // canonical
  Hash256 envelope_hash;
  OrgId audience;
  bool reused = false;
  std::vector<BlockAmount> charged;
  std::vector<BlockAmount> left;
  std::vector<BlockAmount> caps;
  Hash256 audit_head;
  Instant issued;
  Bytes receipt;                  // Signed LedgerReceipt of audit_head; empty from older software
  DeltaUnits delta_charged = {};  // to each block of `charged`
  DeltaUnits delta_left = {};     // the least of the blocks of `left`
  bool operator==(const Answer&) const = default;
};

// What a partner learns of a refusal: a code and a public name. Details stay in the site's own log.
struct Refusal {
  ErrorCode code = ErrorCode::denied;
  std::string subject;
  std::vector<BlockAmount> left;
  Duration retry_after;
  bool operator==(const Refusal&) const = default;
};

Bytes canonical_bytes(const Release& release);
[[nodiscard]] Result<Release> release_from_bytes(ByteView canonical);
Bytes canonical_bytes(const Answer& answer);
[[nodiscard]] Result<Answer> answer_from_bytes(ByteView canonical);

}  // namespace entente
