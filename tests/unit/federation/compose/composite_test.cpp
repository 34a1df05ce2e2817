#include "federation/compose/composite.h"

#include <doctest/doctest.h>

#include <set>

#include "federation/compose/merge.h"
#include "federation/query/parser.h"
#include "tests/support/two_organisations.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;

namespace {

// Two members with the air export of TwoOrganisations; the second has its own cells.
struct TwoMembers {
  TwoOrganisations both;
  OrgId self = both.random.id<OrgId>();
  SystemTwin system;
  std::vector<CompositeMember> members;

  TwoMembers() {
    system.name = "smoke";
    system.answer = CompositeTerms::Answer::routed;
    system.members = {{"air", "washington"}, {"air", "oregon"}};
    ExportView oregon = both.view;
    oregon.cells = {{{"OR", "Lane"}, 12}, {{"WA", "Clark"}, 5}};
    oregon.measures.front().bounds.front() = {Reducer::mean, 0, 150};
    oregon.tick = hours(4);
    members = {{both.provider, "washington", {100}, both.view},
               {both.consumer, "oregon", {60}, oregon}};
  }
  Result<Composite> made() const { return compose(system, self, "main", members); }

  Question question(const Composite& composite, const std::string& text) const {
    const auto sentence = parse_question(text);
    const MemberView member{&composite.view, "region"};
    PlanOptions options;
    options.now = both.now;
    auto planned = plan(*sentence, {&member, 1}, options);
    REQUIRE(planned);
    return *planned->members.front().question;
  }
};

const char* const kWindow = " OVER '2015-08-23' .. '2015-08-24' WITH (epsilon = 1)";

}  // namespace

