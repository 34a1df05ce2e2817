// The linear state space kind: many twins of one definition share all that does not change.
#pragma once

#include <memory>

#include "node/model/model.h"

namespace entente::node {

// Parameters (matrices row by row; n states, m signals, k inputs):
//   states n; transition (n x n); observation (m x n); input (n x k), zero unless given;
//   process_noise (n x n or n, a diagonal); observation_noise (m x m or m); initial_mean (n), zero;
//   initial_covariance (n x n or n), 1e6 unless given;
//   continuous 1: transition and process_noise belong to x' = A x + noise in seconds, and times are
//     irregular (discretised exactly after Van Loan, IEEE TAC 23, 1978); 0: they belong to one
//     step;
//   steady 1: the constant gain. Refused with continuous 1 or when no gain settles. The covariance
//     is then constant, and a missing measurement counts as expected.
// With 1 to 3 states and 1 signal, and 4 states and 2 signals, the arithmetic has fixed size. A
// model takes less than 1 KiB. Threads: any; models made from it each one at a time.
class LinearModels {
 public:
  // Refuses: config_invalid (names what).
  [[nodiscard]] static Result<LinearModels> of(const ModelSpec& spec);
  std::unique_ptr<Model> make() const;

  struct Definition;

 private:
  explicit LinearModels(std::shared_ptr<const Definition> definition)
      : definition_(std::move(definition)) {}
  std::shared_ptr<const Definition> definition_;
};

}  // namespace entente::node
