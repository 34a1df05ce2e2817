#include "node/model/kalman.h"

#include <doctest/doctest.h>

#include <Eigen/Eigenvalues>
#include <Eigen/LU>
#include <random>

#include "node/model/linear_model.h"
#include "node/model/model_kinds.h"

using namespace entente;
using namespace entente::node;
using Eigen::Matrix;

namespace {

using System = kalman::System<2, 1>;

System tracking() {
  System s;
  s.transition << 1, 1, 0, 1;
  s.observation << 1, 0;
  s.process_noise << 0.02, 0.01, 0.01, 0.02;
  s.observation_noise << 4;
  return s;
}

struct Track {
  std::vector<Matrix<double, 2, 1>> states;
  std::vector<double> seen;
};

Track simulate(const System& s, int steps, std::mt19937_64& random) {
  std::normal_distribution<> normal;
  const Matrix<double, 2, 2> root = s.process_noise.llt().matrixL();
  Track track;
  Matrix<double, 2, 1> x(normal(random), normal(random));
  for (int t = 0; t < steps; ++t) {
    if (t > 0) x = s.transition * x + root * Matrix<double, 2, 1>(normal(random), normal(random));
    track.states.push_back(x);
    track.seen.push_back(x(0) + 2 * normal(random));
  }
  return track;
}

kalman::State<2> unit_state() {
  return {Matrix<double, 2, 1>::Zero(), Matrix<double, 2, 2>::Identity()};
}

}  // namespace

