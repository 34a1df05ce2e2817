#include "node/daemon/domain_register.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "tests/unit/node/temporary_folder.h"

using namespace entente;
using namespace entente::node;

namespace {

std::unique_ptr<Store> open(const std::filesystem::path& folder) {
  Store::Options options;
  options.path = (folder / "entente.db").string();
  options.migrations = {domain_migration()};
  options.deliver = [](std::function<void()> work) { work(); };
  auto opened = Store::open(std::move(options));
  REQUIRE(opened);
  return std::move(*opened);
}

ExportView air() {
  ExportView view;
  view.name = "air";
  view.domain = "air";
  view.type = "dtmi:test:Monitor;1";
  view.cells = {{{}, 10}};
  view.measures = {{"pm25", "", Reducer::mean, {{Reducer::mean, 0, 200}}}};
  view.delta = {1'000};
  view.rho_cap = {1'000};
  return view;
}

Outcome bind(Store& store, const std::vector<ExportView>& views) {
  Declarations declarations;
  for (const ExportView& view : views) {
    declarations.exports[view.name] = std::make_shared<const ExportView>(view);
  }
  return bind_domains(store, declarations, *TypeRegistry::build({}).registry);
}

}  // namespace

TEST_SUITE("node/daemon/domain_register") {
  TEST_CASE("a domain that was spent cannot be had anew by declaring it otherwise") {
    test::TemporaryFolder folder;
    auto store = open(std::filesystem::path(folder / "entente.db").parent_path());
    REQUIRE(bind(*store, {air()}));
    CHECK(bind(*store, {air()}));
    ExportView changed = air();
    changed.rho_cap.units *= 2;  // a cap is a decision, not what the domain is
    CHECK(bind(*store, {changed}));
    changed = air();
    changed.block = hours(1);
    CHECK_FALSE(bind(*store, {changed}));
    changed = air();
    changed.zone = "America/Boise";
    CHECK_FALSE(bind(*store, {changed}));
    changed = air();
    changed.domain = "air2";
    CHECK_FALSE(bind(*store, {changed}));
    CHECK(bind(*store, {air()}));
  }

  TEST_CASE("a signal lies in one domain, and a domain is declared in one way") {
    test::TemporaryFolder folder;
    auto store = open(std::filesystem::path(folder / "entente.db").parent_path());
    ExportView other = air();
    other.name = "smoke";
    CHECK(bind(*store, {air(), other}));
    other.domain = "smoke";
    CHECK_FALSE(bind(*store, {air(), other}));
    other = air();
    other.name = "smoke";
    other.block = hours(1);
    CHECK_FALSE(bind(*store, {air(), other}));
  }
}
