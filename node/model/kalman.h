// Kalman filters over Eigen, fixed-size where the sizes are known: the arithmetic alone, no times,
// no memory of its own. Include it only where the sizes are fixed; models use linear_model.h.
//
//   x' = A x + B u + w, w ~ N(0, Q)        z = C x + v, v ~ N(0, R)
//
// Shapes: A (n x n), C (m x n), Q (n x n), R (m x m), covariances symmetric positive definite (Q
// may be semidefinite). NaN in z: that measurement is missing, exactly as if its row were not
// there. Sources: Bar-Shalom, Li, Kirubarajan (2001), ch. 5 (Joseph form, eq. 5.2.3-18); Kailath,
// Sayed, Hassibi (2000), ch. 12 (array form); Anderson and Moore (1979), ch. 6.7 (doubling).
#pragma once

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <Eigen/QR>
#include <cmath>

namespace entente::node::kalman {

template <int N, int M>
struct System {
  Eigen::Matrix<double, N, N> transition;         // A
  Eigen::Matrix<double, M, N> observation;        // C
  Eigen::Matrix<double, N, N> process_noise;      // Q
  Eigen::Matrix<double, M, M> observation_noise;  // R
};

template <int N>
struct State {
  Eigen::Matrix<double, N, 1> mean;
  Eigen::Matrix<double, N, N> covariance;
};

template <int M>
struct Innovation {
  Eigen::Matrix<double, M, 1> difference;  // 0 where the measurement is missing
  Eigen::Matrix<double, M, M> covariance;  // of it
  double squared_distance = 0;             // chi-squared with `measured` degrees of freedom
  int measured = 0;
};

// A step without a measurement; `drive` is B u.
template <int N, int M>
void predict(const System<N, M>& system, const Eigen::Matrix<double, N, 1>& drive,
             State<N>& state) {
  state.mean = system.transition * state.mean + drive;
  state.covariance =
      system.transition * state.covariance * system.transition.transpose() + system.process_noise;
}

// With given C and R; `difference` is z minus what was expected of it, NaN where missing. Joseph
// form: the covariance stays symmetric and positive whatever the gain's rounding was.
template <int N, int M>
Innovation<M> correct(const Eigen::Matrix<double, M, N>& given_observation,
                      const Eigen::Matrix<double, M, M>& given_noise,
                      const Eigen::Matrix<double, M, 1>& difference, State<N>& state) {
  Innovation<M> innovation;
  innovation.difference = difference;
  innovation.measured = static_cast<int>(difference.size());
  const Eigen::Matrix<double, M, N>* observation = &given_observation;
  const Eigen::Matrix<double, M, M>* noise = &given_noise;
  Eigen::Matrix<double, M, N> fewer;
  Eigen::Matrix<double, M, M> apart;
  if (!difference.allFinite()) {
    // A row of zeros with noise of its own: gains of exactly 0.
    fewer = given_observation, apart = given_noise;
    for (Eigen::Index i = 0; i < difference.size(); ++i) {
      if (std::isfinite(difference(i))) continue;
      fewer.row(i).setZero();
      apart.row(i).setZero();
      apart.col(i).setZero();
      apart(i, i) = 1;
      innovation.difference(i) = 0;
      --innovation.measured;
    }
    observation = &fewer, noise = &apart;
  }
  const Eigen::Matrix<double, N, M> cross = state.covariance * observation->transpose();
  innovation.covariance = *observation * cross + *noise;
  const Eigen::LLT<Eigen::Matrix<double, M, M>> root(innovation.covariance);
  const Eigen::Matrix<double, N, M> gain = root.solve(cross.transpose()).transpose();
  innovation.squared_distance = innovation.difference.dot(root.solve(innovation.difference));
  state.mean += gain * innovation.difference;
  Eigen::Matrix<double, N, N> rest = -gain * *observation;
  rest.diagonal().array() += 1;
  const Eigen::Matrix<double, N, N> updated =
      rest * state.covariance * rest.transpose() + gain * *noise * gain.transpose();
  state.covariance = 0.5 * (updated + updated.transpose());
  return innovation;
}

template <int N, int M>
Innovation<M> correct(const System<N, M>& system, const Eigen::Matrix<double, M, 1>& measured,
                      State<N>& state) {
  const Eigen::Matrix<double, M, 1> difference = measured - system.observation * state.mean;
  return correct<N, M>(system.observation, system.observation_noise, difference, state);
}

// The extended filter's step: `move(x)` gives f(x), `move_slopes(x)` its Jacobian (n x n), d f_i /
// d x_j, both at the mean before the step.
template <int N, class Move, class MoveSlopes>
void predict_extended(const Move& move, const MoveSlopes& move_slopes,
                      const Eigen::Matrix<double, N, N>& process_noise, State<N>& state) {
  const Eigen::Matrix<double, N, N> slopes = move_slopes(state.mean);
  state.mean = move(state.mean);
  state.covariance = slopes * state.covariance * slopes.transpose() + process_noise;
}

// `see(x)` gives h(x), `see_slopes(x)` its Jacobian (m x n), at the predicted mean.
template <int N, int M, class See, class SeeSlopes>
Innovation<M> correct_extended(const See& see, const SeeSlopes& see_slopes,
                               const Eigen::Matrix<double, M, M>& noise,
                               const Eigen::Matrix<double, M, 1>& measured, State<N>& state) {
  const Eigen::Matrix<double, M, N> slopes = see_slopes(state.mean);
  const Eigen::Matrix<double, M, 1> difference = measured - see(state.mean);
  return correct<N, M>(slopes, noise, difference, state);
}

// The same filter on a square root L of the covariance (P = L L', lower triangular): as exact as
// double the digits. For where conditions exceed about 1e12; costs about twice as much.
template <int N>
struct RootState {
  Eigen::Matrix<double, N, 1> mean;
  Eigen::Matrix<double, N, N> root;
};

// Of a positive semidefinite matrix: lower triangular L with L L' = it.
template <class Matrix>
Matrix root_of(const Matrix& covariance) {
  const Eigen::LDLT<Matrix> factors(covariance);
  Matrix lower = factors.matrixL();
  lower = factors.transpositionsP().transpose() * lower;
  const auto scales = factors.vectorD().cwiseMax(0.0).cwiseSqrt().eval();
  // L sqrt(D) after pivoting is not triangular; a QR makes it so.
  const Matrix product = lower * scales.asDiagonal();
  const Eigen::HouseholderQR<Matrix> qr(product.transpose());
  const Matrix upper = qr.matrixQR().template triangularView<Eigen::Upper>();
  return upper.transpose();
}

template <int N>
void predict_root(const Eigen::Matrix<double, N, N>& transition,
                  const Eigen::Matrix<double, N, N>& process_root,
                  const Eigen::Matrix<double, N, 1>& drive, RootState<N>& state) {
  constexpr int kTwice = N == Eigen::Dynamic ? Eigen::Dynamic : 2 * N;
  const Eigen::Index n = transition.rows();
  Eigen::Matrix<double, kTwice, N> stacked(2 * n, n);
  stacked.topRows(n) = (transition * state.root).transpose();
  stacked.bottomRows(n) = process_root.transpose();
  const Eigen::HouseholderQR<Eigen::Matrix<double, kTwice, N>> qr(stacked);
  const Eigen::Matrix<double, N, N> upper =
      qr.matrixQR().topRows(n).template triangularView<Eigen::Upper>();
  state.root = upper.transpose();
  state.mean = transition * state.mean + drive;
}

// One measurement after another (R diagonal), by Potter's method. NaN: left out.
template <int N, int M>
Innovation<M> correct_root(const Eigen::Matrix<double, M, N>& observation,
                           const Eigen::Matrix<double, M, 1>& variances,
                           const Eigen::Matrix<double, M, 1>& measured, RootState<N>& state) {
  Innovation<M> innovation;
  innovation.difference = measured - observation * state.mean;
  const Eigen::Matrix<double, M, N> seen = observation * state.root;
  innovation.covariance = seen * seen.transpose();
  innovation.covariance.diagonal() += variances;
  for (Eigen::Index i = 0; i < measured.size(); ++i) {
    if (!std::isfinite(measured(i))) {
      innovation.difference(i) = 0;
      continue;
    }
    const Eigen::Matrix<double, N, 1> along =
        state.root.transpose() * observation.row(i).transpose();
    const double variance = along.squaredNorm() + variances(i);
    const double difference = measured(i) - observation.row(i).dot(state.mean);
    const Eigen::Matrix<double, N, 1> gain = state.root * along / variance;
    const double shrink = 1 / (1 + std::sqrt(variances(i) / variance));
    state.mean += gain * difference;
    state.root -= shrink * gain * along.transpose();
    innovation.squared_distance += difference * difference / variance;
    ++innovation.measured;
  }
  return innovation;
}

// The gain that a filter with constant parameters settles on, by the doubling algorithm; the
// predicted covariance with it. False when it does not settle (an unstable unobserved mode).
template <int N, int M>
bool steady_gain(const System<N, M>& system, Eigen::Matrix<double, N, M>& gain,
                 Eigen::Matrix<double, N, N>& predicted) {
  using Square = Eigen::Matrix<double, N, N>;
  const Eigen::Index n = system.transition.rows();
  const Square identity = Square::Identity(n, n);
  Square alpha = system.transition.transpose();
  Square beta =
      system.observation.transpose() * system.observation_noise.llt().solve(system.observation);
  Square gamma = system.process_noise;
  for (int i = 0; i < 60; ++i) {
    const Square inner = (identity + beta * gamma).inverse();
    const Square next_gamma = gamma + alpha.transpose() * gamma * inner * alpha;
    const Square next_beta = beta + alpha * inner * beta * alpha.transpose();
    const Square next_alpha = alpha * inner * alpha;
    const double change = (next_gamma - gamma).norm();
    alpha = next_alpha, beta = next_beta, gamma = next_gamma;
    // A mode that grows unseen: its norm overflows before it does.
    if (!std::isfinite(change) || !gamma.allFinite()) return false;
    if (change <= 1e-13 * gamma.norm()) {
      predicted = 0.5 * (gamma + gamma.transpose());
      const Eigen::Matrix<double, N, M> cross = predicted * system.observation.transpose();
      const Eigen::Matrix<double, M, M> seen =
          system.observation * cross + system.observation_noise;
      gain = seen.llt().solve(cross.transpose()).transpose();
      return true;
    }
  }
  return false;
}

}  // namespace entente::node::kalman
