// Every bad input of a question, by the way it really takes: as a sentence through parser and plan,
// as bytes on the wire, as an export that is declared, under an agreement. Each is refused by a
// code and names what is wrong.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "federation/ask/admission.h"
#include "security/privacy/rho.h"
#include "tests/support/two_organisations.h"

using namespace entente;
using namespace entente::federation;
using entente::test::TwoOrganisations;

namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// What a partner's node makes of a sentence, down to what the site admits.
Error refusal_of(const std::string& sentence) {
  TwoOrganisations both;
  both.agreement.rho_per_block = *security::rho_cap_of(1, both.view.delta);
  both.sign();
  auto parsed = parse_question(sentence);
  if (!parsed) return parsed.error();
  const MemberView member{&both.view, "washington"};
  PlanOptions options;
  options.now = both.now;
  auto planned = plan(*parsed, {&member, 1}, options);
  if (!planned) return planned.error();
  const Bytes bytes = canonical_bytes(*planned->members.front().question);
  auto question = question_from_bytes(bytes);
  if (!question) return question.error();
  const auto admitted =
      admit(*both.site(), both.peer(), both.signed_bytes(both.envelope(*question)), both.now);
  return admitted ? make_error(ErrorCode::internal, "admitted") : admitted.error();
}

// What the site makes of a question that no planner of ours has made.
template <class Change>
Error refusal_of_wire(Change change) {
  TwoOrganisations both;
  Question question = both.question(entente::test::kMeanByState);
  change(question);
  const auto admitted =
      admit(*both.site(), both.peer(), both.signed_bytes(both.envelope(question)), both.now);
  return admitted ? make_error(ErrorCode::internal, "admitted") : admitted.error();
}

template <class Change>
Error refusal_of_agreement(Change change) {
  TwoOrganisations both;
  change(both.agreement.exports.front());
  const auto read = agreement_from_bytes(canonical_bytes(both.agreement));
  return read ? make_error(ErrorCode::internal, "accepted") : read.error();
}

std::string asking(const std::string& item, const std::string& over, const std::string& epsilon) {
  return "SELECT " + item + " FROM air " + over + " WITH (epsilon = " + epsilon +
         ", purpose = 'planning')";
}
const std::string kDay = "OVER '2015-08-23' .. '2015-08-24'";

bool names(const Error& error, std::string_view field) {
  return (error.what + error.remedy).find(field) != std::string::npos;
}

}  // namespace

