// Faults made on purpose, put between the parts that the disclosure gate is handed: what the twins
// give, what noise is drawn, what the ledger charges and which bytes it keeps. The gate itself, the
// planner and the price are never touched. An audit that does not see these sees nothing.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "federation/ask/release_store.h"
#include "federation/query/price.h"
#include "federation/query/twin_source.h"
#include "schemas/base/guarded.h"
#include "security/privacy/noise.h"

namespace entente::federation {

// Draws of releases that nobody was given and no ledger knows, for sums to be made of: `copies` of
// each. Of the latest domain alone. Threads: any.
class UnreleasedCells {
 public:
  explicit UnreleasedCells(std::size_t copies) : copies_(copies) {}
  // The release that is kept, with as many more of the same exact sums drawn beside it.
  Bytes draw(const std::string& domain, const std::function<Bytes()>& draw);
  // One of them in place of what was released, another each time, until there are no more.
  void replace(StoredRelease& stored);

 private:
  struct Kept {
    std::string domain;
    std::map<Hash256, std::vector<Bytes>> copies;
  };
  const std::size_t copies_;
  Guarded<Kept> kept_;
};

// What is done to the parts; empty = nothing.
struct Fault {
  std::function<void(const FoldRequest&, FoldedTable&)> twins;
  // The variance that is drawn for the one that was asked for; 0 = no noise. The observer knows it.
  std::function<std::uint64_t(std::uint64_t)> variance;
  std::function<void(Release&)> bytes;
  bool uncharged = false;                       // the ledger is told of no charge
  std::function<void(StoredRelease&)> cells;    // that sums are made of
  std::shared_ptr<UnreleasedCells> unreleased;  // of which they are made instead
};

// Threads: as what they stand before, which outlives them, as `fault` does.
class FaultyTwins final : public TwinSource {
 public:
  FaultyTwins(const TwinSource& twins, const Fault& fault) : twins_(twins), fault_(fault) {}
  Result<FoldedTable> fold(const FoldRequest& request) const override;

 private:
  const TwinSource& twins_;
  const Fault& fault_;
};

class FaultyNoise final : public security::NoiseSource {
 public:
  FaultyNoise(security::NoiseSource& noise, const Fault& fault) : noise_(noise), fault_(fault) {}
  std::int64_t gaussian(std::uint64_t variance) override;
  std::int64_t laplace(std::uint64_t scale) override { return noise_.laplace(scale); }

 private:
  security::NoiseSource& noise_;
  const Fault& fault_;
};

class FaultyStore final : public ReleaseStore {
 public:
  FaultyStore(ReleaseStore& store, const Fault& fault) : store_(store), fault_(fault) {}
  Result<ReleaseStanding> inquire(const ReleaseInquiry& inquiry) const override;
  std::vector<StoredRelease> cells(const ReleaseInquiry& inquiry) const override;
  std::vector<BlockAmount> left(const ReleaseInquiry& inquiry) const override;
  void commit(ReleaseInquiry inquiry, std::function<Bytes()> draw,
              std::function<void(Result<CommittedRelease>)> done) override;
  void note(const ReleaseInquiry& inquiry, std::string_view outcome) override;

 private:
  ReleaseInquiry told(ReleaseInquiry inquiry) const;

  ReleaseStore& store_;
  const Fault& fault_;
};

// A part of the variance that was asked for.
Fault less_variance(std::uint64_t part);
// Squares without the half of the largest that each is less by: a unit moves their sum by twice
// what the noise is made for. Shown as half the noise of squares, which is the same to an observer.
Fault uncentred_squares();
// A unit whose value is beyond the bounds adds all of it: as many units at the upper bound.
Fault no_clamping();
// The least value of a cell as if it were one unit's, with noise for one of `units`.
Fault raw_minimum(const ExportView& view);
// A unit is counted in its bin and in every bin above, `bins` of them between the bounds.
Fault cumulative_bins(std::size_t bins);
// Every unit of a cell is judged by the first one's value.
Fault anothers_value();
// After a good reading the unit's next `blocks` cells are rejected.
Fault remembering_rule(std::size_t blocks);
// Laplace noise of scale 1 from a floating-point uniform, added in floating point.
Fault floating_point(Random& random);
Fault no_charge();
// Sums are made of cells with noise of their own, drawn beside those that were released.
Fault unreleased_cells();
// Sums of cells that another partner has paid for are charged to nobody.
Fault others_cells_for_nothing();

}  // namespace entente::federation
