// N4SID: the oblique projection of future signals along future inputs on the past, by one LQ.
#include <Eigen/Core>
#include <Eigen/Eigenvalues>
#include <Eigen/LU>
#include <Eigen/QR>
#include <Eigen/SVD>
#include <algorithm>
#include <cmath>

#include "node/model/identification.h"

namespace entente::node {

namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr std::size_t kBlocksUsual = 20;
constexpr std::size_t kColumnsLeast = 10;  // for each row of the stacked matrix

MatrixXd rows_of(const InputColumns& columns) {
  MatrixXd rows(static_cast<Index>(columns.size()), static_cast<Index>(columns[0].size()));
  for (Index i = 0; i < rows.rows(); ++i) {
    rows.row(i) = Eigen::Map<const Eigen::RowVectorXd>(columns[static_cast<std::size_t>(i)].data(),
                                                       rows.cols());
  }
  return rows;
}

// Block k holds the rows shifted by first + k.
MatrixXd hankel(const MatrixXd& rows, Index first, Index blocks, Index columns) {
  MatrixXd stacked(rows.rows() * blocks, columns);
  for (Index k = 0; k < blocks; ++k) {
    stacked.middleRows(k * rows.rows(), rows.rows()) = rows.middleCols(first + k, columns);
  }
  return stacked;
}

std::vector<double> row_by_row(const MatrixXd& matrix) {
  std::vector<double> numbers;
  for (Index i = 0; i < matrix.rows(); ++i) {
    for (Index j = 0; j < matrix.cols(); ++j) numbers.push_back(matrix(i, j));
  }
  return numbers;
}

// Where the singular values fall most, in logarithms, among the first `most`; those that are
// rounding are left out.
Index order_of(const VectorXd& singular, Index most) {
  Index best = 1;
  double fall = 0;
  const double rounding = 1e-11 * singular(0);
  for (Index n = 1; n <= std::min(most, singular.size() - 1); ++n) {
    const double now =
        std::log(std::max(singular(n - 1), rounding) / std::max(singular(n), rounding));
    if (now > fall) fall = now, best = n;
  }
  return best;
}

struct Sizes {
  Index signals, inputs, blocks, columns;
};

// Extended observability matrix times something invertible, and the singular values.
MatrixXd observability(const MatrixXd& y, const MatrixXd& u, const Sizes& s, Index& states,
                       Index states_most, VectorXd& singular) {
  const Index future_u = s.inputs * s.blocks, past = (s.inputs + s.signals) * s.blocks;
  const Index future_y = s.signals * s.blocks;
  MatrixXd stacked(future_u + past + future_y, s.columns);
  if (s.inputs > 0) {
    stacked.topRows(future_u) = hankel(u, s.blocks, s.blocks, s.columns);
    stacked.middleRows(future_u, future_u) = hankel(u, 0, s.blocks, s.columns);
  }
  stacked.middleRows(2 * future_u, future_y) = hankel(y, 0, s.blocks, s.columns);
  stacked.bottomRows(future_y) = hankel(y, s.blocks, s.blocks, s.columns);
  const Eigen::HouseholderQR<MatrixXd> qr(stacked.transpose());
  const Index all = stacked.rows();
  const MatrixXd upper = qr.matrixQR().topRows(all).triangularView<Eigen::Upper>();
  const MatrixXd lower = upper.transpose();
  // Future signals, their part along future inputs removed: what is left by the past.
  const MatrixXd l32 = lower.block(future_u + past, future_u, future_y, past);
  const Eigen::BDCSVD<MatrixXd> svd(l32, Eigen::ComputeThinU);
  singular = svd.singularValues();
  if (states == 0) states = order_of(singular, states_most);
  MatrixXd gamma = svd.matrixU().leftCols(states);
  for (Index k = 0; k < states; ++k) gamma.col(k) *= std::sqrt(std::max(singular(k), 1e-300));
  return gamma;
}

// B, D and the first state, given A and C: the signals are linear in them.
void find_inputs(const MatrixXd& y, const MatrixXd& u, const MatrixXd& a, const MatrixXd& c,
                 MatrixXd& b, MatrixXd& d, VectorXd& first) {
  const Index n = a.rows(), l = c.rows(), m = u.rows(), time = y.cols();
  const Index width = n + n * m + l * m;
  // Normal equations, one time step after another.
  MatrixXd squares = MatrixXd::Zero(width, width), free = MatrixXd::Identity(n, n);
  VectorXd products = VectorXd::Zero(width);
  MatrixXd driven = MatrixXd::Zero(n, n * m), regressors = MatrixXd::Zero(l, width);
  for (Index t = 0; t < time; ++t) {
    regressors.leftCols(n) = c * free;
    regressors.middleCols(n, n * m) = c * driven;
    for (Index j = 0; j < m; ++j) {
      for (Index i = 0; i < l; ++i) regressors(i, n + n * m + j * l + i) = u(j, t);
    }
    squares.selfadjointView<Eigen::Lower>().rankUpdate(regressors.transpose());
    products += regressors.transpose() * y.col(t);
    free = (a * free).eval();
    driven = (a * driven).eval();
    for (Index j = 0; j < m; ++j) driven.middleCols(j * n, n).diagonal().array() += u(j, t);
  }
  const MatrixXd whole = squares.selfadjointView<Eigen::Lower>();
  const VectorXd solved = whole.completeOrthogonalDecomposition().solve(products);
  first = solved.head(n);
  b = Eigen::Map<const MatrixXd>(solved.data() + n, n, m);
  d = Eigen::Map<const MatrixXd>(solved.data() + n + n * m, l, m);
}

// Covariances of what one-step states and signals leave, from the states seen through the
// observability matrix.
void find_noise(const MatrixXd& y, const MatrixXd& u, const MatrixXd& gamma, const MatrixXd& a,
                const MatrixXd& b, const MatrixXd& c, const MatrixXd& d, StateSpace& found) {
  const Index l = c.rows(), m = u.rows(), blocks = gamma.rows() / l;
  const Index columns = y.cols() - blocks + 1;
  // Toeplitz matrix of the input's responses over the blocks.
  MatrixXd responses = MatrixXd::Zero(l * blocks, m * blocks);
  for (Index i = 0; i < blocks; ++i) {
    for (Index j = 0; j <= i && m > 0; ++j) {
      responses.block(i * l, j * m, l, m) =
          i == j ? d : MatrixXd(gamma.middleRows((i - j - 1) * l, l) * b);
    }
  }
  MatrixXd left = hankel(y, 0, blocks, columns);
  if (m > 0) left -= responses * hankel(u, 0, blocks, columns);
  const MatrixXd states = gamma.colPivHouseholderQr().solve(left);
  MatrixXd moved = states.rightCols(columns - 1) - a * states.leftCols(columns - 1);
  MatrixXd seen = y.leftCols(columns) - c * states;
  if (m > 0) moved -= b * u.leftCols(columns - 1), seen -= d * u.leftCols(columns);
  const MatrixXd q = moved * moved.transpose() / static_cast<double>(columns - 1);
  MatrixXd r = seen * seen.transpose() / static_cast<double>(columns);
  r.diagonal().array() += 1e-12 * (1 + r.diagonal().maxCoeff());
  found.process_noise = row_by_row(0.5 * (q + q.transpose()));
  found.observation_noise = row_by_row(0.5 * (r + r.transpose()));
}

}  // namespace