TEST_SUITE("federation/ask/bad_input") {
  TEST_CASE("every bad sentence is refused by its code and names the field") {
    const std::string huge(400, '9');
    const struct {
      std::string sentence;
      ErrorCode code;
      const char* field;
    } rows[] = {
        {asking("mean(pm25)", kDay, "0"), ErrorCode::epsilon_refused, "epsilon"},
        {asking("mean(pm25)", kDay, "-1"), ErrorCode::epsilon_refused, "epsilon"},
        {asking("mean(pm25)", kDay, "1e9"), ErrorCode::epsilon_refused, "epsilon"},
        {asking("mean(pm25)", kDay, huge), ErrorCode::query_syntax, "number"},
        // Above the agreement, which allows 1 for a whole block.
        {asking("mean(pm25)", kDay, "1.5"), ErrorCode::epsilon_refused, "epsilon 1.5"},
        {asking("mean(pm25)", kDay + " EVERY 7h", "1"), ErrorCode::shape_refused, "EVERY"},
        {asking("mean(pm25)", kDay + " EVERY 30m", "1"), ErrorCode::shape_refused, "EVERY"},
        {asking("mean(pm25)", kDay + " EVERY 0h", "1"), ErrorCode::query_syntax, "length"},
        {asking("mean(pm25)", "OVER '2015-08-23T00:30' .. '2015-08-24'", "1"),
         ErrorCode::shape_refused, "boundary"},
        {asking("mean(pm25)", "OVER '2015-08-24' .. '2015-08-23'", "1"), ErrorCode::query_syntax,
         "window"},
        {asking("histogram(pm25, 0)", kDay, "1"), ErrorCode::query_syntax, "bins"},
        {asking("histogram(pm25, [5, 1])", kDay, "1"), ErrorCode::query_syntax, "ascend"},
        {asking("mean(pm25)", kDay + " WHERE state = 'XX'", "1"), ErrorCode::query_syntax, "WHERE"},
    };
    CHECK(refusal_of(asking("mean(pm25)", kDay, "1")).code == ErrorCode::internal);  // the control
    for (const auto& row : rows) {
      CAPTURE(row.sentence);
      const Error error = refusal_of(row.sentence);
      CAPTURE(error.what);
      CHECK(error.code == row.code);
      CHECK(names(error, row.field));
    }
  }

  TEST_CASE("every bad question on the wire is refused by its code and names the field") {
    const struct {
      std::string what;
      ErrorCode code;
      const char* field;
      void (*change)(Question&);
    } rows[] = {
        {"no lower bound", ErrorCode::invalid_argument, "columns[0]",
         [](Question& q) { q.columns[0].lower = kNone; }},
        {"an infinite upper bound", ErrorCode::invalid_argument, "columns[0]",
         [](Question& q) { q.columns[0].upper = kInfinite; }},
        {"bounds the wrong way round", ErrorCode::invalid_argument, "columns[0]",
         [](Question& q) { q.columns[0].lower = 200, q.columns[0].upper = 0; }},
        {"bounds of no width", ErrorCode::invalid_argument, "columns[0]",
         [](Question& q) { q.columns[0].upper = q.columns[0].lower; }},
        {"bounds wider than the export's", ErrorCode::shape_refused, "bounds",
         [](Question& q) { q.columns[0].upper = 300; }},
        {"no groups", ErrorCode::invalid_argument, "groups", [](Question& q) { q.groups.clear(); }},
        {"a group without cells", ErrorCode::invalid_argument, "groups[0].cells",
         [](Question& q) { q.groups[0].cells.clear(); }},
        {"a tick that does not divide the window", ErrorCode::invalid_argument, "everyNs",
         [](Question& q) { q.every = hours(7); }},
        {"a window that ends before it begins", ErrorCode::invalid_argument, "toNs",
         [](Question& q) { std::swap(q.window.from, q.window.to); }},
        {"no charge", ErrorCode::epsilon_refused, "epsilon",
         [](Question& q) { q.rho_per_block = 0; }},
        {"a charge above the agreement", ErrorCode::epsilon_refused, "epsilon",
         [](Question& q) { q.rho_per_block = std::uint64_t{1} << 45; }},
        {"all the charge there is", ErrorCode::epsilon_refused, "epsilon",
         [](Question& q) { q.rho_per_block = UINT64_MAX; }},
    };
    CHECK(refusal_of_wire([](Question&) {}).code == ErrorCode::internal);  // the control
    for (const auto& row : rows) {
      CAPTURE(row.what);
      const Error error = refusal_of_wire(row.change);
      CAPTURE(error.what);
      CHECK(error.code == row.code);
      CHECK(names(error, row.field));
    }
  }

  TEST_CASE("an agreement about an export with bad bounds or times or groups names the field") {
    const struct {
      std::string what;
      const char* field;
      void (*change)(ExportView&);
    } rows[] = {
        {"no bound", "bounds", [](ExportView& v) { v.measures[0].bounds[0].lower = kNone; }},
        {"an infinite bound", "bounds",
         [](ExportView& v) { v.measures[0].bounds[0].upper = kInfinite; }},
        {"bounds the wrong way round", "bounds",
         [](ExportView& v) { v.measures[0].bounds[0].lower = 300; }},
        {"no cells", "cells", [](ExportView& v) { v.cells.clear(); }},
        {"a tick of nothing", "tick", [](ExportView& v) { v.tick = Duration{}; }},
        {"a tick that does not divide the block", "tick", [](ExportView& v) { v.tick = hours(7); }},
        {"groups beyond the limit", "groupsPerUnit",
         [](ExportView& v) { v.groups_per_unit = 5'000; }},
        {"a delta of 1", "delta", [](ExportView& v) { v.delta = {std::uint64_t{1} << 60}; }},
    };
    CHECK(refusal_of_agreement([](ExportView&) {}).code == ErrorCode::internal);  // the control
    for (const auto& row : rows) {
      CAPTURE(row.what);
      const Error error = refusal_of_agreement(row.change);
      CAPTURE(error.what);
      CHECK(error.code == ErrorCode::agreement_invalid);
      CHECK(names(error, row.field));
    }
  }
}
