#include "federation/agree/agreement_diff.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "security/privacy/rho.h"

namespace entente::federation {
namespace {

// Who a change favours: the side that asks, the units that are asked about, or neither.
enum class Favours { asker, units, nobody };

std::string digits(double value) {
  char text[32];
  const auto end =
      std::to_chars(text, text + sizeof text, value, std::chars_format::general, 4).ptr;
  return {text, end};
}

std::string list_of(const std::vector<std::string>& names, std::string_view none) {
  if (names.empty()) return std::string(none);
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

std::vector<std::string> aggregate_names(const Agreement& terms) {
  std::vector<std::string> names;
  for (const Aggregate one : terms.aggregates) names.emplace_back(to_text(one));
  return names;
}

std::vector<std::string> export_names(const Agreement& terms) {
  std::vector<std::string> names;
  for (const ExportView& view : terms.exports) names.push_back(view.name);
  return names;
}

// What `a` has and `b` has not.
std::vector<std::string> without(const std::vector<std::string>& a,
                                 const std::vector<std::string>& b) {
  std::vector<std::string> out;
  for (const std::string& one : a) {
    if (std::find(b.begin(), b.end(), one) == b.end()) out.push_back(one);
  }
  return out;
}

class Differ {
 public:
  Differ(const Agreement& before, const Agreement& after, const PartyNames& names)
      : before_(before), after_(after), names_(names) {}

  std::vector<TermChange> run() {
    if (before_.provider != after_.provider) {
      add("provider", before_.provider.short_hex(), after_.provider.short_hex(), Favours::nobody,
          "another organisation provides");
    }
    if (before_.consumer != after_.consumer) {
      add("consumer", before_.consumer.short_hex(), after_.consumer.short_hex(), Favours::nobody,
          "another organisation asks");
    }
    if (before_.name != after_.name) {
      add("name", before_.name, after_.name, Favours::nobody, "it is called otherwise");
    }
    exports();
    allowed_lists();
    sizes();
    amounts();
    rates();
    validity();
    tests();
    return std::move(changes_);
  }

 private:
  void add(std::string term, std::string before, std::string after, Favours favours,
           std::string words) {
    TermChange change{std::move(term), std::move(before), std::move(after), {}, {}, {}};
    const std::string units = names_.provider + "'s units";
    if (favours == Favours::asker) {
      change.gains = names_.consumer;
      change.loses = units;
      words += ": " + units + " lose protection";
    } else if (favours == Favours::units) {
      change.gains = units;
      change.loses = names_.consumer;
      words += ": " + units + " gain protection";
    }
    change.words = std::move(words);
    changes_.push_back(std::move(change));
  }

  // A list whose emptiness means "all".
  void allowed(const char* term, const std::vector<std::string>& before,
               const std::vector<std::string>& after, const std::string& what) {
    const auto gone = without(before, after), come = without(after, before);
    if (gone.empty() && come.empty()) return;
    const bool wider = after.empty() || (!before.empty() && gone.empty());
    const bool narrower = before.empty() || (!after.empty() && come.empty());
    const Favours favours = wider ? Favours::asker : narrower ? Favours::units : Favours::nobody;
    std::string words = names_.consumer + " may ask ";
    if (after.empty()) {
      words += "for any " + what;
    } else if (before.empty()) {
      words += "no longer for any " + what + " but only for " + list_of(after, "");
    } else {
      if (!come.empty()) words += "also for " + list_of(come, "");
      if (!come.empty() && !gone.empty()) words += ", and ";
      if (!gone.empty()) words += "no longer for " + list_of(gone, "");
    }
    add(term, list_of(before, "any"), list_of(after, "any"), favours, std::move(words));
  }

  // A number that protects the more the larger it is.
  void floor(const char* term, const std::string& before, const std::string& after, bool larger,
             const std::string& what) {
    add(term, before, after, larger ? Favours::units : Favours::asker,
        names_.consumer + " may ask about " + what + " of at least " + after + " instead of " +
            before);
  }

  void exports() {
    const auto gone = without(export_names(before_), export_names(after_));
    const auto come = without(export_names(after_), export_names(before_));
    for (const std::string& name : gone) {
      add("exports", name, "", Favours::units, names_.consumer + " may not ask about " + name);
    }
    for (const std::string& name : come) {
      add("exports", "", name, Favours::asker, names_.consumer + " may ask about " + name);
    }
    for (const ExportView& was : before_.exports) {
      const ExportView* is = after_.find_export(was.name);
      if (is != nullptr && *is != was) export_terms(was, *is);
    }
  }

  void export_terms(const ExportView& was, const ExportView& is) {
    const std::string at = "exports." + was.name + ".";
    const std::size_t known = changes_.size();
    if (was.tick != is.tick) {
      add(at + "tick", to_text(was.tick), to_text(is.tick),
          was.tick < is.tick ? Favours::units : Favours::asker,
          "the ticks of " + was.name + " are " + to_text(is.tick) + " long");
    }
    if (was.rho_cap != is.rho_cap || was.delta != is.delta) {
      add(at + "epsilon", digits(security::epsilon_of(was.rho_cap, was.delta)),
          digits(security::epsilon_of(is.rho_cap, is.delta)),
          was.rho_cap < is.rho_cap ? Favours::asker : Favours::units,
          "all partners together may spend epsilon " +
              digits(security::epsilon_of(is.rho_cap, is.delta)) + " of a block");
    }
    for (const Measure& measure : was.measures) {
      if (is.measure(measure.signal) == nullptr) {
        add(at + "measures", measure.signal, "", Favours::units,
            names_.consumer + " may not ask about " + measure.signal);
      }
    }
    for (const Measure& measure : is.measures) {
      const Measure* had = was.measure(measure.signal);
      if (had == nullptr) {
        add(at + "measures", "", measure.signal, Favours::asker,
            names_.consumer + " may ask about " + measure.signal);
      } else if (*had != measure) {
        add(at + "measures." + measure.signal, "", "", Favours::nobody,
            "the unit, reducers or bounds of " + measure.signal + " differ");
      }
    }
    if (was.cells != is.cells || was.keys != is.keys) {
      add(at + "units", std::to_string(was.declared_units()), std::to_string(is.declared_units()),
          Favours::nobody, "the keys or the declared numbers of units of " + was.name + " differ");
    }
    if (changes_.size() == known) {
      add("exports." + was.name, "", "", Favours::nobody,
          "the description of " + was.name + " differs");
    }
  }

  void allowed_lists() {
    allowed("purposes", before_.purposes, after_.purposes, "purpose");
    allowed("aggregates", aggregate_names(before_), aggregate_names(after_), "aggregate");
    const auto come = without(after_.onward, before_.onward);
    const auto gone = without(before_.onward, after_.onward);
    if (come.empty() && gone.empty()) return;
    add("onward", list_of(before_.onward, "none"), list_of(after_.onward, "none"),
        gone.empty()   ? Favours::asker
        : come.empty() ? Favours::units
                       : Favours::nobody,
        names_.consumer + " may share onward through " + list_of(after_.onward, "none"));
  }

  void sizes() {
    const Agreement &was = before_, &is = after_;
    if (was.min_units != is.min_units) {
      floor("min_units", std::to_string(was.min_units), std::to_string(is.min_units),
            is.min_units > was.min_units, "groups of units");
    }
    if (was.min_sites != is.min_sites) {
      floor("min_sites", std::to_string(was.min_sites), std::to_string(is.min_sites),
            is.min_sites > was.min_sites, "numbers of sites");
    }
    if (was.tick_least != is.tick_least) {
      floor("tick_least", to_text(was.tick_least), to_text(is.tick_least),
            is.tick_least > was.tick_least, "cells of time");
    }
    if (was.window_least != is.window_least) {
      floor("window_least", to_text(was.window_least), to_text(is.window_least),
            is.window_least > was.window_least, "windows");
    }
  }

  static std::string block_name(const Agreement& terms) {
    const Duration block = terms.exports.empty() ? Duration{} : terms.exports.front().block;
    if (block.ns == 0) return "for ever";
    return block == days(1) ? "per day" : block == hours(1) ? "per hour" : "per " + to_text(block);
  }

  static double epsilon(const Agreement& terms, RhoUnits rho) {
    return terms.exports.empty() ? 0 : security::epsilon_of(rho, terms.exports.front().delta);
  }

  void amounts() {
    if (before_.rho_per_block != after_.rho_per_block) {
      const std::string was = digits(epsilon(before_, before_.rho_per_block));
      const std::string is = digits(epsilon(after_, after_.rho_per_block));
      add("epsilon_per_block", was, is,
          before_.rho_per_block < after_.rho_per_block ? Favours::asker : Favours::units,
          names_.consumer + " may ask epsilon " + was + " -> " + is + " " + block_name(after_));
    }
    if (before_.rho_guaranteed != after_.rho_guaranteed) {
      const bool more = before_.rho_guaranteed < after_.rho_guaranteed;
      const std::string was = digits(epsilon(before_, before_.rho_guaranteed));
      const std::string is = digits(epsilon(after_, after_.rho_guaranteed));
      TermChange change{"epsilon_guaranteed", was, is, {}, {}, {}};
      (more ? change.gains : change.loses) = names_.consumer;
      (more ? change.loses : change.gains) = names_.provider + "'s other partners";
      change.words = "no other partner may use up epsilon " + is + " instead of " + was + " " +
                     block_name(after_) + " of what " + names_.consumer + " may ask";
      changes_.push_back(std::move(change));
    }
  }

  void rate(const char* term, std::uint32_t was, std::uint32_t is, const char* span) {
    if (was == is) return;
    const auto shown = [](std::uint32_t most) {
      return most == 0 ? std::string("any number of") : std::to_string(most);
    };
    const bool more = is == 0 || (was != 0 && is > was);
    TermChange change{term, was == 0 ? "any" : shown(was), is == 0 ? "any" : shown(is), {}, {}, {}};
    (more ? change.gains : change.loses) = names_.consumer;
    (more ? change.loses : change.gains) = names_.provider;
    change.words = names_.consumer + " may ask " + shown(is) + " questions " + span +
                   " instead of " + shown(was);
    changes_.push_back(std::move(change));
  }

  void rates() {
    rate("questions_per_hour", before_.questions_per_hour, after_.questions_per_hour, "an hour");
    rate("questions_per_day", before_.questions_per_day, after_.questions_per_day, "a day");
  }

  void validity() {
    const auto shown = [](const std::optional<Instant>& at) {
      return at ? to_text(*at) : std::string("when both have signed");
    };
    if (before_.starts != after_.starts) {
      const bool later = after_.starts && (!before_.starts || *before_.starts < *after_.starts);
      add("starts", shown(before_.starts), shown(after_.starts),
          later ? Favours::units : Favours::asker,
          names_.consumer + " may ask from " + shown(after_.starts) + " on");
    }
    if (before_.expires != after_.expires) {
      add("expires", to_text(before_.expires), to_text(after_.expires),
          before_.expires < after_.expires ? Favours::asker : Favours::units,
          names_.consumer + " may ask until " + to_text(after_.expires));
    }
    if (before_.zone != after_.zone) {
      add("zone", before_.zone, after_.zone, Favours::nobody,
          "its days are those of " + (after_.zone.empty() ? "no zone" : after_.zone));
    }
  }

  void tests() {
    const auto has = [](const Agreement& terms, const AgreementTest& test) {
      return std::find(terms.tests.begin(), terms.tests.end(), test) != terms.tests.end();
    };
    const auto name = [](const AgreementTest& test) {
      return std::string(test.must ? "must" : "must_not") + " \"" + test.question + "\"";
    };
    for (const AgreementTest& test : before_.tests) {
      if (has(after_, test)) continue;
      add("test", name(test), "", Favours::nobody, "nobody tests any more: " + name(test));
    }
    for (const AgreementTest& test : after_.tests) {
      if (has(before_, test)) continue;
      add("test", "", name(test), Favours::nobody, "a new test: " + name(test));
    }
  }

  const Agreement& before_;
  const Agreement& after_;
  const PartyNames& names_;
  std::vector<TermChange> changes_;
};

}  // namespace

std::vector<TermChange> agreement_diff(const Agreement& before, const Agreement& after,
                                       const PartyNames& names) {
  return Differ(before, after, names).run();
}

}  // namespace entente::federation
