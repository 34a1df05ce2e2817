// A small made-up site on which the privacy audit experiments: hourly loads of meters in two
// districts over two days. Nothing of a real site enters, so the audit may run anywhere and its
// figures may be shown to anyone.
#pragma once

#include <string>
#include <vector>

#include "federation/query/price.h"
#include "federation/query/release.h"
#include "federation/query/twin_source.h"
#include "schemas/agreement.h"
#include "schemas/base/random.h"

namespace entente::federation {

struct SyntheticMeter {
  std::uint32_t cell = 0;     // 0 north, 1 south
  std::vector<double> loads;  // one an hour from the first day's midnight on; NaN = none
};

using SyntheticMeters = std::vector<SyntheticMeter>;

class SyntheticSite {
 public:
  // Loads within the declared bounds; meter 0 (in the south) stands at the lower bound all day,
  // where one meter weighs most.
  explicit SyntheticSite(Random& random);

  const ExportView& view() const { return view_; }
  const SyntheticMeters& meters() const { return meters_; }
  // The same with meter 0 far above the upper bound at all times.
  SyntheticMeters meters_outlying() const;
  // The same without meter 0, as the neighbouring world has it.
  SyntheticMeters without_first() const;
  // The same with meter 0 silent in the first day's block.
  SyntheticMeters without_first_day() const;
  // The first of the days whose block the experiments are about.
  static TimeWindow first_day();

  // "ITEMS", perhaps with a condition, over a window. The question as this site receives it from a
  // partner, priced; every step is the one that answers partners.
  struct Asked {
    std::string sentence;
    Question question;
    Price price;
  };
  Result<Asked> ask(const std::string& items, const std::string& where, TimeWindow window,
                    const std::string& epsilon) const;
  // The sums that stay at the site.
  ExactVectors sums(const Asked& asked, const SyntheticMeters& meters) const;
  // The meters' loads folded to one value a column and tick.
  static FoldedTable fold(const Question& question, const SyntheticMeters& meters);

 private:
  ExportView view_;
  SyntheticMeters meters_;
};

}  // namespace entente::federation
