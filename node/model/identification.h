// Linear models from history: recursive least squares, ARX, ARMAX, subspace identification, and
// whether what is left over is noise.
//
// Values and inputs lie on one grid; rows with a NaN among their regressors are left out. Nothing
// here scales: signals that differ by many orders should be brought near 1 first.
// Sources: Ljung, System Identification (1999), ch. 7, 10, 11; Van Overschee and De Moor, Subspace
// Identification (1996), alg. 4 with the projection by LQ; Ljung and Box (Biometrika 65, 1978).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "node/model/forecaster.h"

namespace entente::node {

// Are residuals white? A small p says no: there is structure left that a model could use.
struct Whiteness {
  double statistic = 0;
  std::size_t lags = 0;
  double p_value = 1;  // of as large a statistic, if they were white
};
// `fitted`: how many autoregressive parameters the residuals come from; lags > fitted.
Whiteness ljung_box(std::span<const double> residuals, std::size_t lags, std::size_t fitted);

// y = x' c + e, c estimated with weights that fade by `forgetting` a step. With forgetting 1 and a
// large initial covariance it equals batch least squares. Threads: one at a time.
class RecursiveLeastSquares {
 public:
  RecursiveLeastSquares(std::size_t width, double forgetting, double initial_covariance = 1e8);
  // The error of y before it was learned. A NaN anywhere: nothing is learned, NaN.
  double update(std::span<const double> regressors, double value);
  const std::vector<double>& coefficients() const { return coefficients_; }
  // (width x width), symmetric; times the noise variance: the coefficients' covariance.
  const std::vector<double>& covariance() const { return covariance_; }
  void archive(ModelArchive& archive);

 private:
  double forgetting_;
  std::vector<double> coefficients_;
  std::vector<double> covariance_;
};

// y(t) = c + sum a_i y(t-i) + sum_j sum_k b_jk u_j(t - delay - k) + e(t) + sum m_i e(t-i),
// i from 1, k from 0 to input_terms - 1.
struct ArxOrder {
  std::size_t own_terms = 1, input_terms = 1, delay = 1, noise_terms = 0;
  bool operator==(const ArxOrder&) const = default;
};

struct Range {
  double low = 0, high = 0;
};

struct IdentifiedArx {
  ArxOrder order;
  std::vector<double> own;                  // a
  std::vector<std::vector<double>> inputs;  // b, one row an input
  std::vector<double> noise;                // m
  double constant = 0;
  std::vector<Range> ranges;  // 95 %, of a, then b row by row, then m, then the constant
  double noise_variance = 0;
  double held_back_error = 0;  // RMS one step ahead on values the fit has not seen
  double naive_error = 0;      // the same of "as before": what it has to beat
  double fit_percent = 0;      // 100 (1 - RMS error / RMS about the mean), held back
  Whiteness whiteness;         // of the residuals of the fit
};

// Of the first 1 - held_back of the values; scored on the rest. noise_terms > 0: ARMAX by extended
// least squares, three passes. Refuses: invalid_argument (columns of other lengths, no term at
// all), not_found (fewer rows than four a parameter).
[[nodiscard]] Result<IdentifiedArx> identify_arx(std::span<const double> values,
                                                 const InputColumns& inputs, const ArxOrder& order,
                                                 double held_back = 0.25, double forgetting = 1);

// The smallest order up to `most` whose held-back error is within 1 % of the least.
[[nodiscard]] Result<IdentifiedArx> choose_arx(std::span<const double> values,
                                               const InputColumns& inputs, const ArxOrder& most,
                                               double held_back = 0.25);

// x' = A x + B u + K e, y = C x + D u + e; matrices row by row.
struct StateSpace {
  std::size_t states = 0, inputs = 0, signals = 0;
  std::vector<double> transition;         // A
  std::vector<double> input;              // B
  std::vector<double> observation;        // C
  std::vector<double> direct;             // D
  std::vector<double> process_noise;      // covariance of what the states do by themselves
  std::vector<double> observation_noise;  // covariance of what the signals do by themselves
  std::vector<double> singular_values;    // of the projection: where they fall is the order
  // Eigenvalues of A as (real, imaginary), ascending by the imaginary part, then the real.
  std::vector<std::pair<double, double>> poles;
};

struct SubspaceOptions {
  std::size_t states = 0;  // 0: as many as the singular values say, at most states_most
  std::size_t states_most = 8;
  std::size_t block_rows = 0;  // 0: 20, or as many as the columns' length allows
};

// N4SID on columns without NaN. Refuses: invalid_argument (lengths, NaN), not_found (too short:
// says how many values are needed).
[[nodiscard]] Result<StateSpace> identify_subspace(const InputColumns& signals,
                                                   const InputColumns& inputs,
                                                   const SubspaceOptions& options);

}  // namespace entente::node