TEST_SUITE("node/model/kalman") {
  TEST_CASE("the filter equals the batch posterior of all states") {
    std::mt19937_64 random(1);
    CAPTURE(1);
    const System s = tracking();
    const int steps = 12;
    const Track track = simulate(s, steps, random);
    // All states in one Gaussian: minus log density is quadratic, its minimum the posterior.
    Eigen::MatrixXd information = Eigen::MatrixXd::Zero(2 * steps, 2 * steps);
    Eigen::VectorXd weighted = Eigen::VectorXd::Zero(2 * steps);
    information.topLeftCorner(2, 2).setIdentity();
    Eigen::MatrixXd link(2, 4);
    link << -s.transition, Eigen::Matrix2d::Identity();
    for (int t = 0; t < steps; ++t) {
      if (t > 0) {
        information.block(2 * t - 2, 2 * t - 2, 4, 4) +=
            link.transpose() * s.process_noise.inverse() * link;
      }
      if (t % 5 == 3) continue;  // missing
      information(2 * t, 2 * t) += 1 / s.observation_noise(0);
      weighted(2 * t) += track.seen[t] / s.observation_noise(0);
    }
    const Eigen::MatrixXd covariance = information.inverse();
    const Eigen::VectorXd mean = covariance * weighted;

    kalman::State<2> plain = unit_state();
    kalman::RootState<2> root{plain.mean, plain.covariance.llt().matrixL()};
    const Matrix<double, 2, 2> process_root = kalman::root_of(s.process_noise);
    for (int t = 0; t < steps; ++t) {
      if (t > 0) {
        kalman::predict<2, 1>(s, Matrix<double, 2, 1>::Zero(), plain);
        kalman::predict_root<2>(s.transition, process_root, Matrix<double, 2, 1>::Zero(), root);
      }
      Matrix<double, 1, 1> z(t % 5 == 3 ? kMissing : track.seen[t]);
      kalman::correct<2, 1>(s, z, plain);
      kalman::correct_root<2, 1>(s.observation, s.observation_noise.diagonal(), z, root);
    }
    CHECK((plain.mean - mean.tail(2)).norm() < 1e-9);
    CHECK((plain.covariance - covariance.bottomRightCorner(2, 2)).norm() < 1e-9);
    CHECK((root.mean - plain.mean).norm() < 1e-9);
    CHECK((root.root * root.root.transpose() - plain.covariance).norm() < 1e-9);
  }

  TEST_CASE("errors and innovations are as large as the filter says and not when Q is wrong") {
    for (const double wrong : {1.0, 50.0}) {
      CAPTURE(wrong);
      const System truth = tracking();
      System told = truth;
      told.process_noise *= wrong;
      double errors = 0, innovations = 0;
      const int runs = 100, steps = 50;
      for (int run = 0; run < runs; ++run) {
        std::mt19937_64 random(static_cast<std::uint64_t>(run));
        const Track track = simulate(truth, steps, random);
        kalman::State<2> state = unit_state();
        for (int t = 0; t < steps; ++t) {
          if (t > 0) kalman::predict<2, 1>(told, Matrix<double, 2, 1>::Zero(), state);
          const auto innovation =
              kalman::correct<2, 1>(told, Matrix<double, 1, 1>(track.seen[t]), state);
          innovations += innovation.squared_distance;
        }
        const Matrix<double, 2, 1> off = track.states.back() - state.mean;
        errors += off.dot(state.covariance.llt().solve(off));
      }
      // 95 % of chi-squared with 200 and with 5,000 degrees of freedom.
      const bool consistent = errors > 162.7 && errors < 241.1;
      const bool white = innovations > 4'805.9 && innovations < 5'197.9;
      CHECK((consistent && white) == (wrong == 1.0));
    }
  }

  TEST_CASE("Joseph form stays positive over a million ill-conditioned steps") {
    System s = tracking();
    s.transition << 0.9999, 1e-3, 0, 0.9999;
    s.process_noise << 1e-12, 0, 0, 1e-9;
    s.observation_noise << 1e-6;
    kalman::State<2> state{Matrix<double, 2, 1>::Zero(), Eigen::Vector2d(1e6, 1e-6).asDiagonal()};
    bool positive = true;
    for (int t = 0; t < 1'000'000; ++t) {
      kalman::predict<2, 1>(s, Matrix<double, 2, 1>::Zero(), state);
      kalman::correct<2, 1>(s, Matrix<double, 1, 1>(t % 2 == 0 ? 1.0 : kMissing), state);
      positive = positive && state.covariance(0, 0) > 0 && state.covariance.determinant() > 0;
    }
    CHECK(positive);
  }

  TEST_CASE("the extended filter equals the linear one on a linear model and follows a pendulum") {
    const System s = tracking();
    std::mt19937_64 random(4);
    const Track track = simulate(s, 40, random);
    kalman::State<2> plain = unit_state(), extended = unit_state();
    for (const double seen : track.seen) {
      const Matrix<double, 1, 1> z(seen);
      kalman::predict<2, 1>(s, Matrix<double, 2, 1>::Zero(), plain);
      kalman::correct<2, 1>(s, z, plain);
      kalman::predict_extended<2>([&](const auto& x) { return (s.transition * x).eval(); },
                                  [&](const auto&) { return s.transition; }, s.process_noise,
                                  extended);
      kalman::correct_extended<2, 1>([&](const auto& x) { return (s.observation * x).eval(); },
                                     [&](const auto&) { return s.observation; },
                                     s.observation_noise, z, extended);
    }
    CHECK((plain.mean - extended.mean).norm() < 1e-9);
    CHECK((plain.covariance - extended.covariance).norm() < 1e-9);

    const double dt = 0.02;
    const auto swing = [&](const Matrix<double, 2, 1>& x) {
      return Matrix<double, 2, 1>(x(0) + dt * x(1), x(1) - dt * 9.81 * std::sin(x(0)));
    };
    const auto slopes = [&](const Matrix<double, 2, 1>& x) {
      Matrix<double, 2, 2> f;
      f << 1, dt, -dt * 9.81 * std::cos(x(0)), 1;
      return f;
    };
    Matrix<double, 2, 1> truth(1.2, 0);
    kalman::State<2> guess = unit_state();
    std::normal_distribution<> normal;
    for (int t = 0; t < 1'000; ++t) {
      truth = swing(truth);
      kalman::predict_extended<2>(swing, slopes, 1e-6 * Eigen::Matrix2d::Identity(), guess);
      kalman::correct_extended<2, 1>(
          [](const auto& x) { return Matrix<double, 1, 1>(std::sin(x(0))); },
          [](const auto& x) { return Matrix<double, 1, 2>(std::cos(x(0)), 0); },
          Matrix<double, 1, 1>(0.01),
          Matrix<double, 1, 1>(std::sin(truth(0)) + 0.1 * normal(random)), guess);
    }
    CHECK((guess.mean - truth).norm() < 0.1);
  }

  TEST_CASE("the steady gain is where the filter settles and an unseen unstable mode has none") {
    System s = tracking();
    Matrix<double, 2, 1> gain;
    Matrix<double, 2, 2> predicted;
    REQUIRE(kalman::steady_gain<2, 1>(s, gain, predicted));
    kalman::State<2> state = unit_state();
    for (int t = 0; t < 500; ++t) {
      kalman::correct<2, 1>(s, Matrix<double, 1, 1>(0.0), state);
      kalman::predict<2, 1>(s, Matrix<double, 2, 1>::Zero(), state);
    }
    CHECK((state.covariance - predicted).norm() < 1e-8);
    s.transition << 1, 0, 0, 1.5;
    CHECK_FALSE(kalman::steady_gain<2, 1>(s, gain, predicted));
  }
}

