#include "node/derived/derived_signals.h"

#include <algorithm>

#include "node/derived/limits.h"
#include "node/store/audit_log.h"

namespace entente::node {
namespace {

constexpr std::size_t kOthersTried = 100;  // twins of each definition that was there before

Error config_error(const std::string& why) {
  return make_error(ErrorCode::config_invalid, why);
}

// What a definition for a type is tried on besides its twins, which may be none.
Twin any_twin(const std::string& type) {
  Twin twin;
  twin.type = type;
  return twin;
}

Outcome fits(const DerivedBook& book, const TwinGraph& graph, const DerivedBook::Entry& entry,
             std::size_t most) {
  const DerivedSignal& signal = entry.signal;
  if (!signal.twin.empty()) {
    const Twin* twin = graph.find(signal.twin);
    if (twin == nullptr) return {};
    auto bound = bind_expression(book, graph, *twin, entry);
    return bound ? Outcome{} : Outcome(std::move(bound).error());
  }
  if (graph.types().find(signal.type) == nullptr) return {};
  auto bound = bind_expression(book, graph, any_twin(signal.type), entry);
  if (!bound) return std::move(bound).error();
  const auto members = graph.members(signal.type);
  for (std::size_t i = 0; i < members.size() && i < most; ++i) {
    auto each = bind_expression(book, graph, graph.twins()[members[i]], entry);
    if (!each) return std::move(each).error();
  }
  return {};
}

// The definition is of something that is there, and is the only one of its name for it.
Outcome stands(const DerivedBook& book, const TwinGraph& graph, const DerivedSignal& signal) {
  const Twin* twin = signal.twin.empty() ? nullptr : graph.find(signal.twin);
  const std::string type_id = twin != nullptr ? twin->type : signal.type;
  const ResolvedType* type = graph.types().find(type_id);
  if (type == nullptr) {
    return make_error(ErrorCode::not_found,
                      "there is no " + (signal.twin.empty() ? "type '" + signal.type + "'"
                                                            : "twin '" + signal.twin + "'"),
                      "see 'entente twin list' and 'entente type list'");
  }
  if (type->signal(signal.name) != nullptr || type->property(signal.name) != nullptr) {
    return config_error(type_id + " has a signal or property '" + signal.name +
                        "' already: give the derived signal another name");
  }
  for (const auto& [key, other] : book.entries) {
    if (key.second != signal.name || other.signal.owner() == signal.owner()) continue;
    const Twin* another = other.signal.twin.empty() ? nullptr : graph.find(other.signal.twin);
    const std::string other_type = another != nullptr ? another->type : other.signal.type;
    const bool both_twins = !signal.twin.empty() && !other.signal.twin.empty();
    const bool meet =
        graph.types().is_a(other_type, type_id) || graph.types().is_a(type_id, other_type);
    if (meet && !both_twins) {
      return make_error(ErrorCode::conflict,
                        "'" + signal.name + "' of " + signal.owner() + " is defined for " +
                            other.signal.owner() + " as well",
                        "give one of them another name");
    }
  }
  return {};
}

}  // namespace

const char* DerivedSignals::migration() {
  return "CREATE TABLE derived_signal (owner TEXT NOT NULL, name TEXT NOT NULL,"
         "  definition TEXT NOT NULL, since INTEGER NOT NULL, actor TEXT NOT NULL,"
         "  PRIMARY KEY (owner, name)) STRICT, WITHOUT ROWID;";
}

std::shared_ptr<const DerivedBook> DerivedSignals::book() const {
  return book_.with([](const auto& book) { return book; });
}

Outcome DerivedSignals::load() {
  auto reader = parts_.store.reader();
  if (!reader) return std::move(reader).error();
  auto book = std::make_shared<DerivedBook>();
  Statement rows = reader->prepare("SELECT definition, since, actor FROM derived_signal");
  while (rows.step()) {
    auto read = read_derived(rows.text(0), "derived_signal");
    Outcome added = read ? book->add(read->front(), {rows.integer(1)}, rows.text(2))
                         : Outcome(std::move(read).error());
    if (!added) {
      return make_error(ErrorCode::store_failed,
                        "a stored derived signal does not read: " + added.error().what);
    }
  }
  book_.with([&](auto& current) { current = std::move(book); });
  return {};
}

Outcome DerivedSignals::check(const DerivedBook& before, const DerivedBook& book,
                              const std::vector<DerivedSignal>& given) const {
  const auto state = parts_.twins();
  for (const DerivedSignal& signal : given) {
    if (auto fine = stands(book, state->graph, signal); !fine) return fine;
    const std::string exported = parts_.exported ? parts_.exported(signal.name) : std::string();
    if (!exported.empty()) {
      return make_error(ErrorCode::conflict,
                        "the export '" + exported + "' measures a signal '" + signal.name +
                            "': derived signals are not exported, since what a unit contributes "
                            "to an answer depends on its own readings only",
                        "give the derived signal another name");
    }
  }
  for (const auto& [key, entry] : book.entries) {
    const bool is_given = std::any_of(given.begin(), given.end(), [&](const auto& one) {
      return one.owner() == key.first && one.name == key.second;
    });
    auto fine = fits(book, state->graph, entry, is_given ? limits::kDerivedTried : kOthersTried);
    if (fine) continue;
    // What types or twins have made unfit by themselves stands in nobody's way.
    const auto was = before.entries.find(key);
    const bool fitted =
        was != before.entries.end() && fits(before, state->graph, was->second, kOthersTried);
    if (is_given || fitted) return fine;
  }
  return {};
}

Outcome DerivedSignals::commit(const std::string& actor, const char* action,
                               const std::shared_ptr<const DerivedBook>& before,
                               std::shared_ptr<const DerivedBook> after) {
  const Instant now = parts_.clock.now();
  std::function<Result<int>(Database&)> job = [&](Database& database) -> Result<int> {
    if (book() != before) {
      return make_error(ErrorCode::conflict, "derived signals were changed meanwhile", "try again");
    }
    const auto told = [&](const DerivedSignal& signal) {
      security::AuditRecord record;
      record.time = now;
      record.actor = actor;
      record.action = action;
      record.object = "signal:" + signal.owner() + "/" + signal.name;
      record.outcome = security::AuditOutcome::done;
      record.detail = {{"value", signal.value}, {"unit", signal.unit}};
      append_audit(database, std::move(record));
    };
    for (const auto& [key, entry] : before->entries) {
      if (after->entries.count(key) > 0) continue;
      database.cached("DELETE FROM derived_signal WHERE owner = ? AND name = ?")
          .bind(1, std::string_view(key.first))
          .bind(2, std::string_view(key.second))
          .run();
      told(entry.signal);
    }
    for (const auto& [key, entry] : after->entries) {
      const auto was = before->entries.find(key);
      if (was != before->entries.end() && was->second.signal == entry.signal) continue;
      const std::string text = derived_text(entry.signal);
      database
          .cached(
              "INSERT OR REPLACE INTO derived_signal (owner, name, definition, since, actor)"
              " VALUES (?, ?, ?, ?, ?)")
          .bind(1, std::string_view(key.first))
          .bind(2, std::string_view(key.second))
          .bind(3, std::string_view(text))
          .bind(4, entry.since.ns)
          .bind(5, std::string_view(entry.actor))
          .run();
      told(entry.signal);
    }
    return 0;
  };
  // Seen before anybody is told, and only when it is durable.
  const Store::Settled<int> settled = [&](const int* done) {
    if (done != nullptr) book_.with([&](auto& current) { current = after; });
  };
  auto kept = parts_.store.run<int>(job, settled);
  return kept ? Outcome{} : Outcome(std::move(kept).error());
}

Outcome DerivedSignals::apply(const std::string& actor, std::vector<DerivedSignal> signals,
                              bool dry_run) {
  const auto before = book();
  auto after = std::make_shared<DerivedBook>(*before);
  for (const DerivedSignal& signal : signals) {
    const auto was = before->entries.find({signal.owner(), signal.name});
    if (was != before->entries.end() && was->second.signal == signal) continue;
    if (auto added = after->add(signal, parts_.clock.now(), actor); !added) return added;
  }
  if (after->entries.size() > limits::kDerivedSignals) {
    return make_error(ErrorCode::overloaded, "there are as many derived signals as a node may have",
                      "remove some, or define them for a type");
  }
  if (auto fine = check(*before, *after, signals); !fine) return fine;
  if (dry_run) return {};
  return commit(actor, "signal.apply", before, std::move(after));
}

Outcome DerivedSignals::remove(const std::string& actor, const std::string& owner,
                               const std::string& name, bool dry_run) {
  const auto before = book();
  auto after = std::make_shared<DerivedBook>(*before);
  if (after->entries.erase({owner, name}) == 0) {
    return make_error(ErrorCode::not_found, "there is no derived signal '" + name + "' of " + owner,
                      "see 'entente signal list'");
  }
  if (auto fine = check(*before, *after, {}); !fine) {
    return make_error(ErrorCode::conflict, "without it another does not fit: " + fine.error().what,
                      "remove that one first");
  }
  if (dry_run) return {};
  return commit(actor, "signal.remove", before, std::move(after));
}

}  // namespace entente::node