TEST_SUITE("compose/composite") {
  TEST_CASE(
      "from outside a composite is an export with its members' cells and the strictest rules") {
    const TwoMembers given;
    const auto made = given.made();
    REQUIRE(made);
    const ExportView& view = made->view;
    CHECK(view.keys == std::vector<std::string>{"state", "county", "organisation"});
    REQUIRE(view.cells.size() == 4);
    CHECK(view.cells[2].values == std::vector<std::string>{"OR", "Lane", "oregon"});
    CHECK(view.declared_units() == 45);
    CHECK(view.tick == hours(4));
    CHECK(view.rho_cap == RhoUnits{60});
    CHECK(view.measures.front().bounds_for(Reducer::mean)->upper == 150);
    CHECK(view.composite->leaves.size() == 2);
    // It is what partners sign: its bytes are read again.
    const auto again = export_view_from_bytes(canonical_bytes(view));
    REQUIRE(again);
    CHECK(*again == view);
  }

  TEST_CASE("a question becomes one for each member about its own cells") {
    const TwoMembers given;
    const auto made = given.made();
    REQUIRE(made);
    const Question asked =
        given.question(*made, std::string("SELECT mean(pm25) FROM smoke GROUP BY state") + kWindow);
    REQUIRE(asked.groups.size() == 2);
    const auto parts = member_questions(*made, asked);
    REQUIRE(parts.size() == 2);
    for (std::size_t m = 0; m < 2; ++m) {
      REQUIRE(parts[m].question);
      // The members accept it as their own: keys, cells, bounds, ticks.
      CHECK(check_question(*parts[m].question, given.members[m].view, given.both.now));
      CHECK(parts[m].question->columns == asked.columns);
    }
    // oregon has both states: its first group is OR, the asked second.
    REQUIRE(parts[1].groups.size() == 2);
    CHECK(parts[1].question->groups[0].values == std::vector<std::string>{"OR"});
    CHECK(asked.groups[parts[1].groups[0]].values == std::vector<std::string>{"OR"});

    const Question one = given.question(
        *made, std::string("SELECT mean(pm25) FROM smoke WHERE organisation = 'oregon'") + kWindow);
    const auto alone = member_questions(*made, one);
    CHECK_FALSE(alone[0].question);
    CHECK(alone[1].question);
  }

  TEST_CASE("a composite of composites keeps apart what it reaches") {
    TwoMembers given;
    const auto inner = given.made();
    REQUIRE(inner);
    SystemTwin outer = given.system;
    outer.name = "coast";
    const OrgId top = given.both.random.id<OrgId>();
    const CompositeMember member{given.self, "region", {50}, inner->view};
    const auto made = compose(outer, top, "main", {member});
    REQUIRE(made);
    CHECK(made->view.cells[2].values.back() == "region/oregon");
    CHECK(made->view.composite->leaves[1].name == "region/oregon");
    CHECK(made->view.composite->within == std::vector<CompositeTerms::Name>{{given.self, "smoke"}});
    const Question asked = given.question(
        *made, std::string("SELECT mean(pm25) FROM coast GROUP BY organisation") + kWindow);
    const auto parts = member_questions(*made, asked);
    REQUIRE(parts.front().question);
    CHECK(check_question(*parts.front().question, inner->view, given.both.now));
    CHECK(parts.front().question->groups[1].values == std::vector<std::string>{"oregon"});
  }

  TEST_CASE("what cannot be composed is refused with the member and the reason") {
    const struct {
      const char* word;
      void (*change)(TwoMembers&);
    } rows[] = {
        {"zone", [](TwoMembers& m) { m.members[1].view.zone = "America/Los_Angeles"; }},
        {"unit", [](TwoMembers& m) { m.members[1].view.unit = "property:owner"; }},
        {"tick", [](TwoMembers& m) { m.members[1].view.tick = minutes(90); }},
        {"signal", [](TwoMembers& m) { m.members[1].view.measures.front().unit = "ppm"; }},
        {"signal",
         [](TwoMembers& m) {
           m.members[1].view.measures.front().bounds.front() = {Reducer::mean, 300, 400};
         }},
        {"no member", [](TwoMembers& m) { m.members.clear(); }},
        {"twice",
         [](TwoMembers& m) {
           m.system.answer = CompositeTerms::Answer::own;
           m.members[1].organisation = m.members[0].organisation;
         }},
        {"itself",
         [](TwoMembers& m) {
           CompositeTerms terms;
           terms.leaves = {{m.both.provider, "main", "air", "x"}};
           terms.within = {{m.self, "smoke"}};
           m.members[1].view.composite = terms;
         }},
        {"answers for itself",
         [](TwoMembers& m) {
           CompositeTerms terms;
           terms.answer = CompositeTerms::Answer::own;
           terms.leaves = {{m.self, "main", "air", "x"}};
           m.members[1].view.composite = terms;
         }},
    };
    for (const auto& row : rows) {
      CAPTURE(row.word);
      TwoMembers given;
      row.change(given);
      const auto made = given.made();
      REQUIRE_FALSE(made);
      CAPTURE(made.error().what);
      CHECK(made.error().code == ErrorCode::config_invalid);
      CHECK(made.error().what.find(row.word) != std::string::npos);
    }
    // Routed, one domain on two ways is the site's to answer once.
    TwoMembers twice;
    twice.members[1].organisation = twice.members[0].organisation;
    const auto made = twice.made();
    REQUIRE(made);
    CHECK(made->view.composite->leaves.size() == 1);
  }

  TEST_CASE("merged releases are the sums of the integers on the finest lattice") {
    const auto part = [](int exponent, std::uint64_t variance, std::vector<std::size_t> groups,
                         std::vector<std::int64_t> values) {
      auto made = std::make_shared<AnsweredPart>();
      made->plan.groups = std::move(groups);
      made->release.statistics = {{exponent, variance, 1}};
      for (std::uint32_t g = 0; g < values.size(); ++g) {
        made->release.cells.push_back({g, 0, {values[g]}});
      }
      return std::shared_ptr<const AnsweredPart>(made);
    };
    // Group 0 of both, group 1 of the first alone, group 2 of the second alone.
    const auto merged =
        merge_releases({part(-2, 9, {0, 1}, {100, 7}), part(0, 4, {2, 0}, {5, -3})});
    REQUIRE(merged);
    REQUIRE(merged->size() == 3);
    std::set<std::uint32_t> groups;
    for (const Release& release : *merged) {
      REQUIRE(release.cells.size() == 1);
      const ReleasedCell& cell = release.cells.front();
      groups.insert(cell.group);
      const Statistic& statistic = release.statistics.front();
      if (cell.group == 0) {
        CHECK(statistic == Statistic{-2, 9 + 4 * 16, 1});
        CHECK(cell.mantissas.front() == 100 - 3 * 4);
      } else if (cell.group == 1) {
        CHECK(statistic == Statistic{-2, 9, 1});
        CHECK(cell.mantissas.front() == 7);
      } else {
        CHECK(statistic == Statistic{0, 4, 1});
        CHECK(cell.mantissas.front() == 5);
      }
    }
    CHECK(groups == std::set<std::uint32_t>{0, 1, 2});
    // Beyond 64 bits there is no sum.
    CHECK_FALSE(merge_releases({part(-40, 9, {0}, {1}), part(0, 4, {0}, {1})}));
    CHECK_FALSE(merge_releases({part(0, 9, {0}, {INT64_MAX}), part(0, 4, {0}, {1})}));
  }
}