TEST_SUITE("node/model/linear_model") {
  ModelSpec spec_of(std::vector<double> transition, bool continuous) {
    ModelSpec spec;
    spec.kind = "linear_state_space";
    spec.signals = {"level"};
    spec.inputs = {"inflow"};
    spec.step = seconds(10);
    spec.parameters = {{"states", {1}},           {"transition", std::move(transition)},
                       {"observation", {1}},      {"input", {0.5}},
                       {"process_noise", {0.01}}, {"observation_noise", {0.1}}};
    if (continuous) spec.parameters["continuous"] = {1};
    return spec;
  }

  TEST_CASE("a continuous model takes irregular times exactly") {
    // x' = -0.1 x + 0.5 u from 4 with u = 1: x(t) = 5 - exp(-0.1 t).
    ModelSpec spec = spec_of({-0.1}, true);
    spec.parameters["process_noise"] = {1e-12};
    spec.parameters["observation_noise"] = {1e-9};
    const auto model = ModelKinds().make(spec);
    REQUIRE(model);
    const Instant begin{1'700'000'000'000'000'000};
    const double four = 4, one = 1;
    REQUIRE((*model)->update({begin, {&four, 1}, {&one, 1}}));
    double elapsed = 0;
    for (const int gap : {1, 17, 3, 40}) {
      REQUIRE((*model)->step(seconds(gap), {&one, 1}));
      elapsed += gap;
      CHECK((*model)->state()[0].value ==
            doctest::Approx(5 - std::exp(-0.1 * elapsed)).epsilon(1e-6));
    }
  }

  TEST_CASE("a prediction holds the plan and widens") {
    ModelSpec spec = spec_of({0.9}, false);
    spec.parameters["process_noise"] = {0.1};
    const auto model = ModelKinds().make(spec);
    REQUIRE(model);
    const double value = 10;
    REQUIRE((*model)->update({Instant{0}, {&value, 1}}));
    const auto said = (*model)->predict(seconds(40), {{1}, {3}});
    REQUIRE(said);
    const auto& path = said->paths[0];
    REQUIRE(path.size() == 4);
    CHECK(path[1].mean == doctest::Approx(0.9 * path[0].mean + 1.5));
    CHECK(path[3].mean == doctest::Approx(0.9 * path[2].mean + 1.5));
    CHECK(path[3].ninety.high - path[3].ninety.low > path[0].ninety.high - path[0].ninety.low);
    CHECK(path[0].half.high < path[0].ninety.high);
  }

  TEST_CASE("a steady model ends where the full filter does") {
    ModelSpec steady = spec_of({0.9}, false);
    steady.parameters["steady"] = {1};
    const auto full = ModelKinds().make(spec_of({0.9}, false));
    const auto constant = ModelKinds().make(steady);
    REQUIRE((full && constant));
    for (std::int64_t t = 0; t < 200; ++t) {
      const double value = std::sin(static_cast<double>(t));
      REQUIRE((*full)->update({Instant{} + seconds(10 * t), {&value, 1}}));
      REQUIRE((*constant)->update({Instant{} + seconds(10 * t), {&value, 1}}));
    }
    CHECK((*full)->state()[0].value ==
          doctest::Approx((*constant)->state()[0].value).epsilon(1e-9));
    CHECK((*full)->residual().scales[0] ==
          doctest::Approx((*constant)->residual().scales[0]).epsilon(1e-9));
  }

  TEST_CASE("matrices of other sizes and what is no covariance are refused by name") {
    ModelSpec spec = spec_of({0.9, 1}, false);
    CHECK(ModelKinds().make(spec).error().what.find("transition") != std::string::npos);
    spec = spec_of({0.9}, false);
    spec.parameters["observation_noise"] = {-1};
    CHECK(ModelKinds().make(spec).error().what.find("observation_noise") != std::string::npos);
    spec = spec_of({1.5}, false);
    spec.parameters["observation"] = {0};
    spec.parameters["steady"] = {1};
    CHECK(ModelKinds().make(spec).error().what.find("steady") != std::string::npos);
  }
}
