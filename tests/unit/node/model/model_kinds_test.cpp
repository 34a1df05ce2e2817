#include "node/model/model_kinds.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "node/model/model_archive.h"

using namespace entente;
using namespace entente::node;

namespace {

constexpr Instant kBegin{1'440'000'000'000'000'000};

// A spec of each kind that a test can feed with one signal an hour.
ModelSpec spec_of(std::string_view kind) {
  ModelSpec spec;
  spec.kind = kind;
  spec.version = 3;
  spec.signals = {"pm25"};
  spec.step = hours(1);
  if (kind == "linear_state_space") {
    spec.parameters = {{"states", {2}},
                       {"transition", {1, 1, 0, 1}},
                       {"observation", {1, 0}},
                       {"process_noise", {0.01, 0.001}},
                       {"observation_noise", {1}}};
  } else if (kind != "detector") {
    spec.parameters = {{"periods", {24}}, {"horizon", {6}}, {"warm_up", {400}}};
  }
  return spec;
}

double value_at(int hour, std::mt19937_64& random) {
  if (hour % 37 == 5) return kMissing;
  return 20 + 8 * std::sin(hour * 2 * 3.14159265 / 24) + std::normal_distribution<>(0, 1)(random);
}

void feed(Model& model, int from, int to, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  for (int hour = from; hour < to; ++hour) {
    const double value = value_at(hour, random);
    REQUIRE(model.update({kBegin + hours(hour), {&value, 1}}));
  }
}

}  // namespace

TEST_SUITE("node/model/model_kinds") {
  TEST_CASE("every kind goes on from its saved bytes exactly as it would have") {
    const ModelKinds kinds;
    REQUIRE(kinds.all().size() >= 5);
    for (const ModelKind& kind : kinds.all()) {
      CAPTURE(kind.name);
      CHECK_FALSE(kind.summary.empty());
      for (const int saved_at : {0, 1, 250, 700}) {
        CAPTURE(saved_at);
        auto model = kinds.make(spec_of(kind.name));
        REQUIRE(model);
        feed(**model, 0, saved_at, 1);
        const Bytes bytes = (*model)->save();
        auto loaded = kinds.load(bytes);
        REQUIRE(loaded);
        CHECK((*loaded)->spec() == (*model)->spec());
        CHECK((*loaded)->save() == bytes);
        feed(**model, saved_at, 720, 2);
        feed(**loaded, saved_at, 720, 2);
        CHECK((*loaded)->save() == (*model)->save());
        const auto said = (*model)->predict(hours(6), {}), again = (*loaded)->predict(hours(6), {});
        REQUIRE(said.has_value() == again.has_value());
        if (!said) continue;
        for (std::size_t k = 0; k < 6; ++k) {
          CHECK(said->paths[0][k].mean == again->paths[0][k].mean);
          CHECK(said->paths[0][k].ninety.low == again->paths[0][k].ninety.low);
        }
        CHECK(said->model_version == 3);
      }
    }
  }

  TEST_CASE("saved bytes that are cut or changed are refused at every byte") {
    const ModelKinds kinds;
    auto model = kinds.make(spec_of("linear_state_space"));
    REQUIRE(model);
    feed(**model, 0, 30, 1);
    const Bytes bytes = (*model)->save();
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      CAPTURE(i);
      CHECK_FALSE(kinds.load(ByteView(bytes).first(i)));
      Bytes changed = bytes;
      changed[i] ^= 0x40;
      CHECK_FALSE(kinds.load(changed));
    }
    REQUIRE(kinds.load(bytes));  // the negative control
  }

  TEST_CASE("what a kind does not know is refused by name") {
    const ModelKinds kinds;
    ModelSpec spec = spec_of("theta");
    spec.kind = "crystal_ball";
    const auto unknown = kinds.make(spec);
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().code == ErrorCode::not_found);
    CHECK(unknown.error().remedy.find("theta") != std::string::npos);
    spec = spec_of("theta");
    spec.parameters["periodz"] = {24};
    const auto misspelt = kinds.make(spec);
    REQUIRE_FALSE(misspelt);
    CHECK(misspelt.error().what.find("periodz") != std::string::npos);
    spec = spec_of("theta");
    spec.parameters["warm_up"] = {20};
    CHECK_FALSE(kinds.make(spec));
    spec = spec_of("theta");
    spec.step = {};
    CHECK_FALSE(kinds.make(spec));
  }

  TEST_CASE("an observation that is late or of another size changes nothing") {
    const ModelKinds kinds;
    for (const ModelKind& kind : kinds.all()) {
      CAPTURE(kind.name);
      auto model = kinds.make(spec_of(kind.name));
      REQUIRE(model);
      feed(**model, 0, 50, 1);
      const Bytes before = (*model)->save();
      const double two[] = {1, 2};
      CHECK((*model)->update({kBegin + hours(60), two}).error().code ==
            ErrorCode::invalid_argument);
      CHECK((*model)->update({kBegin + hours(49), {two, 1}}).error().code == ErrorCode::stale);
      CHECK((*model)->save() == before);
    }
  }

  TEST_CASE("a kind given by hand is made and loaded like those of the folder") {
    const ModelKinds built_in;
    ModelKind echo = *std::find_if(built_in.all().begin(), built_in.all().end(),
                                   [](const ModelKind& kind) { return kind.name == "theta"; });
    echo.name = "echo";
    const ModelKinds kinds({echo});
    ModelSpec spec = spec_of("theta");
    CHECK_FALSE(kinds.make(spec));
    spec.kind = "echo";
    const auto model = kinds.make(spec);
    REQUIRE(model);
    CHECK(kinds.load((*model)->save()));
    CHECK(ModelKinds().load((*model)->save()).error().code == ErrorCode::not_found);
  }
}
