#include "federation/audit/mechanism_checks.h"

#include <boost/math/distributions/chi_squared.hpp>
#include <cmath>
#include <functional>

#include "security/privacy/rho.h"

namespace entente::federation {
namespace {

// Cells -reach .. reach of single integers, and one for all beyond; each expects enough draws for
// the statistic to follow its law.
constexpr double kExpectedLeast = 20;

struct Law {
  std::string what;
  std::function<long double(std::int64_t)> weight;  // proportional to the probability
  std::function<std::int64_t()> draw;
};

MechanismCheck check_law(const Law& law, std::size_t draws, double risk) {
  long double total = law.weight(0);
  for (std::int64_t x = 1; x < 10'000; ++x) total += 2 * law.weight(x);
  const auto expected = [&](std::int64_t x) {
    return static_cast<double>(law.weight(x) / total * static_cast<long double>(draws));
  };
  std::int64_t reach = 0;
  double beyond = static_cast<double>(draws) - expected(0);
  while (beyond - 2 * expected(reach + 1) >= kExpectedLeast) beyond -= 2 * expected(++reach);
  std::vector<double> seen(static_cast<std::size_t>(2 * reach + 2), 0);
  for (std::size_t i = 0; i < draws; ++i) {
    const std::int64_t x = law.draw();
    const bool within = -reach <= x && x <= reach;
    seen[within ? static_cast<std::size_t>(x + reach) : seen.size() - 1] += 1;
  }
  double statistic = 0;
  const auto add = [&](double found, double hoped) {
    statistic += (found - hoped) * (found - hoped) / hoped;
  };
  for (std::int64_t x = -reach; x <= reach; ++x) {
    add(seen[static_cast<std::size_t>(x + reach)], expected(x));
  }
  add(seen.back(), beyond);
  const boost::math::chi_squared distribution(static_cast<double>(seen.size() - 1));
  MechanismCheck check{law.what, 0, statistic, false, false};
  check.allowed = boost::math::quantile(boost::math::complement(distribution, risk));
  check.refuted = !(check.measured <= check.allowed);
  return check;
}

}  // namespace

MechanismCheck check_gaussian(security::NoiseSource& noise, std::uint64_t variance,
                              std::size_t draws, double risk) {
  const auto weight = [variance](std::int64_t x) {
    const auto at = static_cast<long double>(x);
    return std::exp(-at * at / (2 * static_cast<long double>(variance)));
  };
  return check_law({"discrete Gaussian, variance " + std::to_string(variance), weight,
                    [&noise, variance] { return noise.gaussian(variance); }},
                   draws, risk);
}

MechanismCheck check_laplace(security::NoiseSource& noise, std::uint64_t scale, std::size_t draws,
                             double risk) {
  const auto weight = [scale](std::int64_t x) {
    return std::exp(-std::fabs(static_cast<long double>(x)) / static_cast<long double>(scale));
  };
  return check_law({"discrete Laplace, scale " + std::to_string(scale), weight,
                    [&noise, scale] { return noise.laplace(scale); }},
                   draws, risk);
}

std::vector<MechanismCheck> check_known_answers() {
  std::vector<MechanismCheck> checks;
  const auto add = [&](std::string what, double published, double ours, double tolerance) {
    const bool differs = !(std::fabs(ours - published) <= tolerance * published);
    checks.push_back({std::move(what), published, ours, true, differs});
  };
  const DeltaUnits millionth = *security::delta_of(1e-6);
  const auto cap = [&](double epsilon) {
    return static_cast<double>(security::rho_cap_of(epsilon, millionth)->units);
  };
  // Units of 2^-40, rounded down, from an independent implementation in rational arithmetic.
  add("rho of epsilon 1 at delta 1e-6, units", 26'779'672'616.0, cap(1), 0);
  // OpenDP's test of zCDP to approximate DP, and the bound's own closed form at other points.
  const auto epsilon = [](double rho, double delta) {
    const auto units = static_cast<std::uint64_t>(std::llround(rho * 0x1p40));
    return security::epsilon_of({units}, *security::delta_of(delta));
  };
  add("epsilon of rho 1/32 at delta 1e-3", 0.6880024554878086, epsilon(0.03125, 1e-3), 1e-9);
  add("epsilon of rho 1/2 at delta 1e-6", 5.2215344445, epsilon(0.5, 1e-6), 1e-9);
  add("epsilon of rho 1 at delta 1e-10", 10.0343435813, epsilon(1, 1e-10), 1e-9);
  return checks;
}

}  // namespace entente::federation