Result<StateSpace> identify_subspace(const InputColumns& signals, const InputColumns& inputs,
                                     const SubspaceOptions& options) {
  const auto refuse = [](const std::string& why) {
    return make_error(ErrorCode::invalid_argument, why, "give complete columns of one length");
  };
  if (signals.empty()) return refuse("there is no signal to identify");
  const std::size_t length = signals[0].size();
  for (const InputColumns* columns : {&signals, &inputs}) {
    for (const auto& column : *columns) {
      if (column.size() != length) return refuse("columns have different lengths");
      for (const double value : column) {
        if (!std::isfinite(value)) return refuse("a column has a missing value");
      }
    }
  }
  const std::size_t most = options.states > 0 ? options.states : options.states_most;
  Sizes s;
  s.signals = static_cast<Index>(signals.size());
  s.inputs = static_cast<Index>(inputs.size());
  const std::size_t least =
      std::max<std::size_t>((most + signals.size() - 1) / signals.size() + 2, 3);
  // A longer past and future tell slow poles apart: with 20 blocks instead of 6 the poles of the
  // test's system at 20 dB are within 1.2 % instead of 2.7 %, where theory allows 1.
  const std::size_t width = 2 * (signals.size() + inputs.size());
  const std::size_t most_blocks = length / (kColumnsLeast * width + 2);
  const std::size_t usual = std::max(least, std::min(kBlocksUsual, most_blocks));
  s.blocks =
      static_cast<Index>(options.block_rows > 0 ? std::max(options.block_rows, least) : usual);
  const Index rows = (2 * s.inputs + 2 * s.signals) * s.blocks;
  const Index needed = 2 * s.blocks - 1 + 2 * rows;
  if (static_cast<Index>(length) < needed) {
    return make_error(ErrorCode::not_found,
                      "a subspace of that order needs " + std::to_string(needed) + " values",
                      "take more history or fewer states");
  }
  s.columns = static_cast<Index>(length) - 2 * s.blocks + 1;
  const MatrixXd y = rows_of(signals);
  const MatrixXd u = inputs.empty() ? MatrixXd(0, y.cols()) : rows_of(inputs);
  Index states = static_cast<Index>(options.states);
  VectorXd singular;
  const MatrixXd gamma =
      observability(y, u, s, states, static_cast<Index>(options.states_most), singular);
  const Index shifted = s.signals * (s.blocks - 1);
  const MatrixXd a = gamma.topRows(shifted).colPivHouseholderQr().solve(gamma.bottomRows(shifted));
  const MatrixXd c = gamma.topRows(s.signals);
  MatrixXd b, d;
  VectorXd first;
  find_inputs(y, u, a, c, b, d, first);
  StateSpace found;
  found.states = static_cast<std::size_t>(states);
  found.inputs = inputs.size();
  found.signals = signals.size();
  found.transition = row_by_row(a);
  found.input = row_by_row(b);
  found.observation = row_by_row(c);
  found.direct = row_by_row(d);
  found.singular_values.assign(singular.begin(), singular.end());
  find_noise(y, u, gamma, a, b, c, d, found);
  const Eigen::EigenSolver<MatrixXd> eigen(a, false);
  for (Index i = 0; i < states; ++i) {
    found.poles.emplace_back(eigen.eigenvalues()(i).real(), eigen.eigenvalues()(i).imag());
  }
  std::sort(found.poles.begin(), found.poles.end(), [](const auto& p, const auto& q) {
    return p.second != q.second ? p.second < q.second : p.first < q.first;
  });
  return found;
}

}  // namespace entente::node
