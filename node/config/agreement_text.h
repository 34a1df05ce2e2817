// The text of an agreement: read strictly, resolved against what a site declares, and written.
//
//   [agreement]
//   name = "smoke-2015"       partner = "airshed"       exports = ["air"]
//   purposes = ["planning"]   aggregates = ["count", "mean"]   # [] = any, every one
//   min_units = 10            min_sites = 1
//   epsilon_per_block = 4     epsilon_guaranteed = 1    # what no other partner may use up; 0 =
//   none tick_least = "1h"         window_least = "1d"       # shortest cell of time, shortest
//   window questions_per_hour = 60   questions_per_day = 500   # 0 = as many as the budget allows
//   onward = []
//   starts = "2026-01-01"     expires = "2027-01-01"    # "" = as soon as both have signed
//   zone = "America/Los_Angeles"                        # whose days these are; "" = UTC
//   [[test]]                  must = "SELECT mean(pm25) FROM air OVER 1d"     # or must_not
//
// Errors (agreement_invalid) name file, line, the word, the words allowed, and the nearest of them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "schemas/agreement.h"

namespace entente::node {

struct AgreementText {
  std::string name;
  std::string partner;  // a link's name or an organisation id
  std::vector<std::string> exports;
  double epsilon_per_block = 0;
  double epsilon_guaranteed = 0;  // 0 = none
  std::map<std::string, std::string, std::less<>>
      places;       // "partner" -> "a.toml:3, agreement.partner"
  Agreement terms;  // all but provider, consumer, exports, amounts of rho, issued, round
};
[[nodiscard]] Result<AgreementText> read_agreement(std::string_view text, const std::string& file);

using ExportViews = std::map<std::string, std::shared_ptr<const ExportView>, std::less<>>;

// The terms as offered: exports in full, epsilon as rho. Parties, date and round are left open.
// Refuses (agreement_invalid): an export that is not in `exports`, exports whose deltas differ, a
// quota that is none.
[[nodiscard]] Result<Agreement> offer_of(const AgreementText& text, const ExportViews& exports);

// A file to begin with: every key with a comment, the values of `terms`, or careful ones for these
// exports where there are none.
std::string agreement_skeleton(const std::string& partner,
                               const std::vector<std::shared_ptr<const ExportView>>& exports,
                               const Agreement* terms);

}  // namespace entente::node
