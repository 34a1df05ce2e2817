// What the numbers of an agreement mean, and where they ask for trouble: for a privacy officer to
// read before a proposal is signed.
//
// A quota is given per block. A unit that contributes in every block is protected by the sum of
// what its blocks were charged; what that sum means is epsilon at the domain's delta (rho.h). What
// a quota is worth to the asker is the standard error of a mean and of a count for one whole
// block's quota, in the smallest group that the agreement answers for: with k = 2 coordinates of a
// mean over n units within [lower, upper], sigma = (upper - lower) / (2 n sqrt(rho)); of a count, 1
// / sqrt(2 rho). Threads: any; pure.
#pragma once

#include <string>
#include <vector>

#include "schemas/agreement.h"

namespace entente::federation {

// The least epsilon that holds for a unit over so long, when every block's amount is used up.
struct Meaning {
  double block = 0;
  double week = 0;
  double year = 0;
};

struct Worth {
  std::string measure;        // "mean(pm25)", "count"
  std::string unit;           // of the measure
  double standard_error = 0;  // in the smallest group, for a whole block's quota
  double width = 0;           // of the declared bounds; 0 for a count
};

struct ExportMeaning {
  std::string name;
  std::string domain;
  std::string protects;  // "what one twin contributes in 1d"
  Meaning partner;       // of this agreement's quota
  Meaning site;          // of the domain's cap, whoever asks
  double delta = 0;
  std::uint32_t least_units = 0;  // of the smallest group answered; 0: none is
  std::vector<Worth> worth;
};

struct LintWarning {
  std::string subject;  // "export air", "agreement"
  std::string what;
  std::string remedy;
};

struct AgreementLint {
  std::vector<ExportMeaning> exports;
  std::vector<LintWarning> warnings;
};

// `agreement` carries the exports' descriptions.
AgreementLint lint(const Agreement& agreement);

}  // namespace entente::federation
